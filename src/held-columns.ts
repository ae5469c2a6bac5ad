/** Columns in memory that an answer holds until it is released. */
import type { Data, RecordBatch, Table } from 'apache-arrow'
import { columnCount, type ColumnKinds, makeRecordBatch, makeTable, schemaOf } from './arrow-table.js'
import { type Batch, type BufferCache, type NativeColumns, readBatches } from './columns.js'
import { closedError } from './errors.js'
import { callNative } from './native.js'

/** Takes the place of memory that has been given back: reading anything of it is refused. */
const RELEASED = new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse }) as never

/** What a thread gets that opens a share. */
export type SharedAs = 'table' | 'recordBatch'

/** What goes with a share. */
export interface SharedDescription {
  readonly as: SharedAs
  readonly kinds: ColumnKinds
}

/** Reads an answer's columns on first use, and revokes them on release. */
export class HeldColumns {
  readonly #native: NativeColumns
  readonly #kinds: ColumnKinds
  readonly #buffers: BufferCache
  #batches: Batch[] | undefined
  #made: { table: Table; data: Data[] } | undefined
  #recordBatch: RecordBatch | undefined
  readonly #ofRecordBatch: Data[] = []
  #released = false

  constructor(native: NativeColumns, kinds: ColumnKinds, buffers: BufferCache) {
    this.#native = native
    this.#kinds = kinds
    this.#buffers = buffers
  }

  /** @throws {KinescopeError} `CLOSED` after the release. */
  get table(): Table {
    this.#made ??= makeTable(this.batches, schemaOf(this.#kinds))
    return this.#made.table
  }

  /** Of an answer that is one batch, or has no rows. @throws {KinescopeError} `CLOSED` after the release. */
  get recordBatch(): RecordBatch {
    this.#recordBatch ??= makeRecordBatch(this.batches[0], schemaOf(this.#kinds), this.#ofRecordBatch)
    return this.#recordBatch
  }

  /** @throws {KinescopeError} `CLOSED` after the release. */
  get batches(): Batch[] {
    this.ensureHeld()
    this.#batches ??= callNative(() => readBatches(this.#native, columnCount(this.#kinds), this.#buffers))
    return this.#batches
  }

  /** @throws {KinescopeError} `CLOSED` after the release. */
  ensureHeld(): void {
    if (this.#released) refuse()
  }

  /** What the thread has to know that opens a share of it. @throws {KinescopeError} `CLOSED` after the release. */
  describe(as: SharedAs): string {
    this.ensureHeld()
    return JSON.stringify({ as, kinds: this.#kinds } satisfies SharedDescription)
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
