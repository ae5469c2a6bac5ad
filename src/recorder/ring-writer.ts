/**
 * This thread's side of its ring: where the next record goes, and what happens when it does not fit.
 *
 * Every recording path commits by itself, in a straight line, because a call in between could be where a terminated
 * thread stops. The order is: `reserve`, body, time, then without any call `attempts`, header, terminator, commit word.
 */
import { Buffer } from 'node:buffer'
import type { NativeProducer } from '../native.js'
import { atomicStore, monotonicNow, nextTick, setBytes, subarray } from './intrinsics.js'
import {
  CAUSE_RING_FULL,
  F64_AFTER_CLOSE,
  F64_ATTEMPTS,
  F64_LOST_RING_FULL,
  FIRST_WORD,
  I32_ASLEEP,
  I32_CAPACITY_WORDS,
  I32_PRODUCER,
  I32_PUBLICATION,
  I32_PUBLISHED_HEAD,
  I32_STATE,
  I32_TAIL,
  I64_LOST_SINCE,
  KIND_LOSS,
  KIND_PAD,
  LOSS_WORDS,
  STATE_CLOSED,
  STATE_RECORDING,
} from './layout.js'

/** `reserve` found the ring full. */
export const RING_FULL = -1
/** `reserve` was asked for more than a quarter of the ring. */
export const TOO_LARGE = -2

/** Words after which the head is published where readers do not follow commit words. */
const PUBLISHED_BLOCK_WORDS = 512

/** Up to this length a loop is cheaper than a call into the runtime. */
const LOOP_BYTES = 256

/** The producer's end of one ring. Positions are indexes of 8-byte words in the whole buffer unless said otherwise. */
export class RingWriter {
  readonly i32: Int32Array
  readonly f64: Float64Array
  readonly i64: BigInt64Array
  readonly u8: Uint8Array
  /** The same memory, for writing strings. */
  readonly buffer: Buffer
  /** This producer's number. */
  readonly producer: number
  /** Wakes the writer thread. */
  readonly wake: () => void
  /** Where the next record starts; the word there is zero. */
  at: number
  /** A record of `n` words may be written at `at` without asking if `at + n < limit`. May be too low, never too high. */
  limit = 0
  /** Whether the ring has been given back: it must not be touched then. */
  detached = false
  /** Recording calls that came after the ring was given back. */
  lateCalls = 0

  readonly #native: Pick<NativeProducer, 'waitForSpace'>
  readonly #blockWhenFull: boolean
  readonly #capacityWords: number
  readonly #reservedWords: number
  readonly #endWord: number
  readonly #publishes: boolean
  /** The running head is this plus `at`, modulo 2^32. */
  #headBase: number
  #lossPending = false
  #publishScheduled = false
  #publishedAt: number

