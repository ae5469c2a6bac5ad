// @ts-check
/**
 * The aggregate functions, each over the events of every group at once: whether a sum is an integer is a property of the
 * column, not of one group.
 */
import { KinescopeError, invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { resolveField } from './fields.js'
import { compareNumbers, isInteger, isNumeric, isScalar, numberOfText, safeNumber, scalarKey } from './values.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {import('./fields.js').Field} Field */
/** @typedef {number | bigint} Numeric */
/** @typedef {(groups: Event[][]) => (Numeric | null)[]} Finish one value per group */

const FUNCTIONS = ['count', 'countDistinct', 'sum', 'avg', 'min', 'max', 'quantile']

/**
 * @param {unknown} spec such as `{ sum: 'data.bytes' }` or `{ quantile: 'data.duration_ns', q: 0.95 }`
 * @param {string} where
 * @returns {Finish}
 */
export function accumulatorOf(spec, where) {
  if (!isPlainArgument(spec)) throw invalidArgument(where, `an object with one of ${FUNCTIONS.join(', ')}`, spec)
  const named = FUNCTIONS.filter((name) => spec[name] !== undefined)
  const name = named[0]
  if (name === undefined || named.length > 1) throw invalidArgument(where, `exactly one of ${FUNCTIONS.join(', ')}`, spec)
  rejectUnknownKeys(spec, name === 'quantile' ? ['quantile', 'q', 'exact'] : [name], where)
  if (name === 'count' && spec.count === '*') return (groups) => groups.map((events) => events.length)
  const field = resolveField(spec[name], `${where}.${name}`)
  if (name === 'count') return (groups) => groups.map((events) => events.filter((event) => isPresent(field.read(event))).length)
  if (name === 'countDistinct') return (groups) => groups.map((events) => countDistinct(events.map(field.read)))
  if (!['integer', 'time', 'json', 'tag'].includes(field.kind)) {
    throw new KinescopeError('TYPE_MISMATCH', `${where}.${name}: ${field.name} is no number`, { field: field.name })
  }
  const reduce = reducerOf(name, spec, where)
  return (groups) => reduce(groups.map((events) => numbersOf(field, events)))
}

/** @param {unknown} value */
function isPresent(value) {
  return value !== null && value !== undefined
}

/** @param {unknown[]} values objects and arrays are skipped */
function countDistinct(values) {
  return new Set(values.filter(isScalar).map(scalarKey)).size
}

/**
 * Absent and non-numeric values are skipped; a tag counts as the number that its text is.
 *
 * @param {Field} field
 * @param {Event[]} events
 * @returns {Numeric[]}
 */
function numbersOf(field, events) {
  const values = events.map(field.read)
  return (field.kind === 'tag' ? values.map((text) => (typeof text === 'string' ? numberOfText(text) : undefined)) : values).filter(isNumeric)
}

/**
 * @param {string} name
 * @param {Record<string, unknown>} spec
 * @param {string} where
 * @returns {(groups: Numeric[][]) => (Numeric | null)[]}
 */
function reducerOf(name, spec, where) {
  if (name === 'sum') return sums
  if (name === 'avg') return (groups) => groups.map((values) => (values.length === 0 ? null : Number(sumOf(values)) / values.length))
  if (name === 'min') return (groups) => groups.map((values) => sorted(values)[0] ?? null)
  if (name === 'max') return (groups) => groups.map((values) => sorted(values).at(-1) ?? null)
  const { q, exact } = spec
  if (typeof q !== 'number' || !(q >= 0 && q <= 1)) throw invalidArgument(`${where}.q`, 'a number from 0 to 1', q)
  if (exact !== undefined && typeof exact !== 'boolean') throw invalidArgument(`${where}.exact`, 'a boolean', exact)
  return (groups) => groups.map((values) => nearestRank(sorted(values), q))
}

/**
 * Exact where every number is an integer; with a float in any group all sums are floats.
 *
 * @param {Numeric[][]} groups
 */
function sums(groups) {
  const allIntegers = groups.every((values) => values.every(isInteger))
  return groups.map((values) => {
    if (values.length === 0) return null
    const sum = sumOf(values)
    return allIntegers ? safeNumber(sum) : Number(sum)
  })
}

/**
 * Integers are added exactly, floats in the order of the log.
 *
 * @param {Numeric[]} values
 */
function sumOf(values) {
  const integers = values.filter(isInteger).reduce((/** @type {bigint} */ sum, value) => sum + BigInt(value), 0n)
  const floats = values.filter((value) => !isInteger(value))
  if (floats.length === 0) return integers
  return Number(integers) + floats.reduce((/** @type {number} */ sum, value) => sum + Number(value), 0)
}

/** @param {Numeric[]} values */
function sorted(values) {
  return [...values].sort(compareNumbers)
}

/**
 * The smallest value that at least the share `q` of all values does not exceed. Method: nearest rank, `ceil(q * n)`.
 *
 * @param {Numeric[]} ascending
 * @param {number} q
 */
function nearestRank(ascending, q) {
  const rank = Math.max(1, Math.ceil(q * ascending.length))
  return ascending[rank - 1] ?? null
}
