/** Options of aggregates: checked, and reduced to a plan that crosses as JSON; its Rust twin is in `crates/node/src/aggregate.rs`. */
import type { AggregateOptions, AggregateOptionsSync } from '../index.js'
import { isPlainObject, resolveCondition } from './conditions.js'
import { invalidArgument, KinescopeError, nearestNames, unknownField } from './errors.js'
import { columnKey, type FieldKind, type FieldRef, type QueryField, resolveField } from './fields.js'
import type { NativeQuery } from './native.js'
import type { Node } from './plan.js'
import { type ResolvedQuery, resolveQuery } from './query-options.js'

const OPTIONS = ['groupBy', 'aggregations', 'filters', 'having', 'orderBy', 'limit']
const FUNCTIONS = ['count', 'countDistinct', 'sum', 'avg', 'min', 'max', 'quantile'] as const
type FunctionName = (typeof FUNCTIONS)[number]

/** Options of a query that select no events. */
const NO_FILTERS = ['limit', 'offset', 'sortBy', 'sortOrder', 'projection']
const NUMERIC_KINDS: readonly FieldKind[] = ['integer', 'time', 'json', 'tag']
/** Names with a meaning of their own in a condition, and the one that no key of a plain object may have. */
const RESERVED_NAMES = ['and', 'or', 'not', '__proto__']
const TIME_BUCKET_NS_MAX = 2n ** 63n - 1n

/** Columns are named by their index, as a decimal in `having`. */
interface Plan {
  keys: readonly { name: string; field?: FieldRef; timeBucketNs?: string }[]
  aggregations: readonly { name: string; function: FunctionName; field?: FieldRef; q?: number; exact?: boolean }[]
  having?: Node
  order: readonly { column: number; descending: boolean }[]
  limit?: number
}

/** A column of the answer, with what it hands to the addon. */
interface Column<Part> {
  readonly name: string
  /** What it compares with in `having`. */
  readonly kind: FieldKind
  /** Of a key that is a field: equal for its two spellings. */
  readonly key?: string
  readonly part: Part
}

/** An aggregate that has been checked. */
export interface ResolvedAggregate {
  readonly filters: NativeQuery
  /** JSON. */
  readonly plan: string
  /** Of the columns. */
  readonly names: readonly string[]
  /** As they were given. */
  readonly conditions: { readonly where: unknown; readonly having: unknown }
}

/**
 * Checks an aggregate.
 *
 * @param extra The option that `filters` have beside the filters, or that the aggregate has beside the others.
 * @throws {KinescopeError} `INVALID_ARGUMENT` naming the option, `UNKNOWN_FIELD`, `TYPE_MISMATCH`.
 * @example
 * resolveAggregate({ aggregations: { n: { count: '*' } } }, 'signal').names // ['n']
 */
export function resolveAggregate(options: AggregateOptions | AggregateOptionsSync, extra: 'signal' | 'timeoutMs'): ResolvedAggregate {
  if (!isPlainObject(options)) throw invalidArgument('aggregate', options, 'an object')
  rejectUnknown('aggregate', options, extra === 'timeoutMs' ? [...OPTIONS, extra] : OPTIONS)
  const keys = resolveGroupBy(options['groupBy'])
  const outputs = resolveAggregations(options['aggregations'])
  const columns = [...keys, ...outputs]
  columns.forEach(({ name, key }, index) => {
    if (columns.findIndex((column) => column.name === name || (key !== undefined && column.key === key)) !== index) {
      throw invalidArgument(index < keys.length ? 'groupBy' : `aggregations.${name}`, name, 'columns with different names')
    }
  })
  const plan: Plan = { keys: keys.map(({ part }) => part), aggregations: outputs.map(({ part }) => part), order: resolveOrderBy(options['orderBy'], columns) }
  const { having, limit } = options
  if (having !== undefined) plan.having = resolveCondition(having, 'having', (name, where) => columnField(columns, name, where))
  if (limit !== undefined) plan.limit = resolveLimit(limit)
  const { native, where } = resolveFilters(options['filters'], extra)
  return { filters: native, plan: JSON.stringify(plan), names: columns.map(({ name }) => name), conditions: { where, having } }
}

function resolveFilters(filters: unknown = {}, extra: 'signal' | 'timeoutMs'): ResolvedQuery {
  if (!isPlainObject(filters)) throw invalidArgument('filters', filters, 'an object')
  for (const name of NO_FILTERS) {
    if (filters[name] !== undefined) throw invalidArgument(`filters.${name}`, filters[name], 'nothing, as it selects no events')
  }
  if (extra === 'timeoutMs' && 'timeoutMs' in filters) throw unknownField('filters', 'timeoutMs', ['where'])
  return resolveQuery(filters, extra)
}

function resolveGroupBy(groupBy: unknown = []): Column<Plan['keys'][number]>[] {
  if (!Array.isArray(groupBy)) throw invalidArgument('groupBy', groupBy, "an array of fields, 'mfa' and { timeBucketNs }")
  return Array.from(groupBy as unknown[], (item, index) => {
    const where = `groupBy[${index}]`
    if (item === 'mfa') return ['module', 'function', 'arity'].map((name) => keyOf(name, resolveField(name, where)))
    return isPlainObject(item) ? [timeBucket(item, where)] : [keyOf(item as string, resolveField(item, where))]
  }).flat()
}

