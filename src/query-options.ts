/** Options of queries: validation. */
import type { EventId, Filter, QueryOptions, QueryOptionsSync } from '../index.js'
import { resolveCondition, resolveMfa, resolveTags } from './conditions.js'
import { invalidArgument, KinescopeError, unknownField } from './errors.js'
import type { NativeQuery } from './native.js'
import { resolveOffset, resolveOrder } from './order.js'
import { allOf, identityOf, type Plan } from './plan.js'
import { type ProjectedField, resolveProjection } from './projection.js'
import { resolveTextSearch } from './text-search.js'

/** What says which events are wanted, and what of them. */
const FILTER_FIELDS = [
  'startTimeMonotonic',
  'endTimeMonotonic',
  'startTimeWall',
  'endTimeWall',
  'pid',
  'correlationId',
  'eventTypes',
  'mfa',
  'tags',
  'textSearch',
  'where',
  'projection',
]
const QUERY_FIELDS = [...FILTER_FIELDS, 'limit', 'offset', 'sortBy', 'sortOrder']
const DEFAULT_LIMIT = 1000
/** The default of traces and state snapshots, which are wanted whole. */
export const NO_LIMIT = Number.MAX_SAFE_INTEGER
const DEFAULT_TIMEOUT_MS = 1000
const TIMEOUT_MS_MAX = 60_000
const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)
const WALL_EXPECTED = 'a Date, or nanoseconds since 1970 as a bigint or a safe integer'
const NANOSECONDS_PER_MILLISECOND = 1_000_000n

/** A query that has been checked. */
export interface ResolvedQuery {
  readonly native: NativeQuery
  /** What rows and tables consist of; null: every column. */
  readonly projection: readonly ProjectedField[] | null
  /** As it was given. */
  readonly where: unknown
}

/**
 * Checks a query.
 *
 * @param extra The option that only this kind of call has.
 * @param defaultLimit Rows of a query that does not say how many.
 * @throws {KinescopeError} `INVALID_ARGUMENT` naming the option, `UNKNOWN_FIELD`, `TYPE_MISMATCH`.
 */
export function resolveQuery(query: QueryOptions | QueryOptionsSync, extra: 'signal' | 'timeoutMs', defaultLimit = DEFAULT_LIMIT): ResolvedQuery {
  rejectUnknown('query', query, [...QUERY_FIELDS, extra])
  return resolveKnown(query, defaultLimit)
}

/**
 * Checks the filter and the projection of a subscription.
 *
 * @param owner The argument that has them.
 * @param others What else it may have.
 * @throws {KinescopeError} As {@link resolveQuery}.
 */
export function resolveFilter(owner: string, filter: Filter, others: readonly string[] = []): ResolvedQuery {
  rejectUnknown(owner, filter, [...FILTER_FIELDS, ...others])
  return resolveKnown(filter, 0)
}

function rejectUnknown(owner: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) throw invalidArgument(owner, options, 'an object')
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw unknownField(owner, name, known)
  }
}

function resolveKnown(query: QueryOptions | QueryOptionsSync, defaultLimit: number): ResolvedQuery {
  const native = resolveRanges(query, defaultLimit)
  const projection = query.projection === undefined ? null : resolveProjection(query.projection)
  const plan = resolvePlan(query, projection)
  if (Object.keys(plan).length > 0) native.plan = JSON.stringify({ ...plan, identity: identityOf(plan) } satisfies Plan)
  return { native, projection, where: query.where }
}

/** What the addon takes without a plan. */
function resolveRanges(query: QueryOptions | QueryOptionsSync, defaultLimit: number): NativeQuery {
  const resolved: NativeQuery = { limit: limitOf(query.limit, defaultLimit) }
  const startTime = time('startTimeMonotonic', query.startTimeMonotonic)
  const endTime = time('endTimeMonotonic', query.endTimeMonotonic)
  ordered('startTimeMonotonic', startTime, 'endTimeMonotonic', endTime)
  const startWallTime = query.startTimeWall === undefined ? undefined : resolveWallTime('startTimeWall', query.startTimeWall)
  const endWallTime = query.endTimeWall === undefined ? undefined : resolveWallTime('endTimeWall', query.endTimeWall)
  ordered('startTimeWall', startWallTime, 'endTimeWall', endWallTime)
  if (startTime !== undefined) resolved.startTime = startTime
  if (endTime !== undefined) resolved.endTime = endTime
  if (startWallTime !== undefined) resolved.startWallTime = startWallTime
  if (endWallTime !== undefined) resolved.endWallTime = endWallTime
  const pids = texts('pid', query.pid, true)
  const correlationIds = texts('correlationId', query.correlationId, true)
  const eventTypes = texts('eventTypes', query.eventTypes, false)
  if (pids !== undefined) resolved.pids = pids
  if (correlationIds !== undefined) resolved.correlationIds = correlationIds
  if (eventTypes !== undefined) resolved.eventTypes = eventTypes
  return resolved
}

