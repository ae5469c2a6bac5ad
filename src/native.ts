/**
 * The addon's surface, as TypeScript sees it. The Rust twin of every interface is in `crates/node/src`.
 * Internal: nothing here is exported from the package.
 */
import { createRequire } from 'node:module'

/** What `open` hands to Rust; every field is validated and filled in before. Sizes in bytes, durations in milliseconds; 0 means no limit. */
export interface NativeStoreOptions {
  node: string
  segmentEvents: number
  ringBytes: number
  blockWhenFull: boolean
  retentionMaxBytes: number
  retentionMaxAgeMs: number
  retentionMaxEvents: number
  configJson: string
}

/** One thread's side of its ring. */
export interface NativeProducer {
  /** 1 to 0x7fff. */
  readonly number: number
  /** Ring header and data area, see docs/ring-format.md; an external ArrayBuffer over memory that Rust owns. */
  readonly buffer: ArrayBuffer
  /** Wakes the writer thread and refreshes the ring's coarse clock. */
  wake(): void
  /** Waits until `words` words are free or the store's bound has passed; false then. */
  waitForSpace(head: number, words: number): boolean
  /** Waits until everything before the position `head` is visible to queries; false when the bound has passed. */
  waitVisible(head: number): boolean
  /** The same without blocking the thread; rejects with RESOURCE_EXHAUSTED when the bound has passed. */
  flush(head: number): Promise<void>
  /** Gives the ring back; the writer drains it to its last commit first. */
  close(): void
}

export interface NativeStats {
  recorded: number
  stored: number
  evicted: number
  lostRingFull: number
  lostTooLarge: number
  lostTorn: number
  lostEncoder: number
  lostDiskFull: number
  mistyped: number
  unbalanced: number
  sampledOut: number
  afterClose: number
  segments: number
  memoryBytes: number
  leasedBytes: number
  ringFill: number
  gatheredBytes: number
  copiedBytes: number
  zeroCopy: 'shared' | 'external' | 'copied'
}

/** An open recording, as one JavaScript thread holds it. */
export interface NativeStore {
  readonly registryId: number
  readonly nonce: string
  readonly configJson: string
  /** Whether rings of this store wait when full. */
  readonly blockWhenFull: boolean
  /** `timestamp` = raw monotonic nanoseconds (`process.hrtime.bigint()`) + this. */
  readonly timestampOffset: bigint
  /** @param threadLabel the thread's default pid. */
  createProducer(threadLabel: string): NativeProducer
  /** Id of an interned string, or -1 above the cap. */
  defineString(text: string): number
  /** `null` and -1 mean absent. Id, or -1 above the cap. */
  defineSite(module: string | null, fn: string | null, arity: number, file: string | null, line: number): number
  /** Field types: 0 i64, 1 f64, 2 bool, 3 utf8, 4 symbol. Site id -2: none. Id, or -1 above the cap. */
  defineEmitter(eventType: string, names: string[], types: number[], siteId: number): number
  now(): { timestamp: bigint; wallTime: bigint }
  stats(): NativeStats
  setEnabled(enabled: boolean): void
  close(): Promise<void>
}
