/** The columns of a table to import, as the addon takes them. */
import { types } from 'node:util'
import type { Data, DataType, RecordBatch, Table } from 'apache-arrow'
import { invalidArgument, KinescopeError, unknownField } from './errors.js'
import { ensureNotReleased } from './held-table.js'
import type { NativeImportBatch, NativeImportColumn, NativeIntegers, NativeTags, NativeTextColumn, NativeTexts, NativeValidity } from './native.js'

/** Numbers of apache-arrow's types: `Type` there. A table may come from another copy of the package than ours. */
const NULL = 1
const INT = 2
const UTF8 = 5
const TIMESTAMP = 10
const MAP = 17
const LARGE_UTF8 = 20
const DICTIONARY = -1

const ROWS_MAX = 2 ** 31 - 1
const NANOSECONDS_PER_UNIT = [1_000_000_000, 1_000_000, 1000, 1]

type Kind = 'id' | 'integer' | 'time' | 'text' | 'tags'
const COLUMN_KINDS: Readonly<Record<string, Kind>> = {
  event_id: 'id',
  timestamp: 'time',
  wall_time: 'time',
  event_type: 'text',
  node: 'text',
  pid: 'text',
  correlation_id: 'text',
  parent_id: 'id',
  module: 'text',
  function: 'text',
  arity: 'integer',
  file: 'text',
  line: 'integer',
  tags: 'tags',
  data: 'text',
}
/** Given anew to what is imported. */
const IGNORED = 'seq'
const COLUMNS = [IGNORED, ...Object.keys(COLUMN_KINDS)]

const EXPECTED: Readonly<Record<Kind, string>> = {
  id: 'Uint64',
  integer: 'integers',
  time: 'Int64 or a Timestamp',
  text: 'Utf8, LargeUtf8 or a Dictionary of them',
  tags: 'a Map of Utf8 to Utf8',
}

/** Whether a value looks like a table or a record batch of any copy of apache-arrow. */
export function isTable(value: unknown): value is Table | RecordBatch {
  if (typeof value !== 'object' || value === null || types.isProxy(value) || Array.isArray(value)) return false
  return 'schema' in value && ('batches' in value || 'data' in value)
}

/**
 * The rows of a table or of a record batch.
 *
 * @throws {KinescopeError} `INVALID_ARGUMENT` naming the column; what reading a released result throws.
 */
export function tableBatches(table: Table | RecordBatch): NativeImportBatch[] {
  try {
    const { fields } = table.schema
    const names = fields.map(({ name }) => name)
    checkNames(names)
    const batches = 'batches' in table ? table.batches : [table]
    return batches.map((batch) => batchOf(names, batch))
  } catch (error) {
    if (error instanceof KinescopeError) throw error
    throw invalidArgument('events', table, 'a Table or RecordBatch of apache-arrow')
  }
}

function checkNames(names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    if (!COLUMNS.includes(name)) throw unknownField('events', name, COLUMNS)
    if (names.indexOf(name) !== index) throw columnError(name, 'expected it once')
  }
  if (!names.includes('event_type')) throw columnError('event_type', 'expected it among the columns')
}

function columnError(name: string, problem: string): KinescopeError {
  return new KinescopeError('INVALID_ARGUMENT', `events.${name}: ${problem}`, { field: `events.${name}` })
}

function batchOf(names: readonly string[], batch: RecordBatch): NativeImportBatch {
  const rows = batch.data.length
  if (!Number.isInteger(rows) || rows < 0 || rows > ROWS_MAX) throw invalidArgument('events', rows, `batches of at most ${ROWS_MAX} rows`)
  const columns: NativeImportColumn[] = []
  for (const [index, name] of names.entries()) {
    const data = batch.data.children[index]!
    // A column of type Null has no values at all.
    if (name === IGNORED || data.type.typeId === NULL) continue
    columns.push(columnOf(name, COLUMN_KINDS[name]!, data))
  }
  return { rows, columns }
}

