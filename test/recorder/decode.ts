/** A slow and obvious reader of docs/ring-format.md, and the oracle of what a recorder has written. */
import type { FakeNative } from './fake-native.js'

const REASONS = ['', 'depth', 'length', 'fields', 'size', 'getter', 'proxy', 'redacted', 'non_finite', 'bigint']

/** What was cut off, by path from the root of the value. */
export type Cuts = Record<string, string>

/** One record, or a range of attempts that left none. */
export type Decoded = LossRecord | EventRecord

export interface LossRecord {
  kind: 'loss'
  cause: number
  first: number
  count: number
}

export interface EventRecord {
  kind: 'emit' | 'enter' | 'exit' | 'event'
  sequence: number
  slot: number
  context: DecodedContext
  flags: number
  time: bigint
  tick: number
  parent: number
  eventType?: string
  emitter?: number
  site?: unknown
  entryTime?: bigint
  reason?: number
  fields: Record<string, unknown>
  states: number[]
  data?: unknown
  cuts: Cuts
}

export interface DecodedContext {
  parent: bigint | null
  pid: unknown
  correlationId: unknown
  tags: unknown
}

const THREAD: DecodedContext = { parent: null, pid: null, correlationId: null, tags: null }
const EVENT_BITS = ['eventType', 'eventId', 'node', 'pid', 'correlationId', 'parentId', 'module', 'function', 'arity', 'file', 'line', 'tags', 'wallTime', 'data']

/** Reads tagged values. */
export class ValueReader {
  position: number
  readonly #view: DataView
  readonly #strings: readonly string[]
  cuts: Cuts = {}

  constructor(view: DataView, position: number, strings: readonly string[]) {
    this.#view = view
    this.position = position
    this.#strings = strings
  }

  value(path = ''): unknown {
    const tag = this.#view.getUint8(this.position++)
    switch (tag) {
      case 1:
        return null
      case 2:
        return false
      case 3:
        return true
      case 4:
        return this.#view.getInt32(this.#skip(4), true)
      case 5: {
        const value = this.#view.getFloat64(this.#skip(8), true)
        if (!Number.isFinite(value)) throw new Error(`not finite at ${path}`)
        return value
      }
      case 6:
        return this.#view.getBigInt64(this.#skip(8), true)
      case 7:
        return this.#view.getBigUint64(this.#skip(8), true)
      case 8:
        return this.#text(this.#view.getUint8(this.#skip(1)))
      case 9:
        return this.#text(this.#view.getUint32(this.#skip(4), true))
      case 10:
        return this.#strings[this.#view.getUint32(this.#skip(4), true)]!
      case 11:
        return this.#object(path)
      case 12:
        return this.#array(path)
      case 13:
        this.#note(path)
        return null
      case 14:
        this.#note(path)
        if (this.#view.getUint8(this.position) >= 13) throw new Error(`a mark before a cut or a mark at ${path}`)
        return this.value(path)
      default:
        throw new Error(`tag ${tag} at ${path}`)
    }
  }

  #object(path: string): Record<string, unknown> {
    const object = Object.create(null) as Record<string, unknown>
    while (this.#view.getUint8(this.position) !== 0) {
      const key = this.value()
      if (typeof key !== 'string') throw new Error(`key ${String(key)} at ${path}`)
      object[key] = this.value(path === '' ? key : `${path}.${key}`)
    }
    this.position++
    return object
  }

  #array(path: string): unknown[] {
    const array: unknown[] = []
    while (this.#view.getUint8(this.position) !== 0) array.push(this.value(path === '' ? `${array.length}` : `${path}.${array.length}`))
    this.position++
    return array
  }

  #note(path: string): void {
    const reason = REASONS[this.#view.getUint8(this.#skip(1))]
    if (!reason) throw new Error(`reason at ${path}`)
    this.cuts[path] = reason
  }

  #text(bytes: number): string {
    const at = this.#skip(bytes)
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(new Uint8Array(this.#view.buffer, at, bytes))
  }

  #skip(bytes: number): number {
    this.position += bytes
    return this.position - bytes
  }
}

/** Follows the ring from where it stands, and frees what it has read. */
export class RingReader {
  readonly #native: FakeNative
  readonly #view: DataView
  readonly #capacity: number
  readonly #contexts = new Map<number, DecodedContext>([[0, THREAD]])
  position: number
  sequence: number
  /** Ring-full losses that have been told so far. */
  told = 0
  pads = 0

  constructor(native: FakeNative) {
    this.#native = native
    this.#view = new DataView(native.producer.buffer)
    this.#capacity = native.producer.i32[3]!
    this.position = native.producer.startPosition >>> 0
    this.sequence = native.producer.firstSequence
    this.told = native.producer.f64[9]!
  }

