/** Calls as OpenTelemetry's spans. */
import type { Event, EventId } from '../../index.js'
import type { EventSource } from '../../export.js'
import { checkedEvents } from './events.js'
import { count, fieldsOf, type Item, type KeyValue, keyValues, Lines, originAttributes, scopeOf, textOr, unixNano } from './otlp-json.js'
import { isOfOpenTelemetry, parentSpanIdOf, type SpanIds, spanIdOf, traceIdOf } from './spans.js'
import { nameOf, OPEN_CALLS_MAX } from './tracks.js'

/** Events of a span, as OpenTelemetry's own limit has it. */
const SPAN_EVENTS_MAX = 128
/** Events of all open spans together. */
const HELD_EVENTS_MAX = 262_144
const KINDS = ['internal', 'server', 'client', 'producer', 'consumer']
const STATUS_OK = 1
const STATUS_ERROR = 2
/** Fields of `data` that are said in OTLP's own words; of OpenTelemetry's own spans all others are. */
const SAID = new Set(['duration_ns', 'exit_reason', 'exception'])

interface OpenSpan extends SpanIds {
  readonly entry: Event
  readonly parentSpanId: string | undefined
  readonly events: object[]
  droppedEvents: number
}

/** See the contract. */
export async function* toOtlpTraces(events: EventSource): AsyncGenerator<string, void, undefined> {
  const spans = new Spans()
  const lines = new Lines('Spans')
  let last: Event | undefined
  for await (const event of checkedEvents(events)) {
    const ended = spans.take(event)
    if (ended !== undefined) yield* lines.add(ended)
    last = event
  }
  if (last !== undefined) for (const span of spans.unfinished(last)) yield* lines.add(span)
  yield* lines.end()
}

class Spans {
  readonly #open = new Map<EventId, OpenSpan>()
  #heldEvents = 0

  /** What a span is when it ends, which is at its exit or when there are too many. */
  take(event: Event): Item | undefined {
    const parent = event.parentId === null ? undefined : this.#open.get(event.parentId)
    if (event.eventType === 'function_entry') return this.#enter(event, parent)
    if (event.eventType === 'function_exit') {
      if (parent !== undefined) this.#forget(parent)
      return itemOf(parent ?? entryless(event), event, event.wallTime)
    }
    if (parent !== undefined && isSpanEvent(event)) {
      this.#hold(event, parent)
    }
    return undefined
  }

  /** What has not ended, at the time of the last event. */
  *unfinished({ wallTime }: Event): Generator<Item, void, undefined> {
    for (const span of this.#open.values()) yield itemOf(span, undefined, wallTime)
  }

  #enter(entry: Event, parent: SpanIds | undefined): Item | undefined {
    const ids = { traceId: traceIdOf(entry, parent), spanId: spanIdOf(entry), parentSpanId: parentSpanIdOf(entry, parent) }
    this.#open.set(entry.eventId, { ...ids, entry, events: [], droppedEvents: 0 })
    if (this.#open.size <= OPEN_CALLS_MAX) return undefined
    const [oldest] = this.#open.values()
    this.#forget(oldest!)
    return itemOf(oldest!, undefined, entry.wallTime)
  }

  #hold(event: Event, span: OpenSpan): void {
    if (span.events.length >= SPAN_EVENTS_MAX || this.#heldEvents >= HELD_EVENTS_MAX) {
      span.droppedEvents++
      return
    }
    span.events.push(spanEvent(event))
    this.#heldEvents++
  }

  #forget({ entry, events }: OpenSpan): void {
    this.#open.delete(entry.eventId)
    this.#heldEvents -= events.length
  }
}

/** A span of whose start nothing is known but when it was. */
function entryless(exit: Event): OpenSpan {
  const { duration_ns: duration } = fieldsOf(exit.data)
  const lasted = Number.isSafeInteger(duration) || typeof duration === 'bigint' ? BigInt(duration as number | bigint) : 0n
  const entry = { ...exit, wallTime: exit.wallTime - (lasted > 0n ? lasted : 0n), data: null }
  const spanId = isOfOpenTelemetry(exit) ? spanIdOf(exit) : (parentSpanIdOf(entry, undefined) ?? spanIdOf(exit))
  return { entry, traceId: traceIdOf(exit, undefined), spanId, parentSpanId: undefined, events: [], droppedEvents: 0 }
}