  constructor(native: Pick<NativeProducer, 'buffer' | 'wake' | 'waitForSpace'>, blockWhenFull: boolean) {
    const memory = native.buffer
    this.i32 = new Int32Array(memory)
    this.f64 = new Float64Array(memory)
    this.i64 = new BigInt64Array(memory)
    this.u8 = new Uint8Array(memory)
    this.buffer = Buffer.from(memory)
    this.producer = this.i32[I32_PRODUCER]!
    this.wake = () => native.wake()
    this.#native = native
    this.#blockWhenFull = blockWhenFull
    this.#capacityWords = this.i32[I32_CAPACITY_WORDS]!
    this.#reservedWords = this.#capacityWords >>> 3
    this.#endWord = FIRST_WORD + this.#capacityWords
    this.#publishes = this.i32[I32_PUBLICATION] === 1
    // A new ring is empty, so its head is where the reader is.
    const head = this.i32[I32_TAIL]!
    this.at = FIRST_WORD + (head & (this.#capacityWords - 1))
    this.#headBase = (head - this.at) | 0
    this.#publishedAt = this.at
  }

  /** The running head, modulo 2^32 as an int32. A loss that is still to be told is told first, if it fits. */
  head(): number {
    if (this.detached) return (this.#headBase + this.at) | 0
    if (this.#lossPending) this.#reserveOnce(0, true)
    if (this.#publishes) this.#publish()
    return (this.#headBase + this.at) | 0
  }

  /** Gives the ring up: nothing is written or read any more. */
  detach(): void {
    if (this.detached) return
    if (this.#publishes) this.#publish()
    this.detached = true
    this.limit = 0
  }

  /** For a recording call that finds the recording not recording. */
  countLate(): void {
    if (this.detached) this.lateCalls++
    else if (this.i32[I32_STATE] === STATE_CLOSED) this.f64[F64_AFTER_CLOSE]!++
  }

  /** Whether anything may be recorded at present. */
  isRecording(): boolean {
    return !this.detached && this.i32[I32_STATE] === STATE_RECORDING
  }

  /** Copies a body into room that was reserved, before the record is claimed. Positions in words. */
  copyBody(at: number, body: { readonly bytes: Uint8Array; readonly words: Int32Array; readonly length: number }): void {
    if (body.length > LOOP_BYTES) {
      setBytes(this.u8, subarray(body.bytes, 0, body.length), at * 8)
      return
    }
    const { i32 } = this
    const { words } = body
    const halves = (body.length + 3) >>> 2
    for (let i = 0; i < halves; i++) i32[at * 2 + i] = words[i]!
  }

  /** Adds one to a counter of the ring's header. */
  count(f64Index: number): void {
    if (!this.detached) this.f64[f64Index]!++
  }

  /**
   * Finds room for a record, pads the end of the data area, and tells pending losses.
   *
   * @param words Length of the record.
   * @param privileged Whether it may use the eighth that is kept for exits, losses and errors.
   * @returns `at`, or `RING_FULL` or `TOO_LARGE`.
   */
  reserve(words: number, privileged: boolean): number {
    if (this.detached) return RING_FULL
    if (words > this.#capacityWords >>> 2) return TOO_LARGE
    if (this.#publishes) this.#publishBlock()
    const at = this.#reserveOnce(words, privileged)
    if (at !== RING_FULL || !this.#blockWhenFull) return at
    if (this.#publishes) this.#publish()
    const head = (this.#headBase + this.at) | 0
    const needed = words + 1 + LOSS_WORDS + this.#padWords(words + LOSS_WORDS) + (privileged ? 0 : this.#reservedWords)
    return this.#native.waitForSpace(head >>> 0, needed) ? this.#reserveOnce(words, privileged) : RING_FULL
  }

  /**
   * Counts an attempt that is lost, and says so in the ring.
   *
   * @param cause As in a LOSS record.
   * @returns The attempt's sequence number.
   */
  lose(cause: number): number {
    if (this.detached) {
      this.lateCalls++
      return -1
    }
    const told = cause !== CAUSE_RING_FULL && !this.#lossPending && this.#reserveOnce(LOSS_WORDS, true) !== RING_FULL
    const since = monotonicNow()
    const sequence = this.f64[F64_ATTEMPTS]!
    if (told) {
      this.i64[this.at + 1] = since
      this.i64[this.at + 3] = since
      this.f64[F64_ATTEMPTS] = sequence + 1
      this.#commitLoss(cause, 1)
    } else {
      if (!this.#lossPending) this.i64[I64_LOST_SINCE] = since
      this.#lossPending = true
      // A smaller record may still fit, but not before the loss has been told: records are numbered by counting.
      this.limit = 0
      this.f64[F64_ATTEMPTS] = sequence + 1
      this.f64[F64_LOST_RING_FULL]!++
    }
    if (this.i32[I32_ASLEEP] !== 0) this.wake()
    return sequence
  }

  /** As `reserve`, without waiting. With no words it only tells pending losses. */
  #reserveOnce(words: number, privileged: boolean): number {
    const used = (this.#headBase + this.at - this.i32[I32_TAIL]!) >>> 0
    const free = this.#capacityWords - used - (privileged ? 0 : this.#reservedWords)
    let pad = this.#padWords(words)
    if (this.#lossPending) {
      const lossPad = this.#padWords(LOSS_WORDS)
      const start = lossPad === 0 ? this.at : FIRST_WORD
      pad = start + LOSS_WORDS + words + 1 > this.#endWord ? this.#endWord - start - LOSS_WORDS : 0
      if (lossPad + LOSS_WORDS + pad + words + 1 > free) return this.#full(free)
      if (lossPad > 0) this.#pad()
      const now = monotonicNow()
      this.i64[this.at + 1] = now
      this.i64[this.at + 3] = this.i64[I64_LOST_SINCE]!
      this.#lossPending = false
      this.#commitLoss(CAUSE_RING_FULL, this.f64[F64_LOST_RING_FULL]!)
    } else if (pad + words + 1 > free) {
      return this.#full(free)
    }
    if (pad > 0 && words > 0) this.#pad()
    this.#refreshLimit()
    return this.at
  }

  #full(freeWords: number): number {
    this.limit = this.#lossPending ? 0 : Math.min(this.#endWord, this.at + Math.max(0, freeWords))
    return RING_FULL
  }

  /** Words that a record of this length leaves unused at the end of the data area. */
  #padWords(words: number): number {
    return this.at + words + 1 > this.#endWord ? this.#endWord - this.at : 0
  }

  #pad(): void {
    const { at, i32 } = this
    i32[FIRST_WORD * 2] = 0
    i32[at * 2] = KIND_PAD | ((this.#endWord - at) << 8)
    this.#headBase = (this.#headBase + this.#capacityWords) | 0
    this.#publishedAt -= this.#capacityWords
    this.at = FIRST_WORD
  }

  #commitLoss(cause: number, lost: number): void {
    const { at, i32 } = this
    i32[at * 2 + 1] = cause
    this.f64[at + 2] = lost
    i32[(at + LOSS_WORDS) * 2] = 0
    i32[at * 2] = KIND_LOSS | (LOSS_WORDS << 8)
    this.at = at + LOSS_WORDS
  }

  #refreshLimit(): void {
    const used = (this.#headBase + this.at - this.i32[I32_TAIL]!) >>> 0
    const usable = this.#capacityWords - used - this.#reservedWords
    const limit = Math.min(this.#endWord, this.at + Math.max(0, usable))
    // Without commit words to follow, the reader waits for this thread to come by here once a block.
    this.limit = this.#publishes ? Math.min(limit, this.#publishedAt + PUBLISHED_BLOCK_WORDS) : limit
  }

  #publishBlock(): void {
    if (this.at - this.#publishedAt >= PUBLISHED_BLOCK_WORDS) this.#publish()
    if (this.#publishScheduled) return
    this.#publishScheduled = true
    // A tick, not an immediate: that would keep the loop alive, or, unreferenced, would wait for the next timer.
    nextTick(() => {
      this.#publishScheduled = false
      if (this.detached) return
      this.#publish()
      // The next record comes by `reserve` again and schedules the next tick.
      this.limit = 0
    })
  }

  /** Tells pending losses first, if that fits: the reader finds none by itself here. */
  #publish(): void {
    if (this.#lossPending) this.#reserveOnce(0, true)
    this.#publishedAt = this.at
    atomicStore(this.i32, I32_PUBLISHED_HEAD, (this.#headBase + this.at) | 0)
  }
}
