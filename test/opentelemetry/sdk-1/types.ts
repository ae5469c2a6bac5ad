/** Checked by the type checker alone: SDK 1.x takes the processors as its own, and what it hands them is what they read. */
import { LoggerProvider, type LogRecordProcessor, type LogRecord } from '@opentelemetry/sdk-logs'
import { BasicTracerProvider, type ReadableSpan, type Span, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { Kinescope } from 'kinescope'
import { KinescopeLogRecordProcessor, KinescopeSpanProcessor, type OtelLogRecord, type OtelSpan } from 'kinescope/opentelemetry'

export const spanOf = (span: ReadableSpan): OtelSpan => span
export const startedSpanOf = (span: Span): OtelSpan => span
export const recordOf = (record: LogRecord): OtelLogRecord => record

export function setUp(scope: Kinescope): unknown {
  const spans = new KinescopeSpanProcessor(scope, { maxSpans: 100 })
  const processor: SpanProcessor = spans
  const logProcessor: LogRecordProcessor = new KinescopeLogRecordProcessor(scope, { spans })
  const provider = new BasicTracerProvider({ spanProcessors: [processor] })
  const span = provider.getTracer('shop').startSpan('checkout')
  scope.recorder.run(spans.contextOf(span), () => {})
  // @ts-expect-error -- an unknown option
  void new KinescopeSpanProcessor(scope, { maxSpan: 1 })
  // @ts-expect-error -- no span has this
  void (span as unknown as OtelSpan).parentId
  return [provider, new LoggerProvider(), logProcessor]
}
