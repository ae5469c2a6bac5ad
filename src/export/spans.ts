/** Which OpenTelemetry trace and span an event belongs to, whether it came from OpenTelemetry or not. */
import { createHash } from 'node:crypto'
import type { Event, EventId } from '../../index.js'

const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/
const SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/
const SEQUENCE_BITS = 48n

/** A span that is open. */
export interface SpanIds {
  readonly traceId: string
  readonly spanId: string
}

/** The trace of an event: its correlation id where that is a trace id, else one that follows from it, or from its parent. */
export function traceIdOf({ eventId, correlationId, parentId }: Event, parent: SpanIds | undefined): string {
  if (correlationId !== null) return TRACE_ID.test(correlationId) ? correlationId : hashOf(correlationId)
  return parent?.traceId ?? hashOf(parentId ?? eventId)
}

/** The id of the span that an entry starts: OpenTelemetry's own, else the event's id. */
export function spanIdOf({ eventId, data }: Event): string {
  return givenSpanId(data?.span_id) ?? spanIdOfEvent(eventId)
}

/** The id of the span that an event is in. */
export function parentSpanIdOf({ parentId, data }: Event, parent: SpanIds | undefined): string | undefined {
  const given = givenSpanId(data?.remote_parent) ?? givenSpanId(data?.parent_span_id)
  return given ?? parent?.spanId ?? (parentId === null ? undefined : spanIdOfEvent(parentId))
}

/** A text that is a span id. */
export function givenSpanId(value: unknown): string | undefined {
  return typeof value === 'string' && SPAN_ID.test(value) ? value : undefined
}

/** Whether an event came from OpenTelemetry, by what `kinescope/opentelemetry` puts into all of them. */
export function isOfOpenTelemetry({ data }: Event): boolean {
  return givenSpanId(data?.span_id) !== undefined
}

function spanIdOfEvent(id: EventId): string {
  const [producer, sequence] = id.split('-')
  return ((BigInt(producer!) << SEQUENCE_BITS) | BigInt(sequence!)).toString(16).padStart(16, '0')
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
