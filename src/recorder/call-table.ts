/**
 * Open calls, in rows of a typed array so that a call is an integer and opening one allocates nothing.
 *
 * The calls that `enter` and synchronous wrapped functions opened in one frame form a chain, linked both ways, from the
 * frame's current call to 0. A call that is not in its frame's chain says so in `ROW_PARENT`.
 */
import type { Frame } from './frames.js'

/** Open calls at most; also one more than the largest index. */
export const MAX_OPEN_CALLS = 1 << 20
export const INDEX_BITS = 20
const INDEX_MASK = MAX_OPEN_CALLS - 1
const GENERATION_MASK = 0x3ff
const FIRST_CAPACITY = 256

/** A row is a cache line: call `c` has `f64[c << 3]` and the 7 behind it, which are `i32[c << 4]` and the 15 behind that. */
export const ROW_F64_SHIFT = 3
export const ROW_I32_SHIFT = 4

/** Places in a row's `f64`. Sequence number of the entry. */
export const ROW_SEQUENCE = 0
/** Raw time of the entry: a 64-bit integer, whose bits are moved as a float's. */
export const ROW_ENTRY_TIME = 1

/** Places in a row's `i32`. This thread's site, or `SITE_NONE`. */
export const ROW_SITE = 4
/** The next outer call in the chain, 0 for none, or one of `PARENT_*`; of a free index the next free one. */
export const ROW_PARENT = 5
/** The next inner call in the chain; valid while the call is in the chain and not current. */
export const ROW_CHILD = 6
/** Upper bits of the call's handle; negative, as its complement, while the index is free. */
export const ROW_GENERATION = 7

/** `ROW_PARENT` of a call with a frame of its own: it is never current, but the base of that frame. */
export const PARENT_DETACHED = -1
/** `ROW_PARENT` of a call that was left open inside a synchronous call that has returned. */
export const PARENT_LEFT_BEHIND = -2

/** The table. Index 0 is no call. */
export class CallTable {
  /** All rows, replaced when the table grows. */
  f64 = new Float64Array(FIRST_CAPACITY << ROW_F64_SHIFT)
  /** The same memory. */
  i32 = new Int32Array(this.f64.buffer)
  /** The same memory. */
  i64 = new BigInt64Array(this.f64.buffer)
  /** By index: the frame whose chain the call is in, or that it opened. */
  readonly frame: Frame[] = []
  /** First free index, 0 if there is none. */
  free = 0

  readonly #nobody: Frame
  #capacity = FIRST_CAPACITY

  /** @param nobody Stands in `frame` for free indexes, so that they keep nothing alive. */
  constructor(nobody: Frame) {
    this.#nobody = nobody
    this.frame.push(nobody)
    this.i32[ROW_GENERATION] = -1
    this.#addFree(1)
  }

