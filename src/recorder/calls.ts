/** ENTER and EXIT records, and the call table behind them. */
import type { Call, CaptureLimits, Site } from '../../index.js'
import { CallTable, ROW_ENTRY_TIME, ROW_F64_SHIFT, ROW_I32_SHIFT, ROW_SEQUENCE, ROW_SITE } from './call-table.js'
import type { Definitions } from './definitions.js'
import { thrownFacts } from './error-facts.js'
import { createFastCalls, type FastCalls, MAX_FAST_ARGS, NOT_PUT } from './fast-calls.js'
import { Frame, type Frames } from './frames.js'
import { monotonicNow } from './intrinsics.js'
import * as layout from './layout.js'
import { RING_FULL, type RingWriter } from './ring-writer.js'
import type { ValueEncoder } from './value-encoder.js'

/** What `enter` returns while nothing is recorded; its exit is nothing either. */
export const NO_CALL = 0 as Call
/** What `enter` returns in a frame that is sampled out; its exit is sampled out as well. */
export const SAMPLED_OUT_CALL = -1 as Call

/** Stands beside `RING_FULL` and `TOO_LARGE`: the body could not be made, for want of stack. */
export const ENCODER_FAILED = -3
const { KIND_ENTER, KIND_EXIT, ENTER_WORDS, EXIT_WORDS, I32_STATE, I32_ASLEEP, F64_ATTEMPTS, STATE_RECORDING } = layout

/** What all recording paths of one thread share. */
export interface RecorderParts {
  readonly writer: RingWriter
  readonly frames: Frames
  readonly definitions: Definitions
  /** For bodies. Nothing else runs between `reset` and the commit. */
  readonly encoder: ValueEncoder
}

/** The LOSS cause of a failed `reserve`. */
export function causeOf(failure: number): number {
  return -1 - failure
}

/** Opens and closes calls. */
export class Calls {
  readonly table: CallTable
  readonly fast: FastCalls
  /** `Recorder.enter`. */
  readonly enter: (site: Site, data: unknown) => Call
  /** `Recorder.exit`. */
  readonly exit: (call: Call, data: unknown) => void
  readonly #writer: RingWriter
  readonly #frames: Frames
  readonly #definitions: Definitions
  readonly #encoder: ValueEncoder

  constructor(parts: RecorderParts, limits: Readonly<CaptureLimits>) {
    this.#writer = parts.writer
    this.#frames = parts.frames
    this.#definitions = parts.definitions
    this.#encoder = parts.encoder
    const { frames } = parts
    const table = new CallTable(frames.root)
    const fast = createFastCalls(parts, table, limits)
    this.table = table
    this.fast = fast
    this.enter = (site, data) => {
      const frame = frames.depth !== 0 ? frames.frame : frames.lookup()
      // An object would be asked for its key.
      const index = data === undefined && typeof site === 'number' ? fast.enter(frame, site, 0) : 0
      return index === 0 ? this.#enterWith(frame, site, data) : (table.handle(index) as Call)
    }
    this.exit = (call, data) => {
      const index = data === undefined ? table.indexOf(call) : 0
      if (index === 0 || !fast.exit(index)) this.#exitWith(call, data)
    }
  }

  /** Enters a wrapped function in `frame`, as its current call. `args`: what to capture, if anything. */
  enterWrapped(frame: Frame, site: Site, args: readonly unknown[] | undefined): number {
    const index = this.#open(frame, site, args, undefined)
    if (index !== 0) this.table.link(index, frame)
    return index
  }

  /** `leave` and `exitNormal` in one, for a synchronous call whose result is not captured. */
  exitReturning(index: number): void {
    if (index !== 0 && !this.fast.exit(index)) {
      this.table.unlinkReturning(index)
      this.exitNormal(index, layout.REASON_NORMAL, false, undefined)
    }
  }

