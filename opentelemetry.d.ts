/**
 * `kinescope/opentelemetry`: a service that OpenTelemetry instruments records into Kinescope by adding one object. Works with the
 * JavaScript SDKs 1.x, 2.x and 3.x, and depends on none of them: what it reads of their objects is {@link OtelSpan} and
 * {@link OtelLogRecord}. Examples run with SDK 2.x.
 *
 * | OpenTelemetry | event |
 * |---|---|
 * | a span starts | `function_entry`, at once |
 * | a span ends | `function_exit`, with `data.duration_ns` and `data.exit_reason`, which is `throw` when the status is an error |
 * | a recorded exception | `error`; an error status without one is an `error` too, with `data.status` |
 * | a `message` event, `SENT` or `RECEIVED` | `message_send`, `message_receive` |
 * | any other event of a span | `log`, with its name as `data.message` |
 * | a log record | `log`; `error` where it carries an exception |
 *
 * Trace ids become correlation ids. `function` is `code.function.name` (or `code.function`), else the span's name; `module` is what
 * `code.function.name` (or `code.namespace`) says, else the scope's name, else the service's; `file` and `line` are
 * `code.file.path` (`code.filepath`) and `code.line.number` (`code.lineno`). In `data` of a span's events are its `name`, `span_id`,
 * `kind`, `attributes`, `links`, `scope`, `service` and `parent_span_id`; of an exit, attributes and links as they are at the
 * end. A parent that is no span this processor knows, because it is in another process, was left out by OpenTelemetry's sampling, or has been
 * forgotten, is named in `data.remote_parent` instead. A span without a parent here is a logical process of its own, `span-<span id>`, in which its
 * descendants are, unless it starts inside {@link Recorder.run} or of another {@link Recorder} call: then it belongs to that.
 *
 * `wallTime` is OpenTelemetry's time to the nanosecond. `timestamp` is on the recording's own clock: the present, as long as
 * OpenTelemetry's time is within two milliseconds of it, else the time that was given, mapped.
 *
 * @packageDocumentation
 */
import type { Kinescope, RunContext } from './index.js'

// Without this, a declaration file exports every declaration that it holds.
export {}

/** OpenTelemetry's time: seconds since the Unix epoch, and nanoseconds of the second. */
export type OtelTime = readonly [seconds: number, nanoseconds: number]

/** What is read of a span's context. */
export interface OtelSpanContext {
  /** Becomes the correlation id. */
  readonly traceId: string
  /** Becomes `data.span_id`. */
  readonly spanId: string
  /** Bit 1: OpenTelemetry's sampling keeps it. */
  readonly traceFlags?: number
  /** Becomes `data.trace_state`, as text. */
  readonly traceState?: { serialize(): string } | undefined
}

/** What is read of an instrumentation scope. */
export interface OtelScope {
  /** The instrumented or the instrumenting library. */
  readonly name: string
  /** That library's. */
  readonly version?: string | undefined
}

/** Attributes of anything; which values OpenTelemetry allows is of no matter here. */
export type OtelAttributes = { readonly [key: string]: unknown }

/** What is read of a span: `ReadableSpan` of every SDK. */
export interface OtelSpan {
  /** `data.name`, and `function` where no attribute names one. */
  readonly name: string
  /** 0 to 4; `data.kind` is `internal`, `server`, `client`, `producer` or `consumer`. */
  readonly kind: number
  /** Its ids. */
  spanContext(): OtelSpanContext
  /** The parent's id, of SDK 1.x. */
  readonly parentSpanId?: string | undefined
  /** The parent's ids, since SDK 2.x. */
  readonly parentSpanContext?: OtelSpanContext | undefined
  /** `wallTime` of the entry. */
  readonly startTime: OtelTime
  /** `wallTime` of the exit. */
  readonly endTime: OtelTime
  /** `data.duration_ns` of the exit. */
  readonly duration: OtelTime
  /** 0 unset, 1 ok, 2 error; of the exit `data.status`, `ok` or `error`, and `data.status_message`. */
  readonly status: { readonly code: number; readonly message?: string | undefined }
  /** `data.attributes`, of the entry as they are at the start, of the exit as they are at the end. */
  readonly attributes: OtelAttributes
  /** `data.links`: `trace_id`, `span_id` and `attributes` of each. */
  readonly links: readonly { readonly context: OtelSpanContext; readonly attributes?: OtelAttributes | undefined }[]
  /** Events of their own, recorded when the span ends. */
  readonly events: readonly { readonly name: string; readonly time: OtelTime; readonly attributes?: OtelAttributes | undefined }[]
  /** Its `service.name` is `data.service`. */
  readonly resource: { readonly attributes: OtelAttributes }
  /** `data.scope`, of SDK 1.x. */
  readonly instrumentationLibrary?: OtelScope
  /** `data.scope`, since SDK 2.x. */
  readonly instrumentationScope?: OtelScope
  /** `data.dropped_attributes` of the exit, unless 0. */
  readonly droppedAttributesCount: number
  /** `data.dropped_events` of the exit, unless 0. */
  readonly droppedEventsCount: number
  /** `data.dropped_links` of the exit, unless 0. */
  readonly droppedLinksCount: number
}

