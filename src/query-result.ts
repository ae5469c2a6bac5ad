/** The answer to a query. */
import { type Data, type Schema, type Table, tableToIPC } from 'apache-arrow'
import type { Event, Lost, LossCause, LostRange, QueryResult } from '../index.js'
import { type Batch, type BufferCache, EVENT_SCHEMA, makeTable, projectedSchema, readBatches } from './arrow-columns.js'
import { closedError, invalidArgument } from './errors.js'
import { callNative, type NativeAnswer, type NativeLoss } from './native.js'
import type { ProjectedField } from './projection.js'
import { eventReader, projectedReader } from './rows.js'

/** Through these an apache-arrow `Data` reaches its memory. */
const MEMORY_FIELDS = ['values', 'valueOffsets', 'nullBitmap', 'typeIds']

/** Rows of one snapshot; see `QueryResult` in the contract. */
export class Answer<Row = Event> implements QueryResult<Row> {
  readonly totalMatches: number
  readonly nextPageToken: string | null
  readonly snapshot: bigint
  readonly lost: Lost
  readonly #native: NativeAnswer
  readonly #buffers: BufferCache
  readonly #schema: Schema
  readonly #reader: (batch: Batch) => (row: number) => unknown
  #batches: Batch[] | undefined
  #made: { table: Table; data: Data[] } | undefined
  #released = false

  constructor(native: NativeAnswer, buffers: BufferCache, projection: readonly ProjectedField[] | null = null) {
    this.#native = native
    this.#buffers = buffers
    const types = native.projectedTypes()
    this.#schema = projection === null || types === null ? EVENT_SCHEMA : projectedSchema(projection, types)
    this.#reader = projection === null || types === null ? eventReader : (batch) => projectedReader(batch, projection, types)
    this.totalMatches = native.totalMatches
    this.nextPageToken = native.nextPageToken()
    this.snapshot = native.snapshot
    this.lost = lostOf(native.lost())
  }

  get table(): Table {
    this.#ensureHeld()
    this.#made ??= makeTable(this.#columns(), this.#schema)
    return this.#made.table
  }

  *[Symbol.iterator](): IterableIterator<Row> {
    for (const batch of this.#columns()) {
      const read = this.#reader(batch)
      for (let row = 0; row < batch.rows; row++) {
        this.#ensureHeld()
        yield read(row) as Row
      }
    }
  }

  toArray(): Row[] {
    return [...this]
  }

  toIPC(format: 'stream' | 'file'): Uint8Array {
    if (format !== 'stream' && format !== 'file') throw invalidArgument('format', format, "'stream' or 'file'")
    this.#ensureHeld()
    // The addon knows the columns of a projection by their position only.
    if (this.#schema !== EVENT_SCHEMA) return tableToIPC(this.table, format)
    return callNative(() => this.#native.toIpc(format === 'file'))
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    // Whoever holds the table or a vector of it must not go on reading; slices have data of their own.
    const revoked = { get: refuse, configurable: true }
    for (const data of this.#made?.data ?? []) {
      for (const field of MEMORY_FIELDS) Object.defineProperty(data, field, revoked)
    }
    this.#made = undefined
    this.#batches = undefined
    this.#native.release()
  }

  [Symbol.dispose](): void {
    this.release()
  }

  #columns(): Batch[] {
    this.#ensureHeld()
    this.#batches ??= callNative(() => readBatches(this.#native, this.#schema, this.#buffers))
    return this.#batches
  }

  #ensureHeld(): void {
    if (this.#released) refuse()
  }
}

function refuse(): never {
  throw closedError('the result has been released: it')
}

function lostOf(losses: NativeLoss[]): Lost {
  const ranges = losses.map(({ cause, count, producer, first, last }): LostRange =>
    cause === 'retention'
      ? { cause, count, fromSeq: first, toSeq: last }
      : { cause: cause as LossCause, count, producer, firstSequence: Number(first), lastSequence: Number(last) },
  )
  return { count: ranges.reduce((sum, range) => sum + range.count, 0), ranges }
}
