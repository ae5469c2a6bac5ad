// @ts-check
/**
 * Projection: which fields a row has, and of which type.
 */
import { invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { resolveField } from './fields.js'
import { jsonText } from './json.js'
import { fitsInt64, isInteger, isNumeric, numberOfText, safeNumber } from './values.js'

/** @typedef {'i64' | 'f64' | 'bool' | 'utf8' | 'json'} ProjectedType */
/** @typedef {{ field: import('./fields.js').Field, as: ProjectedType | null }} Item `as` null: the column's own type */

const TYPES = ['i64', 'f64', 'bool', 'utf8', 'json']

/**
 * @param {unknown} projection
 * @param {string} where
 * @returns {Item[] | null} null: no projection; a path that still needs its type has `as: null`
 */
export function parseProjection(projection, where) {
  if (projection === undefined) return null
  if (!Array.isArray(projection) || projection.length === 0) throw invalidArgument(where, 'a non-empty array of fields', projection)
  const items = projection.map((item, index) => parseItem(item, `${where}[${index}]`))
  const keys = items.map(({ field }) => field.key)
  const repeated = keys.findIndex((key, index) => keys.indexOf(key) !== index)
  if (repeated >= 0) throw invalidArgument(`${where}[${repeated}]`, 'a field that is not projected yet', keys[repeated])
  return items
}

/**
 * @param {unknown} item
 * @param {string} where
 * @returns {Item}
 */
function parseItem(item, where) {
  if (!isPlainArgument(item)) return { field: resolveField(item, where), as: null }
  rejectUnknownKeys(item, ['field', 'as'], where)
  if (!TYPES.includes(/** @type {string} */ (item.as))) throw invalidArgument(`${where}.as`, `one of ${TYPES.join(', ')}`, item.as)
  return { field: resolveField(item.field, `${where}.field`), as: /** @type {ProjectedType} */ (item.as) }
}

/**
 * Gives every path without `as` the type of what the snapshot holds: all integers `i64` (if they fit), numbers `f64`, one
 * type that type, objects, arrays and mixtures `json`; nothing at all `json`.
 *
 * @param {Item[]} items
 * @param {readonly any[]} events the whole snapshot
 * @returns {Item[]}
 */
export function settleTypes(items, events) {
  return items.map((item) => {
    const isPath = item.field.kind === 'json' && item.field.identity !== 'data'
    return item.as === null && isPath ? { ...item, as: typeOf(events.map(item.field.read)) } : item
  })
}

/**
 * @param {readonly any[]} values
 * @returns {ProjectedType}
 */
export function typeOf(values) {
  const present = values.filter((value) => value !== null && value !== undefined)
  if (present.length === 0) return 'json'
  if (present.every((value) => isInteger(value) && fitsInt64(value))) return 'i64'
  if (present.every(isNumeric)) return 'f64'
  if (present.every((value) => typeof value === 'boolean')) return 'bool'
  if (present.every((value) => typeof value === 'string')) return 'utf8'
  return 'json'
}

/**
 * @param {readonly Item[]} items
 * @param {any} event
 */
export function projectRow(items, event) {
  return Object.fromEntries(items.map(({ field, as }) => [field.key, convert(field, field.read(event) ?? null, as)]))
}

/**
 * What does not fit is null. `i64` takes whole numbers of 64 bits and shows them as numbers when safe, `f64` takes every
 * number and rounds, a tag counts as the number or boolean that its text is, and `json` is the value's JSON text.
 *
 * @param {import('./fields.js').Field} field
 * @param {any} value
 * @param {ProjectedType | null} as
 */
function convert(field, value, as) {
  if (as === null || value === null) return value
  if (as === 'json') return jsonText(value)
  if (as === 'utf8') return typeof value === 'string' ? value : null
  if (as === 'bool') {
    if (field.kind === 'tag' && (value === 'true' || value === 'false')) return value === 'true'
    return typeof value === 'boolean' ? value : null
  }
  const number = field.kind === 'tag' ? numberOfText(value) : value
  if (!isNumeric(number)) return null
  if (as === 'f64') return Number(number)
  return (typeof number === 'bigint' || Number.isInteger(number)) && fitsInt64(number) ? safeNumber(number) : null
}

