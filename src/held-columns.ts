/** Columns in memory that an answer holds until it is released. */
import type { Data, RecordBatch, Schema, Table } from 'apache-arrow'
import { makeRecordBatch, makeTable } from './arrow-table.js'
import { type Batch, type BufferCache, type NativeColumns, readBatches } from './columns.js'
import { closedError } from './errors.js'
import { callNative } from './native.js'

/** Takes the place of memory that has been given back: reading anything of it is refused. */
const RELEASED = new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse }) as never

/** Reads an answer's columns on first use, and revokes them on release. */
export class HeldColumns {
  readonly #native: NativeColumns
  readonly #columnCount: number
  readonly #schema: () => Schema
  readonly #buffers: BufferCache
  #batches: Batch[] | undefined
  #made: { table: Table; data: Data[] } | undefined
  #recordBatch: RecordBatch | undefined
  readonly #ofRecordBatch: Data[] = []
  #released = false

  /** @param schema Asked for with the first table only. */
  constructor(native: NativeColumns, columnCount: number, schema: () => Schema, buffers: BufferCache) {
    this.#native = native
    this.#columnCount = columnCount
    this.#schema = schema
    this.#buffers = buffers
  }

  /** @throws {KinescopeError} `CLOSED` after the release. */
  get table(): Table {
    this.#made ??= makeTable(this.batches, this.#schema())
    return this.#made.table
  }

  /** Of an answer that is one batch, or has no rows. @throws {KinescopeError} `CLOSED` after the release. */
  get recordBatch(): RecordBatch {
    this.#recordBatch ??= makeRecordBatch(this.batches[0], this.#schema(), this.#ofRecordBatch)
    return this.#recordBatch
  }

  /** @throws {KinescopeError} `CLOSED` after the release. */
  get batches(): Batch[] {
    this.ensureHeld()
    this.#batches ??= callNative(() => readBatches(this.#native, this.#columnCount, this.#buffers))
    return this.#batches
  }

  /** @throws {KinescopeError} `CLOSED` after the release. */
  ensureHeld(): void {
    if (this.#released) refuse()
  }

  /** Gives the memory back, as far as nobody has slices of it. Idempotent. */
  release(): void {
    if (this.#released) return
    this.#released = true
    revoke(this.#made?.data ?? [])
    revoke(this.#ofRecordBatch)
    this.#made = undefined
    this.#recordBatch = undefined
    this.#batches = undefined
    this.#native.release()
  }
}

/** Whoever holds the table or a vector of it must not go on reading; slices have data of their own. */
function revoke(all: Writable<Data>[]): void {
  for (const data of all.splice(0)) {
    if (data.values !== undefined) data.values = RELEASED
    if (data.valueOffsets !== undefined) data.valueOffsets = RELEASED
    if (data.nullBitmap !== undefined) data.nullBitmap = RELEASED
  }
}

/** For code that asks what memory is before it reads any of it. @throws {KinescopeError} `CLOSED`. */
export function ensureNotReleased(memory: unknown): void {
  if (memory === RELEASED) refuse()
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

function refuse(): never {
  throw closedError('the result has been released: it')
}
