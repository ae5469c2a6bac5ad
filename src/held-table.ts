/** Tables and record batches whose memory can be given back: they refuse everything from then on, while slices of them go on. */
import type * as Arrow from 'apache-arrow'
import type { Data, RecordBatch, Table, Vector } from 'apache-arrow'
import { closedError } from './errors.js'

/** Whoever holds it, or a batch, a vector or a row of it, must not go on reading. */
const REVOKE = Symbol('revoke')

/** What can be revoked. */
interface Held {
  [REVOKE](): void
}

/** What is made of the package once. */
export interface HeldClasses {
  readonly HeldTable: new (batchesOrSchema: RecordBatch[] | Arrow.Schema) => Table & Held
  readonly HeldBatch: new (schema: Arrow.Schema, rows: Data) => RecordBatch & Held
}

/** Takes the place of memory that has been given back: reading anything of it is refused. */
const RELEASED = new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse }) as never

/**
 * The package's own classes, but for slices. Those of the package share what a slice has whole with what it is of, and would end with that.
 *
 * What is inside of a column, as a dictionary is, slices share with it in any case: it stays readable, and is only reached through columns.
 */
export function heldClasses(arrow: typeof Arrow): HeldClasses {
  const { RecordBatch, Table, Vector } = arrow
  const revokedColumn = makeRevokedColumn(arrow)
  const rowsOf = (rows: Data): Data => rows.clone(rows.type, rows.offset, rows.length, rows.nullCount, rows as never, rows.children.map((column) => column.clone()))
  const batchOf = (batch: RecordBatch): RecordBatch => new RecordBatch(batch.schema, rowsOf(batch.data) as never, batch.metadata)
  /** Each vector is made once, so that those that must be revoked are known. */
  const childOf = (vectors: Map<number, Vector>, index: number, make: () => Vector | null): Vector | null => {
    const known = vectors.get(index) ?? make()
    if (known === null || vectors.has(index)) return known
    known.slice = (begin, end) => new Vector(Vector.prototype.slice.call(known, begin, end).data.map((column) => column.clone()))
    vectors.set(index, known)
    return known
  }

  class HeldTable extends Table implements Held {
    #vectors: Map<number, Vector> | undefined

    override slice(begin?: number, end?: number): Table {
      const { schema, batches } = super.slice(begin, end)
      return new Table(schema, batches.map(batchOf))
    }

    override getChildAt(index: number): never {
      return childOf((this.#vectors ??= new Map()), index, () => super.getChildAt(index)) as never
    }

    [REVOKE](): void {
      for (const batch of this.batches) revoke(batch as RecordBatch & Held)
      revokeVectors(this.#vectors)
      this.#vectors = undefined
      refuseAll(this, ['schema', 'batches', '_offsets', '_nullCount'])
    }
  }

  class HeldBatch extends RecordBatch implements Held {
    #vectors: Map<number, Vector> | undefined

    override slice(begin?: number, end?: number): RecordBatch {
      return batchOf(super.slice(begin, end))
    }

    override getChildAt(index: number): never {
      return childOf((this.#vectors ??= new Map()), index, () => super.getChildAt(index)) as never
    }

    [REVOKE](): void {
      for (const column of this.data.children) revokeColumn(column, revokedColumn)
      revokeColumn(this.data, revokedColumn)
      revokeVectors(this.#vectors)
      this.#vectors = undefined
      refuseAll(this, ['schema', 'data', '_dictionaries'])
    }
  }
  return { HeldTable, HeldBatch } as unknown as HeldClasses
}

/** What columns inherit from once they are revoked. */
function makeRevokedColumn({ Data }: typeof Arrow): object {
  const revoked = Object.create(Data.prototype) as object
  refuseAll(revoked, ['nullCount', 'nullable', 'byteLength', 'buffers', 'getValid', 'setValid', 'slice', 'clone'])
  return revoked
}

/** A table or a batch of these classes refuses everything from now on. */
export function revoke(held: Table | RecordBatch): void {
  ;(held as unknown as Held)[REVOKE]()
}

/** Numbers stay as they are: others in their place would make all columns of the process slower. */
function revokeColumn(data: Writable<Data>, revoked: object): void {
  if (data.values !== undefined) data.values = RELEASED
  if (data.valueOffsets !== undefined) data.valueOffsets = RELEASED
  if (data.nullBitmap !== undefined) data.nullBitmap = RELEASED
  if (data.dictionary !== undefined) data.dictionary = RELEASED
  data.children = RELEASED
  Object.setPrototypeOf(data, revoked)
}

function revokeVectors(vectors: Map<number, Vector> | undefined): void {
  for (const vector of vectors?.values() ?? []) refuseAll(vector, ['data', 'length', '_offsets'])
}

function refuseAll(object: object, names: readonly string[]): void {
  for (const name of names) Object.defineProperty(object, name, { get: refuse })
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** For code that asks what memory is before it reads any of it. @throws {KinescopeError} `CLOSED`. */
export function ensureNotReleased(memory: unknown): void {
  if (memory === RELEASED) refuse()
}

/** @throws {KinescopeError} `CLOSED`. */
export function refuse(): never {
  throw closedError('the result has been released: it')
}
