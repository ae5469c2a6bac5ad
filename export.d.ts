/**
 * `kinescope/export`: events in the formats of other tools. Each function takes events in (`timestamp`, `seq`) order, as queries give
 * them, and yields the file piece by piece, while it reads; memory does not grow with the number of events. What comes must be whole
 * events: for anything else the first piece that is asked for rejects with `INVALID_ARGUMENT`.
 *
 * Examples run with `const scope = await open()` before them.
 *
 * @packageDocumentation
 */
import type { DataAccess, Event, QueryOptions } from './index.js'

// Without this, a declaration file exports every declaration that it holds.
export {}

/** Events, such as a {@link QueryResult}, or what {@link eventsOf} gives. */
export type EventSource = Iterable<Event> | AsyncIterable<Event>

/** Which events; a query without what makes pages of an answer. */
export type ExportQuery = Omit<QueryOptions, 'limit' | 'offset' | 'sortBy' | 'sortOrder' | 'projection'>

/**
 * All events that match, in (`timestamp`, `seq`) order, of one snapshot, read a page at a time.
 *
 * @throws {KinescopeError} With the first event: `INVALID_ARGUMENT` for an option that {@link ExportQuery} leaves out; as {@link DataAccess.queryEvents}; `PAGE_TOKEN_EXPIRED` when retention evicts events that are still to come.
 * @example
 * import { eventsOf } from 'kinescope/export'
 * for (let n = 0; n < 5000; n++) scope.recorder.record({ eventType: 'log', data: { n } })
 * let count = 0
 * for await (const event of eventsOf(scope.dataAccess, { eventTypes: ['log'] })) count++
 * console.log(count) // 5000
 */
export function eventsOf(dataAccess: Pick<DataAccess, 'queryEvents'>, query?: ExportQuery): AsyncIterableIterator<Event>

/**
 * A trace for https://ui.perfetto.dev and Perfetto's `trace_processor`, in its protobuf format.
 *
 * A node is a process, a logical process a track of slices. Calls that overlap in one logical process lie on several tracks of its name,
 * so that only what a call has started lies within its slice; a call that outlives its caller is cut there, and goes on as a
 * slice with the argument `continued`. Metrics (`performance_metric`) are counters, messages with a `message_id` are joined by
 * arrows, and all else is an instant, as is the exit of a call whose entry is not among the events. `data`, tags and ids are arguments. Wall times are
 * as of the first event; times before 0 are 0. At most 65,536 calls may be open at the same time: beyond it the oldest end.
 *
 * @example
 * import { createWriteStream, rmSync } from 'node:fs'
 * import { pipeline } from 'node:stream/promises'
 * import { eventsOf, toPerfetto } from 'kinescope/export'
 * scope.recorder.wrap(function work() {})()
 * await pipeline(toPerfetto(eventsOf(scope.dataAccess)), createWriteStream('work.perfetto-trace'))
 * rmSync('work.perfetto-trace')
 */
export function toPerfetto(events: EventSource): AsyncIterableIterator<Uint8Array>

/**
 * A file for https://www.speedscope.app: a profile for each track, as {@link toPerfetto} has them. Only calls are in it; those that are open
 * at the end last until the last event, and exits whose entries are not among the events are left out. The format wants the events of a track in one
 * piece, so nothing is yielded before the last event has been read; what does not fit into a few megabytes waits in a temporary file.
 *
 * @throws {Error} The system's own, when there is no room for the temporary file.
 * @example
 * import { eventsOf, toSpeedscope } from 'kinescope/export'
 * scope.recorder.wrap(function work() {})()
 * let json = ''
 * for await (const text of toSpeedscope(eventsOf(scope.dataAccess))) json += text
 * console.log(JSON.parse(json).profiles[0].name) // main
 */
export function toSpeedscope(events: EventSource): AsyncIterableIterator<string>

/**
 * Spans in OpenTelemetry's OTLP JSON, for the collector's `otlpjsonfile` receiver, or to be sent to `/v1/traces` line by line: each is an
 * `ExportTraceServiceRequest` of at most 512 spans.
 *
 * A call is a span; what happened in it is its events, 128 at most. What `kinescope/opentelemetry` recorded becomes again what it was, with its ids.
 * Otherwise the span's id is that of its entry in hexadecimal digits, and the trace's id the correlation id, if it is one, else a hash of
 * it; its attributes are `code.function.name`, `code.file.path`, `code.line.number`, `kinescope.pid`, `kinescope.correlation_id`, tags by their own names, and the
 * fields of `data` behind `kinescope.`. A call that is open at the end has `kinescope.unfinished`, and ends at the last event. At most 65,536 calls may be
 * open at the same time: beyond it the oldest are unfinished.
 *
 * @example
 * import { eventsOf, toOtlpTraces } from 'kinescope/export'
 * scope.recorder.wrap(function work() {})()
 * for await (const line of toOtlpTraces(eventsOf(scope.dataAccess))) {
 *   console.log(JSON.parse(line).resourceSpans[0].scopeSpans[0].spans[0].name) // work
 * }
 */
export function toOtlpTraces(events: EventSource): AsyncIterableIterator<string>

/**
 * Log records in OpenTelemetry's OTLP JSON: every event that is neither a call nor, having come from OpenTelemetry, an event of a span. Each line is an
 * `ExportLogsServiceRequest` of at most 512 records.
 *
 * `data.message` is the body, `data.level` the severity; of events other than `log` the type is the event's name and `data` the body, unless it has a
 * message.
 *
 * @example
 * import { eventsOf, toOtlpLogs } from 'kinescope/export'
 * scope.recorder.record({ eventType: 'log', data: { level: 'warn', message: 'out of stock' } })
 * for await (const line of toOtlpLogs(eventsOf(scope.dataAccess))) {
 *   console.log(JSON.parse(line).resourceLogs[0].scopeLogs[0].logRecords[0].severityNumber) // 13
 * }
 */
export function toOtlpLogs(events: EventSource): AsyncIterableIterator<string>
