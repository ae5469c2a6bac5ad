/** What is known of a thrown value without running code of its own. */
import {
  bigintToString,
  domExceptionGetters,
  domExceptionPrototype,
  getDescriptor,
  getPrototypeOf,
  isProxy,
  numberToString,
  symbolToString,
} from './intrinsics.js'

/** How far up a prototype chain is looked: a chain can be of any length. */
const MAX_PROTOTYPES = 32

/** A string in a data property, own or inherited, or of a DOMException; `undefined` where it is anything else. */
function dataString(value: object, name: 'name' | 'message'): string | undefined {
  let holder: object | null = value
  for (let i = 0; i < MAX_PROTOTYPES && holder !== null && !isProxy(holder); i++) {
    const descriptor = getDescriptor(holder, name)
    if (descriptor !== undefined) {
      if (typeof descriptor.value === 'string') return descriptor.value
      // With this prototype directly below, no code but the runtime's is reached.
      return holder === domExceptionPrototype && getPrototypeOf(value) === holder ? domExceptionText(value, name) : undefined
    }
    holder = getPrototypeOf(holder)
  }
  return undefined
}

function domExceptionText(value: object, name: 'name' | 'message'): string | undefined {
  try {
    const text = domExceptionGetters[name](value)
    return typeof text === 'string' ? text : undefined
  } catch {
    // Anything can be given this prototype.
    return undefined
  }
}

/** The name of an error, by data properties only; `'Error'` where there is none. */
export function errorName(error: object): string {
  return dataString(error, 'name') ?? 'Error'
}

/** The message of an error, by data properties only; empty where there is none. */
export function errorText(error: object): string {
  return dataString(error, 'message') ?? ''
}

/**
 * Type and message of anything that can be thrown.
 *
 * @returns `errorType`: an object's `name`, else what `typeof` says; `message`: an object's `message`, a primitive's text.
 * @example
 * thrownFacts(new TypeError('no')) // { errorType: 'TypeError', message: 'no' }
 * thrownFacts('no') // { errorType: 'string', message: 'no' }
 */
export function thrownFacts(thrown: unknown): { errorType: string; message: string } {
  switch (typeof thrown) {
    case 'string':
      return { errorType: 'string', message: thrown }
    case 'number':
      return { errorType: 'number', message: numberToString(thrown) }
    case 'bigint':
      return { errorType: 'bigint', message: bigintToString(thrown) }
    case 'symbol':
      return { errorType: 'symbol', message: symbolToString(thrown) }
    case 'boolean':
      return { errorType: 'boolean', message: thrown ? 'true' : 'false' }
    case 'undefined':
      return { errorType: 'undefined', message: 'undefined' }
    case 'function':
      return { errorType: 'function', message: isProxy(thrown) ? '' : (dataString(thrown, 'name') ?? '') }
    default:
      if (thrown === null) return { errorType: 'null', message: 'null' }
      if (isProxy(thrown)) return { errorType: 'object', message: '' }
      return { errorType: dataString(thrown as object, 'name') ?? 'object', message: errorText(thrown as object) }
  }
}

/** `error.stack`, read plainly and once: this may run `Error.prepareStackTrace` or a getter. */
export function readStack(error: unknown): unknown {
  if (typeof error !== 'object' || error === null || isProxy(error)) return undefined
  try {
    return (error as { stack?: unknown }).stack
  } catch {
    return undefined
  }
}
