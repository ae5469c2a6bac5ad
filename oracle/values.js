// @ts-check
/**
 * How values compare, and the ids and times that arguments may be given as.
 */
import { KinescopeError, invalidArgument } from './errors.js'

/** @typedef {boolean | number | bigint | string} Scalar */

const INT64_MIN = -(2n ** 63n)
const INT64_MAX = 2n ** 63n - 1n
const SEQUENCE_BITS = 48n

/**
 * @param {unknown} value
 * @returns {value is Scalar}
 */
export function isScalar(value) {
  return ['boolean', 'number', 'bigint', 'string'].includes(typeof value)
}

/**
 * @param {unknown} value
 * @returns {value is number | bigint}
 */
export function isNumeric(value) {
  return typeof value === 'number' || typeof value === 'bigint'
}

/**
 * Whether a captured number was an integer: -0 and whole numbers from 2^53 on are floats unless they are bigints.
 *
 * @param {unknown} value
 */
export function isInteger(value) {
  return typeof value === 'bigint' || (Number.isSafeInteger(value) && !Object.is(value, -0))
}

/** @param {number | bigint} value a bigint, or a number with a whole value */
export function fitsInt64(value) {
  const exact = BigInt(value)
  return exact >= INT64_MIN && exact <= INT64_MAX
}

/**
 * An integer as rows show it: a number when safe, else a bigint.
 *
 * @param {bigint | number} value
 */
export function safeNumber(value) {
  return Number.isSafeInteger(Number(value)) ? Number(value) : BigInt(value)
}

/**
 * Lone surrogates become U+FFFD, as they do in UTF-8.
 *
 * @param {string} text
 */
export function wellFormed(text) {
  // TypeScript's library of this level does not know it yet, Node 20 does.
  return /** @type {string & { toWellFormed(): string }} */ (text).toWellFormed()
}

/**
 * By exact value: JavaScript's relations between bigint and number never round.
 *
 * @param {number | bigint} a
 * @param {number | bigint} b
 */
export function compareNumbers(a, b) {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * By UTF-8 bytes.
 *
 * @param {string} a
 * @param {string} b
 */
export function compareText(a, b) {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** @param {Scalar} value booleans before numbers before strings */
function typeRank(value) {
  return typeof value === 'boolean' ? 0 : typeof value === 'string' ? 2 : 1
}

/**
 * A total order over scalars of all types.
 *
 * @param {Scalar} a
 * @param {Scalar} b
 * @returns {number}
 */
export function compareScalars(a, b) {
  if (typeRank(a) !== typeRank(b)) return typeRank(a) - typeRank(b)
  if (typeof a === 'string') return compareText(a, /** @type {string} */ (b))
  if (typeof a === 'boolean') return Number(a) - Number(b)
  return compareNumbers(a, /** @type {number | bigint} */ (b))
}

/**
 * A text for which equal values, and only those, are the same: 1, 1n and -0 against 0 included.
 *
 * @param {Scalar} value
 */
export function scalarKey(value) {
  if (typeof value === 'number') return `number:${Number.isInteger(value) ? BigInt(value) : value}`
  return `${typeof value === 'bigint' ? 'number' : typeof value}:${value}`
}

/**
 * The number that a tag's text stands for, if it is a JSON number: whole literals exactly, others as the nearest double.
 *
 * @param {string} text
 * @returns {number | bigint | undefined}
 */
export function numberOfText(text) {
  if (/^-?(0|[1-9][0-9]*)$/.test(text)) return safeNumber(BigInt(text))
  if (!/^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

/**
 * The 64 bits of an `EventId`: 16 of producer, 48 of sequence.
 *
 * @param {unknown} text
 * @returns {bigint | undefined} undefined when it is no id
 */
export function eventIdBits(text) {
  const parts = typeof text === 'string' ? /^(0|[1-9]\d{0,4})-(0|[1-9]\d{0,14})$/.exec(text) : null
  if (!parts) return undefined
  const [producer, sequence] = [BigInt(/** @type {string} */ (parts[1])), BigInt(/** @type {string} */ (parts[2]))]
  if (producer >= 2n ** 16n || sequence >= 2n ** SEQUENCE_BITS) return undefined
  return (producer << SEQUENCE_BITS) | sequence
}

/**
 * @param {unknown} value
 * @param {string} where
 */
export function requireEventId(value, where) {
  const bits = eventIdBits(value)
  if (bits === undefined) throw invalidArgument(where, 'an event id "<producer>-<sequence>"', value)
  return bits
}

/**
 * Nanoseconds as given: a bigint of 64 bits, a safe integer, and for wall times a valid Date.
 *
 * @param {unknown} value
 * @param {string} where
 * @param {boolean} wall whether a Date will do
 * @returns {bigint}
 */
export function requireTime(value, where, wall) {
  if (typeof value === 'bigint' && fitsInt64(value)) return value
  if (Number.isSafeInteger(value)) return BigInt(/** @type {number} */ (value))
  if (wall && value instanceof Date && !Number.isNaN(value.getTime())) return BigInt(value.getTime()) * 1_000_000n
  throw invalidArgument(where, `nanoseconds as a 64-bit bigint or a safe integer${wall ? ', or a Date' : ''}`, value)
}

/**
 * @param {string} field
 * @param {string} expected
 * @param {unknown} came
 */
export function typeMismatch(field, expected, came) {
  const shown = typeof came === 'string' ? JSON.stringify(came) : String(came)
  return new KinescopeError('TYPE_MISMATCH', `${field}: is ${expected} and cannot be compared with ${shown} (${typeof came})`, { field })
}
