/** An answer's columns as typed arrays over the memory that Rust filled. */
import { KinescopeError } from './errors.js'
import type { NativeAnswer } from './native.js'

/** A column of one batch, as typed arrays. */
export interface Column {
  readonly length: number
  readonly nullCount: number
  /** One bit a row, least significant first; null if no row is null. */
  readonly validity: Uint8Array | null
  readonly buffers: readonly BufferView[]
  readonly children: readonly Column[]
}

/** A stretch of an ArrayBuffer. */
export interface BufferView {
  readonly buffer: ArrayBuffer
  readonly byteOffset: number
  readonly byteLength: number
}

/** The columns of one batch, in the order of the answer's schema. */
export interface Batch {
  readonly rows: number
  readonly columns: readonly Column[]
}

/** A stretch without bytes. */
export const NO_BYTES: BufferView = { buffer: new ArrayBuffer(8), byteOffset: 0, byteLength: 0 }

/** The part of an answer that has its columns. */
export type NativeColumns = Pick<NativeAnswer, 'layout' | 'buffer' | 'release'>

/** Reads the description that `NativeAnswer.layout` gives; see there. */
export function readBatches(answer: NativeColumns, columnCount: number, buffers: BufferCache): Batch[] {
  const layout = answer.layout()
  const memory: ArrayBuffer[] = []
  let at = 1
  for (let index = 0; index < layout[0]!; index++, at += 2) {
    memory.push(buffers.get(layout[at]!, layout[at + 1]!, () => answer.buffer(index)))
  }
  const batches: Batch[] = []
  const reader = new LayoutReader(layout, at, memory)
  for (let left = reader.next(); left > 0; left--) {
    const rows = reader.next()
    batches.push({ rows, columns: reader.columns(columnCount) })
  }
  return batches
}

/**
 * Loops over numbers, in place of `Array.from` and destructuring: a thread that gets a small batch now and then runs this with cold caches, and
 * mostly in the interpreter.
 */
class LayoutReader {
  readonly #layout: Float64Array
  readonly #memory: readonly ArrayBuffer[]
  #at: number

  constructor(layout: Float64Array, at: number, memory: readonly ArrayBuffer[]) {
    this.#layout = layout
    this.#at = at
    this.#memory = memory
  }

  next(): number {
    return this.#layout[this.#at++]!
  }

  columns(count: number): Column[] {
    const columns: Column[] = []
    for (let index = 0; index < count; index++) columns.push(this.#column())
    return columns
  }

  #column(): Column {
    const layout = this.#layout
    const at = this.#at
    const length = layout[at]!
    const validityIndex = layout[at + 2]!
    const validity = validityIndex < 0 ? null : new Uint8Array(this.#memory[validityIndex]!, layout[at + 3]!, Math.ceil(length / 8))
    const buffers: BufferView[] = []
    let next = at + 5
    for (let left = layout[at + 4]!; left > 0; left--, next += 3) buffers.push(this.#view(next))
    this.#at = next + 1
    return { length, nullCount: layout[at + 1]!, validity, buffers, children: this.columns(layout[next]!) }
  }

  #view(at: number): BufferView {
    const layout = this.#layout
    const index = layout[at]!
    return index < 0 ? NO_BYTES : { buffer: this.#memory[index]!, byteOffset: layout[at + 1]!, byteLength: layout[at + 2]! }
  }
}

/**
 * ArrayBuffers over memory of the store by address. V8 counts the full length of each, and several over one address
 * count several times, so there is one for as long as anything of it is in use.
 */
export class BufferCache {
  readonly #byAddress = new Map<number, WeakRef<ArrayBuffer>>()
  readonly #collected = new FinalizationRegistry<number>((address) => {
    if (this.#byAddress.get(address)?.deref() === undefined) this.#byAddress.delete(address)
  })

  /** The buffer over this memory; a longer one is made when what is cached has grown since, or was detached. */
  get(address: number, length: number, make: () => ArrayBuffer): ArrayBuffer {
    const cached = this.#byAddress.get(address)?.deref()
    if (cached !== undefined && cached.byteLength >= length) return cached
    const made = make()
    // `transfer` would escape the mark that keeps the buffer from being posted to a thread that outlives this one.
    for (const name of ['transfer', 'transferToFixedLength']) Object.defineProperty(made, name, { value: refuseTransfer })
    this.#byAddress.set(address, new WeakRef(made))
    this.#collected.register(made, address)
    return made
  }
}

function refuseTransfer(): never {
  throw new KinescopeError('INVALID_ARGUMENT', 'buffer: expected one of your own; memory of a recording cannot be transferred, copy it with slice()')
}

const VALUES = {
  seq: BigUint64Array,
  timestamp: BigInt64Array,
  arity: Uint16Array,
  line: Uint32Array,
  float: Float64Array,
}

/** The typed array that a column of fixed width is read through. */
export function typedArray<T extends keyof typeof VALUES>(like: T, { buffer, byteOffset, byteLength }: BufferView): InstanceType<(typeof VALUES)[T]> {
  const constructor = VALUES[like]
  return new constructor(buffer, byteOffset, byteLength / constructor.BYTES_PER_ELEMENT) as InstanceType<(typeof VALUES)[T]>
}

/** 32-bit integers: dictionary codes and offsets. */
export function int32s({ buffer, byteOffset, byteLength }: BufferView): Int32Array {
  return new Int32Array(buffer, byteOffset, byteLength / Int32Array.BYTES_PER_ELEMENT)
}

/** Offsets of a column; one more than it has rows, also if it has none. */
export function offsets(view: BufferView): Int32Array {
  return view.byteLength === 0 ? new Int32Array(1) : int32s(view)
}

/** Bytes. */
export function bytes({ buffer, byteOffset, byteLength }: BufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
