/** Everything but calls as OpenTelemetry's log records. */
import type { Event, EventId } from '../../index.js'
import type { EventSource } from '../../export.js'
import { checkedEvents } from './events.js'
import { isSpanEvent } from './otlp.js'
import { anyValue, count, fieldsOf, type Item, keyValues, Lines, originAttributes, scopeOf, textOr, unixNano } from './otlp-json.js'
import { givenSpanId, isOfOpenTelemetry, parentSpanIdOf, type SpanIds, spanIdOf, traceIdOf } from './spans.js'
import { OPEN_CALLS_MAX } from './tracks.js'

/** OpenTelemetry's numbers, the first of each level. */
const SEVERITIES = new Map([['trace', 1], ['debug', 5], ['info', 9], ['warn', 13], ['error', 17], ['fatal', 21]])
const SEVERITY_MAX = 24

/** See the contract. */
export async function* toOtlpLogs(events: EventSource): AsyncGenerator<string, void, undefined> {
  const open = new Map<EventId, SpanIds>()
  const lines = new Lines('Logs')
  for await (const event of checkedEvents(events)) {
    const parent = event.parentId === null ? undefined : open.get(event.parentId)
    if (event.eventType === 'function_entry') {
      open.set(event.eventId, { traceId: traceIdOf(event, parent), spanId: spanIdOf(event) })
      if (open.size > OPEN_CALLS_MAX) for (const oldest of open.keys()) if (open.delete(oldest)) break
    } else if (event.eventType === 'function_exit') {
      if (event.parentId !== null) open.delete(event.parentId)
    } else if (!isOfOpenTelemetry(event) || (!isSpanEvent(event) && event.data.status === undefined)) {
      yield* lines.add(recordOf(event, parent))
    }
  }
  yield* lines.end()
}

function recordOf(event: Event, parent: SpanIds | undefined): Item {
  const { eventType, node, wallTime, correlationId, parentId, data } = event
  const { level, message, severity, severity_text, event_name, body, attributes, service, scope: given, span_id, error_type, stack, ...rest } = fieldsOf(data)
  const isError = eventType === 'error'
  const isLog = eventType === 'log'
  const scope = scopeOf(given)
  const isInTrace = correlationId !== null || parentId !== null
  const traceId = isInTrace ? traceIdOf(event, parent) : undefined
  const time = unixNano(wallTime)
  const text = isError ? (body ?? message) : (message ?? body)
  const thrown = isError ? { 'exception.type': error_type, 'exception.message': message, 'exception.stacktrace': stack } : {}
  const json = {
    timeUnixNano: time,
    observedTimeUnixNano: time,
    severityNumber: severityOf(severity, level) || (isError ? SEVERITIES.get('error') : 0),
    severityText: textOr(severity_text, textOr(level, undefined)),
    body: anyValue(text ?? (isLog ? undefined : data)),
    attributes: [
      // Who made it says it all of what came from OpenTelemetry.
      ...(scope === undefined ? originAttributes(event, correlationId === traceId) : []),
      ...keyValues({ ...thrown, ...fieldsOf(attributes) }),
      ...(text === undefined && !isLog ? [] : keyValues(rest)),
    ],
    droppedAttributesCount: 0,
    eventName: textOr(event_name, isLog || (isError && scope !== undefined) ? undefined : eventType),
    traceId,
    spanId: isInTrace ? (givenSpanId(span_id) ?? parentSpanIdOf({ ...event, data: null }, parent)) : undefined,
  }
  return { node, service: textOr(service, undefined), scope, json }
}

function severityOf(severity: unknown, level: unknown): number {
  const number = count(severity)
  return number > 0 && number <= SEVERITY_MAX ? number : (SEVERITIES.get(textOr(level, '').toLowerCase()) ?? 0)
}