  /** Enters a wrapped function that has a frame of its own, which is `table.frame[index]`. Returns 0 when the table is full. */
  enterDetached(outer: Frame, site: Site, args: readonly unknown[] | undefined): number {
    let index = this.fast.enterDetached(outer, site, args === undefined ? 0 : this.#putArgs(args))
    if (index === 0) index = this.#open(outer, site, args, undefined)
    if (index !== 0) this.table.detach(index, new Frame(outer.context, this.table.sequence(index), site))
    return index
  }

  #putArgs(args: readonly unknown[]): number {
    return args.length > MAX_FAST_ARGS ? NOT_PUT : this.fast.putArgs(args.length, args[0], args[1], args[2])
  }

  /** Takes a wrapped call that returns out of its frame's chain; it stays open until one of the `exit` methods. */
  leave(index: number): void {
    if (index !== 0) this.table.unlinkReturning(index)
  }

  /** Exits a wrapped call that has left its chain; `result` is captured unless `undefined`. */
  exitNormal(index: number, reason: number, capture: boolean, result: unknown): void {
    if (!capture && index !== 0 && reason === layout.REASON_NORMAL && this.fast.exitDetached(index)) return
    if (!this.#begin(index)) return
    let failed = 0
    if (capture) {
      try {
        this.#encoder.field('result', result)
      } catch {
        failed = ENCODER_FAILED
      }
    }
    this.#commitExit(index, reason, failed)
  }

  /** Exits a call with what it threw or was rejected with. */
  exitThrown(index: number, reason: number, thrown: unknown): void {
    if (!this.#begin(index)) return
    let failed = 0
    try {
      const { errorType, message } = thrownFacts(thrown)
      this.#encoder.exception(errorType, message)
    } catch {
      failed = ENCODER_FAILED
    }
    this.#commitExit(index, reason, failed)
  }

  /** Takes an open call, by its handle, out of its chain. Returns its index, or 0 after counting what was wrong with it. */
  takeOut(call: Call): number {
    if (call === NO_CALL) {
      if (this.#writer.i32[I32_STATE] !== STATE_RECORDING) this.#writer.countLate()
      return 0
    }
    const index = this.table.indexOf(call)
    if (index !== 0) {
      if (!this.table.unlink(index)) this.#writer.count(layout.F64_UNBALANCED)
    } else if (call === SAMPLED_OUT_CALL) {
      this.#writer.count(layout.F64_SAMPLED_OUT)
    } else {
      this.#writer.count(layout.F64_UNBALANCED)
    }
    return index
  }

  #enterWith(frame: Frame, site: Site, data: unknown): Call {
    if (!this.#writer.isRecording()) {
      this.#writer.countLate()
      return NO_CALL
    }
    if (!frame.context.sampled) {
      this.#writer.count(layout.F64_SAMPLED_OUT)
      return SAMPLED_OUT_CALL
    }
    const index = this.#open(frame, site, undefined, data)
    if (index === 0) return NO_CALL
    this.table.link(index, frame)
    return this.table.handle(index) as Call
  }

  #exitWith(call: Call, data: unknown): void {
    const index = this.takeOut(call)
    if (!this.#begin(index)) return
    const encoder = this.#encoder
    const start = encoder.length
    let failed = 0
    if (data !== undefined) {
      try {
        encoder.value(data)
        if (!encoder.isObjectAt(start)) {
          encoder.length = start
          this.#writer.count(layout.F64_MISTYPED)
        }
      } catch {
        failed = ENCODER_FAILED
      }
    }
    this.#commitExit(index, layout.REASON_NORMAL, failed)
  }

  /** Records an entry and fills the table's row, all but its place in a chain. */
  #open(frame: Frame, site: Site, args: readonly unknown[] | undefined, data: unknown): number {
    const writer = this.#writer
    const encoder = this.#encoder
    encoder.reset()
    const siteId = this.#beginSite(site)
    let at = RING_FULL
    try {
      if (args !== undefined) encoder.args(args)
      else if (data !== undefined) encoder.value(data)
      if (this.#frames.claimSlot(frame.context, false)) at = writer.reserve(ENTER_WORDS + encoder.lengthWords, false)
    } catch {
      at = ENCODER_FAILED
    }
    const index = this.table.take()
    const sequence = at < 0 ? this.#loseEntry(index, at) : this.#commitEntry(index, at, frame, siteId)
    if (index === 0) {
      writer.count(layout.F64_UNBALANCED)
      return 0
    }
    this.table.f64[(index << ROW_F64_SHIFT) + ROW_SEQUENCE] = sequence
    this.table.i32[(index << ROW_I32_SHIFT) + ROW_SITE] = siteId === layout.SITE_NONE ? layout.SITE_NONE : site
    return index
  }

  #loseEntry(index: number, failure: number): number {
    this.table.i64[(index << ROW_F64_SHIFT) + ROW_ENTRY_TIME] = monotonicNow()
    return this.#writer.lose(causeOf(failure))
  }

  #commitEntry(index: number, at: number, frame: Frame, siteId: number): number {
    const writer = this.#writer
    const { i32, f64 } = writer
    const bodyBytes = this.#encoder.length
    const words = ENTER_WORDS + this.#encoder.lengthWords
    if (bodyBytes > 0) writer.copyBody(at + ENTER_WORDS, this.#encoder)
    writer.i64[at + 1] = monotonicNow()
    this.table.f64[(index << ROW_F64_SHIFT) + ROW_ENTRY_TIME] = f64[at + 1]!
    const i = at * 2
    const sequence = f64[F64_ATTEMPTS]!
    f64[F64_ATTEMPTS] = sequence + 1
    i32[i + 1] = frame.context.slot
    f64[at + 2] = frame.parentSequence
    i32[i + 6] = siteId
    i32[i + 7] = bodyBytes
    i32[i + words * 2] = 0
    i32[i] = KIND_ENTER | (words << 8)
    writer.at = at + words
    if (i32[I32_ASLEEP] !== 0) writer.wake()
    return sequence
  }

  /** Starts the body of a call's exit. Frees the call and returns `false` if nothing is recorded at present. */
  #begin(index: number): boolean {
    if (index === 0) return false
    if (!this.#writer.isRecording()) {
      this.#writer.countLate()
      this.table.release(index)
      return false
    }
    this.#encoder.reset()
    this.#beginSite(this.table.site(index) as Site)
    return true
  }

