// @ts-check
/**
 * Values as JSON, without running user code: proxies are recognized first, then own keys and data descriptors are taken,
 * and built-ins are known by `util.types`.
 *
 * Limits: the outermost container has depth 1, and a container deeper than `maxDepth` is cut; `maxFields` counts the fields
 * written; `maxStringLength` counts UTF-16 code units, and a longer key ends its object (`size`). `maxEventBytes` depends on the
 * binary form of a record, so the oracle makes no other cut for `size`.
 */
import { types } from 'node:util'
import { formatPath } from './fields.js'
import { wellFormed } from './values.js'
import { dateText, errorParts, functionText, mapEntries, ownData, ownItem, regExpText, setItems, typedArrayLength } from './built-ins.js'

/** @typedef {import('../index.js').CaptureLimits} CaptureLimits */
/** @typedef {(string | number)[]} Path a number is an array's index */
/** @typedef {{ limits: CaptureLimits, redact: ReadonlySet<string>, cuts: Record<string, string> }} Context */
/** @typedef {{ limits: CaptureLimits, redact: ReadonlySet<string> }} CaptureSettings */

const UINT64_END = 2n ** 64n
const INT64_START = -(2n ** 63n)
const HUGE = 2n ** 4096n

/**
 * @param {unknown} value
 * @param {CaptureSettings} settings
 * @returns {{ value: any, cuts: Record<string, string> }} `value` undefined: absent; `cuts`: path to reason
 */
export function capture(value, { limits, redact }) {
  const context = { limits, redact, cuts: {} }
  return { value: captureValue(value, [], context), cuts: context.cuts }
}

/**
 * A value as the only field of a root object that the recorder makes itself, which is never redacted.
 *
 * @param {string} name
 * @param {unknown} value
 * @param {CaptureSettings} settings
 */
export function captureField(name, value, { limits, redact }) {
  const context = { limits, redact, cuts: {} }
  const captured = captureValue(value, [name], context)
  return { value: { [name]: captured ?? null }, cuts: context.cuts }
}

/**
 * Strings as the fields of an object that the recorder makes itself.
 *
 * @param {Record<string, string>} texts
 * @param {Path} path of that object
 * @param {CaptureSettings} settings
 */
export function captureTexts(texts, path, { limits, redact }) {
  const context = { limits, redact, cuts: {} }
  const entries = Object.entries(texts).map(([name, text]) => [name, captureString(text, [...path, name], context)])
  return { value: Object.fromEntries(entries), cuts: context.cuts }
}

/**
 * The payload with `$cut` as the last field of its root; a root that is no object moves into `$value`.
 *
 * @param {{ value: any, cuts: Record<string, string> }} captured
 */
export function withCuts({ value, cuts }) {
  if (Object.keys(cuts).length === 0) return value ?? null
  if (!isJsonObject(value)) return { $value: value, $cut: cuts }
  const { $cut: _givesWay, ...rest } = value
  return { ...rest, $cut: cuts }
}

/** @param {any} value */
export function isJsonObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * @param {Context} context
 * @param {Path} path
 * @param {string} reason
 */
function cut(context, path, reason) {
  addCut(context.cuts, path, reason)
  return null
}

/**
 * Defined, not assigned: a path may be `__proto__`.
 *
 * @param {Record<string, string>} cuts
 * @param {Path} path
 * @param {string} reason
 */
export function addCut(cuts, path, reason) {
  Object.defineProperty(cuts, formatPath('', path), { value: reason, enumerable: true, configurable: true, writable: true })
}

/**
 * @param {any} value
 * @param {Path} path
 * @param {Context} context
 * @returns {any} undefined only for undefined
 */
function captureValue(value, path, context) {
  switch (typeof value) {
    case 'string':
      return captureString(value, path, context)
    case 'number':
      return Number.isFinite(value) ? value : cut(context, path, 'non_finite')
    case 'bigint':
      return captureBigInt(value, path, context)
    case 'symbol':
      return captureString(Symbol.prototype.toString.call(value), path, context)
    case 'function':
      return types.isProxy(value) ? cut(context, path, 'proxy') : captureString(functionText(value), path, context)
    case 'object':
      return value === null ? null : captureObject(value, path, context)
    default:
      return value
  }
}

/**
 * Never splits a surrogate pair.
 *
 * @param {string} text
 * @param {Path} path
 * @param {Context} context
 */
function captureString(text, path, context) {
  const { maxStringLength } = context.limits
  if (text.length > maxStringLength) cut(context, path, 'length')
  return cutText(text, maxStringLength)
}

/**
 * At most so many UTF-16 code units, without splitting a surrogate pair; lone surrogates as U+FFFD.
 *
 * @param {string} text
 * @param {number} maxLength
 */