  /** Everything up to the first zero commit word. `maxRecords`: stop after so many. */
  read(maxRecords = Infinity): Decoded[] {
    const decoded: Decoded[] = []
    while (decoded.length < maxRecords) {
      const at = 4096 + (this.position % this.#capacity) * 8
      const commit = this.#view.getUint32(at, true)
      if (commit === 0) break
      const words = commit >>> 8
      if (words === 0 || (this.position % this.#capacity) + words > this.#capacity) throw new Error(`length ${words}`)
      const record = this.#record(at, commit & 0xff, words)
      if (record) decoded.push(record)
      this.position = (this.position + words) % 2 ** 32
    }
    this.#native.producer.i32[32] = this.position | 0
    return decoded
  }

  events(): EventRecord[] {
    return this.read().filter((record): record is EventRecord => record.kind !== 'loss')
  }

  #record(at: number, kind: number, words: number): Decoded | undefined {
    if (kind === 1) {
      this.pads++
      return undefined
    }
    if (kind === 2) return this.#loss(at)
    if (kind === 3) {
      this.#context(at)
      return undefined
    }
    const view = this.#view
    const high = view.getInt32(at + 4, true)
    const slot = high & 0xffff
    const context = this.#contexts.get(slot)
    if (!context) throw new Error(`slot ${slot} was never named`)
    const record: EventRecord = {
      kind: (['emit', 'enter', 'exit', 'event'] as const)[kind - 4]!,
      sequence: this.sequence++,
      slot,
      context,
      flags: high >>> 16,
      time: view.getBigInt64(at + 8, true),
      tick: view.getFloat64(at + 8, true),
      parent: view.getFloat64(at + 16, true),
      fields: {},
      states: [],
      cuts: {},
    }
    const end = at + words * 8
    if (kind === 4) this.#emit(record, at)
    else if (kind === 5) this.#body(record, at, at + 32, end)
    else if (kind === 6) {
      record.entryTime = view.getBigInt64(at + 32, true)
      record.reason = view.getInt32(at + 40, true)
      this.#body(record, at, at + 48, end)
    } else if (kind === 7) this.#event(record, at, end)
    else throw new Error(`kind ${kind}`)
    return record
  }

  #loss(at: number): LossRecord | undefined {
    const cause = this.#view.getInt32(at + 4, true)
    const value = this.#view.getFloat64(at + 16, true)
    const count = cause === 0 ? value - this.told : value
    if (cause === 0) this.told = value
    if (this.#view.getBigInt64(at + 24, true) > this.#view.getBigInt64(at + 8, true)) throw new Error('a loss from the future')
    const first = this.sequence
    this.sequence += count
    return { kind: 'loss', cause, first, count }
  }

  #context(at: number): void {
    const slot = this.#view.getInt32(at + 4, true)
    if (slot < 1 || slot > 4095) throw new Error(`slot ${slot}`)
    const parent = this.#view.getBigUint64(at + 8, true)
    const values = new ValueReader(this.#view, at + 24, this.#native.strings)
    const [pid, correlationId, tags] = [values.value(), values.value(), values.value()]
    if (values.position !== at + 24 + this.#view.getInt32(at + 16, true)) throw new Error('length of a context')
    this.#contexts.set(slot, { parent: parent === 2n ** 64n - 1n ? null : parent, pid, correlationId, tags })
  }

  #site(siteId: number, values: ValueReader): unknown {
    if (siteId === -2) return undefined
    if (siteId >= 0) return this.#native.sites[siteId]
    const [module, fn, arity, file, line] = [values.value(), values.value(), values.value(), values.value(), values.value()]
    return { module, fn, arity, file, line }
  }

  #body(record: EventRecord, at: number, from: number, end: number): void {
    const bytes = this.#view.getInt32(at + 28, true)
    const values = new ValueReader(this.#view, from, this.#native.strings)
    record.site = this.#site(this.#view.getInt32(at + 24, true), values)
    if (values.position < from + bytes) record.data = values.value()
    if (values.position !== from + bytes || from + bytes > end || end - from - bytes >= 8) throw new Error('length of a body')
    record.cuts = values.cuts
  }

  #event(record: EventRecord, at: number, end: number): void {
    const view = this.#view
    const from = at + 40
    const typeId = view.getInt32(at + 24, true)
    const mask = view.getInt32(at + 32, true)
    const values = new ValueReader(view, from, this.#native.strings)
    record.site = this.#site(view.getInt32(at + 36, true), values)
    if (typeId >= 0) record.eventType = this.#native.strings[typeId]!
    for (const [bit, name] of EVENT_BITS.entries()) {
      if ((mask & (1 << bit)) === 0) continue
      values.cuts = {}
      const value = values.value()
      if (name === 'data') record.data = value
      else if (name === 'eventType') record.eventType = value as string
      else record.fields[name] = value
    }
    record.cuts = values.cuts
    const bytes = view.getInt32(at + 28, true)
    if (values.position !== from + bytes || from + bytes > end || end - from - bytes >= 8) throw new Error('length of a body')
  }

  #emit(record: EventRecord, at: number): void {
    const view = this.#view
    record.emitter = view.getInt32(at + 24, true)
    const { eventType, names, types, siteId } = this.#native.emitters[record.emitter]!
    record.eventType = eventType
    record.site = siteId >= 0 ? this.#native.sites[siteId] : undefined
    const extraGroups = Math.max(0, Math.ceil(names.length / 16) - 1)
    const fields = at + 32 + Math.ceil(extraGroups / 2) * 8
    let text = fields + names.length * 8
    for (const [field, name] of names.entries()) {
      const group = view.getUint32(at + 28 + Math.floor(field / 16) * 4, true)
      const state = (group >>> ((field % 16) * 2)) & 3
      const word = fields + field * 8
      record.states.push(state)
      if (state === 0) continue
      const type = types[field]!
      const isText = type === 3 || (type === 4 && state >= 2)
      if (isText) {
        const bytes = view.getInt32(word, true)
        record.fields[name] = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(new Uint8Array(view.buffer, text, bytes))
        text += bytes
        if (state === (type === 3 ? 2 : 3)) record.cuts[name] = 'length'
      } else if (type === 4) record.fields[name] = this.#native.strings[view.getInt32(word, true)]
      else if (type === 2) record.fields[name] = view.getInt32(word, true) === 1
      else record.fields[name] = state === 1 ? view.getFloat64(word, true) : view.getBigInt64(word, true)
    }
  }
}
