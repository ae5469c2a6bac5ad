/** What a subscription delivers. */
import type { RecordBatch } from 'apache-arrow'
import type { Event, EventBatch, GapCause, Lost, StreamGap } from '../index.js'
import { EVENT_COLUMN_COUNT, eventSchema, projectedSchema } from './arrow-table.js'
import type { Batch, BufferCache, NativeColumns } from './columns.js'
import { HeldColumns } from './held-columns.js'
import type { NativeStreamBatch } from './native.js'
import type { ProjectedField } from './projection.js'
import { lostOf } from './query-result.js'
import { eventReader, projectedReader } from './rows.js'

/** A projection, and per item the type that its values have, or a column's name. */
export interface SettledProjection {
  readonly fields: readonly ProjectedField[]
  readonly types: readonly string[]
}

/** Stands for the columns of a batch without rows. */
const NO_COLUMNS: NativeColumns = { layout: () => new Float64Array(2), buffer: () => new ArrayBuffer(0), release: () => {} }

/** See `EventBatch` in the contract. */
export class DeliveredBatch<Row = Event> implements EventBatch<Row> {
  readonly subscriptionId: string
  readonly fromSeq: bigint
  readonly toSeq: bigint
  readonly caughtUp: boolean
  readonly filterVersion: number
  readonly gap?: StreamGap
  readonly lost: Lost
  readonly #columns: HeldColumns
  readonly #reader: (batch: Batch) => (row: number) => unknown

  constructor(subscriptionId: string, native: NativeStreamBatch, buffers: BufferCache, projection: SettledProjection | null) {
    const { start, end, caughtUp, filterVersion, gap, lost, rows } = native.facts()
    this.subscriptionId = subscriptionId
    this.fromSeq = start
    this.toSeq = end - 1n
    this.caughtUp = caughtUp
    this.filterVersion = filterVersion
    if (gap !== undefined) {
      this.gap = { fromSeq: gap.start, toSeq: gap.end - 1n, count: Number(gap.end - gap.start), cause: gap.cause as GapCause }
    }
    this.lost = lostOf(lost)
    const columns = rows === 0 ? NO_COLUMNS : native
    if (projection === null) {
      this.#columns = new HeldColumns(columns, EVENT_COLUMN_COUNT, eventSchema, buffers)
      this.#reader = eventReader
    } else {
      const { fields, types } = projection
      this.#columns = new HeldColumns(columns, fields.length, () => projectedSchema(fields, types), buffers)
      this.#reader = (batch) => projectedReader(batch, fields, types)
    }
    // Mapped at once, so that the garbage collector knows how much memory a batch holds that nobody ever looks into.
    void this.#columns.batches
  }

  get batch(): RecordBatch {
    return this.#columns.recordBatch
  }

  *[Symbol.iterator](): IterableIterator<Row> {
    const [batch] = this.#columns.batches
    if (batch === undefined) return
    const read = this.#reader(batch)
    for (let row = 0; row < batch.rows; row++) {
      this.#columns.ensureHeld()
      yield read(row) as Row
    }
  }

  toArray(): Row[] {
    return [...this]
  }

  release(): void {
    this.#columns.release()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}