function columnOf(name: string, kind: Kind, data: Data): NativeImportColumn {
  const { type } = data
  const refuse = (): never => {
    throw columnError(name, `expected ${EXPECTED[kind]}, got ${String(type)}`)
  }
  const isInteger = type.typeId === INT
  switch (kind) {
    case 'id':
      if (!isInteger || bitsOf(type) !== 64 || isSigned(type)) refuse()
      return { name, integers: integersOf(name, data) }
    case 'integer':
      if (!isInteger) refuse()
      return { name, integers: integersOf(name, data) }
    case 'time':
      if (isInteger && bitsOf(type) === 64 && isSigned(type)) return { name, integers: integersOf(name, data), unitNs: 1 }
      if (type.typeId !== TIMESTAMP) refuse()
      return { name, integers: sized(name, data, 64, true), unitNs: NANOSECONDS_PER_UNIT[(type as { unit?: number }).unit!] ?? refuse() }
    case 'text':
      return { name, texts: textsOf(name, data, refuse) }
    default:
      if (type.typeId !== MAP) refuse()
      return { name, tags: tagsOf(name, data, refuse) }
  }
}

function bitsOf(type: DataType): number {
  return (type as { bitWidth?: number }).bitWidth!
}

function isSigned(type: DataType): boolean {
  return Boolean((type as { isSigned?: boolean }).isSigned)
}

function integersOf(name: string, data: Data): NativeIntegers {
  return sized(name, data, bitsOf(data.type), isSigned(data.type))
}

function sized(name: string, data: Data, bits: number, signed: boolean): NativeIntegers {
  return { bits, signed, length: lengthOf(name, data), values: bytesOf(name, data.values), ...validityOf(name, data) }
}

function textsOf(name: string, data: Data, refuse: () => never): NativeTextColumn {
  if (data.type.typeId !== DICTIONARY) return { chunks: [chunkOf(name, data, refuse)] }
  const { indices } = data.type as unknown as { indices: DataType }
  const chunks = (data.dictionary?.data ?? []).map((chunk) => chunkOf(name, chunk, refuse))
  return { chunks, codes: sized(name, data, bitsOf(indices), isSigned(indices)) }
}

function chunkOf(name: string, data: Data, refuse: () => never): NativeTexts {
  const large = data.type.typeId === LARGE_UTF8
  if (!large && data.type.typeId !== UTF8) refuse()
  return {
    large,
    length: lengthOf(name, data),
    offsets: bytesOf(name, data.valueOffsets),
    bytes: textBytesOf(name, data),
    ...validityOf(name, data),
  }
}

/** The bytes between the first and the last offset: a piece of a table has those of the whole. */
function textBytesOf(name: string, data: Data): Uint8Array {
  const bytes = bytesOf(name, data.values)
  const offsets = data.valueOffsets as ArrayLike<number | bigint> | undefined
  // What does not fit together is refused by who looks at all of the offsets.
  const [first, last] = [Number(offsets?.[0] ?? 0), Number(offsets?.[data.length] ?? 0)]
  return first >= 0 && last >= first && last <= bytes.length ? bytes.subarray(first, last) : bytes
}

function tagsOf(name: string, data: Data, refuse: () => never): NativeTags {
  const [entries] = data.children
  const [keys, values] = entries?.children ?? []
  if (keys === undefined || values === undefined) return refuse()
  return {
    offsets: bytesOf(name, data.valueOffsets),
    keys: textsOf(name, keys, refuse),
    values: textsOf(name, values, refuse),
    ...validityOf(name, data),
  }
}

function lengthOf(name: string, { length }: Data): number {
  if (!Number.isInteger(length) || length < 0 || length > ROWS_MAX) throw columnError(name, `expected at most ${ROWS_MAX} values`)
  return length
}

/** The memory of a buffer; one that is left out is empty. */
function bytesOf(name: string, buffer: unknown): Uint8Array {
  if (buffer === undefined || buffer === null) return new Uint8Array(0)
  ensureNotReleased(buffer)
  if (!types.isTypedArray(buffer)) throw columnError(name, 'expected its buffers to be typed arrays')
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}

function validityOf(name: string, data: Data): { validity?: NativeValidity } {
  const bits = bytesOf(name, data.nullBitmap)
  if (bits.length === 0) return {}
  const { offset } = data
  if (!Number.isInteger(offset) || offset < 0 || offset > ROWS_MAX) throw columnError(name, `expected an offset of at most ${ROWS_MAX}`)
  return { validity: { bits, offset } }
}
