/** Rows of an answer as plain objects, made from the columns one at a time. */
import type { Event, EventId } from '../index.js'
import { type Batch, bytes, type Column, int32s, offsets, typedArray } from './arrow-columns.js'
import { parseData } from './data-json.js'

const SEQUENCE_BITS = 48n
const SEQUENCE_MASK = (1n << SEQUENCE_BITS) - 1n

type Reader<T> = (row: number) => T

/** Makes the events of one batch. */
export class RowReader {
  readonly rows: number
  readonly #readers: { readonly [K in keyof Event]: Reader<Event[K]> }

  constructor({ rows, columns }: Batch) {
    this.rows = rows
    const column = (index: number): Column => columns[index]!
    const big = (index: number): BigUint64Array => typedArray('seq', column(index).buffers[0]!)
    const [seq, eventId, parentId] = [big(0), big(1), big(8)]
    const timestamp = typedArray('timestamp', column(2).buffers[0]!)
    const wallTime = typedArray('timestamp', column(3).buffers[0]!)
    const arity = typedArray('arity', column(11).buffers[0]!)
    const line = typedArray('line', column(13).buffers[0]!)
    const data = textReader(column(15))
    this.#readers = {
      seq: (row) => seq[row]!,
      eventId: (row) => eventIdText(eventId[row]!),
      timestamp: (row) => timestamp[row]!,
      wallTime: (row) => wallTime[row]!,
      eventType: dictionaryReader(column(4)),
      node: dictionaryReader(column(5)),
      pid: dictionaryReader(column(6)),
      correlationId: nullable(column(7), dictionaryReader(column(7))),
      parentId: nullable(column(8), (row) => eventIdText(parentId[row]!)),
      module: nullable(column(9), dictionaryReader(column(9))),
      function: nullable(column(10), dictionaryReader(column(10))),
      arity: nullable(column(11), (row) => arity[row]!),
      file: nullable(column(12), dictionaryReader(column(12))),
      line: nullable(column(13), (row) => line[row]!),
      tags: nullable(column(14), tagsReader(column(14))),
      data: nullable<unknown>(column(15), (row) => parseData(data(row))),
    }
  }

  /** The event at `row` of the batch. */
  event(row: number): Event {
    const read = this.#readers
    return {
      seq: read.seq(row),
      eventId: read.eventId(row),
      timestamp: read.timestamp(row),
      wallTime: read.wallTime(row),
      eventType: read.eventType(row),
      node: read.node(row),
      pid: read.pid(row),
      correlationId: read.correlationId(row),
      parentId: read.parentId(row),
      module: read.module(row),
      function: read.function(row),
      arity: read.arity(row),
      file: read.file(row),
      line: read.line(row),
      tags: read.tags(row),
      data: read.data(row),
    }
  }
}

function eventIdText(id: bigint): EventId {
  return `${Number(id >> SEQUENCE_BITS)}-${Number(id & SEQUENCE_MASK)}`
}

function nullable<T>({ validity }: Column, read: Reader<T>): Reader<T | null> {
  if (validity === null) return read
  return (row) => (((validity[row >> 3]! >> (row & 7)) & 1) === 1 ? read(row) : null)
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
