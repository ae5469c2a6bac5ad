/** Batches of a subscription as an Arrow IPC stream. */
import type { Data, Dictionary, RecordBatch, Schema, Utf8, Vector } from 'apache-arrow'
import type { EventBatch } from '../../index.js'
import { type ArrowModule, arrowModule } from '../arrow-table.js'

/** Writes the stream a piece at a time; what it has returned refers to nothing of a batch. */
export class LiveStream {
  readonly #arrow: ArrowModule
  readonly #schema: Schema
  readonly #texts = new Map<number, Texts>()
  readonly #writer: InstanceType<ArrowModule['RecordBatchStreamWriter']>
  readonly #chunks: Uint8Array[] = []

  constructor(schema: Schema) {
    this.#arrow = arrowModule()
    this.#schema = schema
    const chunks = this.#chunks
    class Sink extends this.#arrow.AsyncByteQueue {
      override write(chunk: Uint8Array): void {
        chunks.push(chunk)
      }
    }
    this.#writer = new this.#arrow.RecordBatchStreamWriter({ autoDestroy: false })
    this.#writer.reset(new Sink(), schema)
  }

  /** The head of the stream, from which a reader knows the columns before there are events. */
  start(): Uint8Array {
    return this.#taken()
  }

  /** A batch, with all that it says beside its events in the metadata of its message. */
  write(batch: EventBatch): Uint8Array {
    const { makeData, RecordBatch, Struct } = this.#arrow
    const { data } = batch.batch
    const children = data.children.map((column, index) => this.#recoded(column, index))
    const struct = makeData({ type: new Struct(this.#schema.fields), length: data.length, nullCount: 0, children })
    this.#writer.write(new RecordBatch(this.#schema, struct, metadataOf(batch)) as RecordBatch)
    return this.#taken()
  }

  /** The end of the stream. */
  end(): Uint8Array {
    this.#writer.finish()
    return this.#taken()
  }

  #taken(): Uint8Array {
    return Buffer.concat(this.#chunks.splice(0))
  }

  /** A segment's dictionary has the texts of a million events: of it, a batch brings what its own events need. */
  #recoded(column: Data, index: number): Data {
    if (!this.#arrow.DataType.isDictionary(column.type)) return column
    let texts = this.#texts.get(index)
    if (texts === undefined) this.#texts.set(index, (texts = new Texts(this.#arrow)))
    return texts.recode(column as Data<Dictionary<Utf8>>)
  }
}

/** The dictionary of one column, which goes on to be used for as long as it has all texts that are needed. */
class Texts {
  readonly #arrow: ArrowModule
  #codes = new Map<string, number>()
  #dictionary: Vector<Utf8>

  constructor(arrow: ArrowModule) {
    this.#arrow = arrow
    this.#dictionary = arrow.vectorFromArray([], new arrow.Utf8())
  }

  recode(column: Data<Dictionary<Utf8>>): Data<Dictionary<Utf8>> {
    const { makeData, Utf8, vectorFromArray } = this.#arrow
    const texts = new Map<number, string>()
    for (let row = 0; row < column.length; row++) {
      const code = column.values[row] as number
      if (!texts.has(code) && column.getValid(row)) texts.set(code, column.dictionary!.get(code)!)
    }
    if ([...texts.values()].some((text) => !this.#codes.has(text))) {
      const distinct = [...new Set(texts.values())]
      this.#codes = new Map(distinct.map((text, code) => [text, code]))
      this.#dictionary = vectorFromArray(distinct, new Utf8())
    }
    const codes = new Int32Array(column.length)
    for (let row = 0; row < column.length; row++) if (column.getValid(row)) codes[row] = this.#codes.get(texts.get(column.values[row] as number)!)!
    return makeData({ type: column.type, length: column.length, nullCount: column.nullCount, nullBitmap: column.nullBitmap, data: codes, dictionary: this.#dictionary }) as Data<Dictionary<Utf8>>
  }
}

/** See `KinescopeServer` in the contract. */
function metadataOf({ fromSeq, toSeq, caughtUp, gap, lost }: EventBatch): Map<string, string> {
  const facts: Record<string, unknown> = { from_seq: fromSeq, to_seq: toSeq, caught_up: caughtUp, lost_count: lost.count }
  if (gap !== undefined) Object.assign(facts, { gap_from_seq: gap.fromSeq, gap_to_seq: gap.toSeq, gap_count: gap.count, gap_cause: gap.cause })
  return new Map(Object.entries(facts).map(([name, value]) => [`kinescope.${name}`, String(value)]))
}
