/** EMIT records with absent, mistyped, cut or alternative values, in unnamed contexts, or in a ring that looks full. */
import { asIntN, monotonicNow, utf8ByteLength, utf8Write } from './intrinsics.js'
import { causeOf, type RecorderParts } from './calls.js'
import type { EmitterShape } from './emitter-source.js'
import type { Frame } from './frames.js'
import * as layout from './layout.js'
import { RING_FULL } from './ring-writer.js'
import { cutText } from './text.js'

/** A bigint's two halves, through memory. */
const halves = new Int32Array(2)
const wholes = new BigInt64Array(halves.buffer)
const doubles = new Float64Array(halves.buffer)

/** A field as it is going to be stored. */
interface StoredField {
  state: number
  low: number
  high: number
  /** Bytes behind the fields, or nothing. */
  text: string
}

/** The general form of one emitter. */
export class SlowEmitter {
  readonly #shape: EmitterShape
  readonly #parts: RecorderParts
  readonly #fields: StoredField[]

  constructor(shape: EmitterShape, parts: RecorderParts) {
    this.#shape = shape
    this.#parts = parts
    this.#fields = shape.names.map(() => ({ state: 0, low: 0, high: 0, text: '' }))
  }

  /** For an argument whose fields cannot be read: all are absent. */
  unreadable(): void {
    this.#parts.writer.count(layout.F64_MISTYPED)
    this.emit(this.#shape.names.map(() => undefined))
  }

  /** For an emitter with fields that are left out. */
  emitRedacted(fields: Readonly<Record<string, unknown>>): void {
    const { writer } = this.#parts
    if (!writer.isRecording()) {
      writer.countLate()
      return
    }
    const { names, redacted } = this.#shape
    try {
      this.emit(names.map((name, field) => (redacted[field]! ? undefined : fields[name])))
    } catch {
      this.unreadable()
    }
  }

  /** Records one event from the values of all fields. */
  emit(values: readonly unknown[]): void {
    const { writer, frames } = this.#parts
    if (!writer.isRecording()) {
      writer.countLate()
      return
    }
    const frame = frames.now()
    if (!frame.context.sampled) {
      writer.count(layout.F64_SAMPLED_OUT)
      return
    }
    const textBytes = this.#prepare(values)
    const words = this.#shape.headWords + values.length + ((textBytes + 7) >>> 3)
    const at = frames.claimSlot(frame.context, false) ? writer.reserve(words, false) : RING_FULL
    if (at < 0) writer.lose(causeOf(at))
    else this.#commit(frame, at, words)
  }

  /** Fills `#fields` and returns the bytes of all strings. */
  #prepare(values: readonly unknown[]): number {
    let textBytes = 0
    for (let field = 0; field < values.length; field++) {
      const stored = this.#fields[field]!
      const value = values[field]
      stored.state = 0
      stored.low = 0
      stored.high = 0
      stored.text = ''
      if (value == null) continue
      this.#prepareField(stored, field, value, this.#shape.maxTextBytes - textBytes)
      if (stored.state === 0) this.#parts.writer.count(layout.F64_MISTYPED)
      else if (stored.text !== '') textBytes += stored.low
    }
    return textBytes
  }

  #prepareField(stored: StoredField, field: number, value: unknown, budgetBytes: number): void {
    const type = this.#shape.types[field]!
    if (typeof value === 'string') {
      if (type === 'utf8') this.#prepareText(stored, value, layout.FIELD_PLAIN, layout.FIELD_ALTERNATIVE, budgetBytes)
      else if (type === 'symbol') this.#prepareSymbol(stored, value, budgetBytes)
    } else if (typeof value === 'number') {
      if (type !== 'f64' && type !== 'i64') return
      doubles[0] = value
      stored.state = layout.FIELD_PLAIN
      stored.low = halves[0]!
      stored.high = halves[1]!
    } else if (typeof value === 'bigint') {
      if (type !== 'i64' || asIntN(64, value) !== value) return
      wholes[0] = value
      stored.state = layout.FIELD_ALTERNATIVE
      stored.low = halves[0]!
      stored.high = halves[1]!
    } else if (typeof value === 'boolean' && type === 'bool') {
      stored.state = layout.FIELD_PLAIN
      stored.low = value ? 1 : 0
    }
  }

  #prepareSymbol(stored: StoredField, value: string, budgetBytes: number): void {
    const isTooLong = value.length > this.#shape.maxStringLength
    const id = isTooLong ? -1 : this.#parts.definitions.stringId(value)
    if (id < 0) {
      this.#prepareText(stored, value, layout.FIELD_ALTERNATIVE, layout.FIELD_CUT, budgetBytes)
      return
    }
    stored.state = layout.FIELD_PLAIN
    stored.low = id
  }

  /** `wholeState` and `cutState`: the states of a string that is stored whole, and in part. */
  #prepareText(stored: StoredField, value: string, wholeState: number, cutState: number, budgetBytes: number): void {
    let text = cutText(value, this.#shape.maxStringLength)
    let bytes = utf8ByteLength(text)
    if (bytes > budgetBytes) {
      text = cutText(text, Math.floor(budgetBytes / 3))
      bytes = utf8ByteLength(text)
    }
    stored.state = text.length < value.length ? cutState : wholeState
    stored.low = bytes
    stored.text = text
  }

  #commit(frame: Frame, at: number, words: number): void {
    const { writer } = this.#parts
    const { i32, f64 } = writer
    const shape = this.#shape
    const i = at * 2
    if (shape.coarse && i32[layout.I32_ASLEEP] !== 0) writer.wake()
    // Groups of states come in halves of words; what is left over stays zero.
    for (let half = i + 7; half < i + shape.headWords * 2; half++) i32[half] = 0
    let end = (at + shape.headWords + shape.names.length) * 8
    for (let field = 0; field < shape.names.length; field++) {
      const stored = this.#fields[field]!
      const word = i + (shape.headWords + field) * 2
      i32[i + 7 + (field >>> 4)]! |= stored.state << ((field & 15) * 2)
      i32[word] = stored.low
      i32[word + 1] = stored.high
      if (stored.text !== '') end += utf8Write(writer.buffer, stored.text, end, stored.low)
    }
    if (shape.coarse) f64[at + 1] = f64[layout.F64_TICK]!
    else writer.i64[at + 1] = monotonicNow()
    f64[at + 2] = frame.parentSequence
    f64[layout.F64_ATTEMPTS]!++
    i32[i + 1] = frame.context.slot | (shape.coarse ? layout.FLAG_COARSE_TIME : 0)
    i32[i + 6] = shape.id
    i32[i + words * 2] = 0
    i32[i] = layout.KIND_EMIT | (words << 8)
    writer.at = at + words
    if (i32[layout.I32_ASLEEP] !== 0) writer.wake()
  }
}
