/** Rows of an answer as plain objects, made from the columns one at a time. */
import type { Event, EventId, ProjectedRow } from '../index.js'
import { type Batch, bytes, type Column, int32s, offsets, typedArray } from './columns.js'
import { parseData } from './data-json.js'

const SEQUENCE_BITS = 48n
const SEQUENCE_MASK = (1n << SEQUENCE_BITS) - 1n

/** Makes what the batch has in that row. */
type Reader<T> = (row: number) => T
type ColumnReader<T> = (column: Column) => Reader<T>

/** Reads whole events, from the columns of the public schema. */
export function eventReader({ columns }: Batch): Reader<Event> {
  const [seq, eventId, timestamp, wallTime] = [bigReader(columns[0]!), idReader(columns[1]!), timeReader(columns[2]!), timeReader(columns[3]!)]
  const [eventType, node, pid] = [dictionaryReader(columns[4]!), dictionaryReader(columns[5]!), dictionaryReader(columns[6]!)]
  const optional = <T>(index: number, reader: ColumnReader<T>): Reader<T | null> => nullable(columns[index]!, reader(columns[index]!))
  const correlationId = optional(7, dictionaryReader)
  const parentId = optional(8, idReader)
  const module = optional(9, dictionaryReader)
  const fn = optional(10, dictionaryReader)
  const arity = optional(11, arityReader)
  const file = optional(12, dictionaryReader)
  const line = optional(13, lineReader)
  const tags = optional(14, tagsReader)
  const data = optional(15, dataReader)
  return (row) => ({
    seq: seq(row),
    eventId: eventId(row),
    timestamp: timestamp(row),
    wallTime: wallTime(row),
    eventType: eventType(row),
    node: node(row),
    pid: pid(row),
    correlationId: correlationId(row),
    parentId: parentId(row),
    module: module(row),
    function: fn(row),
    arity: arity(row),
    file: file(row),
    line: line(row),
    tags: tags(row),
    data: data(row),
  })
}

/** How the values of a projected item are read: by the name of the column that it is, or by its type. */
const PROJECTED_READERS: Readonly<Record<string, ColumnReader<unknown>>> = {
  seq: bigReader,
  event_id: idReader,
  timestamp: timeReader,
  wall_time: timeReader,
  event_type: dictionaryReader,
  node: dictionaryReader,
  pid: dictionaryReader,
  correlation_id: dictionaryReader,
  parent_id: idReader,
  module: dictionaryReader,
  function: dictionaryReader,
  arity: arityReader,
  file: dictionaryReader,
  line: lineReader,
  tags: tagsReader,
  data: dataReader,
  i64: safeIntegerReader,
  f64: floatReader,
  bool: boolReader,
  utf8: textReader,
  json: textReader,
  decimal: decimalReader,
}

/**
 * Reads what a projection asked for, or groups.
 *
 * @param projection Per column the key that it has in a row.
 * @param types As `NativeAnswer.projectedTypes` gives them, or `decimal`.
 */
export function projectedReader({ columns }: Batch, projection: readonly { readonly key: string }[], types: readonly string[]): Reader<ProjectedRow> {
  const readers = projection.map(({ key }, index) => {
    const column = columns[index]!
    return { key, read: nullable(column, PROJECTED_READERS[types[index]!]!(column)) }
  })
  return (row) => {
    const made: Record<string, unknown> = {}
    for (const { key, read } of readers) made[key] = read(row)
    return made
  }
}

function bigReader(column: Column): Reader<bigint> {
  const values = typedArray('seq', column.buffers[0]!)
  return (row) => values[row]!
}

function idReader(column: Column): Reader<EventId> {
  const values = typedArray('seq', column.buffers[0]!)
  return (row) => eventIdText(values[row]!)
}

function timeReader(column: Column): Reader<bigint> {
  const values = typedArray('timestamp', column.buffers[0]!)
  return (row) => values[row]!
}

function safeIntegerReader(column: Column): Reader<number | bigint> {
  const values = typedArray('timestamp', column.buffers[0]!)
  return (row) => {
    const number = Number(values[row]!)
    return Number.isSafeInteger(number) ? number : values[row]!
  }
}

/** Integers of 128 bits, the lower half first. */
function decimalReader(column: Column): Reader<number | bigint> {
  const halves = typedArray('seq', column.buffers[0]!)
  return (row) => {
    const exact = (BigInt.asIntN(64, halves[2 * row + 1]!) << 64n) | halves[2 * row]!
    const number = Number(exact)
    return Number.isSafeInteger(number) ? number : exact
  }
}

function floatReader(column: Column): Reader<number> {
  const values = typedArray('float', column.buffers[0]!)
  return (row) => values[row]!
}

function boolReader(column: Column): Reader<boolean> {
  const bits = bytes(column.buffers[0]!)
  return (row) => bitAt(bits, row)
}

function arityReader(column: Column): Reader<number> {
  const values = typedArray('arity', column.buffers[0]!)
  return (row) => values[row]!
}

function lineReader(column: Column): Reader<number> {
  const values = typedArray('line', column.buffers[0]!)
  return (row) => values[row]!
}

function dataReader(column: Column): Reader<unknown> {
  const text = textReader(column)
  return (row) => parseData(text(row))
}

function bitAt(bits: Uint8Array, row: number): boolean {
  return ((bits[row >> 3]! >> (row & 7)) & 1) === 1
}

function eventIdText(id: bigint): EventId {
  return `${Number(id >> SEQUENCE_BITS)}-${Number(id & SEQUENCE_MASK)}`
}

function nullable<T>({ validity }: Column, read: Reader<T>): Reader<T | null> {
  if (validity === null) return read
  return (row) => (bitAt(validity, row) ? read(row) : null)
}

function textReader(column: Column): Reader<string> {
  const ends = offsets(column.buffers[0]!)
  const { buffer, byteOffset, byteLength } = bytes(column.buffers[1]!)
  const text = Buffer.from(buffer, byteOffset, byteLength)
  return (row) => text.toString('utf8', ends[row]!, ends[row + 1]!)
}

/** Every string of the dictionary is made once. */
function dictionaryReader(column: Column): Reader<string> {
  const codes = int32s(column.buffers[0]!)
  const text = textReader(column.children[0]!)
  const made: string[] = []
  return (row) => {
    const code = codes[row]!
    return (made[code] ??= text(code))
  }
}

function tagsReader(column: Column): Reader<Record<string, string>> {
  const ends = offsets(column.buffers[0]!)
  const [keys, values] = column.children[0]!.children.map(textReader)
  return (row) => {
    const tags = Object.create(null) as Record<string, string>
    for (let entry = ends[row]!; entry < ends[row + 1]!; entry++) tags[keys!(entry)] = values!(entry)
    return tags
  }
}
