/** What a subscription delivers. */
import type { RecordBatch } from 'apache-arrow'
import type { Event, EventBatch, GapCause, Lost, StreamGap } from '../index.js'
import type { ColumnKinds } from './arrow-table.js'
import type { Batch, BufferCache } from './columns.js'
import { HeldColumns } from './held-columns.js'
import { callNative, type NativeStreamBatch } from './native.js'
import type { ProjectedField } from './projection.js'
import { lostOf } from './query-result.js'
import { eventReader, projectedReader } from './rows.js'

/** A projection, and per item the type that its values have, or a column's name. */
export interface SettledProjection {
  readonly fields: readonly ProjectedField[]
  readonly types: readonly string[]
}

/** What the columns are of batches that are made with it. */
export function kindsOf(projection: SettledProjection | null): ColumnKinds {
  return projection === null ? 'events' : { of: 'projection', names: projection.fields.map(({ name }) => name), types: projection.types }
}

/** See `EventBatch` in the contract. */
export class DeliveredBatch<Row = Event> implements EventBatch<Row> {
  readonly subscriptionId: string
  readonly fromSeq: bigint
  readonly toSeq: bigint
  readonly caughtUp: boolean
  readonly filterVersion: number
  readonly gap?: StreamGap
  readonly lost: Lost
  readonly #native: NativeStreamBatch
  readonly #columns: HeldColumns
  readonly #reader: (batch: Batch) => (row: number) => unknown

  constructor(subscriptionId: string, native: NativeStreamBatch, buffers: BufferCache, projection: SettledProjection | null) {
    const { start, end, caughtUp, filterVersion, gap, lost } = native.facts()
    this.#native = native
    this.subscriptionId = subscriptionId
    this.fromSeq = start
    this.toSeq = end - 1n
    this.caughtUp = caughtUp
    this.filterVersion = filterVersion
    if (gap !== undefined) {
      this.gap = { fromSeq: gap.start, toSeq: gap.end - 1n, count: Number(gap.end - gap.start), cause: gap.cause as GapCause }
    }
    this.lost = lostOf(lost)
    this.#columns = new HeldColumns(native, kindsOf(projection), buffers)
    this.#reader = projection === null ? eventReader : (batch) => projectedReader(batch, projection.fields, projection.types)
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

  /** Lets other threads open it; gives the share's id. */
  share(): string {
    return callNative(() => this.#native.share(this.#columns.describe('recordBatch')))
  }

  release(): void {
    this.#columns.release()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}
