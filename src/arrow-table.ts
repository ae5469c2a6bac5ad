/** Columns as an apache-arrow table: the same memory, under its types. */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type * as Arrow from 'apache-arrow'
import type { Data, DataType, Field, Int64, RecordBatch, Schema, Table } from 'apache-arrow'
import { type Batch, bytes, type Column, int32s, NO_BYTES, offsets, typedArray } from './columns.js'
import type { ProjectedField } from './projection.js'

type ArrowModule = typeof Arrow

/** What is made of the package once. */
interface Loaded {
  readonly arrow: ArrowModule
  /** The public schema; made once, so that every table of a process shares its types. */
  readonly eventSchema: Schema
  readonly projectedTypes: Readonly<Record<string, DataType>>
  /** As the addon makes exact sums. */
  readonly exactSum: DataType
}

let loaded: Loaded | undefined

/** Loaded with the first table: it takes a worker longer than everything else here, and one that only records needs none. */
function load(): Loaded {
  if (loaded === undefined) {
    // The very module that `import 'apache-arrow'` gives, so that users' `instanceof` holds; `require` of the bare name
    // would load the package's other copy. Requiring a module waits for nothing, so it is possible inside a getter.
    const arrow = createRequire(import.meta.url)(fileURLToPath(import.meta.resolve('apache-arrow'))) as ArrowModule
    const { Bool, Decimal, Float64, Int64, Utf8 } = arrow
    loaded = {
      arrow,
      eventSchema: makeEventSchema(arrow),
      projectedTypes: { i64: new Int64(), f64: new Float64(), bool: new Bool(), utf8: new Utf8(), json: new Utf8() },
      exactSum: new Decimal(0, 38, 128),
    }
  }
  return loaded
}

function makeEventSchema({ Dictionary, Field, Int32, Int64, Map_, Schema, Struct, TimestampNanosecond, Uint16, Uint32, Uint64, Utf8 }: ArrowModule): Schema {
  const text = (): DataType => new Dictionary(new Utf8(), new Int32())
  const tagEntries = new Struct<{ key: Arrow.Utf8; value: Arrow.Utf8 }>([new Field('key', new Utf8(), false), new Field('value', new Utf8(), true)])
  return new Schema([
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
}

/** Columns of an answer without a projection. */
export const EVENT_COLUMN_COUNT = 16

/** The public schema. */
export function eventSchema(): Schema {
  return load().eventSchema
}

function eventField(name: string): Field | undefined {
  return eventSchema().fields.find((field) => field.name === name)
}

/**
 * The schema of an answer with a projection.
 *
 * @param types For each item a column's name, for the column as it is, or one of `i64`, `f64`, `bool`, `utf8`, `json`.
 */
export function projectedSchema(projection: readonly ProjectedField[], types: readonly string[]): Schema {
  const { arrow, projectedTypes } = load()
  const fieldOf = (name: string, type: string): Field => eventField(type) ?? new arrow.Field(name, projectedTypes[type]!, true)
  return new arrow.Schema(projection.map(({ name }, index) => fieldOf(name, types[index]!)))
}

/**
 * The schema of an answer with groups.
 *
 * @param types As `NativeAggregate.types` gives them.
 */
export function aggregateSchema(names: readonly string[], types: readonly string[]): Schema {
  const { arrow, projectedTypes, exactSum } = load()
  const typeOf = (type: string): DataType => eventField(type)?.type ?? projectedTypes[type] ?? exactSum
  return new arrow.Schema(names.map((name, index) => new arrow.Field(name, typeOf(types[index]!), true)))
}

/** A projected table in Arrow's interprocess format. */
export function tableToIpc(table: Table, format: 'stream' | 'file'): Uint8Array {
  return load().arrow.tableToIPC(table, format)
}

/** A table over the batches, and every piece of arrow data in it. */
export function makeTable(batches: readonly Batch[], schema: Schema): { table: Table; data: Data[] } {
  const { Table } = load().arrow
  const data: Data[] = []
  const recordBatches = batches.map((batch) => makeRecordBatch(batch, schema, data))
  return { table: recordBatches.length === 0 ? new Table(schema) : new Table(recordBatches), data }
}

/**
 * A record batch over one of them.
 *
 * @param batch Without one it has no rows.
 * @param data Gets every piece of arrow data in it.
 */
export function makeRecordBatch(batch: Batch | undefined, schema: Schema, data: Data[]): RecordBatch {
  const { makeData, RecordBatch, Struct } = load().arrow
  const columns = batch?.columns ?? schema.fields.map(({ type }) => emptyColumn(type))
  const children = columns.map((column, index) => makeColumn(schema.fields[index]!.type, column, data))
  const struct = makeData({ type: new Struct(schema.fields), length: batch?.rows ?? 0, nullCount: 0, children })
  data.push(struct)
  return new RecordBatch(schema, struct)
}

function emptyColumn(type: DataType): Column {
  const { Dictionary } = load().arrow
  const children = type instanceof Dictionary ? [type.dictionary] : (type.children ?? []).map((field) => field.type as DataType)
  return { length: 0, nullCount: 0, validity: null, buffers: [NO_BYTES, NO_BYTES], children: children.map(emptyColumn) }
}

function makeColumn(type: DataType, column: Column, all: Data[]): Data {
  const made = makeOne(type, column, all)
  all.push(made)
  return made
}

function makeOne(type: DataType, column: Column, all: Data[]): Data {
  const { Bool, Decimal, Dictionary, Float64, makeData, Map_, Struct, Uint16, Uint32, Uint64, Utf8, Vector } = load().arrow
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
