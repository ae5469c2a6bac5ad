/** What happens in a span and at its end, as events. */
import type { OtelSpan } from '../../opentelemetry.js'
import { exceptionOf, filled, own, text } from './facts.js'
import { nanoseconds } from './times.js'

const STATUS_OK = 1
const STATUS_ERROR = 2
/** Events of a message that is sent or received, by the names of both generations of OpenTelemetry's conventions. */
const MESSAGE_EVENTS: readonly unknown[] = ['message', 'rpc.message']
const MESSAGE_TYPES: Readonly<Record<string, string>> = { SENT: 'message_send', RECEIVED: 'message_receive' }

/** An event of a span, but for what all of them share. */
export interface SpanEvent {
  readonly eventType: string
  /** Nanoseconds since the Unix epoch; `undefined` where it says none. */
  readonly wallTime: bigint | undefined
  readonly data: Readonly<Record<string, unknown>>
}

/** What a thrown value looks like in `data.exception`. */
export interface Exception {
  readonly error_type: unknown
  readonly message: unknown
}

/** What is recorded for an event of a span. */
export function spanEventOf(given: unknown, spanId: string): SpanEvent {
  const [name, attributes] = [own(given, 'name'), own(given, 'attributes')]
  const wallTime = nanoseconds(own(given, 'time'))
  const facts = { name, span_id: spanId }
  const exception = name === 'exception' ? exceptionOf(attributes) : undefined
  if (exception !== undefined) {
    const { rest, ...thrown } = exception
    return { eventType: 'error', wallTime, data: { ...thrown, ...facts, attributes: rest } }
  }
  const messageType = MESSAGE_EVENTS.includes(name) ? (own(attributes, 'message.type') ?? own(attributes, 'rpc.message.type')) : undefined
  const eventType = typeof messageType === 'string' ? MESSAGE_TYPES[messageType] : undefined
  if (eventType !== undefined) {
    const message_id = own(attributes, 'message.id') ?? own(attributes, 'rpc.message.id')
    return { eventType, wallTime, data: { message_id, ...facts, attributes: filled(attributes) } }
  }
  return { eventType: 'log', wallTime, data: { message: name, ...facts, attributes: filled(attributes) } }
}

/** Links, as they go into `data`. */
export function linksOf(links: unknown): object[] | undefined {
  if (!Array.isArray(links) || links.length === 0) return undefined
  return links.map((link) => {
    const context = own(link, 'context')
    return { trace_id: text(own(context, 'traceId')), span_id: text(own(context, 'spanId')), attributes: filled(own(link, 'attributes')) }
  })
}

/** Why the span's status is an error: the last exception that was recorded, else what the status says; `undefined` when it is none. */
export function failureOf({ status, attributes }: OtelSpan, events: readonly SpanEvent[]): Exception | undefined {
  if (status?.code !== STATUS_ERROR) return undefined
  const recorded = events.findLast(({ eventType }) => eventType === 'error')?.data
  if (recorded !== undefined) return { error_type: recorded['error_type'], message: recorded['message'] }
  return { error_type: text(own(attributes, 'error.type')) ?? 'Error', message: text(status.message) ?? '' }
}

/** The payload of a span's exit. */
export function exitData(span: OtelSpan, spanId: string, durationNs: bigint, exception: Exception | undefined): object {
  const { name, status, attributes, droppedAttributesCount, droppedEventsCount, droppedLinksCount } = span
  const duration = Number(durationNs)
  return {
    duration_ns: Number.isSafeInteger(duration) ? duration : durationNs,
    exit_reason: exception === undefined ? 'normal' : 'throw',
    exception,
    name,
    span_id: spanId,
    status: status?.code === STATUS_OK ? 'ok' : status?.code === STATUS_ERROR ? 'error' : undefined,
    status_message: text(status?.message),
    attributes: filled(attributes),
    links: linksOf(span.links),
    dropped_attributes: droppedAttributesCount || undefined,
    dropped_events: droppedEventsCount || undefined,
    dropped_links: droppedLinksCount || undefined,
  }
}