/** What is read of a log record: `LogRecord` of SDK 1.x, `SdkLogRecord` since. */
export interface OtelLogRecord {
  /** `wallTime`, unless it is zero. */
  readonly hrTime: OtelTime
  /** `wallTime` where `hrTime` is zero. */
  readonly hrTimeObserved: OtelTime
  /** The span that it was emitted in: correlation id and `data.span_id`. */
  readonly spanContext?: OtelSpanContext | undefined
  /** `data.severity_text`; also `data.level`, in lower case, where there is no number. */
  readonly severityText?: string | undefined
  /** 1 to 24: `data.severity`, and `data.level` by fours, from `trace` to `fatal`. */
  readonly severityNumber?: number | undefined
  /** `data.message` where it is text, else `data.body`; of a record with an exception `data.body`. */
  readonly body?: unknown
  /** `data.event_name`. */
  readonly eventName?: string | undefined
  /** `data.attributes`; those of an exception are `data.error_type`, `message` and `stack` instead. */
  readonly attributes: OtelAttributes
  /** Its `service.name` is `data.service`. */
  readonly resource: { readonly attributes: OtelAttributes }
  /** `data.scope`, and `module` where no attribute names one. */
  readonly instrumentationScope: OtelScope
}

/** Options of {@link KinescopeSpanProcessor}. */
export interface SpanProcessorOptions {
  /**
   * Spans that are kept in mind so that children and log records find them: so many that have not ended, and as many that have. Beyond
   * it the oldest are forgotten; of those that have not ended {@link SpanProcessorStats.evicted} tells. 1 to 1,048,576; default 16,384.
   */
  maxSpans?: number
  /** Whether `shutdown` closes the recording. Default `false`: it is left open for whoever opened it. */
  closeOnShutdown?: boolean
}

/** Counters of a {@link KinescopeSpanProcessor}. */
export interface SpanProcessorStats {
  /** Spans that have started and not ended, and are kept in mind. */
  readonly live: number
  /** Spans that were forgotten before they ended: their exits are recorded, but what starts in them finds no parent. */
  readonly evicted: number
  /** Calls of the SDK of which nothing could be recorded: the recording was closed, or what came was no span. */
  readonly failed: number
}

/**
 * A `SpanProcessor` for OpenTelemetry's SDKs that records spans. It gets every span that OpenTelemetry records, exported or not: one
 * that is recorded and not sampled has `data.sampled` `false`. What OpenTelemetry's sampler drops never reaches it, so a
 * sampler that answers `RECORD` where it answered `NOT_RECORD` lets Kinescope have every span while exporters get what they got.
 * Kinescope's own `samplingRate` is about {@link Recorder.run} and applies to spans that start inside of one.
 *
 * Nothing that the SDK calls throws or waits, and no code of attributes runs.
 */
