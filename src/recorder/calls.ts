/** ENTER and EXIT records, and the call table behind them. */
import type { Call, Site } from '../../index.js'
import { CallTable, PARENT_DETACHED } from './call-table.js'
import type { Definitions } from './definitions.js'
import { thrownFacts } from './error-facts.js'
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
  readonly #writer: RingWriter
  readonly #frames: Frames
  readonly #definitions: Definitions
  readonly #encoder: ValueEncoder

  constructor(parts: RecorderParts) {
    this.#writer = parts.writer
    this.#frames = parts.frames
    this.#definitions = parts.definitions
    this.#encoder = parts.encoder
    this.table = new CallTable(parts.frames.root)
  }

  /** `Recorder.enter`. */
  enter(site: Site, data: unknown): Call {
    const writer = this.#writer
    if (writer.i32[I32_STATE] !== STATE_RECORDING) {
      writer.countLate()
      return NO_CALL
    }
    const frames = this.#frames
    const frame = frames.depth !== 0 ? frames.frame : frames.lookup()
    if (data === undefined) {
      const index = this.#enterPlain(frame, site)
      if (index !== 0) return ((this.table.generation[index]! << 20) | index) as Call
    }
    return this.#enterWith(frame, site, data)
  }

  /** `Recorder.exit`. */
  exit(call: Call, data: unknown): void {
    const index = this.table.indexOf(call)
    if (index === 0 || data !== undefined || !this.#exitPlain(index)) this.#exitWith(call, data)
  }

  /** The fast way to enter: no body, a site with an id, a named context, room in ring and table. Else does nothing: 0. */
  #enterPlain(frame: Frame, site: Site): number {
    const writer = this.#writer
    const { table } = this
    const { i32, f64, at } = writer
    const { context } = frame
    const { slot } = context
    const index = table.free
    const siteId = this.#definitions.siteIds[site]!
    if (!(siteId >= 0) || index === 0 || at + ENTER_WORDS >= writer.limit || this.#frames.slotOwner[slot] !== context) return 0
    writer.i64[at + 1] = monotonicNow()
    const i = at * 2
    const sequence = f64[F64_ATTEMPTS]!
    f64[F64_ATTEMPTS] = sequence + 1
    i32[i + 1] = slot
    f64[at + 2] = frame.parentSequence
    i32[i + 6] = siteId
    i32[i + 7] = 0
    i32[i + ENTER_WORDS * 2] = 0
    i32[i] = KIND_ENTER | (ENTER_WORDS << 8)
    writer.at = at + ENTER_WORDS
    const { parent, generation } = table
    table.free = parent[index]!
    generation[index] = ~generation[index]!
    table.sequence[index] = sequence
    table.entryTimeBits[index] = f64[at + 1]!
    table.site[index] = site
    const outer = frame.current
    parent[index] = outer
    if (outer !== 0) table.child[outer] = index
    table.frame[index] = frame
    frame.current = index
    frame.parentSequence = sequence
    if (i32[I32_ASLEEP] !== 0) writer.wake()
    return index
  }

  /** The fast way to exit the current call of a frame. Else does nothing: false. */
  #exitPlain(index: number): boolean {
    const writer = this.#writer
    const { table } = this
    const { i32, f64, at } = writer
    const frame = table.frame[index]!
    const { context } = frame
    const { slot } = context
    const siteId = this.#definitions.siteIds[table.site[index]!]!
    if (
      !(siteId >= 0) ||
      frame.current !== index ||
      at + EXIT_WORDS >= writer.limit ||
      this.#frames.slotOwner[slot] !== context ||
      i32[I32_STATE] !== STATE_RECORDING
    ) {
      return false
    }
    writer.i64[at + 1] = monotonicNow()
    const i = at * 2
    f64[F64_ATTEMPTS]!++
    i32[i + 1] = slot
    f64[at + 2] = table.sequence[index]!
    i32[i + 6] = siteId
    i32[i + 7] = 0
    f64[at + 4] = table.entryTimeBits[index]!
    i32[i + 10] = layout.REASON_NORMAL
    i32[i + 11] = 0
    i32[i + EXIT_WORDS * 2] = 0
    i32[i] = KIND_EXIT | (EXIT_WORDS << 8)
    writer.at = at + EXIT_WORDS
    table.setCurrent(frame, table.parent[index]!)
    table.release(index)
    if (i32[I32_ASLEEP] !== 0) writer.wake()
    return true
  }

  /** Enters a wrapped function in `frame`, as its current call. `args`: what to capture, if anything. */
  enterWrapped(frame: Frame, site: Site, args: readonly unknown[] | undefined): number {
    let index = args === undefined ? this.#enterPlain(frame, site) : 0
    if (index !== 0) return index
    index = this.#open(frame, site, args, undefined)
    if (index !== 0) this.table.link(index, frame)
    return index
  }

  /** `leave` and `exitNormal` in one, for a synchronous call whose result is not captured. */
  exitReturning(index: number): void {
    if (index !== 0 && !this.#exitPlain(index)) {
      this.table.unlinkReturning(index)
      this.exitNormal(index, layout.REASON_NORMAL, false, undefined)
    }
  }

  /** Enters a wrapped function that has a frame of its own, which is `table.frame[index]`. Returns 0 when the table is full. */
  enterDetached(outer: Frame, site: Site, args: readonly unknown[] | undefined): number {
    const { table } = this
    const index = this.#open(outer, site, args, undefined)
    if (index === 0) return 0
    table.parent[index] = PARENT_DETACHED
    table.frame[index] = new Frame(outer.context, table.sequence[index]!, site)
    return index
  }

  /** Takes a wrapped call that returns out of its frame's chain; it stays open until one of the `exit` methods. */
  leave(index: number): void {
    if (index !== 0) this.table.unlinkReturning(index)
  }

  /** Exits a wrapped call that has left its chain; `result` is captured unless `undefined`. */
  exitNormal(index: number, reason: number, capture: boolean, result: unknown): void {
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
    this.table.sequence[index] = sequence
    this.table.site[index] = siteId === layout.SITE_NONE ? layout.SITE_NONE : site
    return index
  }

  #loseEntry(index: number, failure: number): number {
    this.table.entryTime[index] = monotonicNow()
    return this.#writer.lose(causeOf(failure))
  }

  #commitEntry(index: number, at: number, frame: Frame, siteId: number): number {
    const writer = this.#writer
    const { i32, f64 } = writer
    const bodyBytes = this.#encoder.length
    const words = ENTER_WORDS + this.#encoder.lengthWords
    if (bodyBytes > 0) writer.copyBody(at + ENTER_WORDS, this.#encoder)
    const now = monotonicNow()
    writer.i64[at + 1] = now
    this.table.entryTime[index] = now
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
    this.#beginSite(this.table.site[index]! as Site)
    return true
  }

  /** Id of a site for word 3; a site that has none goes to the start of the body. */
  #beginSite(site: Site): number {
    const siteId = this.#definitions.siteIds[site]
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
    const siteId = this.#definitions.siteIds[table.site[index]!] ?? layout.SITE_NONE
    writer.i64[at + 1] = monotonicNow()
    const i = at * 2
    f64[F64_ATTEMPTS]!++
    i32[i + 1] = context.slot
    f64[at + 2] = table.sequence[index]!
    i32[i + 6] = siteId
    i32[i + 7] = bodyBytes
    f64[at + 4] = table.entryTimeBits[index]!
    i32[i + 10] = reason
    i32[i + 11] = 0
    i32[i + words * 2] = 0
    i32[i] = KIND_EXIT | (words << 8)
    writer.at = at + words
    table.release(index)
    if (i32[I32_ASLEEP] !== 0) writer.wake()
  }
}
