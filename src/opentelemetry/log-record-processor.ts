/** Log records as events. */
import type { Kinescope } from '../../index.js'
import type { LogRecordProcessorOptions, OtelLogRecord, SpanProcessorStats } from '../../opentelemetry.js'
import { invalidArgument } from '../errors.js'
import { exceptionOf, filled, idsOf, originOf, scopeOf, serviceOf, text } from './facts.js'
import { checkFlag, checkOptions, checkScope, flush, type Scope } from './options.js'
import { KinescopeSpanProcessor, placeOf, spanMapOf } from './span-processor.js'
import type { SpanMap } from './span-map.js'
import { nanoseconds, timestampOfWall } from './times.js'

/** By OpenTelemetry's severity numbers, four to a level, from 1. */
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']
const SEVERITIES_PER_LEVEL = 4

/** See `KinescopeLogRecordProcessor` in the contract. */
export class KinescopeLogRecordProcessor {
  readonly #scope: Scope
  readonly #spans: SpanMap | undefined
  readonly #closeOnShutdown: boolean
  #isShutDown = false
  #failed = 0

  constructor(scope: Kinescope, options: LogRecordProcessorOptions = {}) {
    const { spans, closeOnShutdown } = checkOptions(options, ['spans', 'closeOnShutdown'])
    if (spans !== undefined && !(spans instanceof KinescopeSpanProcessor)) {
      throw invalidArgument('options.spans', spans, 'a KinescopeSpanProcessor')
    }
    this.#scope = checkScope(scope)
    this.#spans = spans && spanMapOf(spans)
    this.#closeOnShutdown = checkFlag('closeOnShutdown', closeOnShutdown)
  }

  onEmit(record: OtelLogRecord): void {
    if (this.#isShutDown) return
    try {
      this.#record(record)
    } catch {
      this.#failed++
    }
  }

  forceFlush(): Promise<void> {
    return flush(this.#scope)
  }

  async shutdown(): Promise<void> {
    this.#isShutDown = true
    await flush(this.#scope)
    if (this.#closeOnShutdown) await this.#scope.close()
  }

  stats(): Pick<SpanProcessorStats, 'failed'> {
    return { failed: this.#failed }
  }

  #record(record: OtelLogRecord): void {
    const { spanContext, attributes, body } = record
    const ids = idsOf(spanContext)
    const span = ids === undefined ? undefined : this.#spans?.find(ids.traceId, ids.spanId)
    const now = this.#scope.now()
    // A record without a time of its own has zero there.
    const wallTime = nanoseconds(record.hrTime) || nanoseconds(record.hrTimeObserved) || now.wallTime
    const scope = scopeOf(record.instrumentationScope)
    const service = serviceOf(record.resource)
    const { rest, ...exception } = exceptionOf(attributes) ?? { rest: undefined }
    const isException = 'error_type' in exception
    const message = typeof body === 'string' ? body : undefined
    this.#scope.recorder.record({
      ...originOf(attributes, null, scope?.name ?? service),
      ...(ids === undefined ? {} : placeOf({ traceId: ids.traceId, pid: span?.pid })),
      ...(span === undefined ? {} : { parentId: span.entryId }),
      eventType: isException ? 'error' : 'log',
      timestamp: timestampOfWall(wallTime, now, span),
      wallTime,
      data: {
        level: levelOf(record.severityNumber, record.severityText),
        ...(isException ? { ...exception, body } : { message, body: message === undefined ? body : undefined }),
        severity: record.severityNumber,
        severity_text: text(record.severityText),
        event_name: text(record.eventName),
        span_id: ids?.spanId,
        attributes: isException ? rest : filled(attributes),
        scope,
        service,
      },
    })
  }
}

/** The severity as one of a few words; a text that comes without a number stays as it is, in lower case. */
function levelOf(severity: unknown, severityText: unknown): string | undefined {
  const level = Number.isInteger(severity) ? LEVELS[Math.floor(((severity as number) - 1) / SEVERITIES_PER_LEVEL)] : undefined
  return level ?? text(severityText)?.toLowerCase()
}
