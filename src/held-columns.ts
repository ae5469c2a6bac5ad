/** Columns in memory that an answer holds until it is released. */
import type { RecordBatch, Table } from 'apache-arrow'
import { columnCount, type ColumnKinds, makeRecordBatch, makeTable, schemaOf } from './arrow-table.js'
import { type Batch, type BufferCache, type NativeColumns, readBatches } from './columns.js'
import { refuse, revoke } from './held-table.js'
import { callNative } from './native.js'

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
  #table: Table | undefined
  #recordBatch: RecordBatch | undefined
  #released = false

  constructor(native: NativeColumns, kinds: ColumnKinds, buffers: BufferCache) {
    this.#native = native
    this.#kinds = kinds
    this.#buffers = buffers
  }

  /** @throws {KinescopeError} `CLOSED` after the release. */
  get table(): Table {
    this.#table ??= makeTable(this.batches, schemaOf(this.#kinds))
    return this.#table
  }

  /** Of an answer that is one batch, or has no rows. @throws {KinescopeError} `CLOSED` after the release. */
  get recordBatch(): RecordBatch {
    this.#recordBatch ??= makeRecordBatch(this.batches[0], schemaOf(this.#kinds))
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
    if (this.#table !== undefined) revoke(this.#table)
    if (this.#recordBatch !== undefined) revoke(this.#recordBatch)
    this.#table = undefined
    this.#recordBatch = undefined
    this.#batches = undefined
    this.#native.release()
  }
}
