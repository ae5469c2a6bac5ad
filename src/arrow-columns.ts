/** An answer's columns as apache-arrow data over the memory that Rust filled. */
import {
  Bool,
  type Data,
  type DataType,
  Decimal,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  makeData,
  Map_,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampNanosecond,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
  Vector,
} from 'apache-arrow'
import { KinescopeError } from './errors.js'
import type { NativeAnswer } from './native.js'
import type { ProjectedField } from './projection.js'

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

const text = (): Dictionary<Utf8, Int32> => new Dictionary(new Utf8(), new Int32())
const tagEntries = new Struct<{ key: Utf8; value: Utf8 }>([new Field('key', new Utf8(), false), new Field('value', new Utf8(), true)])

/** The public schema; made once, so that every table of a process shares its types. */
export const EVENT_SCHEMA = new Schema([
  new Field('seq', new Uint64(), false),
  new Field('event_id', new Uint64(), false),
  new Field('timestamp', new Int64(), false),
  new Field('wall_time', new TimestampNanosecond('UTC'), false),
  new Field('event_type', text(), false),
  new Field('node', text(), false),
  new Field('pid', text(), false),
  new Field('correlation_id', text(), true),
  new Field('parent_id', new Uint64(), true),
  new Field('module', text(), true),
  new Field('function', text(), true),
  new Field('arity', new Uint16(), true),
  new Field('file', text(), true),
  new Field('line', new Uint32(), true),
  new Field('tags', new Map_(new Field('entries', tagEntries, false)), true),
  new Field('data', new Utf8(), true),
])

const EVENT_FIELDS = new Map(EVENT_SCHEMA.fields.map((field) => [field.name as string, field as Field]))
const PROJECTED_TYPES: Readonly<Record<string, DataType>> = { i64: new Int64(), f64: new Float64(), bool: new Bool(), utf8: new Utf8(), json: new Utf8() }
/** As the addon makes exact sums. */
const EXACT_SUM = new Decimal(0, 38, 128)
const EMPTY = new ArrayBuffer(8)

/**
 * The schema of an answer with a projection.
 *
 * @param types For each item a column's name, for the column as it is, or one of `i64`, `f64`, `bool`, `utf8`, `json`.
 */
export function projectedSchema(projection: readonly ProjectedField[], types: readonly string[]): Schema {
  return new Schema(projection.map(({ name }, index) => EVENT_FIELDS.get(types[index]!) ?? new Field(name, PROJECTED_TYPES[types[index]!]!, true)))
}

/**
 * The schema of an answer with groups.
 *
 * @param types As `NativeAggregate.types` gives them.
 */
export function aggregateSchema(names: readonly string[], types: readonly string[]): Schema {
  const typeOf = (type: string): DataType => EVENT_FIELDS.get(type)?.type ?? PROJECTED_TYPES[type] ?? EXACT_SUM
  return new Schema(names.map((name, index) => new Field(name, typeOf(types[index]!), true)))
}

/** The part of an answer that has its columns. */
export type NativeColumns = Pick<NativeAnswer, 'layout' | 'bufferInfos' | 'buffer' | 'release'>

/** Reads the description that `NativeAnswer.layout` gives; see there. */
export function readBatches(answer: NativeColumns, schema: Schema, buffers: BufferCache): Batch[] {
  const layout = answer.layout()
  const infos = answer.bufferInfos()
  let at = 0
  const next = (): number => layout[at++]!
  const mapped = new Map<number, ArrayBuffer>()
  const view = (index: number, byteOffset: number, byteLength: number): BufferView => {
    if (index < 0) return { buffer: EMPTY, byteOffset: 0, byteLength: 0 }
    let buffer = mapped.get(index)
    if (buffer === undefined) {
      buffer = buffers.get(infos[index]!, () => answer.buffer(index))
      mapped.set(index, buffer)
    }
    return { buffer, byteOffset, byteLength }
  }
  const column = (): Column => {
    const [length, nullCount, validityIndex, validityOffset] = [next(), next(), next(), next()]
    const views = Array.from({ length: next() }, () => view(next(), next(), next()))
    const children = Array.from({ length: next() }, column)
    const bits = validityIndex < 0 ? null : view(validityIndex, validityOffset, Math.ceil(length / 8))
    const validity = bits === null ? null : new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength)
    return { length, nullCount, validity, buffers: views, children }
  }
  return Array.from({ length: next() }, () => {
    const rows = next()
    return { rows, columns: schema.fields.map(column) }
  })
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
  get(info: { address: number; length: number }, make: () => ArrayBuffer): ArrayBuffer {
    const cached = this.#byAddress.get(info.address)?.deref()
    if (cached !== undefined && cached.byteLength >= info.length) return cached
    const made = make()
    // `transfer` would escape the mark that keeps the buffer from being posted to a thread that outlives this one.
    for (const name of ['transfer', 'transferToFixedLength']) Object.defineProperty(made, name, { value: refuseTransfer })
    this.#byAddress.set(info.address, new WeakRef(made))
    this.#collected.register(made, info.address)
    return made
  }
}

function refuseTransfer(): never {
  throw new KinescopeError('INVALID_ARGUMENT', 'buffer: expected one of your own; memory of a recording cannot be transferred, copy it with slice()')
}

/** A table over the batches, and every piece of arrow data in it. */
export function makeTable(batches: readonly Batch[], schema: Schema): { table: Table; data: Data[] } {
  const data: Data[] = []
  const recordBatches = batches.map(({ rows, columns }) => {
    const children = columns.map((column, index) => makeColumn(schema.fields[index]!.type, column, data))
    const struct = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children })
    data.push(struct)
    return new RecordBatch(schema, struct)
  })
  return { table: recordBatches.length === 0 ? new Table(schema) : new Table(recordBatches), data }
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

function makeColumn(type: DataType, column: Column, all: Data[]): Data {
  const made = makeOne(type, column, all)
  all.push(made)
  return made
}

function makeOne(type: DataType, column: Column, all: Data[]): Data {
  const [first, second] = column.buffers
  const common = { length: column.length, nullCount: column.nullCount, nullBitmap: column.validity }
  if (type instanceof Dictionary) {
    const values = makeColumn(type.dictionary, column.children[0]!, all)
    return makeData({ ...common, type, data: int32s(first!), dictionary: new Vector([values]) })
  }
  if (type instanceof Utf8) return makeData({ ...common, type, valueOffsets: offsets(first!), data: bytes(second!) })
  if (type instanceof Map_) {
    return makeData({ ...common, type, valueOffsets: offsets(first!), child: makeColumn(type.children[0]!.type, column.children[0]!, all) as never })
  }
  if (type instanceof Struct) {
    const children = type.children.map((field: Field, index: number) => makeColumn(field.type, column.children[index]!, all))
    return makeData({ ...common, type, children })
  }
  if (type instanceof Bool) return makeData({ ...common, type, data: bytes(first!) })
  if (type instanceof Decimal) return makeData({ ...common, type, data: typedArray('line', first!) })
  if (type instanceof Float64) return makeData({ ...common, type, data: typedArray('float', first!) })
  if (type instanceof Uint64) return makeData({ ...common, type, data: typedArray('seq', first!) })
  if (type instanceof Uint32) return makeData({ ...common, type, data: typedArray('line', first!) })
  if (type instanceof Uint16) return makeData({ ...common, type, data: typedArray('arity', first!) })
  return makeData({ ...common, type: type as Int64, data: typedArray('timestamp', first!) })
}
