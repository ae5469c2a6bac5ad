/** EVENT records: `record`, `snapshot`, and the error events of `fail`. */
import type { Call, EventId, EventInput } from '../../index.js'
import { type Calls, causeOf, ENCODER_FAILED, type RecorderParts } from './calls.js'
import { isLine } from './definitions.js'
import { readStack, thrownFacts } from './error-facts.js'
import { encodeEvent, readEvent } from './event-body.js'
import { formatEventId, NOT_RECORDED } from './event-id.js'
import type { Frame } from './frames.js'
import { monotonicNow } from './intrinsics.js'
import * as layout from './layout.js'
import { RING_FULL } from './ring-writer.js'

const { SITE_NONE } = layout

/** The head of an EVENT record whose body is in the encoder. */
interface EventHead {
  readonly frame: Frame
  readonly typeId: number
  readonly mask: number
  readonly siteId: number
  /** A sequence number of this producer, or -1. */
  readonly parentSequence: number
  /** Given by the caller; `undefined`: now. */
  readonly timestamp: bigint | undefined
  readonly privileged: boolean
  /** Whether the body could not be made. */
  readonly failed: boolean
}

/** Records single events. */
export class Events {
  readonly #parts: RecorderParts
  readonly #calls: Calls
  readonly #redact: ReadonlySet<string>

  constructor(parts: RecorderParts, calls: Calls, redact: ReadonlySet<string>) {
    this.#parts = parts
    this.#calls = calls
    this.#redact = redact
  }

  /**
   * `Recorder.record`.
   *
   * @throws {KinescopeError} `INVALID_ARGUMENT` naming the field.
   */
  record(event: EventInput): EventId {
    const { writer, frames } = this.#parts
    if (!writer.isRecording()) {
      writer.countLate()
      return NOT_RECORDED
    }
    const checked = readEvent(event, 'event', this.#redact)
    const { envelope } = checked
    const frame = frames.now()
    if (!frame.context.sampled) {
      writer.count(layout.F64_SAMPLED_OUT)
      return NOT_RECORDED
    }
    const typeId = this.#parts.definitions.stringId(envelope.eventType)
    let mask = 0
    let failed = false
    try {
      mask = encodeEvent(this.#parts.encoder, checked, typeId)
    } catch {
      failed = true
    }
    const sequence = this.#commit({
      frame,
      typeId,
      mask,
      siteId: SITE_NONE,
      parentSequence: frame.parentSequence,
      timestamp: typeof envelope.timestamp === 'number' ? BigInt(envelope.timestamp) : envelope.timestamp,
      privileged: envelope.eventType === 'error',
      failed,
    })
    return envelope.eventId ?? formatEventId(writer.producer, sequence)
  }

  /** `Recorder.snapshot`. */
  snapshot(variables: unknown, options: { line?: number; call?: Call } | undefined): EventId {
    const { writer, frames } = this.#parts
    if (!writer.isRecording()) {
      writer.countLate()
      return NOT_RECORDED
    }
    const { line, call } = this.#readSnapshotOptions(options)
    const { table } = this.#calls
    let frame = frames.now()
    let index = frame.current
    if (call !== undefined) {
      const given = table.indexOf(call)
      if (given === 0) {
        writer.count(layout.F64_MISTYPED)
      } else {
        index = given
        frame = table.frame[given]!
      }
    }
    if (!frame.context.sampled) {
      writer.count(layout.F64_SAMPLED_OUT)
      return NOT_RECORDED
    }
    const site = index === 0 ? frame.baseSite : table.site(index)
    const parentSequence = index === 0 ? frame.parentSequence : table.sequence(index)
    const head = this.#begin('local_variable_snapshot', site, line)
    const isObject = typeof variables === 'object' && variables !== null
    if (!isObject) writer.count(layout.F64_MISTYPED)
    let failed = false
    try {
      if (isObject) this.#parts.encoder.field('variables', variables)
    } catch {
      failed = true
    }
    const mask = head.mask | (isObject ? layout.HAS_DATA : 0)
    const { typeId, siteId } = head
    const sequence = this.#commit({ frame, typeId, mask, siteId, parentSequence, timestamp: undefined, privileged: false, failed })
    return formatEventId(writer.producer, sequence)
  }

