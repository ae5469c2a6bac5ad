// @ts-check
/**
 * The order of results.
 */
import { invalidArgument } from './errors.js'
import { resolveField, sortValue } from './fields.js'
import { compareNumbers, compareScalars, isScalar } from './values.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {(a: any, b: any) => number} Compare */

/**
 * By (`timestamp`, `seq`).
 *
 * @param {Event} a
 * @param {Event} b
 */
export function compareInTime(a, b) {
  return compareNumbers(a.timestamp, b.timestamp) || compareNumbers(a.seq, b.seq)
}

/**
 * Descending is the exact mirror of ascending, ties by `seq` included, except that absent values stay last.
 *
 * @param {unknown} sortBy a field; undefined: `timestamp`
 * @param {unknown} sortOrder `'asc'` (default) or `'desc'`
 * @param {string} where
 * @returns {Compare}
 */
export function compileOrder(sortBy, sortOrder, where) {
  if (sortOrder !== undefined && sortOrder !== 'asc' && sortOrder !== 'desc') throw invalidArgument(`${where}.sortOrder`, "'asc' or 'desc'", sortOrder)
  const field = resolveField(sortBy ?? 'timestamp', `${where}.sortBy`)
  const sign = sortOrder === 'desc' ? -1 : 1
  return (a, b) => {
    const order = compareAbsentLast(sortValue(field, a), sortValue(field, b), sign)
    return order || sign * compareNumbers(a.seq, b.seq)
  }
}

/**
 * Booleans, numbers, strings; everything else counts as absent and comes last whatever the sign.
 *
 * @param {unknown} a
 * @param {unknown} b
 * @param {number} sign 1 ascending, -1 descending
 */
export function compareAbsentLast(a, b, sign) {
  if (isScalar(a) && isScalar(b)) return sign * compareScalars(a, b)
  return Number(isScalar(b)) - Number(isScalar(a))
}
