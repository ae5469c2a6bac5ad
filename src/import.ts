/** Imports of events: objects become records in memory that the addon reads; tables go as they are. */
import type { CaptureConfig, EventId, EventInput } from '../index.js'
import { invalidArgument, KinescopeError } from './errors.js'
import { isTable, tableBatches } from './import-table.js'
import { awaitNative, type NativeImportDefaults, type NativeRing, type NativeStore } from './native.js'
import { encodeEvent, readEvent } from './recorder/event-body.js'
import { formatEventId } from './recorder/event-id.js'
import { monotonicNow } from './recorder/intrinsics.js'
import * as layout from './recorder/layout.js'
import { ValueEncoder } from './recorder/value-encoder.js'

/** Bytes of records that one import may be made of. */
const IMPORT_BYTES_MAX = 2 ** 30
const PIECE_BYTES_MIN = 1 << 12
const PIECE_BYTES_MAX = 1 << 22
const WORD_BYTES = 8
const NO_EVENT_TYPE_ID = -1
const NO_PARENT = -1

/** What an import needs of the thread that asks for it. */
export interface ImportingThread {
  readonly store: NativeStore
  readonly ring: NativeRing
  /** Everything that this thread recorded so far lies before it. */
  head(): number
  readonly config: CaptureConfig
  /** The pid of events that name none. */
  readonly label: string
}

/** See `storeEvents` in the contract. */
export class Importer {
  readonly #thread: ImportingThread
  readonly #redact: ReadonlySet<string>
  #encoder: ValueEncoder | undefined

  constructor(thread: ImportingThread) {
    this.#thread = thread
    this.#redact = new Set(thread.config.redact)
  }

  /**
   * Stores all of them or none.
   *
   * @throws {KinescopeError} See there.
   */
  async storeAll(events: unknown): Promise<EventId[]> {
    const { store, ring } = this.#thread
    if (isTable(events)) {
      const batches = tableBatches(events)
      if (batches.every(({ rows }) => rows === 0)) return []
      return idsOf(await awaitNative(() => store.importTable(batches, this.#defaults(), ring, this.#thread.head())))
    }
    if (!Array.isArray(events)) throw invalidArgument('events', events, 'an array of events, or a Table or RecordBatch of apache-arrow')
    return this.#store(events as EventInput[], (index) => `events[${index}]`)
  }

  /**
   * Stores one event.
   *
   * @throws {KinescopeError} See `storeEvent` in the contract.
   */
  async storeOne(event: EventInput): Promise<EventId> {
    const [id] = await this.#store([event], () => 'event')
    return id!
  }

  async #store(events: readonly EventInput[], ownerOf: (index: number) => string): Promise<EventId[]> {
    const { store, ring } = this.#thread
    const { length } = events
    const ids: bigint[] = []
    const pieces = new Pieces()
    for (let index = 0; index < length; index++) ids.push(this.#append(events[index] as EventInput, ownerOf(index), pieces))
    if (length === 0) return []
    return idsOf(await awaitNative(() => store.importEvents(pieces.whole(), BigUint64Array.from(ids), this.#defaults(), ring, this.#thread.head())))
  }

  /** Returns the bits of the id that the event brings, or 0. */
  #append(event: EventInput, owner: string, pieces: Pieces): bigint {
    const checked = readEvent(event, owner, this.#redact)
    const { eventIdBits, timestamp } = checked.envelope
    // The id goes beside the records, where it can be compared with others without reading them.
    checked.envelope.eventIdBits = undefined
    this.#encoder ??= new ValueEncoder(this.#thread.config.limits, this.#redact)
    const mask = encodeEvent(this.#encoder, checked, NO_EVENT_TYPE_ID)
    pieces.add(this.#encoder, mask, timestamp === undefined ? undefined : BigInt(timestamp))
    return eventIdBits ?? 0n
  }

  #defaults(): NativeImportDefaults {
    const { store, config, label } = this.#thread
    return { pid: label, now: monotonicNow() + store.timestampOffset, ...config.limits, redact: [...config.redact] }
  }
}

/** EVENT records one behind the other, in pieces of memory that grow. */
class Pieces {
  readonly #full: Uint8Array[] = []
  #bytes = 0
  #piece = new Uint8Array(0)
  #at = 0

  /** Adds a record whose body is in the encoder. */
  add(encoder: ValueEncoder, mask: number, timestamp: bigint | undefined): void {
    const words = layout.EVENT_WORDS + encoder.lengthWords
    const start = this.#reserve(words * WORD_BYTES)
    const view = new DataView(this.#piece.buffer, start)
    view.setInt32(0, layout.KIND_EVENT | (words << 8), true)
    view.setInt32(4, timestamp === undefined ? 0 : layout.FLAG_CALLER_TIME, true)
    view.setBigInt64(8, timestamp ?? 0n, true)
    view.setFloat64(16, NO_PARENT, true)
    view.setInt32(24, NO_EVENT_TYPE_ID, true)
    view.setInt32(28, encoder.length, true)
    view.setInt32(32, mask, true)
    view.setInt32(36, layout.SITE_NONE, true)
    this.#piece.set(encoder.bytes.subarray(0, encoder.length), start + layout.EVENT_WORDS * WORD_BYTES)
  }

  /** Everything that was added. */
  whole(): Uint8Array[] {
    return [...this.#full, this.#piece.subarray(0, this.#at)]
  }

  #reserve(bytes: number): number {
    if (this.#at + bytes > this.#piece.length) {
      this.#bytes += this.#at
      if (this.#bytes + bytes > IMPORT_BYTES_MAX) {
        throw new KinescopeError('RESOURCE_EXHAUSTED', `events: expected at most ${IMPORT_BYTES_MAX} bytes at a time; import fewer events, or a table`)
      }
      if (this.#at > 0) this.#full.push(this.#piece.subarray(0, this.#at))
      const usual = Math.min(Math.max(this.#piece.length * 2, PIECE_BYTES_MIN), PIECE_BYTES_MAX)
      this.#piece = new Uint8Array(Math.max(bytes, usual))
      this.#at = 0
    }
    const start = this.#at
    this.#at += bytes
    return start
  }
}

/** Ids as text, from their 64 bits. */
function idsOf(bits: BigUint64Array): EventId[] {
  // Halves, because bigints would cost more than the import itself.
  const halves = new Uint32Array(bits.buffer, bits.byteOffset, bits.length * 2)
  return Array.from({ length: bits.length }, (_, index) => {
    const [low, high] = [halves[2 * index]!, halves[2 * index + 1]!]
    return formatEventId(high >>> 16, (high & 0xffff) * 2 ** 32 + low)
  })
}