export class KinescopeSpanProcessor {
  /**
   * @param scope The recording, of this thread.
   * @throws {KinescopeError} `INVALID_ARGUMENT` for an unknown option or a wrong value.
   * @example
   * import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
   * import { KinescopeSpanProcessor } from 'kinescope/opentelemetry'
   * const provider = new BasicTracerProvider({ spanProcessors: [new KinescopeSpanProcessor(scope)] })
   * const span = provider.getTracer('shop').startSpan('checkout', { attributes: { 'cart.items': 3 } })
   * span.end()
   * const [exit] = await scope.dataAccess.queryEvents({ eventTypes: ['function_exit'], where: { 'data.attributes["cart.items"]': 3 } })
   * console.log(exit.module, exit.function, exit.correlationId === span.spanContext().traceId) // shop checkout true
   */
  constructor(scope: Kinescope, options?: SpanProcessorOptions)
  /** Called by the SDK. */
  onStart(span: OtelSpan, parentContext?: unknown): void
  /** Called by the SDK. */
  onEnd(span: OtelSpan): void
  /**
   * Called by the SDK: {@link Kinescope.flush}. Of a recording that is closed there is nothing to flush.
   *
   * @throws {KinescopeError} `RESOURCE_EXHAUSTED` as there.
   */
  forceFlush(): Promise<void>
  /**
   * Called by the SDK: flushes, and records no spans afterwards; see {@link SpanProcessorOptions.closeOnShutdown}.
   *
   * @throws {KinescopeError} As {@link KinescopeSpanProcessor.forceFlush}.
   */
  shutdown(): Promise<void>
  /**
   * Where a span is, for {@link Recorder.run}: what runs in it is recorded as the span's own.
   *
   * @param span Any span of OpenTelemetry's API, such as the active one.
   * @returns Without `parentId` and `pid` for a span that is not kept in mind; empty without a span.
   * @example
   * import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
   * import { KinescopeSpanProcessor } from 'kinescope/opentelemetry'
   * const kinescope = new KinescopeSpanProcessor(scope)
   * const span = new BasicTracerProvider({ spanProcessors: [kinescope] }).getTracer('shop').startSpan('checkout')
   * const total = scope.recorder.wrap(function total() {})
   * scope.recorder.run(kinescope.contextOf(span), total)
   * const trace = await scope.dataAccess.getTraceByCorrelationId(span.spanContext().traceId)
   * const [checkout, call] = trace
   * console.log(call.function, call.parentId === checkout.eventId) // total true
   */
  contextOf(span: { spanContext(): OtelSpanContext } | null | undefined): RunContext
  /** What it has done so far. */
  stats(): SpanProcessorStats
}

/** Options of {@link KinescopeLogRecordProcessor}. */
export interface LogRecordProcessorOptions {
  /** Links log records to the spans that this one records. Default: they have the trace's correlation id and `data.span_id` only. */
  spans?: KinescopeSpanProcessor
  /** Whether `shutdown` closes the recording. Default `false`. */
  closeOnShutdown?: boolean
}

/**
 * A `LogRecordProcessor` for OpenTelemetry's SDKs that records log records. In `data`: `message` (the body, where it is text, else
 * `body`), `level` (`trace`, `debug`, `info`, `warn`, `error`, `fatal`, by the severity), `severity`, `severity_text`, `event_name`,
 * `span_id`, `attributes`, `scope` and `service`. Nothing that the SDK calls throws or waits.
 */
export class KinescopeLogRecordProcessor {
  /**
   * @param scope The recording, of this thread.
   * @throws {KinescopeError} `INVALID_ARGUMENT` for an unknown option or a wrong value.
   * @example
   * import { LoggerProvider } from '@opentelemetry/sdk-logs'
   * import { KinescopeLogRecordProcessor } from 'kinescope/opentelemetry'
   * const provider = new LoggerProvider({ processors: [new KinescopeLogRecordProcessor(scope)] })
   * provider.getLogger('shop').emit({ severityNumber: 13, body: 'out of stock', attributes: { product: 'tea' } })
   * const [log] = await scope.dataAccess.queryEvents({ where: { 'data.level': 'warn' } })
   * console.log(log.module, log.data.message, log.data.attributes.product) // shop out of stock tea
   */
  constructor(scope: Kinescope, options?: LogRecordProcessorOptions)
  /** Called by the SDK. */
  onEmit(record: OtelLogRecord, context?: unknown): void
  /** As {@link KinescopeSpanProcessor.forceFlush}. */
  forceFlush(): Promise<void>
  /** As {@link KinescopeSpanProcessor.shutdown}. */
  shutdown(): Promise<void>
  /** `failed`: records of which nothing could be recorded. */
  stats(): Pick<SpanProcessorStats, 'failed'>
}
