/** The answer to an aggregate. */
import type { Table } from 'apache-arrow'
import type { AggregateResult, Lost } from '../index.js'
import type { BufferCache } from './columns.js'
import { HeldColumns } from './held-columns.js'
import { callNative, type NativeAggregate, type NativeCStream } from './native.js'
import { lostOf } from './query-result.js'
import { projectedReader } from './rows.js'

/** Groups of one snapshot; see `AggregateResult` in the contract. */
export class Groups implements AggregateResult {
  readonly quantileError: number
  readonly snapshot: bigint
  readonly lost: Lost
  readonly #native: NativeAggregate
  readonly #columns: HeldColumns
  readonly #keys: readonly { key: string }[]
  /** How each column is read: JSON text as what it says. */
  readonly #types: readonly string[]

  /** @param names Of the columns, as asked for. */
  constructor(native: NativeAggregate, buffers: BufferCache, names: readonly string[]) {
    const types = native.types()
    this.#native = native
    this.quantileError = native.quantileError
    this.snapshot = native.snapshot
    this.lost = lostOf(native.lost())
    this.#columns = new HeldColumns(native, { of: 'groups', names, types }, buffers)
    this.#keys = names.map((key) => ({ key }))
    this.#types = types.map((type) => (type === 'json' ? 'data' : type))
  }

  get table(): Table {
    return this.#columns.table
  }

  rows(): Record<string, unknown>[] {
    return this.#columns.batches.flatMap((batch) => {
      const read = projectedReader(batch, this.#keys, this.#types)
      return Array.from({ length: batch.rows }, (_, row) => read(row))
    })
  }

  /** Its rows for native code. */
  cStream(): NativeCStream {
    return callNative(() => this.#native.cStream())
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