function keyOf(name: string, { kind, key, ref }: QueryField): Column<Plan['keys'][number]> {
  return { name, kind, key, part: { name: name.toWellFormed(), field: ref } }
}

function timeBucket(item: Readonly<Record<string, unknown>>, where: string): Column<Plan['keys'][number]> {
  rejectUnknown(where, item, ['timeBucketNs'])
  const width = item['timeBucketNs']
  const isInteger = typeof width === 'bigint' || Number.isSafeInteger(width)
  if (!isInteger || (width as bigint) <= 0 || (width as bigint) > TIME_BUCKET_NS_MAX) {
    throw invalidArgument(`${where}.timeBucketNs`, width, 'a positive bigint of 64 bits or a positive safe integer')
  }
  return { name: 'time_bucket', kind: 'integer', part: { name: 'time_bucket', timeBucketNs: String(width) } }
}

function resolveAggregations(aggregations: unknown): Column<Plan['aggregations'][number]>[] {
  if (!isPlainObject(aggregations)) throw invalidArgument('aggregations', aggregations, 'an object of functions by the name of their column')
  return Object.entries(aggregations).map(([name, spec]) => {
    const where = `aggregations.${name}`
    if (RESERVED_NAMES.includes(name)) throw invalidArgument(where, name, `another name: ${RESERVED_NAMES.join(', ')} are reserved`)
    return { name, kind: 'integer', part: { name: name.toWellFormed(), ...resolveFunction(spec, where) } }
  })
}

function resolveFunction(spec: unknown, where: string): Omit<Plan['aggregations'][number], 'name'> {
  const expected = `an object with exactly one of ${FUNCTIONS.join(', ')}`
  if (!isPlainObject(spec)) throw invalidArgument(where, spec, expected)
  const named = FUNCTIONS.filter((name) => spec[name] !== undefined)
  const [name] = named
  rejectUnknown(where, spec, [...FUNCTIONS, ...(name === 'quantile' ? ['q', 'exact'] : [])])
  if (name === undefined || named.length > 1) throw invalidArgument(where, spec, expected)
  if (name === 'count' && spec[name] === '*') return { function: name }
  const field = resolveField(spec[name], `${where}.${name}`)
  if (name === 'count' || name === 'countDistinct') return { function: name, field: field.ref }
  if (!NUMERIC_KINDS.includes(field.kind)) {
    throw new KinescopeError('TYPE_MISMATCH', `${where}.${name}: expected a field with numbers, got ${field.name}`, { field: field.name, expected: 'a number' })
  }
  return { function: name, field: field.ref, ...(name === 'quantile' ? resolveQuantile(spec, where) : {}) }
}

function resolveQuantile({ q, exact = false }: Readonly<Record<string, unknown>>, where: string): { q: number; exact: boolean } {
  if (typeof q !== 'number' || !(q >= 0 && q <= 1)) throw invalidArgument(`${where}.q`, q, 'a number from 0 to 1')
  if (typeof exact !== 'boolean') throw invalidArgument(`${where}.exact`, exact, 'a boolean')
  return { q, exact }
}

function resolveOrderBy(orderBy: unknown, columns: readonly Column<unknown>[]): Plan['order'] {
  if (orderBy === undefined) return []
  if (!Array.isArray(orderBy)) throw invalidArgument('orderBy', orderBy, 'an array of { field, order }')
  return Array.from(orderBy as unknown[], (item, index) => {
    const where = `orderBy[${index}]`
    if (!isPlainObject(item)) throw invalidArgument(where, item, '{ field, order }')
    rejectUnknown(where, item, ['field', 'order'])
    const { field, order = 'asc' } = item
    if (order !== 'asc' && order !== 'desc') throw invalidArgument(`${where}.order`, order, "'asc' or 'desc'")
    if (typeof field !== 'string') throw invalidArgument(`${where}.field`, field, 'the name of a column')
    return { column: columnIndex(columns, field, `${where}.field`), descending: order === 'desc' }
  })
}

function resolveLimit(limit: unknown): number {
  if (!Number.isSafeInteger(limit) || (limit as number) < 0) throw invalidArgument('limit', limit, 'a non-negative safe integer')
  return limit as number
}

function columnField(columns: readonly Column<unknown>[], name: string, where: string): QueryField {
  const index = columnIndex(columns, name, where)
  return { name, key: name, kind: columns[index]!.kind, ref: { column: String(index) } }
}

function columnIndex(columns: readonly Column<unknown>[], name: string, where: string): number {
  const index = columns.findIndex((column) => column.name === name)
  if (index >= 0) return index
  const key = columnKey(name)
  const other = key === undefined ? -1 : columns.findIndex((column) => column.key === key)
  if (other >= 0) return other
  const nearest = nearestNames(name, columns.map((column) => column.name))
  const message = `${where}: no column of the answer is called ${JSON.stringify(name.slice(0, 60))}; nearest are ${nearest.join(', ')}`
  throw new KinescopeError('UNKNOWN_FIELD', message, { field: name, nearest })
}

function rejectUnknown(where: string, given: object, known: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw unknownField(where, name, known)
  }
}
