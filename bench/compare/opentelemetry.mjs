/** An OpenTelemetry span, started and ended, on its way to an exporter that drops it. */
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { timePerOperation } from '../lib/timing.mjs'

/** Spans in a block; the queue takes all of them, because a dropped span would be cheaper. */
const SPANS = 2_000

/** @returns {Promise<Record<string, number>>} `ns` for start and end; exporting is not timed. */
export async function measure() {
  let exported = 0
  const exporter = {
    export(spans, done) {
      exported += spans.length
      done({ code: 0 })
    },
    shutdown: async () => {},
    forceFlush: async () => {},
  }
  const processor = new BatchSpanProcessor(exporter, { maxQueueSize: SPANS * 2 })
  const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('bench')
  let started = 0
  const ns = await timePerOperation({
    count: SPANS,
    block(count) {
      for (let i = 0; i < count; i++) {
        const span = tracer.startSpan('cart.total')
        span.end()
        started++
      }
    },
    empty(count) {
      for (let i = 0; i < count; i++) started += 0
    },
    between: () => processor.forceFlush(),
  })
  if (exported !== started) throw new Error(`OpenTelemetry exported ${exported} of ${started} spans`)
  return { ns }
}