  /** Takes a free index, growing the table if needed. Returns 0 when it has reached its limit. */
  take(): number {
    if (this.free === 0 && !this.#grow()) return 0
    const index = this.free
    const row = index << ROW_I32_SHIFT
    this.free = this.i32[row + ROW_PARENT]!
    this.i32[row + ROW_GENERATION] = ~this.i32[row + ROW_GENERATION]!
    return index
  }

  /** The handle of an open call. */
  handle(index: number): number {
    return (this.i32[(index << ROW_I32_SHIFT) + ROW_GENERATION]! << INDEX_BITS) | index
  }

  /** Index of an open call; 0 for a handle that is not one, whatever it is. */
  indexOf(call: unknown): number {
    if (typeof call !== 'number' || (call | 0) !== call) return 0
    const index = call & INDEX_MASK
    return this.i32[(index << ROW_I32_SHIFT) + ROW_GENERATION] === call >>> INDEX_BITS ? index : 0
  }

  /** Sequence number of an open call's entry. */
  sequence(index: number): number {
    return this.f64[(index << ROW_F64_SHIFT) + ROW_SEQUENCE]!
  }

  /** This thread's site of an open call, or `SITE_NONE`. */
  site(index: number): number {
    return this.i32[(index << ROW_I32_SHIFT) + ROW_SITE]!
  }

  /** Makes a call the current one of its frame. */
  link(index: number, frame: Frame): void {
    const { i32 } = this
    const outer = frame.current
    i32[(index << ROW_I32_SHIFT) + ROW_PARENT] = outer
    if (outer !== 0) i32[(outer << ROW_I32_SHIFT) + ROW_CHILD] = index
    this.frame[index] = frame
    frame.current = index
    frame.parentSequence = this.sequence(index)
  }

  /** Gives a call a frame of its own: it is in no chain. */
  detach(index: number, frame: Frame): void {
    this.i32[(index << ROW_I32_SHIFT) + ROW_PARENT] = PARENT_DETACHED
    this.frame[index] = frame
  }

  /**
   * Takes a call out of its frame's chain.
   *
   * @returns `false` if it was not the current one, or not in the chain any more.
   */
  unlink(index: number): boolean {
    const { i32 } = this
    const row = index << ROW_I32_SHIFT
    const outer = i32[row + ROW_PARENT]!
    if (outer === PARENT_DETACHED) return true
    if (outer === PARENT_LEFT_BEHIND) return false
    const frame = this.frame[index]!
    if (frame.current === index) {
      this.setCurrent(frame, outer)
      return true
    }
    const inner = i32[row + ROW_CHILD]!
    i32[(inner << ROW_I32_SHIFT) + ROW_PARENT] = outer
    if (outer !== 0) i32[(outer << ROW_I32_SHIFT) + ROW_CHILD] = inner
    return false
  }

  /** Takes a call that returns out of its frame's chain, and leaves behind what is still open inside it. */
  unlinkReturning(index: number): void {
    const { i32 } = this
    const frame = this.frame[index]!
    while (frame.current !== index) {
      const inner = (frame.current << ROW_I32_SHIFT) + ROW_PARENT
      frame.current = i32[inner]!
      i32[inner] = PARENT_LEFT_BEHIND
    }
    const parent = (index << ROW_I32_SHIFT) + ROW_PARENT
    this.setCurrent(frame, i32[parent]!)
    i32[parent] = PARENT_DETACHED
  }

  setCurrent(frame: Frame, index: number): void {
    frame.current = index
    frame.parentSequence = index === 0 ? frame.baseSequence : this.sequence(index)
  }

  /** Frees an index; its handle is unknown from here on. */
  release(index: number): void {
    const { i32 } = this
    const row = index << ROW_I32_SHIFT
    i32[row + ROW_GENERATION] = ~((i32[row + ROW_GENERATION]! + 1) & GENERATION_MASK)
    this.frame[index] = this.#nobody
    i32[row + ROW_PARENT] = this.free
    this.free = index
  }

  #grow(): boolean {
    const from = this.#capacity
    if (from >= MAX_OPEN_CALLS) return false
    this.#capacity = from * 2
    const f64 = new Float64Array(this.#capacity << ROW_F64_SHIFT)
    const i32 = new Int32Array(f64.buffer)
    // As integers: a copy of floats may change the bits of what is none.
    i32.set(this.i32)
    this.f64 = f64
    this.i32 = i32
    this.i64 = new BigInt64Array(f64.buffer)
    this.#addFree(from)
    return true
  }

  #addFree(from: number): void {
    for (let index = from; index < this.#capacity; index++) {
      const row = index << ROW_I32_SHIFT
      this.frame.push(this.#nobody)
      // Handles start at generation 1: no handle is 0, nor one below MAX_OPEN_CALLS until generations come around.
      this.i32[row + ROW_GENERATION] = ~1
      this.i32[row + ROW_PARENT] = index + 1 < this.#capacity ? index + 1 : 0
    }
    this.free = from
  }
}
