/** Options of subscriptions: validation. */
import type { EventId, ResumePolicy, StartFrom, SubscribeOptions } from '../index.js'
import { isPlainObject } from './conditions.js'
import { invalidArgument, KinescopeError, unknownField } from './errors.js'
import type { NativeStart, NativeStreamSettings } from './native.js'
import { type ResolvedQuery, resolveEventId, resolveFilter, resolveTime, resolveWallTime } from './query-options.js'
import { isNotRecorded } from './recorder/event-id.js'

const STREAM_FIELDS = ['batchSize', 'batchTimeoutMs', 'progressIntervalMs', 'startFrom', 'maxInFlight', 'signal']
const START_FIELDS = ['timestampMonotonic', 'timestampWall', 'eventId', 'seq'] as const
const RESUME_FIELDS = ['sendLatest', 'startFrom'] as const
const BATCH_SIZE_MAX = 1_000_000
/** What timers take at most. */
const DURATION_MS_MAX = 2 ** 31 - 1
const IN_FLIGHT_MAX = 1024
const SEQ_MAX = 2n ** 63n - 1n

/** A subscription's options that have been checked. */
export interface ResolvedSubscribe {
  readonly query: ResolvedQuery
  readonly settings: NativeStreamSettings
  readonly start: NativeStart
  readonly maxInFlight: number
  /** Whether its batches do not wait for more events. */
  readonly isPrompt: boolean
}

/** Where a subscription goes on. */
export type ResolvedResume = 'here' | 'after all' | { readonly latest: number } | { readonly start: NativeStart }

/**
 * Checks the options of `subscribe`, but for the signal.
 *
 * @throws {KinescopeError} `INVALID_ARGUMENT`, `UNKNOWN_FIELD`, `TYPE_MISMATCH`.
 */
export function resolveSubscribe(options: SubscribeOptions): ResolvedSubscribe {
  const query = resolveFilter('subscribe', options, STREAM_FIELDS)
  const settings = {
    batchSize: integer('batchSize', options.batchSize, 1024, 0, BATCH_SIZE_MAX),
    batchTimeoutMs: integer('batchTimeoutMs', options.batchTimeoutMs, 50, 0, DURATION_MS_MAX),
    progressIntervalMs: integer('progressIntervalMs', options.progressIntervalMs, 1000, 0, DURATION_MS_MAX),
  }
  return {
    query,
    settings,
    isPrompt: settings.batchSize <= 1 || settings.batchTimeoutMs <= 1,
    start: resolveStart('startFrom', options.startFrom ?? 'now'),
    maxInFlight: integer('maxInFlight', options.maxInFlight, 1, 1, IN_FLIGHT_MAX),
  }
}

/**
 * Checks where a subscription is to go on.
 *
 * @throws {KinescopeError} `INVALID_ARGUMENT`.
 */
export function resolveResume(policy: ResumePolicy | undefined): ResolvedResume {
  if (policy === undefined || policy === 'send_all') return 'here'
  if (policy === 'discard_all') return 'after all'
  const expected = "'send_all', 'discard_all', { sendLatest } or { startFrom }"
  const [name, value] = onlyField('policy', policy, RESUME_FIELDS, expected)
  if (name === 'startFrom') return { start: resolveStart('policy.startFrom', value as StartFrom) }
  return { latest: integer('policy.sendLatest', value as number, undefined, 0, Number.MAX_SAFE_INTEGER) }
}

function resolveStart(where: string, start: StartFrom): NativeStart {
  if (start === 'now') return {}
  const expected = "'now' or one of { seq }, { eventId }, { timestampMonotonic }, { timestampWall }"
  const [name, value] = onlyField(where, start, START_FIELDS, expected)
  const field = `${where}.${name}`
  if (name === 'seq') return { seq: resolveSeq(field, value) }
  if (name === 'eventId') return { eventId: resolveEventId(value as EventId, field) }
  if (name === 'timestampWall') return { wallTime: resolveWallTime(field, value) }
  return { timestamp: resolveTime(field, value) }
}

/**
 * Refuses to start after what was not recorded.
 *
 * @throws {KinescopeError} `NOT_FOUND`.
 */
export function ensureRecorded({ eventId }: NativeStart): void {
  if (eventId !== undefined && isNotRecorded(eventId)) throw new KinescopeError('NOT_FOUND', `startFrom.eventId: no event ${eventId}`)
}

function resolveSeq(field: string, value: unknown): bigint {
  const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value)
  const seq = isWhole ? BigInt(value as bigint | number) : -1n
  if (seq < 0n) throw invalidArgument(field, value, 'a position of the log: a non-negative bigint or safe integer')
  return seq > SEQ_MAX ? SEQ_MAX : seq
}

/** The one field that an object of alternatives has. */
function onlyField<Name extends string>(where: string, value: unknown, known: readonly Name[], expected: string): [Name, unknown] {
  if (!isPlainObject(value)) throw invalidArgument(where, value, expected)
  const given = Object.keys(value).filter((name) => value[name] !== undefined)
  for (const name of given) {
    if (!(known as readonly string[]).includes(name)) throw unknownField(where, name, known)
  }
  if (given.length !== 1) throw invalidArgument(where, value, expected)
  return [given[0] as Name, value[given[0]!]]
}

function integer(field: string, value: number | undefined, defaultValue: number | undefined, smallest: number, largest: number): number {
  if (value === undefined && defaultValue !== undefined) return defaultValue
  if (!Number.isSafeInteger(value) || value! < smallest || value! > largest) {
    throw invalidArgument(field, value, `an integer from ${smallest} to ${largest}`)
  }
  return value!
}
