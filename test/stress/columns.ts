/** Reads event tables by their typed arrays: row objects would take minutes for millions of rows. */
import type { QueryResult } from 'kinescope'
import { checksum } from './checksum.mjs'

/** One numbered event, in the same object for every row. */
export interface NumberedEvent {
  producer: number
  /** Of the producer, from its event id. */
  sequence: number
  seq: number
  /** Nanoseconds; exact enough to compare events of one run. */
  timestamp: number
  writer: number
  number: number
}

const TWO_TO_32 = 2 ** 32

/** Calls `visit` for every row and fails for a row whose check value does not belong to its number. */
export function forEachNumbered({ table }: QueryResult, visit: (event: NumberedEvent) => void): void {
  const event: NumberedEvent = { producer: 0, sequence: 0, seq: 0, timestamp: 0, writer: 0, number: 0 }
  const column = (name: string) => table.schema.fields.findIndex((field) => field.name === name)
  const [seqAt, idAt, timestampAt, dataAt] = ['seq', 'event_id', 'timestamp', 'data'].map(column) as [number, number, number, number]
  for (const batch of table.batches) {
    const words = (index: number) => {
      const values = batch.data.children[index]!.values as BigUint64Array
      return new Uint32Array(values.buffer, values.byteOffset, values.length * 2)
    }
    const [seq, id, timestamp] = [words(seqAt), words(idAt), words(timestampAt)]
    const { values: text, valueOffsets } = batch.data.children[dataAt]!
    for (let row = 0; row < batch.numRows; row += 1) {
      const [low, high] = [id[row * 2]!, id[row * 2 + 1]!]
      event.producer = high >>> 16
      event.sequence = (high & 0xffff) * TWO_TO_32 + low
      event.seq = seq[row * 2 + 1]! * TWO_TO_32 + seq[row * 2]!
      event.timestamp = timestamp[row * 2 + 1]! * TWO_TO_32 + timestamp[row * 2]!
      const [writer, number, check] = threeNumbers(text, valueOffsets[row], valueOffsets[row + 1])
      if (check !== checksum(number, writer)) throw new Error(`event ${event.producer}-${event.sequence}: ${Buffer.from(text.subarray(valueOffsets[row], valueOffsets[row + 1]))}`)
      event.writer = writer
      event.number = number
      visit(event)
    }
  }
}

const numbers: [number, number, number] = [0, 0, 0]

/** The three runs of digits of `{"writer":1,"number":2,"check":3}`. */
function threeNumbers(text: Uint8Array, start: number, end: number): [number, number, number] {
  let found = -1
  let inNumber = false
  for (let at = start; at < end; at += 1) {
    const digit = text[at]! - 0x30
    if (digit < 0 || digit > 9) {
      inNumber = false
    } else if (inNumber) {
      numbers[found] = numbers[found]! * 10 + digit
    } else {
      inNumber = true
      found += 1
      if (found > 2) throw new Error(`more than three numbers: ${Buffer.from(text.subarray(start, end))}`)
      numbers[found] = digit
    }
  }
  if (found !== 2) throw new Error(`not three numbers: ${Buffer.from(text.subarray(start, end))}`)
  return numbers
}
