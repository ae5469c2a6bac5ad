/** The body of an EVENT record: the fields that are given, in the order of their bits. */
import type { EventInput } from '../../index.js'
import { invalidArgument, unknownField } from '../errors.js'
import { checkEnvelope, type Envelope, EVENT_FIELDS } from './envelope.js'
import { givenParent } from './event-id.js'
import { ownNames, setHas } from './intrinsics.js'
import * as layout from './layout.js'
import type { ValueEncoder } from './value-encoder.js'

const KNOWN_FIELDS: ReadonlySet<string> = new Set(EVENT_FIELDS)

/** An event whose fields are of the right types. */
export interface CheckedEvent {
  readonly envelope: Envelope
  readonly tags: ReadonlyMap<string, string> | undefined
}

/**
 * Reads every field of an event once, which may run code of its own, and checks them.
 *
 * @param owner What messages call the event.
 * @throws {KinescopeError} `INVALID_ARGUMENT` naming the field.
 */
export function readEvent(event: EventInput, owner: string, redact: ReadonlySet<string>): CheckedEvent {
  if (typeof event !== 'object' || event === null) throw invalidArgument(owner, event, 'an object')
  // All ordinary reads come first: they may run code that records.
  const { envelope, names } = read(event, owner)
  const tags = checkEnvelope(envelope, redact, owner)
  for (let i = 0; i < names.length; i++) {
    if (!setHas(KNOWN_FIELDS, names[i]!)) throw unknownField(owner, names[i]!, EVENT_FIELDS)
  }
  return { envelope, tags }
}

function read(event: EventInput, owner: string): { envelope: Envelope; names: readonly string[] } {
  try {
    return { envelope: readEnvelope(event), names: ownNames(event) }
  } catch {
    // A getter that throws, or a proxy that has been revoked.
    throw invalidArgument(owner, event, 'an object whose fields can be read')
  }
}

function readEnvelope(event: EventInput): Envelope {
  return {
    eventType: event.eventType,
    eventId: event.eventId,
    node: event.node,
    pid: event.pid,
    correlationId: event.correlationId,
    parentId: givenParent(event.parentId),
    module: event.module,
    fn: event.function,
    arity: event.arity,
    file: event.file,
    line: event.line,
    tags: event.tags,
    data: event.data,
    timestamp: event.timestamp,
    wallTime: event.wallTime,
    eventIdBits: undefined,
    parentIdBits: undefined,
    wallTimeBits: undefined,
  }
}

/**
 * Encodes an event's fields. Runs none of the user's code.
 *
 * @param typeId Of the event type as a defined string, or -1: it goes into the body.
 * @returns The mask of the fields that are there.
 */
export function encodeEvent(encoder: ValueEncoder, { envelope, tags }: CheckedEvent, typeId: number): number {
  const { node, pid, correlationId, module, fn, arity, file, line, data } = envelope
  encoder.reset()
  let mask = 0
  if (typeId < 0) mask |= encoder.textField(layout.HAS_EVENT_TYPE, envelope.eventType)
  if (envelope.eventIdBits !== undefined) {
    mask |= layout.HAS_EVENT_ID
    encoder.uint64(envelope.eventIdBits)
  }
  if (node != null) mask |= encoder.textField(layout.HAS_NODE, node)
  if (pid != null) mask |= encoder.textField(layout.HAS_PID, pid)
  if (correlationId !== undefined) {
    mask |= layout.HAS_CORRELATION_ID
    encoder.textOrNull(correlationId)
  }
  if (envelope.parentId !== undefined) {
    mask |= layout.HAS_PARENT_ID
    if (envelope.parentIdBits === undefined) encoder.null()
    else encoder.uint64(envelope.parentIdBits)
  }
  if (module != null) mask |= encoder.textField(layout.HAS_MODULE, module)
  if (fn != null) mask |= encoder.textField(layout.HAS_FUNCTION, fn)
  if (arity != null) {
    mask |= layout.HAS_ARITY
    encoder.int32(arity)
  }
  if (file != null) mask |= encoder.textField(layout.HAS_FILE, file)
  if (line != null) {
    mask |= layout.HAS_LINE
    encoder.integer(line)
  }
  if (tags !== undefined) {
    mask |= layout.HAS_TAGS
    encoder.tags(tags)
  }
  if (envelope.wallTimeBits !== undefined) {
    mask |= layout.HAS_WALL_TIME
    encoder.int64(envelope.wallTimeBits)
  }
  if (data !== undefined) {
    mask |= layout.HAS_DATA
    encoder.value(data)
  }
  return mask
}
