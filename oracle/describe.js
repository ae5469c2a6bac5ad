// @ts-check
/**
 * What a recording holds: its fields, paths, types and values.
 */
import { invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { COLUMNS, formatPath, resolveField } from './fields.js'
import { compareInTime } from './order.js'
import { compileQuery, requireCount } from './query.js'
import { compareScalars, compareText, eventIdBits, isInteger, isScalar, scalarKey } from './values.js'

/** @typedef {import('../index.js').Event} Event */

const EVERYTHING = { monotonic: { start: null, end: null }, wall: { start: null, end: null } }
const DEFAULT_VALUES_LIMIT = 100

/** Of Arrow. @type {Record<string, string>} */
const COLUMN_TYPES = {
  seq: 'Uint64',
  event_id: 'Uint64',
  timestamp: 'Int64',
  wall_time: 'Timestamp<NANOSECOND, UTC>',
  event_type: 'Dictionary<Int32, Utf8>',
  node: 'Dictionary<Int32, Utf8>',
  pid: 'Dictionary<Int32, Utf8>',
  correlation_id: 'Dictionary<Int32, Utf8>',
  parent_id: 'Uint64',
  module: 'Dictionary<Int32, Utf8>',
  function: 'Dictionary<Int32, Utf8>',
  arity: 'Uint16',
  file: 'Dictionary<Int32, Utf8>',
  line: 'Uint32',
  tags: 'Map<Utf8, Utf8>',
  data: 'Utf8',
}

/**
 * All but the segments, of which there are none here.
 *
 * @param {import('./store.js').Log} log
 */
export function describe(log) {
  const { events } = log
  const inTime = [...events].sort(compareInTime)
  const [first, last] = [inTime[0], inTime.at(-1)]
  return {
    columns: COLUMNS.map(({ name, key }) => ({ name, type: COLUMN_TYPES[name], count: events.filter((event) => event[/** @type {'seq'} */ (key)] !== null).length })),
    paths: dataPaths(events),
    tags: countBy(events.flatMap((event) => Object.keys(event.tags ?? {}))).map(({ value, count }) => ({ name: `tags.${value}`, count })),
    eventTypes: countBy(events.map((event) => event.eventType)).map(({ value, count }) => ({ eventType: value, count })),
    truncated: false,
    timeRange: first && last ? { first: first.timestamp, last: last.timestamp } : null,
    snapshot: log.watermark,
    evicted: log.evicted.count,
    lost: log.lost(EVERYTHING, () => true),
  }
}

/**
 * Every path of object keys into `data`, with the number of values of each type. An array is a value: its indexes are no
 * paths.
 *
 * @param {readonly Event[]} events
 */
function dataPaths(events) {
  /** @type {Map<string, Record<string, number>>} */
  const paths = new Map()
  const visit = (/** @type {any} */ value, /** @type {string[]} */ steps) => {
    if (value === null) return
    const type = typeName(value)
    if (steps.length > 0 && type !== 'object') {
      const path = formatPath('data', steps)
      const types = paths.get(path) ?? {}
      paths.set(path, { ...types, [type]: (types[type] ?? 0) + 1 })
    }
    if (type === 'object') for (const [key, item] of Object.entries(value)) visit(item, [...steps, key])
  }
  for (const event of events) visit(event.data, [])
  return [...paths].map(([path, types]) => ({ path, types })).sort((a, b) => compareText(a.path, b.path))
}

/** @param {any} value */
function typeName(value) {
  if (typeof value === 'number' || typeof value === 'bigint') return isInteger(value) ? 'integer' : 'float'
  return Array.isArray(value) ? 'array' : typeof value
}

/**
 * @param {any[]} values scalars
 * @param {(value: any) => any} [orderOf] what ties are ordered by; default: the value
 * @returns {{ value: any, count: number }[]} the most frequent first, ties by value
 */
function countBy(values, orderOf = (value) => value) {
  /** @type {Map<string, { value: any, count: number }>} */
  const counts = new Map()
  for (const value of values) {
    const key = scalarKey(value)
    counts.set(key, { value: counts.get(key)?.value ?? value, count: (counts.get(key)?.count ?? 0) + 1 })
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || compareScalars(orderOf(a.value), orderOf(b.value)))
}

/**
 * The scalar values of a field, the most frequent first, ties in ascending order.
 *
 * @param {import('./store.js').Log} log
 * @param {unknown} name
 * @param {unknown} options `prefix`: texts that begin so; `limit`: default 100; `filters`: which events
 */
export function fieldValues(log, name, options) {
  const field = resolveField(name, 'field')
  const given = options ?? {}
  if (!isPlainArgument(given)) throw invalidArgument('options', 'an object', options)
  rejectUnknownKeys(given, ['prefix', 'limit', 'filters'], 'options')
  const { prefix, filters } = given
  if (prefix !== undefined && typeof prefix !== 'string') throw invalidArgument('options.prefix', 'a string', prefix)
  const limit = given.limit === undefined ? DEFAULT_VALUES_LIMIT : requireCount(given.limit, 'options.limit')
  const query = compileQuery(filters, { limit: 0, where: 'options.filters' })
  const values = log.events.filter(query.matches).map(field.read).filter(isScalar)
  const wanted = prefix === undefined ? values : values.filter((value) => typeof value === 'string' && value.startsWith(prefix))
  return countBy(wanted, field.kind === 'id' ? eventIdBits : undefined).slice(0, limit)
}
