/** The answer to a query. */
import type { Table } from 'apache-arrow'
import type { Event, Lost, LossCause, LostRange, QueryResult } from '../index.js'
import { tableToIpc } from './arrow-table.js'
import type { Batch, BufferCache } from './columns.js'
import { invalidArgument } from './errors.js'
import { HeldColumns } from './held-columns.js'
import { awaitNative, callNative, native, type NativeAnswer, type NativeCStream, type NativeExport, type NativeLoss } from './native.js'
import type { ProjectedField } from './projection.js'
import { eventReader, projectedReader } from './rows.js'

/** Rows of one snapshot; see `QueryResult` in the contract. */
export class Answer<Row = Event> implements QueryResult<Row> {
  readonly totalMatches: number
  readonly nextPageToken: string | null
  readonly snapshot: bigint
  readonly lost: Lost
  readonly #native: NativeAnswer
  readonly #columns: HeldColumns
  readonly #names: readonly string[] | null
  readonly #reader: (batch: Batch) => (row: number) => unknown

  constructor(answer: NativeAnswer, buffers: BufferCache, projection: readonly ProjectedField[] | null = null) {
    this.#native = answer
    const types = answer.projectedTypes()
    this.#names = projection !== null && types !== null ? projection.map(({ name }) => name) : null
    if (projection === null || types === null) {
      this.#columns = new HeldColumns(answer, 'events', buffers)
      this.#reader = eventReader
    } else {
      this.#columns = new HeldColumns(answer, { of: 'projection', names: projection.map(({ name }) => name), types }, buffers)
      this.#reader = (batch) => projectedReader(batch, projection, types)
    }
    this.totalMatches = answer.totalMatches
    this.nextPageToken = answer.nextPageToken()
    this.snapshot = answer.snapshot
    this.lost = lostOf(answer.lost())
  }

  get table(): Table {
    return this.#columns.table
  }

  *[Symbol.iterator](): IterableIterator<Row> {
    for (const batch of this.#columns.batches) {
      const read = this.#reader(batch)
      for (let row = 0; row < batch.rows; row++) {
        this.#columns.ensureHeld()
        yield read(row) as Row
      }
    }
  }

  toArray(): Row[] {
    return [...this]
  }

  toIPC(format: 'stream' | 'file'): Uint8Array {
    if (format !== 'stream' && format !== 'file') throw invalidArgument('format', format, "'stream' or 'file'")
    this.#columns.ensureHeld()
    // The addon knows the columns of a projection by their position only.
    if (this.#names !== null) return tableToIpc(this.table, format)
    return callNative(() => this.#native.toIpc(format === 'file'))
  }

  /** A file of answers such as this one, in which none is yet. */
  startExport(format: 'arrow' | 'arrows' | 'parquet'): NativeExport {
    return callNative(() => new native.NativeExport(this.#native, format, this.#names === null ? undefined : [...this.#names]))
  }

  /** Adds this answer's rows to a file; gives what has come of it. */
  exportTo(file: NativeExport): Promise<Uint8Array> {
    return awaitNative(() => file.write(this.#native))
  }

  /** Its rows for native code. */
  cStream(): NativeCStream {
    return callNative(() => this.#native.cStream(this.#names === null ? undefined : [...this.#names]))
  }

  /** Lets other threads open it; gives the share's id. */
  share(): string {
    return callNative(() => this.#native.share(this.#columns.describe('table')))
  }

  release(): void {
    this.#columns.release()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

/** Causes that tell of positions in the log. */
const POSITIONAL = ['retention', 'corrupt', 'restart'] as const

function isPositional(cause: string): cause is (typeof POSITIONAL)[number] {
  return (POSITIONAL as readonly string[]).includes(cause)
}

/** What is missing, as results tell it. */
export function lostOf(losses: NativeLoss[]): Lost {
  const ranges = losses.map(({ cause, count, producer, first, last }): LostRange =>
    isPositional(cause)
      ? { cause, count, fromSeq: first, toSeq: last }
      : { cause: cause as LossCause, count, producer, firstSequence: Number(first), lastSequence: Number(last) },
  )
  return { count: ranges.reduce((sum, range) => sum + range.count, 0), ranges }
}
