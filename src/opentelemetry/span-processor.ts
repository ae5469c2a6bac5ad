/** Spans as calls. */
import type { EventId, EventInput, Kinescope, RunContext } from '../../index.js'
import type { OtelSpan, OtelSpanContext, SpanProcessorOptions, SpanProcessorStats } from '../../opentelemetry.js'
import { invalidArgument } from '../errors.js'
import { NOT_RECORDED } from '../recorder/event-id.js'
import { filled, idsOf, kindOf, type Origin, originOf, scopeOf, serviceOf, text } from './facts.js'
import { checkFlag, checkOptions, checkScope, flush, type Scope } from './options.js'
import { exitData, failureOf, linksOf, spanEventOf } from './span-events.js'
import { type KnownSpan, SpanMap } from './span-map.js'
import { nanoseconds, nearest, timestampOfWall } from './times.js'

const MAX_SPANS_DEFAULT = 16_384
const MAX_SPANS_LIMIT = 1_048_576

const maps = new WeakMap<KinescopeSpanProcessor, SpanMap>()

/** The spans that a processor keeps in mind. */
export function spanMapOf(processor: KinescopeSpanProcessor): SpanMap {
  return maps.get(processor)!
}

/** See `KinescopeSpanProcessor` in the contract. */
export class KinescopeSpanProcessor {
  readonly #scope: Scope
  readonly #closeOnShutdown: boolean
  readonly #spans: SpanMap
  /** By the SDK's own objects, so that an exit finds its entry also when the map has forgotten it; `null`: it left no entry. */
  readonly #entries = new WeakMap<object, KnownSpan | null>()
  #isShutDown = false
  #failed = 0

