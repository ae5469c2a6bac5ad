/** The documented fields of an event that is passed in, and their types. */
import type { EventInput } from '../../index.js'
import { invalidArgument } from '../errors.js'
import { isArity, isLine } from './definitions.js'
import { FIRST_IMPORT_PRODUCER, parseEventId } from './event-id.js'
import { asIntN, dateValue, isDate, isProxy, isSafeInteger } from './intrinsics.js'
import { readTags } from './tags.js'

/** The fields that an event may have. */
export const EVENT_FIELDS = [
  'eventType',
  'eventId',
  'node',
  'pid',
  'correlationId',
  'parentId',
  'module',
  'function',
  'arity',
  'file',
  'line',
  'tags',
  'data',
  'timestamp',
  'wallTime',
] as const

/** The fields as they were read, once each; the `Bits` are filled in when they have been checked. */
export interface Envelope {
  readonly eventType: string
  readonly eventId: EventInput['eventId']
  readonly node: string | undefined
  readonly pid: string | undefined
  readonly correlationId: string | null | undefined
  readonly parentId: EventInput['parentId']
  readonly module: string | null | undefined
  readonly fn: string | null | undefined
  readonly arity: number | null | undefined
  readonly file: string | null | undefined
  readonly line: number | null | undefined
  readonly tags: EventInput['tags']
  readonly data: unknown
  readonly timestamp: bigint | number | undefined
  readonly wallTime: bigint | number | Date | undefined
  eventIdBits: bigint | undefined
  parentIdBits: bigint | undefined
  /** Nanoseconds since the Unix epoch. */
  wallTimeBits: bigint | undefined
}

const FIRST_IMPORT_ID = BigInt(FIRST_IMPORT_PRODUCER) << 48n

/**
 * Checks the types of all fields and fills in the `Bits`.
 *
 * @param owner What messages call the event.
 * @returns The tags as text.
 * @throws {KinescopeError} `INVALID_ARGUMENT` naming the field.
 */
export function checkEnvelope(envelope: Envelope, redact: ReadonlySet<string>, owner: string): Map<string, string> | undefined {
  const { eventType, node, pid, correlationId, module, fn, arity, file, line, timestamp } = envelope
  if (typeof eventType !== 'string') throw invalidArgument(`${owner}.eventType`, eventType, 'a string')
  if (node !== undefined) checkText(owner, 'node', node)
  if (pid !== undefined) checkText(owner, 'pid', pid)
  if (correlationId != null) checkText(owner, 'correlationId', correlationId)
  if (module != null) checkText(owner, 'module', module)
  if (fn != null) checkText(owner, 'function', fn)
  if (file != null) checkText(owner, 'file', file)
  if (arity != null && !isArity(arity)) throw invalidArgument(`${owner}.arity`, arity, 'an integer from 0 to 65535')
  if (line != null && !isLine(line)) throw invalidArgument(`${owner}.line`, line, 'an integer from 1 to 4294967295')
  if (timestamp !== undefined && !isNanoseconds(timestamp)) {
    throw invalidArgument(`${owner}.timestamp`, timestamp, 'a 64-bit bigint or a safe integer')
  }
  checkIds(envelope, owner)
  if (envelope.wallTime !== undefined) envelope.wallTimeBits = wallNanoseconds(envelope.wallTime, owner)
  if (envelope.tags == null) return undefined
  return readTags(envelope.tags, redact, (name, value) => {
    if (name === '') throw invalidArgument(`${owner}.tags`, value, 'an object of strings, numbers and booleans')
    throw invalidArgument(`${owner}.tags[${JSON.stringify(name)}]`, value, 'a string, a number or a boolean')
  })
}

function checkText(owner: string, name: string, value: unknown): void {
  if (typeof value !== 'string') throw invalidArgument(`${owner}.${name}`, value, 'a string')
}

function checkIds(envelope: Envelope, owner: string): void {
  const { eventId, parentId } = envelope
  if (eventId !== undefined) {
    const bits = parseEventId(eventId)
    if (bits === undefined || bits < FIRST_IMPORT_ID) {
      throw invalidArgument(`${owner}.eventId`, eventId, `"<producer>-<sequence>" with a producer from ${FIRST_IMPORT_PRODUCER} to 65535`)
    }
    envelope.eventIdBits = bits
  }
  if (parentId != null) {
    const bits = parseEventId(parentId)
    if (bits === undefined) throw invalidArgument(`${owner}.parentId`, parentId, '"<producer>-<sequence>" or null')
    envelope.parentIdBits = bits
  }
}

function isNanoseconds(value: unknown): value is bigint | number {
  return typeof value === 'bigint' ? asIntN(64, value) === value : isSafeInteger(value)
}

function wallNanoseconds(value: unknown, owner: string): bigint {
  if (isNanoseconds(value)) return BigInt(value)
  if (typeof value === 'object' && value !== null && !isProxy(value) && isDate(value)) {
    const milliseconds = dateValue(value)
    const nanoseconds = Number.isNaN(milliseconds) ? undefined : BigInt(milliseconds) * 1_000_000n
    if (nanoseconds !== undefined && asIntN(64, nanoseconds) === nanoseconds) return nanoseconds
  }
  throw invalidArgument(`${owner}.wallTime`, value, 'a 64-bit bigint, a safe integer or a valid Date')
}