export function cutText(text, maxLength) {
  if (text.length <= maxLength) return wellFormed(text)
  const splitsPair = /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(text.slice(maxLength - 1, maxLength + 1))
  return wellFormed(text.slice(0, splitsPair ? maxLength - 1 : maxLength))
}

/**
 * @param {bigint} value
 * @param {Path} path
 * @param {Context} context
 */
function captureBigInt(value, path, context) {
  // The text of a bigint takes time with the square of its length.
  if (value > HUGE || value < -HUGE) return cut(context, path, 'bigint')
  if (value >= INT64_START && value < UINT64_END) return Number.isSafeInteger(Number(value)) ? Number(value) : value
  const text = captureString(String(value), path, context)
  cut(context, path, 'bigint')
  return text
}

/**
 * @param {object} value
 * @param {Path} path
 * @param {Context} context
 */
function captureObject(value, path, context) {
  if (types.isProxy(value)) return cut(context, path, 'proxy')
  if (types.isDate(value)) {
    const text = dateText(value)
    return text === undefined ? cut(context, path, 'non_finite') : captureString(text, path, context)
  }
  if (types.isRegExp(value)) return captureString(regExpText(value), path, context)
  // A container at path [a, b] lies inside two others.
  if (path.length >= context.limits.maxDepth) return cut(context, path, 'depth')
  if (types.isNativeError(value)) return captureError(value, path, context)
  if (types.isMap(value)) return captureMap(mapEntries(value), path, context)
  if (types.isSet(value)) return captureItems(setItems(value), path, context)
  if (types.isTypedArray(value)) return captureIndexed(value, typedArrayLength(value), path, context)
  if (Array.isArray(value)) return captureIndexed(value, value.length, path, context)
  return captureFields(value, path, context)
}

/** What {@link ownData} answers for a place that only user code could read. */
const ACCESSOR = ownData.ACCESSOR
const HIDDEN = ownData.HIDDEN

/**
 * Own enumerable properties with string keys.
 *
 * @param {object} object
 * @param {Path} path
 * @param {Context} context
 */
function captureFields(object, path, context) {
  const { limits, redact } = context
  /** @type {[string, any][]} */
  const entries = []
  for (const rawKey of Reflect.ownKeys(object)) {
    if (typeof rawKey !== 'string') continue
    const found = ownData(object, rawKey)
    if (found === undefined || found === HIDDEN) continue
    if (entries.length === limits.maxFields || rawKey.length > limits.maxStringLength) {
      cut(context, path, entries.length === limits.maxFields ? 'fields' : 'size')
      break
    }
    const key = wellFormed(rawKey)
    const place = [...path, key]
    if (redact.has(rawKey)) entries.push([key, cut(context, place, 'redacted')])
    else entries.push([key, found === ACCESSOR ? cut(context, place, 'getter') : captureValue(found, place, context)])
  }
  return Object.fromEntries(entries)
}

/**
 * @param {Error} error
 * @param {Path} path
 * @param {Context} context
 */
function captureError(error, path, context) {
  const parts = errorParts(error)
  return { name: captureString(parts.name, [...path, 'name'], context), message: captureString(parts.message, [...path, 'message'], context) }
}

/**
 * Pairs of key and value; the value of a redacted name is left out here too.
 *
 * @param {[unknown, unknown][]} entries
 * @param {Path} path
 * @param {Context} context
 */
function captureMap(entries, path, context) {
  const isRedacted = (/** @type {[unknown, unknown]} */ [key]) => typeof key === 'string' && context.redact.has(key) && path.length + 1 < context.limits.maxDepth
  return captureItems(entries, path, context, (entry, place) => {
    if (!isRedacted(entry)) return captureItem(entry, place, context)
    return [captureString(/** @type {string} */ (entry[0]), [...place, 0], context), cut(context, [...place, 1], 'redacted')]
  })
}

/**
 * @template T
 * @param {T[]} items
 * @param {Path} path
 * @param {Context} context
 * @param {(item: T, path: Path) => any} [captureOne]
 */
function captureItems(items, path, context, captureOne = (item, place) => captureItem(item, place, context)) {
  if (items.length > context.limits.maxItems) cut(context, path, 'length')
  return items.slice(0, context.limits.maxItems).map((item, index) => captureOne(item, [...path, index]))
}

/**
 * @param {object} list an array or a typed array
 * @param {number} length
 * @param {Path} path
 * @param {Context} context
 */
function captureIndexed(list, length, path, context) {
  if (length > context.limits.maxItems) cut(context, path, 'length')
  return Array.from({ length: Math.min(length, context.limits.maxItems) }, (_, index) => {
    return captureItem(ownItem(list, index), [...path, index], context)
  })
}

/**
 * @param {unknown} item
 * @param {Path} path
 * @param {Context} context
 */
function captureItem(item, path, context) {
  if (item === ACCESSOR) return cut(context, path, 'getter')
  return item === HIDDEN ? null : (captureValue(item, path, context) ?? null)
}
