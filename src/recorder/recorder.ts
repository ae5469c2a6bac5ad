/** Puts one thread's recorder together. */
import type { CaptureConfig, Context, EventId, Recorder, RunContext } from '../../index.js'
import { invalidArgument } from '../errors.js'
import type { NativeProducer, NativeStore } from '../native.js'
import { Calls, type RecorderParts } from './calls.js'
import { Definitions } from './definitions.js'
import { Emitters } from './emitter.js'
import { eventIdText, formatEventId, givenParent, NOT_RECORDED, parseEventId } from './event-id.js'
import { Events } from './events.js'
import { EventContext, Frame, Frames } from './frames.js'
import { F64_MISTYPED, SITE_NONE } from './layout.js'
import { RingWriter } from './ring-writer.js'
import { isSampled } from './sampling.js'
import { readTags, type StoredTags } from './tags.js'
import { ValueEncoder } from './value-encoder.js'
import { Wrapper } from './wrap.js'

/** The part of the store that a recorder uses. */
export type RecorderStore = Pick<NativeStore, 'blockWhenFull' | 'defineString' | 'defineSite' | 'defineEmitter' | 'setEnabled'>
/** The part of the producer that a recorder uses. */
export type RecorderProducer = Pick<NativeProducer, 'buffer' | 'wake' | 'waitForSpace'>

/** What a recorder is made from. */
export interface RecorderOptions {
  readonly native: RecorderStore
  readonly producer: RecorderProducer
  readonly config: CaptureConfig
}

/** A recorder, and what the rest of the package needs of it. */
export interface RecorderHandle {
  readonly recorder: Recorder
  /** The ring's running head, modulo 2^32, as an unsigned integer; all that was recorded so far lies before it. */
  head(): number
  /** Ends recording before the ring is given back; later calls leave nothing but a count. Idempotent. */
  detach(): void
  /** Recording calls after `detach`. */
  lateCalls(): number
}

/** A CONTEXT record may take this part of the ring, so that naming a context never makes a record too large. */
const CONTEXT_SHARE = 16

/**
 * Makes this thread's recorder over its ring.
 *
 * @example
 * const { recorder, head } = createRecorder({ native, producer: native.createProducer('main'), config })
 * recorder.record({ eventType: 'log' })
 * await producer.flush(head())
 */
export function createRecorder({ native, producer, config }: RecorderOptions): RecorderHandle {
  const writer = new RingWriter(producer, native.blockWhenFull)
  const redact: ReadonlySet<string> = new Set(config.redact)
  const { limits } = config
  const contextBytes = Math.min(limits.maxEventBytes, Math.floor(producer.buffer.byteLength / CONTEXT_SHARE))
  const frames = new Frames(writer, new ValueEncoder({ ...limits, maxEventBytes: contextBytes }, redact))
  const definitions = new Definitions(native)
  const parts: RecorderParts = { writer, frames, definitions, encoder: new ValueEncoder(limits, redact) }
  const calls = new Calls(parts, limits)
  const events = new Events(parts, calls, redact)
  const emitters = new Emitters(parts, native, limits, redact)
  const wrapper = new Wrapper(parts, calls)
  const runner = new Runner(parts, calls, config.samplingRate, redact)
  const recorder: Recorder = {
    get enabled() {
      return writer.isRecording()
    },
    set enabled(enabled: boolean) {
      native.setEnabled(Boolean(enabled))
    },
    record: (event) => events.record(event),
    define: ((eventType, fields, options) => emitters.define(eventType, fields, options)) as Recorder['define'],
    site: (site) => definitions.site(site),
    enter: calls.enter,
    exit: calls.exit,
    fail: (call, error) => events.fail(call, error),
    wrap: (fn, options) => wrapper.wrap(fn, options),
    snapshot: (variables, options) => events.snapshot(variables, options),
    run: (context, fn) => runner.run(context, fn),
    context: () => runner.context(),
    idOf: (call) => {
      const index = calls.table.indexOf(call)
      return index === 0 ? NOT_RECORDED : formatEventId(writer.producer, calls.table.sequence(index))
    },
  }
  return {
    recorder: Object.freeze(recorder),
    head: () => writer.head() >>> 0,
    detach: () => writer.detach(),
    lateCalls: () => writer.lateCalls,
  }
}

