/**
 * Open calls, in typed arrays so that a call is an integer and opening one allocates nothing.
 *
 * The calls that `enter` and synchronous wrapped functions opened in one frame form a chain, linked both ways, from the
 * frame's current call to 0. A call that is not in its frame's chain says so in `parent`.
 */
import type { Frame } from './frames.js'

/** Open calls at most; also one more than the largest index. */
export const MAX_OPEN_CALLS = 1 << 20
const INDEX_BITS = 20
const INDEX_MASK = MAX_OPEN_CALLS - 1
const GENERATION_MASK = 0x3ff
const FIRST_CAPACITY = 256

/** `parent` of a call with a frame of its own: it is never current, but the base of that frame. */
export const PARENT_DETACHED = -1
/** `parent` of a call that was left open inside a synchronous call that has returned. */
export const PARENT_LEFT_BEHIND = -2

/** The table. All arrays are indexed by call index; index 0 is no call. Arrays are replaced when the table grows. */
export class CallTable {
  /** Sequence number of the entry. */
  sequence = new Float64Array(FIRST_CAPACITY)
  /** Raw time of the entry; `entryTimeBits` is the same memory, which moves without BigInt. */
  entryTime = new BigInt64Array(FIRST_CAPACITY)
  entryTimeBits = new Float64Array(this.entryTime.buffer)
  /** This thread's site, or `SITE_NONE`. */
  site = new Int32Array(FIRST_CAPACITY)
  /** The next outer call in the chain, 0 for none, or one of `PARENT_*`; of a free index the next free one. */
  parent = new Int32Array(FIRST_CAPACITY)
  /** The next inner call in the chain; valid while the call is in the chain and not current. */
  child = new Int32Array(FIRST_CAPACITY)
  /** Upper bits of the call's handle; negative, as its complement, while the index is free. */
  generation = new Int32Array(FIRST_CAPACITY)
  /** The frame whose chain the call is in, or that it opened. */
  readonly frame: Frame[] = []
  /** First free index, 0 if there is none. */
  free = 0

  readonly #nobody: Frame

  /** @param nobody Stands in `frame` for free indexes, so that they keep nothing alive. */
  constructor(nobody: Frame) {
    this.#nobody = nobody
    this.frame.push(nobody)
    this.generation[0] = -1
    this.#addFree(1)
  }

  /** Takes a free index, growing the table if needed. Returns 0 when it has reached its limit. */
  take(): number {
    if (this.free === 0 && !this.#grow()) return 0
    const index = this.free
    this.free = this.parent[index]!
    this.generation[index] = ~this.generation[index]!
    return index
  }

  /** The handle of an open call. */
  handle(index: number): number {
    return (this.generation[index]! << INDEX_BITS) | index
  }

  /** Index of an open call; 0 for a handle that is not one, whatever it is. */
  indexOf(call: unknown): number {
    if (typeof call !== 'number' || (call | 0) !== call) return 0
    const index = call & INDEX_MASK
    return this.generation[index] === call >>> INDEX_BITS ? index : 0
  }

  /** Makes a call the current one of its frame. */
  link(index: number, frame: Frame): void {
    const outer = frame.current
    this.parent[index] = outer
    if (outer !== 0) this.child[outer] = index
    this.frame[index] = frame
    frame.current = index
    frame.parentSequence = this.sequence[index]!
  }

  /**
   * Takes a call out of its frame's chain.
   *
   * @returns `false` if it was not the current one, or not in the chain any more.
   */
  unlink(index: number): boolean {
    const outer = this.parent[index]!
    if (outer === PARENT_DETACHED) return true
    if (outer === PARENT_LEFT_BEHIND) return false
    const frame = this.frame[index]!
    if (frame.current === index) {
      this.setCurrent(frame, outer)
      return true
    }
    const inner = this.child[index]!
    this.parent[inner] = outer
    if (outer !== 0) this.child[outer] = inner
    return false
  }

  /** Takes a call that returns out of its frame's chain, and leaves behind what is still open inside it. */
  unlinkReturning(index: number): void {
    const frame = this.frame[index]!
    while (frame.current !== index) {
      const inner = frame.current
      frame.current = this.parent[inner]!
      this.parent[inner] = PARENT_LEFT_BEHIND
    }
    this.setCurrent(frame, this.parent[index]!)
    this.parent[index] = PARENT_DETACHED
  }

  setCurrent(frame: Frame, index: number): void {
    frame.current = index
    frame.parentSequence = index === 0 ? frame.baseSequence : this.sequence[index]!
  }

  /** Frees an index; its handle is unknown from here on. */
  release(index: number): void {
    this.generation[index] = ~((this.generation[index]! + 1) & GENERATION_MASK)
    this.frame[index] = this.#nobody
    this.parent[index] = this.free
    this.free = index
  }

  #grow(): boolean {
    const from = this.sequence.length
    if (from >= MAX_OPEN_CALLS) return false
    const capacity = from * 2
    this.sequence = grown(this.sequence, new Float64Array(capacity))
    const entryTime = new BigInt64Array(capacity)
    entryTime.set(this.entryTime)
    this.entryTime = entryTime
    this.entryTimeBits = new Float64Array(entryTime.buffer)
    this.site = grown(this.site, new Int32Array(capacity))
    this.parent = grown(this.parent, new Int32Array(capacity))
    this.child = grown(this.child, new Int32Array(capacity))
    this.generation = grown(this.generation, new Int32Array(capacity))
    this.#addFree(from)
    return true
  }

  #addFree(from: number): void {
    for (let index = from; index < this.sequence.length; index++) {
      this.frame.push(this.#nobody)
      // Handles start at generation 1: no handle is 0, nor one below MAX_OPEN_CALLS until generations come around.
      this.generation[index] = ~1
      this.parent[index] = index + 1 < this.sequence.length ? index + 1 : 0
    }
    this.free = from
  }
}

function grown<T extends Float64Array | Int32Array>(from: T, to: T): T {
  to.set(from)
  return to
}
