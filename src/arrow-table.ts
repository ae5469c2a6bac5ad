/** Columns as an apache-arrow table: the same memory, under its types. */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type * as Arrow from 'apache-arrow'
import type { Data, DataType, Dictionary, Field, RecordBatch, Schema, Table, Vector } from 'apache-arrow'
import { type Batch, type BufferView, bytes, type Column, int32s, NO_BYTES, offsets } from './columns.js'
import { heldClasses, type HeldClasses } from './held-table.js'

export type ArrowModule = typeof Arrow

/** What is made of the package once. */
interface Loaded {
  readonly arrow: ArrowModule
  /** Of the module what is used for each column: access to a module's exports is slow. */
  readonly classes: Pick<ArrowModule, 'Data' | 'Type' | 'Vector'>
  /** Of tables that are released some time. */
  readonly held: HeldClasses
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
    const { Bool, Data, Decimal, Float64, Int64, Type, Utf8, Vector } = arrow
    loaded = {
      arrow,
      classes: { Data, Type, Vector },
      held: heldClasses(arrow),
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
const EVENT_COLUMN_COUNT = 16

/**
 * What an answer's columns are: those of events; or by name, with types as `NativeAnswer.projectedTypes` or `NativeAggregate.types` give
 * them. Plain data, which JSON takes from one thread to another.
 */
export type ColumnKinds = 'events' | { readonly of: 'projection' | 'groups'; readonly names: readonly string[]; readonly types: readonly string[] }

/** How many there are. */
export function columnCount(kinds: ColumnKinds): number {
  return kinds === 'events' ? EVENT_COLUMN_COUNT : kinds.names.length
}

/** The schema of a table of these columns. */
export function schemaOf(kinds: ColumnKinds): Schema {
  if (kinds === 'events') return eventSchema()
  return kinds.of === 'projection' ? projectedSchema(kinds.names, kinds.types) : aggregateSchema(kinds.names, kinds.types)
}

/** The package, for what is done with its classes elsewhere. */
export function arrowModule(): ArrowModule {
  return load().arrow
}

/** The public schema. */
function eventSchema(): Schema {
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
function projectedSchema(names: readonly string[], types: readonly string[]): Schema {
  const { arrow, projectedTypes } = load()
  const fieldOf = (name: string, type: string): Field => eventField(type) ?? new arrow.Field(name, projectedTypes[type]!, true)
  return new arrow.Schema(names.map((name, index) => fieldOf(name, types[index]!)))
}

/**
 * The schema of an answer with groups.
 *
 * @param types As `NativeAggregate.types` gives them.
 */
function aggregateSchema(names: readonly string[], types: readonly string[]): Schema {
  const { arrow, projectedTypes, exactSum } = load()
  const typeOf = (type: string): DataType => eventField(type)?.type ?? projectedTypes[type] ?? exactSum
  return new arrow.Schema(names.map((name, index) => new arrow.Field(name, typeOf(types[index]!), true)))
}

/** A projected table in Arrow's interprocess format. */
export function tableToIpc(table: Table, format: 'stream' | 'file'): Uint8Array {
  return load().arrow.tableToIPC(table, format)
}

/** A table over the batches. */
export function makeTable(batches: readonly Batch[], schema: Schema): Table {
  const { HeldTable } = load().held
  return batches.length === 0 ? new HeldTable(schema) : new HeldTable(batches.map((batch) => makeRecordBatch(batch, schema)))
}

/**
 * A record batch over one of them.
 *
 * @param batch Without one it has no rows.
 */
export function makeRecordBatch(batch: Batch | undefined, schema: Schema): RecordBatch {
  const { arrow, classes, held } = load()
  const { Data } = classes
  const columns = batch?.columns ?? schema.fields.map(({ type }) => emptyColumn(type))
  const children = columns.map((column, index) => makeColumn(schema.fields[index]!.type, column))
  const struct = new Data(new arrow.Struct(schema.fields), 0, batch?.rows ?? 0, 0, [undefined, undefined, NO_VALIDITY] as never, children)
  return new held.HeldBatch(schema, struct)
}

function emptyColumn(type: DataType): Column {
  const { Dictionary } = load().arrow
  const children = type instanceof Dictionary ? [type.dictionary] : (type.children ?? []).map((field) => field.type as DataType)
  return { length: 0, nullCount: 0, validity: null, buffers: [NO_BYTES, NO_BYTES], children: children.map(emptyColumn) }
}

/** As the package's `makeData`, which looks at every argument again for each of the many columns of an answer. */
function makeColumn(type: DataType, column: Column): Data {
  const { Data, Type, Vector } = load().classes
  const [first, second] = column.buffers
  const make = (places: Uint8Array | Int32Array | undefined, values: ArrayBufferView | undefined, children: Data[] = [], dictionary?: Vector): Data =>
    new Data(type, 0, column.length, column.nullCount, [places, values, column.validity ?? NO_VALIDITY] as never, children, dictionary)
  const childrenOf = (): Data[] => type.children.map((field: Field, index: number) => makeColumn(field.type, column.children[index]!))
  switch (type.typeId) {
    case Type.Dictionary:
      return make(undefined, int32s(first!), [], new Vector([makeColumn((type as Dictionary).dictionary, column.children[0]!)]))
    case Type.Utf8:
      return make(offsets(first!), bytes(second!))
    case Type.Map:
      return make(offsets(first!), undefined, childrenOf())
    case Type.Struct:
      return make(undefined, undefined, childrenOf())
    default:
      return make(undefined, valuesOf(type, first!))
  }
}

const NO_VALIDITY = new Uint8Array(0)

/** The values of a column of fixed width. */
function valuesOf(type: DataType, { buffer, byteOffset, byteLength }: BufferView): ArrayBufferView {
  const TypedArray = type.ArrayType as Uint8ArrayConstructor
  return new TypedArray(buffer, byteOffset, byteLength / TypedArray.BYTES_PER_ELEMENT)
}