  /** Id of a site for word 3; a site that has none goes to the start of the body. */
  #beginSite(site: Site): number {
    const siteId = typeof site === 'number' ? this.#definitions.siteIds[site] : undefined
    if (siteId === undefined) {
      if ((site as number) !== layout.SITE_NONE) this.#writer.count(layout.F64_MISTYPED)
      return layout.SITE_NONE
    }
    if (siteId === layout.SITE_INLINE) this.#encoder.site(this.#definitions.siteFacts[site]!)
    return siteId
  }

  #commitExit(index: number, reason: number, failed: number): void {
    const writer = this.#writer
    const { table } = this
    const { i32, f64 } = writer
    const { context } = table.frame[index]!
    const bodyBytes = this.#encoder.length
    const words = EXIT_WORDS + this.#encoder.lengthWords
    let at = failed
    if (at === 0) at = this.#frames.claimSlot(context, true) ? writer.reserve(words, true) : RING_FULL
    if (at < 0) {
      writer.lose(causeOf(at))
      table.release(index)
      return
    }
    if (bodyBytes > 0) writer.copyBody(at + EXIT_WORDS, this.#encoder)
    const siteId = this.#definitions.siteIds[table.site(index)] ?? layout.SITE_NONE
    writer.i64[at + 1] = monotonicNow()
    const i = at * 2
    f64[F64_ATTEMPTS]!++
    i32[i + 1] = context.slot
    f64[at + 2] = table.sequence(index)
    i32[i + 6] = siteId
    i32[i + 7] = bodyBytes
    f64[at + 4] = table.f64[(index << ROW_F64_SHIFT) + ROW_ENTRY_TIME]!
    i32[i + 10] = reason
    i32[i + 11] = 0
    i32[i + words * 2] = 0
    i32[i] = KIND_EXIT | (words << 8)
    writer.at = at + words
    table.release(index)
    if (i32[I32_ASLEEP] !== 0) writer.wake()
  }
}