function itemOf(span: OpenSpan, exit: Event | undefined, endTime: bigint): Item {
  const { entry, traceId, spanId, parentSpanId, events, droppedEvents } = span
  const data = { ...fieldsOf(entry.data), ...fieldsOf(exit?.data) }
  const isOwn = isOfOpenTelemetry(exit ?? entry)
  const unfinished = exit === undefined ? keyValues({ 'kinescope.unfinished': true }) : []
  const json = {
    traceId,
    spanId,
    parentSpanId,
    startTimeUnixNano: unixNano(entry.wallTime),
    endTimeUnixNano: unixNano(endTime > entry.wallTime ? endTime : entry.wallTime),
    ...(isOwn ? ownFacts(data) : callFacts(exit ?? entry, entry.correlationId === traceId, data)),
    events,
    droppedEventsCount: droppedEvents + (isOwn ? count(data['dropped_events']) : 0),
  }
  json.attributes.push(...unfinished)
  const [service, scope] = isOwn ? [textOr(data['service'], undefined), scopeOf(data['scope'])] : []
  return { node: entry.node, service, scope, json }
}

/** What OpenTelemetry's spans say in OTLP. */
interface SpanFacts {
  readonly name: string
  readonly kind: number
  readonly traceState?: string | undefined
  readonly attributes: KeyValue[]
  readonly droppedAttributesCount: number
  readonly links: object[]
  readonly droppedLinksCount: number
  readonly status: object
  readonly flags: number
}

/** Of a span that came from OpenTelemetry. */
function ownFacts(data: Record<string, unknown>): SpanFacts {
  const { name, kind, trace_state, attributes, links, status, status_message, sampled } = data
  return {
    name: textOr(name, ''),
    kind: Math.max(0, KINDS.indexOf(textOr(kind, ''))) + 1,
    traceState: textOr(trace_state, undefined),
    attributes: keyValues(attributes),
    droppedAttributesCount: count(data['dropped_attributes']),
    links: Array.isArray(links) ? links.map(linkOf) : [],
    droppedLinksCount: count(data['dropped_links']),
    status: { code: status === 'ok' ? STATUS_OK : status === 'error' ? STATUS_ERROR : 0, message: textOr(status_message, undefined) },
    flags: sampled === false ? 0 : 1,
  }
}

/** Of any other call. */
function callFacts(event: Event, isTraceId: boolean, data: Record<string, unknown>): SpanFacts {
  const { exit_reason, exception } = data
  const failed = exit_reason === 'throw' || exit_reason === 'reject'
  const rest = Object.fromEntries(Object.entries(data).filter(([key]) => !SAID.has(key)))
  return {
    name: nameOf(event),
    kind: 1,
    attributes: [...originAttributes(event, isTraceId), ...keyValues(rest, 'kinescope.')],
    droppedAttributesCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: failed ? { code: STATUS_ERROR, message: textOr(fieldsOf(exception)['message'], undefined) } : { code: 0 },
    flags: 1,
  }
}

function linkOf(link: unknown): object {
  const { trace_id, span_id, attributes } = fieldsOf(link)
  return { traceId: textOr(trace_id, undefined), spanId: textOr(span_id, undefined), attributes: keyValues(attributes), droppedAttributesCount: 0 }
}

/** Of OpenTelemetry's events those that are named happened to a span; the others are log records, and errors that only a status tells of. */
export function isSpanEvent(event: Event): boolean {
  return !isOfOpenTelemetry(event) || typeof event.data?.name === 'string'
}

function spanEvent(event: Event): object {
  const { eventType, wallTime } = event
  const { error_type, message, stack, ...rest } = fieldsOf(event.data)
  const isOwn = isOfOpenTelemetry(event)
  const isError = eventType === 'error'
  const thrown = keyValues({ 'exception.type': error_type, 'exception.message': message, 'exception.stacktrace': stack })
  const facts = isOwn ? rest['attributes'] : isError ? rest : fieldsOf(event.data)
  const name = isOwn ? textOr(rest['name'], eventType) : isError ? 'exception' : eventType
  return { timeUnixNano: unixNano(wallTime), name, attributes: [...(isError ? thrown : []), ...keyValues(facts)], droppedAttributesCount: 0 }
}
