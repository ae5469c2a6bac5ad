// @ts-check
/**
 * Grouping and aggregation.
 */
import { invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { accumulatorOf } from './accumulators.js'
import { COLUMNS, resolveField, sortValue } from './fields.js'
import { compileCondition } from './filter.js'
import { compareAbsentLast } from './order.js'
import { compileQuery, requireCount } from './query.js'
import { isScalar, scalarKey } from './values.js'
import { KinescopeError, nearestNames } from './errors.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {import('./fields.js').Field} Field */
/** @typedef {Record<string, any>} Row */

/**
 * @param {import('./store.js').Log} log
 * @param {unknown} options `AggregateOptions`
 */
export function aggregate(log, options) {
  if (!isPlainArgument(options)) throw invalidArgument('aggregate', 'an object', options)
  rejectUnknownKeys(options, ['groupBy', 'aggregations', 'filters', 'having', 'orderBy', 'limit', 'timeoutMs'], 'aggregate')
  const keys = parseGroupBy(options.groupBy)
  const outputs = parseAggregations(options.aggregations)
  const columns = checkNames(keys, outputs.map(({ column }) => column))
  const query = compileFilters(options.filters)
  const having = options.having === undefined ? () => true : compileCondition(options.having, (name) => requireColumn(columns, name, 'aggregate.having'), 'aggregate.having')
  const compare = compileGroupOrder(options.orderBy, columns, keys)
  const limit = options.limit === undefined ? Infinity : requireCount(options.limit, 'aggregate.limit')

  const groups = groupEvents(log.events.filter(query.matches), keys)
  const finished = outputs.map(({ column, finish }) => ({ key: column.key, values: finish(groups.map(({ events }) => events)) }))
  const rows = groups.map(({ values }, index) => ({ ...values, ...Object.fromEntries(finished.map((output) => [output.key, output.values[index]])) }))
  const sorted = rows.filter(having).sort(compare).slice(0, limit)
  return { rows: sorted, snapshot: log.watermark, lost: log.lost(query.ranges, query.isInRange) }
}

/** @param {unknown} filters */
function compileFilters(filters) {
  const given = filters ?? {}
  if (!isPlainArgument(given)) throw invalidArgument('aggregate.filters', 'an object', filters)
  for (const name of ['limit', 'offset', 'sortBy', 'sortOrder', 'projection']) {
    if (given[name] !== undefined) throw invalidArgument(`aggregate.filters.${name}`, 'nothing: it selects no events', given[name])
  }
  return compileQuery(given, { limit: 0, where: 'aggregate.filters' })
}

/**
 * @param {unknown} groupBy
 * @returns {Field[]} named as asked
 */
function parseGroupBy(groupBy) {
  const list = groupBy ?? []
  if (!Array.isArray(list)) throw invalidArgument('aggregate.groupBy', 'an array', groupBy)
  return list.flatMap((item, index) => {
    const where = `aggregate.groupBy[${index}]`
    if (item === 'mfa') return ['module', 'function', 'arity'].map((name) => resolveField(name, where))
    if (isPlainArgument(item)) return [timeBucket(item, where)]
    return [{ ...resolveField(item, where), key: item }]
  })
}

/**
 * @param {Record<string, unknown>} item
 * @param {string} where
 * @returns {Field}
 */
function timeBucket(item, where) {
  rejectUnknownKeys(item, ['timeBucketNs'], where)
  const width = item.timeBucketNs
  const isWidth = (typeof width === 'bigint' && width > 0n) || (Number.isSafeInteger(width) && /** @type {number} */ (width) > 0)
  if (!isWidth) throw invalidArgument(`${where}.timeBucketNs`, 'a positive bigint or safe integer', width)
  const widthNs = BigInt(/** @type {bigint} */ (width))
  const read = (/** @type {Event} */ { timestamp }) => timestamp - (((timestamp % widthNs) + widthNs) % widthNs)
  return { name: 'time_bucket', key: 'time_bucket', identity: 'time_bucket', kind: 'integer', read }
}

/** @param {unknown} aggregations */
function parseAggregations(aggregations) {
  if (!isPlainArgument(aggregations)) throw invalidArgument('aggregate.aggregations', 'an object', aggregations)
  return Object.entries(aggregations).map(([name, spec]) => {
    const finish = accumulatorOf(spec, `aggregate.aggregations.${name}`)
    /** @type {Field} */
    const column = { name, key: name, identity: name, kind: 'integer', read: (row) => row[name] }
    return { column, finish }
  })
}

/** @typedef {Field & { of: object | undefined }} Column `of`: the column of events that a key is */

/**
 * @param {Field[]} keys no two of them the same column, however it is spelled
 * @param {Field[]} outputs
 * @returns {Column[]}
 */
function checkNames(keys, outputs) {
  const columns = [...keys.map((key) => ({ ...key, of: columnOf(key.key) })), ...outputs.map((output) => ({ ...output, of: undefined }))]
  columns.forEach(({ key, of }, index) => {
    const isTaken = columns.slice(0, index).some((column) => column.key === key || (of && column.of === of))
    if (isTaken) throw invalidArgument('aggregate', 'columns with different names', key)
  })
  return columns.map((column) => ({ ...column, read: (/** @type {Row} */ row) => row[column.key] }))
}

/** @param {unknown} given in either spelling */
function columnOf(given) {
  return COLUMNS.find(({ name, key }) => given === name || given === key)
}

/**
 * @param {Column[]} columns
 * @param {unknown} name
 * @param {string} where
 */
function requireColumn(columns, name, where) {
  const column = columns.find(({ key }) => key === name) ?? columns.find(({ of }) => of && of === columnOf(name))
  if (column) return column
  const nearest = nearestNames(String(name), columns.map(({ key }) => key))
  throw new KinescopeError('UNKNOWN_FIELD', `${where}: no column ${JSON.stringify(name)}; nearest: ${nearest.join(', ')}`, { field: name, nearest })
}

/**
 * As asked, then by the keys, ascending; absent last either way.
 *
 * @param {unknown} orderBy
 * @param {Column[]} columns
 * @param {Field[]} keys
 * @returns {(a: Row, b: Row) => number}
 */
function compileGroupOrder(orderBy, columns, keys) {
  const list = orderBy ?? []
  if (!Array.isArray(list)) throw invalidArgument('aggregate.orderBy', 'an array', orderBy)
  const asked = list.map((item, index) => {
    const where = `aggregate.orderBy[${index}]`
    if (!isPlainArgument(item)) throw invalidArgument(where, '{ field, order }', item)
    rejectUnknownKeys(item, ['field', 'order'], where)
    if (![undefined, 'asc', 'desc'].includes(/** @type {any} */ (item.order))) throw invalidArgument(`${where}.order`, "'asc' or 'desc'", item.order)
    return { column: requireColumn(columns, item.field, `${where}.field`), sign: item.order === 'desc' ? -1 : 1 }
  })
  const byKeys = keys.map(({ key }) => ({ column: requireColumn(columns, key, 'aggregate.groupBy'), sign: 1 }))
  const steps = [...asked, ...byKeys]
  return (a, b) => steps.reduce((order, { column, sign }) => order || compareAbsentLast(sortValue(column, a), sortValue(column, b), sign), 0)
}

/**
 * One group per combination of key values; objects, arrays and null count as absent. Without keys there is always one.
 *
 * @param {readonly Event[]} events
 * @param {Field[]} keys
 */
function groupEvents(events, keys) {
  /** @type {Map<string, { values: Row, events: Event[] }>} */
  const groups = new Map()
  if (keys.length === 0) groups.set('[]', { values: {}, events: [] })
  for (const event of events) {
    const found = keys.map((key) => key.read(event))
    const values = found.map((value) => (isScalar(value) ? value : null))
    const identity = JSON.stringify(values.map((value) => (value === null ? null : scalarKey(value))))
    let group = groups.get(identity)
    if (!group) {
      group = { values: Object.fromEntries(keys.map(({ key }, index) => [key, values[index]])), events: [] }
      groups.set(identity, group)
    }
    group.events.push(event)
  }
  return [...groups.values()]
}