  constructor(scope: Kinescope, options: SpanProcessorOptions = {}) {
    const { maxSpans = MAX_SPANS_DEFAULT, closeOnShutdown } = checkOptions(options, ['maxSpans', 'closeOnShutdown'])
    if (!Number.isInteger(maxSpans) || (maxSpans as number) < 1 || (maxSpans as number) > MAX_SPANS_LIMIT) {
      throw invalidArgument('options.maxSpans', maxSpans, `an integer from 1 to ${MAX_SPANS_LIMIT}`)
    }
    this.#scope = checkScope(scope)
    this.#closeOnShutdown = checkFlag('closeOnShutdown', closeOnShutdown)
    this.#spans = new SpanMap(maxSpans as number)
    maps.set(this, this.#spans)
  }

  onStart(span: OtelSpan): void {
    if (this.#isShutDown) return
    try {
      const known = this.#enter(span)
      this.#entries.set(span, known)
      if (known !== null) this.#spans.start(known)
    } catch {
      this.#failed++
    }
  }

  onEnd(span: OtelSpan): void {
    if (this.#isShutDown) return
    try {
      const entered = this.#entries.get(span)
      if (entered === null) return
      this.#entries.delete(span)
      // Of a span whose start was not seen everything is known now.
      const { traceId, spanId } = span.spanContext()
      const known = entered ?? this.#spans.find(traceId, spanId) ?? this.#enter(span)
      if (known === null) return
      this.#spans.end(known)
      this.#exit(span, known)
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

  contextOf(span: { spanContext(): OtelSpanContext } | null | undefined): RunContext {
    try {
      const ids = idsOf(span?.spanContext())
      if (ids === undefined) return {}
      const known = this.#spans.find(ids.traceId, ids.spanId)
      return known === undefined ? { correlationId: ids.traceId } : { correlationId: ids.traceId, parentId: known.entryId, pid: known.pid ?? null }
    } catch {
      return {}
    }
  }

  stats(): SpanProcessorStats {
    return { live: this.#spans.live, evicted: this.#spans.evicted, failed: this.#failed }
  }

  /** Records the entry; returns `null` where nothing is recorded at present. */
  #enter(span: OtelSpan): KnownSpan | null {
    const ids = idsOf(span.spanContext())
    if (ids === undefined) throw invalidArgument('span', span, 'a span with ids')
    const { traceId, spanId } = ids
    const parentSpanId = text(span.parentSpanContext?.spanId) ?? text(span.parentSpanId)
    const parent = parentSpanId === undefined ? undefined : this.#spans.find(traceId, parentSpanId)
    const now = this.#scope.now()
    const wallTime = nanoseconds(span.startTime) ?? now.wallTime
    const timestamp = timestampOfWall(wallTime, now, parent)
    const pid = parent === undefined ? this.#rootPid(spanId) : parent.pid
    const origin = originOf(span.attributes, text(span.name) ?? null, ownerOf(span))
    const entryId = this.#scope.recorder.record(eventOf(origin, { traceId, pid }, parent?.entryId, {
      eventType: 'function_entry',
      timestamp,
      wallTime,
      data: {
        name: span.name,
        span_id: spanId,
        remote_parent: parent === undefined ? parentSpanId : undefined,
        parent_span_id: parent === undefined ? undefined : parentSpanId,
        kind: kindOf(span.kind),
        scope: scopeOf(span.instrumentationScope ?? span.instrumentationLibrary),
        service: serviceOf(span.resource),
        sampled: ids.sampled ? undefined : false,
        trace_state: ids.traceState,
        attributes: filled(span.attributes),
        links: linksOf(span.links),
      },
    }))
    return entryId === NOT_RECORDED ? null : { traceId, spanId, entryId, pid, timestamp, wallTime }
  }

  /** A span that has no parent here is a logical process of its own, unless it starts in a frame or a call of the recorder's. */
  #rootPid(spanId: string): string | undefined {
    const { pid, parentId } = this.#scope.recorder.context()
    return pid ?? (parentId === null ? `span-${spanId}` : undefined)
  }

  #exit(span: OtelSpan, known: KnownSpan): void {
    const { recorder } = this.#scope
    const now = this.#scope.now()
    const givenEnd = nanoseconds(span.endTime)
    const duration = nanoseconds(span.duration) ?? (givenEnd ?? now.wallTime) - known.wallTime
    const wallTime = givenEnd ?? known.wallTime + duration
    const timestamp = nearest(known.timestamp + duration, now.timestamp)
    const origin = originOf(span.attributes, text(span.name) ?? null, ownerOf(span))
    const record = (facts: Facts): void => void recorder.record(eventOf(origin, known, known.entryId, facts))
    const events = Array.isArray(span.events) ? span.events.map((event) => spanEventOf(event, known.spanId)) : []
    const failure = failureOf(span, events)
    for (const event of events) {
      const at = event.wallTime ?? wallTime
      record({ eventType: event.eventType, wallTime: at, timestamp: BigInt.asIntN(64, known.timestamp + at - known.wallTime), data: event.data })
    }
    if (failure !== undefined && events.every(({ eventType }) => eventType !== 'error')) {
      record({ eventType: 'error', timestamp, wallTime, data: { ...failure, span_id: known.spanId, status: 'error' } })
    }
    record({ eventType: 'function_exit', timestamp, wallTime, data: exitData(span, known.spanId, duration, failure) })
  }
}

/** Which trace and logical process events of a span are of. */
export function placeOf({ traceId, pid }: Pick<KnownSpan, 'traceId' | 'pid'>): Pick<EventInput, 'correlationId' | 'pid'> {
  return pid === undefined ? { correlationId: traceId } : { correlationId: traceId, pid }
}

/** What distinguishes an event of a span from the others. */
interface Facts {
  readonly eventType: string
  readonly timestamp: bigint
  readonly wallTime: bigint
  readonly data: unknown
}

/** An event, always with the same fields, which is what makes it quick to read; `undefined` leaves a field to the frame. */
function eventOf(origin: Origin, { traceId, pid }: Pick<KnownSpan, 'traceId' | 'pid'>, parentId: EventId | undefined, facts: Facts): EventInput {
  const { eventType, timestamp, wallTime, data } = facts
  const { module, function: name, file, line } = origin
  return { eventType, pid, correlationId: traceId, parentId, module, function: name, file, line, timestamp, wallTime, data } as EventInput
}

/** What made a span: its scope, else its service. */
function ownerOf(span: OtelSpan): string | undefined {
  return scopeOf(span.instrumentationScope ?? span.instrumentationLibrary)?.name ?? serviceOf(span.resource)
}