function resolvePlan(query: QueryOptions | QueryOptionsSync, projection: readonly ProjectedField[] | null): Omit<Plan, 'identity'> {
  const { mfa, tags, textSearch, where } = query
  const condition = allOf([
    ...(mfa === undefined ? [] : [resolveMfa(mfa)]),
    ...(tags === undefined ? [] : [resolveTags(tags)]),
    ...(textSearch === undefined ? [] : [resolveTextSearch(textSearch)]),
    ...(where === undefined ? [] : [resolveCondition(where, 'where')]),
  ])
  const plan: Omit<Plan, 'identity'> = resolveOffset(query.offset)
  if (!('and' in condition) || condition.and.length > 0) plan.condition = condition
  const order = resolveOrder(query.sortBy, query.sortOrder)
  if (order !== undefined) plan.order = order
  if (projection !== null) plan.projection = projection.map(({ ref, as }) => ({ field: ref, as }))
  return plan
}

/** Checks the time that a blocking call may take, in milliseconds. */
export function resolveTimeoutMs(timeoutMs: unknown): number {
  if (timeoutMs === undefined) return DEFAULT_TIMEOUT_MS
  if (!Number.isInteger(timeoutMs) || (timeoutMs as number) < 1 || (timeoutMs as number) > TIMEOUT_MS_MAX) {
    throw invalidArgument('timeoutMs', timeoutMs, `an integer from 1 to ${TIMEOUT_MS_MAX}`)
  }
  return timeoutMs as number
}

/** Checks an abort signal; one that is aborted already throws its reason. */
export function resolveSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined
  if (!(signal instanceof AbortSignal)) throw invalidArgument('signal', signal, 'an AbortSignal')
  signal.throwIfAborted()
  return signal
}

/** Checks a text that is given by itself. */
export function resolveText(field: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidArgument(field, value, 'a string')
  return value.toWellFormed()
}

/** Checks an event id. */
export function resolveEventId(id: EventId, field = 'id'): EventId {
  const match = typeof id === 'string' ? /^(\d{1,5})-(\d{1,15})$/.exec(id) : null
  if (match === null || Number(match[1]) > 0xffff || Number(match[2]) >= 2 ** 48) {
    throw invalidArgument(field, id, 'an event id such as "1-42"')
  }
  return id
}

function limitOf(limit: unknown, defaultLimit: number): number {
  if (limit === undefined) return defaultLimit
  if (!Number.isSafeInteger(limit) || (limit as number) < 0) {
    throw invalidArgument('limit', limit, 'a non-negative safe integer')
  }
  return limit as number
}

function time(field: string, value: unknown): bigint | undefined {
  return value === undefined ? undefined : resolveTime(field, value)
}

/**
 * Checks a time.
 *
 * @returns Nanoseconds, clamped to 64 bits: a farther end is as good as the farthest.
 */
export function resolveTime(field: string, value: unknown, expected = 'nanoseconds as a bigint or a safe integer'): bigint {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) throw invalidArgument(field, value, expected)
  const nanoseconds = BigInt(value as bigint | number)
  if (nanoseconds > INT64_MAX) return INT64_MAX
  return nanoseconds < INT64_MIN ? INT64_MIN : nanoseconds
}

/** {@link resolveTime} of a time by the wall clock, which may be a Date. */
export function resolveWallTime(field: string, value: unknown): bigint {
  if (!(value instanceof Date)) return resolveTime(field, value, WALL_EXPECTED)
  const milliseconds = value.getTime()
  if (Number.isNaN(milliseconds)) throw invalidArgument(field, value, 'a valid Date')
  return BigInt(milliseconds) * NANOSECONDS_PER_MILLISECOND
}

function ordered(startField: string, start: bigint | undefined, endField: string, end: bigint | undefined): void {
  if (start !== undefined && end !== undefined && start > end) {
    const message = `${endField}: expected a time at or after ${startField} (${start}), got ${end}`
    throw new KinescopeError('INVALID_ARGUMENT', message, { field: endField })
  }
}

function texts(field: string, value: unknown, single: boolean): string[] | undefined {
  if (value === undefined) return undefined
  if (single && typeof value === 'string') return [value.toWellFormed()]
  if (!Array.isArray(value)) throw invalidArgument(field, value, single ? 'a string or an array of strings' : 'an array of strings')
  return Array.from(value as unknown[], (text, index) => {
    if (typeof text !== 'string') throw invalidArgument(`${field}[${index}]`, text, 'a string')
    return text.toWellFormed()
  })
}
