// @ts-check
/**
 * Reading built-in objects through the language's own functions, as they were when this module was loaded, so that nothing
 * that a user has overridden is called.
 */
import { types } from 'node:util'

const { apply, getOwnPropertyDescriptor, getPrototypeOf } = Reflect

/**
 * @param {object} prototype
 * @param {PropertyKey} key
 * @returns {(receiver: any) => any}
 */
function getterOf(prototype, key) {
  const { get } = /** @type {PropertyDescriptor} */ (getOwnPropertyDescriptor(prototype, key))
  return (receiver) => apply(/** @type {() => any} */ (get), receiver, [])
}

const { forEach: forEachOfMap } = Map.prototype
const { forEach: forEachOfSet } = Set.prototype
const { getTime, toISOString } = Date.prototype
const regExpSource = getterOf(RegExp.prototype, 'source')
/** In the order of `RegExp.prototype.flags`. @type {[string, (receiver: any) => any][]} */
const regExpFlags = [
  ['d', getterOf(RegExp.prototype, 'hasIndices')],
  ['g', getterOf(RegExp.prototype, 'global')],
  ['i', getterOf(RegExp.prototype, 'ignoreCase')],
  ['m', getterOf(RegExp.prototype, 'multiline')],
  ['s', getterOf(RegExp.prototype, 'dotAll')],
  ['u', getterOf(RegExp.prototype, 'unicode')],
  ['v', getterOf(RegExp.prototype, 'unicodeSets')],
  ['y', getterOf(RegExp.prototype, 'sticky')],
]

/** @type {(array: any) => number} */
export const typedArrayLength = getterOf(getPrototypeOf(Uint8Array.prototype) ?? {}, 'length')

/**
 * The value of an own enumerable data property; `ACCESSOR` when only user code could tell it, `HIDDEN` when there is none.
 *
 * @param {object} object no proxy
 * @param {string} key
 * @returns {unknown}
 */
export function ownData(object, key) {
  const descriptor = describeOwn(object, key)
  if (descriptor === ownData.ACCESSOR) return descriptor
  if (!descriptor?.enumerable) return ownData.HIDDEN
  return 'value' in descriptor ? descriptor.value : ownData.ACCESSOR
}

/**
 * An array's item, enumerable or not.
 *
 * @param {object} list no proxy
 * @param {number} index
 * @returns {unknown}
 */
export function ownItem(list, index) {
  const descriptor = describeOwn(list, String(index))
  if (descriptor === undefined) return ownData.HIDDEN
  return 'value' in descriptor ? descriptor.value : ownData.ACCESSOR
}

ownData.ACCESSOR = Symbol('accessor')
ownData.HIDDEN = Symbol('hidden')

/**
 * @param {object} object
 * @param {string} key
 * @returns {any}
 */
function describeOwn(object, key) {
  try {
    return getOwnPropertyDescriptor(object, key)
  } catch {
    // A module namespace throws for an export that is not initialized yet.
    return ownData.ACCESSOR
  }
}

/**
 * Own or inherited, by data descriptors only; a proxy in the chain ends it.
 *
 * @param {object} object
 * @param {string} key
 * @returns {unknown}
 */
export function inheritedData(object, key) {
  for (let holder = /** @type {object | null} */ (object); holder !== null && !types.isProxy(holder); holder = getPrototypeOf(holder)) {
    const descriptor = describeOwn(holder, key)
    if (descriptor !== undefined) return descriptor === ownData.ACCESSOR ? undefined : descriptor.value
  }
  return undefined
}

/**
 * Name and message. The stack is left alone: on some versions of Node even looking at its descriptor runs
 * `Error.prepareStackTrace`.
 *
 * @param {Error} error
 */
export function errorParts(error) {
  const [name, message] = [inheritedData(error, 'name'), inheritedData(error, 'message')]
  return { name: typeof name === 'string' ? name : 'Error', message: typeof message === 'string' ? message : '' }
}

/** @param {Date} date */
export function dateText(date) {
  return Number.isNaN(apply(getTime, date, [])) ? undefined : apply(toISOString, date, [])
}

/** @param {RegExp} regExp */
export function regExpText(regExp) {
  const flags = regExpFlags.filter(([, isSet]) => isSet(regExp)).map(([flag]) => flag)
  return `/${regExpSource(regExp)}/${flags.join('')}`
}

/** @param {Function} fn */
export function functionText(fn) {
  const name = getOwnPropertyDescriptor(fn, 'name')?.value
  return typeof name === 'string' && name !== '' ? `[Function ${name}]` : '[Function]'
}

/**
 * @param {Map<unknown, unknown>} map
 * @returns {[unknown, unknown][]}
 */
export function mapEntries(map) {
  /** @type {[unknown, unknown][]} */
  const entries = []
  apply(forEachOfMap, map, [(/** @type {unknown} */ value, /** @type {unknown} */ key) => entries.push([key, value])])
  return entries
}

/**
 * @param {Set<unknown>} set
 * @returns {unknown[]}
 */
export function setItems(set) {
  /** @type {unknown[]} */
  const items = []
  apply(forEachOfSet, set, [(/** @type {unknown} */ item) => items.push(item)])
  return items
}

/**
 * Type and message of anything that can be thrown: an object's `name` and `message`, else what `typeof` says and its text.
 *
 * @param {unknown} thrown
 * @returns {{ error_type: string, message: string }}
 */
export function thrownParts(thrown) {
  if (thrown === null) return { error_type: 'null', message: 'null' }
  if (typeof thrown !== 'object' && typeof thrown !== 'function') return { error_type: typeof thrown, message: String(thrown) }
  if (types.isProxy(thrown)) return { error_type: typeof thrown, message: '' }
  const [name, message] = [inheritedData(thrown, 'name'), inheritedData(thrown, 'message')]
  if (typeof thrown === 'function') return { error_type: 'function', message: typeof name === 'string' ? name : '' }
  return { error_type: typeof name === 'string' ? name : 'object', message: typeof message === 'string' ? message : '' }
}

/**
 * `error.stack`, read plainly and once: this may run `Error.prepareStackTrace` or a getter.
 *
 * @param {unknown} thrown
 * @returns {Record<string, string>} empty when it is no string
 */
export function stackOf(thrown) {
  if (typeof thrown !== 'object' || thrown === null || types.isProxy(thrown)) return {}
  try {
    const { stack } = /** @type {{ stack?: unknown }} */ (thrown)
    return typeof stack === 'string' ? { stack } : {}
  } catch {
    return {}
  }
}
