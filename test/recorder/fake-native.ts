/** A native store made of plain JavaScript: rings, definitions, and a reader that tests drive by hand. */
import type { RecorderProducer, RecorderStore } from '../../src/recorder/recorder.js'

const HEADER_BYTES = 4096

/** What `defineSite` was given. */
export interface DefinedSite {
  module: string | null
  fn: string | null
  arity: number
  file: string | null
  line: number
}

/** What `defineEmitter` was given. */
export interface DefinedEmitter {
  eventType: string
  names: string[]
  types: number[]
  siteId: number
}

export interface FakeOptions {
  ringBytes?: number
  publication?: 0 | 1
  producer?: number
  blockWhenFull?: boolean
  /** First sequence number. */
  attempts?: number
  /** Running position at which the ring starts. */
  position?: number
  /** Called by `waitForSpace`. */
  onWait?: (head: number, words: number) => boolean
}

export class FakeProducer implements RecorderProducer {
  readonly number: number
  readonly buffer: ArrayBuffer
  readonly i32: Int32Array
  readonly f64: Float64Array
  readonly i64: BigInt64Array
  readonly firstSequence: number
  readonly startPosition: number
  wakes = 0
  readonly #onWait: (head: number, words: number) => boolean

  constructor(options: FakeOptions) {
    const ringBytes = options.ringBytes ?? 65_536
    this.number = options.producer ?? 1
    this.buffer = new ArrayBuffer(HEADER_BYTES + ringBytes)
    this.i32 = new Int32Array(this.buffer)
    this.f64 = new Float64Array(this.buffer)
    this.i64 = new BigInt64Array(this.buffer)
    this.i32[0] = 0x3152534b
    this.i32[1] = 1
    this.i32[2] = this.number
    this.i32[3] = ringBytes / 8
    this.i32[4] = options.publication ?? 0
    this.firstSequence = options.attempts ?? 0
    this.f64[8] = this.firstSequence
    this.startPosition = options.position ?? 0
    this.i32[22] = this.startPosition | 0
    this.i32[32] = this.startPosition | 0
    this.i32[34] = 1
    this.f64[18] = Number(process.hrtime.bigint())
    this.#onWait = options.onWait ?? (() => false)
  }

  wake(): void {
    this.wakes++
    this.i32[33] = 0
  }

  waitForSpace(head: number, words: number): boolean {
    return this.#onWait(head, words)
  }
}

export class FakeNative implements RecorderStore {
  readonly blockWhenFull: boolean
  readonly producer: FakeProducer
  readonly strings: string[] = []
  readonly sites: DefinedSite[] = []
  readonly emitters: DefinedEmitter[] = []
  /** Definitions above this count get no id. */
  definitionCap = Infinity

  constructor(options: FakeOptions = {}) {
    this.blockWhenFull = options.blockWhenFull ?? false
    this.producer = new FakeProducer(options)
  }

  defineString(text: string): number {
    const known = this.strings.indexOf(text)
    if (known >= 0) return known
    return this.strings.length >= this.definitionCap ? -1 : this.strings.push(text) - 1
  }

  defineSite(module: string | null, fn: string | null, arity: number, file: string | null, line: number): number {
    return this.sites.length >= this.definitionCap ? -1 : this.sites.push({ module, fn, arity, file, line }) - 1
  }

  defineEmitter(eventType: string, names: string[], types: number[], siteId: number): number {
    return this.emitters.length >= this.definitionCap ? -1 : this.emitters.push({ eventType, names, types, siteId }) - 1
  }

  setEnabled(enabled: boolean): void {
    this.producer.i32[34] = enabled ? 1 : 0
  }

  /** What closing the store does to its rings. */
  close(): void {
    this.producer.i32[34] = 2
  }
}