  /** `Recorder.fail`. */
  fail(call: Call, error: unknown): void {
    const { writer } = this.#parts
    const { table } = this.#calls
    // This may run code that records, so it comes before anything of ours.
    const stack = writer.isRecording() ? readStack(error) : undefined
    const index = this.#calls.takeOut(call)
    if (index === 0) return
    const frame = table.frame[index]!
    const site = table.site(index)
    const parentSequence = table.sequence(index)
    this.#calls.exitThrown(index, layout.REASON_THROW, error)
    if (!writer.isRecording()) return
    const head = this.#begin('error', site, undefined)
    let failed = false
    try {
      const { errorType, message } = thrownFacts(error)
      this.#parts.encoder.failure(errorType, message, stack)
    } catch {
      failed = true
    }
    const { typeId, siteId } = head
    const mask = head.mask | layout.HAS_DATA
    this.#commit({ frame, typeId, mask, siteId, parentSequence, timestamp: undefined, privileged: true, failed })
  }

  #readSnapshotOptions(options: unknown): { line: number | undefined; call: unknown } {
    if (options == null) return { line: undefined, call: undefined }
    let line: unknown
    let call: unknown
    try {
      ;({ line, call } = options as { line?: unknown; call?: unknown })
    } catch {
      this.#parts.writer.count(layout.F64_MISTYPED)
    }
    if (line != null && !isLine(line)) this.#parts.writer.count(layout.F64_MISTYPED)
    return { line: isLine(line) ? line : undefined, call: call ?? undefined }
  }

  /** Starts a body: inline site, event type where it has no id, line. */
  #begin(eventType: string, site: number, line: number | undefined): Pick<EventHead, 'typeId' | 'mask' | 'siteId'> {
    const { encoder, definitions } = this.#parts
    const typeId = definitions.stringId(eventType)
    const siteId = definitions.siteIds[site] ?? SITE_NONE
    encoder.reset()
    if (siteId === layout.SITE_INLINE) encoder.site(definitions.siteFacts[site]!)
    let mask = 0
    if (typeId < 0) {
      mask |= layout.HAS_EVENT_TYPE
      encoder.plainText(eventType)
    }
    if (line !== undefined) {
      mask |= layout.HAS_LINE
      encoder.integer(line)
    }
    return { typeId, mask, siteId }
  }

  /** Writes the record and returns its number, also if it was lost. */
  #commit(head: EventHead): number {
    const { writer, frames, encoder } = this.#parts
    const { i32, f64, i64 } = writer
    const { context } = head.frame
    const bodyBytes = encoder.length
    const words = layout.EVENT_WORDS + encoder.lengthWords
    let at = RING_FULL
    if (head.failed) at = ENCODER_FAILED
    else if (frames.claimSlot(context, head.privileged)) at = writer.reserve(words, head.privileged)
    if (at < 0) return writer.lose(causeOf(at))
    writer.copyBody(at + layout.EVENT_WORDS, encoder)
    i64[at + 1] = head.timestamp ?? monotonicNow()
    const i = at * 2
    const sequence = f64[layout.F64_ATTEMPTS]!
    f64[layout.F64_ATTEMPTS] = sequence + 1
    i32[i + 1] = context.slot | (head.timestamp === undefined ? 0 : layout.FLAG_CALLER_TIME)
    f64[at + 2] = head.parentSequence
    i32[i + 6] = head.typeId
    i32[i + 7] = bodyBytes
    i32[i + 8] = head.mask
    i32[i + 9] = head.siteId
    i32[i + words * 2] = 0
    i32[i] = layout.KIND_EVENT | (words << 8)
    writer.at = at + words
    if (i32[layout.I32_ASLEEP] !== 0) writer.wake()
    return sequence
  }
}