/** `run` and `context`. */
class Runner {
  readonly #parts: RecorderParts
  readonly #calls: Calls
  readonly #samplingRate: number
  readonly #redact: ReadonlySet<string>

  constructor(parts: RecorderParts, calls: Calls, samplingRate: number, redact: ReadonlySet<string>) {
    this.#parts = parts
    this.#calls = calls
    this.#samplingRate = samplingRate
    this.#redact = redact
  }

  /** `Recorder.run`. @throws {KinescopeError} `INVALID_ARGUMENT` without a function. */
  run<T>(context: RunContext, fn: () => T): T {
    if (typeof fn !== 'function') throw invalidArgument('fn', fn, 'a function behind the context, which may be {}')
    const { frames } = this.#parts
    return frames.carry(this.#open(frames.now(), context), fn, undefined, []) as T
  }

  /** `Recorder.context`. */
  context(): Context {
    const { frames, writer } = this.#parts
    const { context, parentSequence } = frames.now()
    let parentId: EventId | null = null
    if (parentSequence >= 0) parentId = formatEventId(writer.producer, parentSequence)
    else if (context.parentId !== null) parentId = eventIdText(context.parentId)
    const { pid, correlationId } = context
    // `fromEntries` defines what it is given, whatever its name.
    const tags = context.tags === null ? null : Object.fromEntries(context.tags)
    return { pid, correlationId, parentId, tags }
  }

  #open(outer: Frame, given: unknown): Frame {
    const { pid, correlationId, parentId, tags } = this.#read(given)
    const inherited = outer.context
    const parent = parentId === undefined ? undefined : parseEventId(parentId)
    if (parentId !== undefined && parent === undefined) this.#countMistyped()
    const trace = this.#text(correlationId) ?? inherited.correlationId
    const context = new EventContext({
      pid: this.#text(pid) ?? inherited.pid,
      correlationId: trace,
      parentId: parent ?? inherited.parentId,
      tags: this.#mergedTags(inherited.tags, tags),
      isThread: false,
      sampled: inherited.isThread ? isSampled(this.#samplingRate, trace) : inherited.sampled,
    })
    if (parent !== undefined) return new Frame(context, -1, SITE_NONE)
    const site = outer.current === 0 ? outer.baseSite : this.#calls.table.site(outer.current)
    return new Frame(context, outer.parentSequence, site)
  }

  /** Every field is read once; what is `null` or cannot be read is as if it were not given. */
  #read(given: unknown): Record<'pid' | 'correlationId' | 'parentId' | 'tags', unknown> {
    try {
      if (typeof given === 'object' && given !== null) {
        const { pid, correlationId, parentId, tags } = given as Record<string, unknown>
        return {
          pid: pid ?? undefined,
          correlationId: correlationId ?? undefined,
          parentId: givenParent(parentId ?? undefined),
          tags: tags ?? undefined,
        }
      }
    } catch {
      // Counted below, as anything else that is no context.
    }
    this.#countMistyped()
    return { pid: undefined, correlationId: undefined, parentId: undefined, tags: undefined }
  }

  #text(value: unknown): string | undefined {
    if (typeof value === 'string') return value
    if (value !== undefined) this.#countMistyped()
    return undefined
  }

  #mergedTags(inherited: StoredTags | null, given: unknown): StoredTags | null {
    if (given === undefined) return inherited
    const tags = readTags(given, this.#redact, () => this.#countMistyped())
    if (tags === undefined) return inherited
    const merged = new Map([...(inherited ?? []), ...tags])
    return merged.size === 0 ? null : merged
  }

  #countMistyped(): void {
    this.#parts.writer.count(F64_MISTYPED)
  }
}
