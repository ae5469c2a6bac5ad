/**
 * The addon's surface, as TypeScript sees it. The Rust twin of every interface is in `crates/node/src`.
 * Internal: nothing here is exported from the package.
 */
import type { CaptureLimits } from '../index.js'
import { kinescopeErrorOf } from './errors.js'
import { loadAddon } from './load-addon.js'

/** What `open` hands to Rust; validated and complete. Sizes in bytes, durations in milliseconds; 0 means no limit. */
export interface NativeStoreOptions {
  node: string
  segmentEvents: number
  ringBytes: number
  blockWhenFull: boolean
  retentionMaxBytes: number
  retentionMaxAgeMs: number
  retentionMaxEvents: number
  configJson: string
  /** Absolute; absent: memory. */
  path?: string
  /** 0 process, 1 interval, 2 sync. */
  durability: number
}

/** One thread's side of its ring. Positions are running counts of words, as unsigned 32-bit integers. */
export interface NativeRing {
  /** 1 to 0x7fff. */
  readonly number: number
  /** An ArrayBuffer over ring header and data area, see docs/ring-format.md. */
  mapRing(): ArrayBuffer
  /** Wakes the writer thread and refreshes the ring's coarse clock. */
  wake(): void
  /** Waits until `words` words are free or the store's bound has passed; false then. */
  waitForSpace(head: number, words: number): boolean
  /** Waits until everything before the position `head` is visible to queries; throws when the bound has passed. */
  waitVisible(head: number): void
  /** The same without blocking the thread. */
  flush(head: number): Promise<void>
  /** Gives the ring back; the writer drains it to its last commit first. */
  close(): void
}

/** A thread's ring, mapped once. */
export interface NativeProducer extends Pick<NativeRing, 'number' | 'wake' | 'waitForSpace'> {
  readonly buffer: ArrayBuffer
}

/** Causes in the order of `NativeStats.lost`. */
export const NATIVE_LOSS_CAUSES = ['ring_full', 'too_large', 'torn', 'encoder', 'disk_full'] as const

/** Counts of a recording. */
export interface NativeStats {
  recorded: number
  stored: number
  evicted: number
  lost: number[]
  mistyped: number
  unbalanced: number
  sampledOut: number
  afterClose: number
  indexed: number
  segments: number
  memoryBytes: number
  subscriptions: number
  diskBytes: number
  unsavedEvents: number
  leasedBytes: number
  gatheredBytes: number
  copiedBytes: number
  copies: boolean
}

/** A validated query; absent times are open ends. */
export interface NativeQuery {
  startTime?: bigint
  endTime?: bigint
  startWallTime?: bigint
  endWallTime?: bigint
  pids?: string[]
  correlationIds?: string[]
  eventTypes?: string[]
  limit: number
  /** Only events of this trace: a correlation id, or else the id of one of its events. */
  trace?: string
  /** JSON of what goes beyond these: condition, order, paging, projection; see `crates/node/src/plan.rs`. */
  plan?: string
}

/** What is missing from the queried time range. */
export interface NativeLoss {
  cause: string
  count: number
  producer: number
  first: bigint
  last: bigint
}

/** An answer; `src/columns.ts` reads its layout. */
export interface NativeAnswer {
  readonly totalMatches: number
  readonly snapshot: bigint
  lost(): NativeLoss[]
  nextPageToken(): string | null
  /** Per projected item a column's name, or the type that its values have; null without a projection. */
  projectedTypes(): string[] | null
  layout(): Float64Array
  buffer(index: number): ArrayBuffer
  toIpc(file: boolean): Uint8Array
  /** The rows as an Arrow C stream. @param names of a projection's columns. */
  cStream(names?: string[]): NativeCStream
  /** Lets other threads open it; gives the id. `description` comes back as it is. */
  share(description: string): string
  /** Ends its shares, too. */
  release(): void
}

/** An Arrow C stream, until it is released. */
export interface NativeCStream {
  readonly address: bigint
  release(): void
}

/** What a thread has shared; its columns are read as a {@link NativeAnswer}'s are. */
export interface NativeShare extends Pick<NativeAnswer, 'layout' | 'buffer' | 'release'> {
  description(): string
}

/** An open call; see `StackFrame` in the contract. */
export interface NativeFrame {
  pid: string
  module?: string
  function?: string
  arity?: number
  file?: string
  line?: number
  entryId: string
  enteredAt: bigint
}

/** A value as JSON text, and the event that it came from. */
export interface NativeStateValue {
  module?: string
  function?: string
  arity?: number
  name?: string
  value: string
  eventId: string
  timestamp: bigint
}

/** Open calls, innermost first, and why they may not be all. */
export interface NativeCallStack {
  frames: NativeFrame[]
  reason?: 'truncated' | 'unbalanced'
}

/** Variables and states. */
export interface NativeState {
  variables: NativeStateValue[]
  states: NativeStateValue[]
}

/** Groups; their columns are read as a {@link NativeAnswer}'s are. */
export interface NativeAggregate extends Pick<NativeAnswer, 'snapshot' | 'lost' | 'layout' | 'buffer' | 'cStream' | 'share' | 'release'> {
  readonly quantileError: number
  /** Per column the event column whose values it has, or one of `i64`, `decimal`, `f64`, `bool`, `utf8`, `json`. */
  types(): string[]
}

/** A name or a text, and how many events have it. */
export interface NativeCount {
  name: string
  count: number
}

/** What a recording holds; see `Schema` in the contract. */
export interface NativeSchema {
  columns: NativeCount[]
  paths: { path: string; boolean: number; integer: number; float: number; string: number; array: number }[]
  /** Keys. */
  tags: NativeCount[]
  eventTypes: NativeCount[]
  segments: { fromSeq: bigint; events: number; first: bigint; last: bigint; bytes: number; sealed: boolean }[]
  truncated: boolean
  snapshot: bigint
  lost: NativeLoss[]
}

/** What holds for all events of an import. */
export interface NativeImportDefaults extends CaptureLimits {
  pid: string
  /** Of events without a time, nanoseconds on the recording's time line. */
  now: bigint
  redact: string[]
}

/** Which values are null: one bit each from `offset` on, the least significant first, set where there is a value. */
export interface NativeValidity {
  bits: Uint8Array
  offset: number
}

/** Integers as Arrow lays them out. */
export interface NativeIntegers {
  /** 8, 16, 32 or 64. */
  bits: number
  signed: boolean
  length: number
  values: Uint8Array
  validity?: NativeValidity
}

/** Texts as Arrow lays them out; offsets are of 64 bits if they are large, else of 32. */
export interface NativeTexts {
  large: boolean
  length: number
  offsets: Uint8Array
  bytes: Uint8Array
  validity?: NativeValidity
}

/** Texts by rows, or by codes of texts. */
export interface NativeTextColumn {
  chunks: NativeTexts[]
  codes?: NativeIntegers
}

/** Maps from text to text. */
export interface NativeTags {
  offsets: Uint8Array
  keys: NativeTextColumn
  values: NativeTextColumn
  validity?: NativeValidity
}

/** One of the optional fields is there. */
export interface NativeImportColumn {
  name: string
  integers?: NativeIntegers
  /** The integers are times in units of so many nanoseconds. */
  unitNs?: number
  texts?: NativeTextColumn
  tags?: NativeTags
}

/** Rows to import. */
export interface NativeImportBatch {
  rows: number
  columns: NativeImportColumn[]
}

/** A batch of a subscription; its columns are read as a {@link NativeAnswer}'s are. */
export interface NativeStreamBatch extends Pick<NativeAnswer, 'layout' | 'buffer' | 'share' | 'release'> {
  facts(): NativeBatchFacts
}

/** Everything about a batch but its events; `end` is exclusive. */
export interface NativeBatchFacts {
  start: bigint
  end: bigint
  caughtUp: boolean
  filterVersion: number
  gap?: { start: bigint; end: bigint; cause: string }
  lost: NativeLoss[]
}

/** Where to start; at most one of them is given, and none means now. */
export interface NativeStart {
  seq?: bigint
  eventId?: string
  timestamp?: bigint
  wallTime?: bigint
}

/** How batches are cut. Durations in milliseconds. */
export interface NativeStreamSettings {
  batchSize: number
  batchTimeoutMs: number
  progressIntervalMs: number
}

/** A subscription, until it has ended; calls do nothing afterwards. */
export interface NativeSubscription {
  readonly id: number
  projectedTypes(): string[] | null
  /** Asks for so many more batches. */
  want(batches: number): void
  /** The next batch that is ready; moves the cursor. */
  take(): NativeStreamBatch | null
  pause(): void
  resume(): void
  resumeFrom(start: NativeStart, ring: NativeRing, head: number): void
  resumeAfterAll(ring: NativeRing, head: number): void
  resumeLatest(events: number, ring: NativeRing, head: number): Promise<void>
  update(query: NativeQuery): void
  stats(): { position: bigint; lagEvents: number; lagNs: bigint; delivered: number; lost: number } | null
  /** Its batches for native code, and for nobody else any more; null once it has ended. */
  cStream(names: string[] | undefined, skipsGaps: boolean): NativeCStream | null
  /** @param failure What the C stream's consumer is told; absent: nothing has failed. */
  unsubscribe(failure?: string): void
}

/** One thread's subscriptions. */
export interface NativeStreams {
  subscribe(query: NativeQuery, settings: NativeStreamSettings, start: NativeStart, ring: NativeRing, head: number): NativeSubscription
  /** What is new since it was asked for last: ids with something to take, and those that have ended. */
  news(): { ready: number[]; ended: { id: number; error?: string }[] }
  /** Whether waiting for news keeps the thread alive; it does not at first. */
  setReferenced(referenced: boolean): void
  /** Delivers what has been published by now, and ends all subscriptions. */
  finish(): void
  /** Ends whatever is left. */
  close(): void
}

/** A file that grows by an answer at a time; one call at a time. */
export interface NativeExport {
  write(answer: NativeAnswer): Promise<Uint8Array>
  finish(): Promise<Uint8Array>
}

/** What a recording's files are worth; see `Verification` in the contract. */
export interface NativeVerification {
  live: boolean
  unrecovered: boolean
  nextSeq: bigint
  segments: { fromSeq: bigint; events?: number; sealed: boolean; damage?: string }[]
  files: { name: string; bytes: number; damage?: string }[]
  /** First and last position. */
  holes: bigint[][]
}

/** Stops the query that it was given to. */
export interface NativeCancel {
  cancel(): void
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
  createProducer(threadLabel: string): NativeRing
  /** Id of an interned string, or -1 above the cap. */
  defineString(text: string): number
  /** `null` and -1 mean absent. Id, or -1 above the cap. */
  defineSite(module: string | null, fn: string | null, arity: number, file: string | null, line: number): number
  /** Field types: 0 i64, 1 f64, 2 bool, 3 utf8, 4 symbol. Site id -2: none. Id, or -1 above the cap. */
  defineEmitter(eventType: string, names: string[], types: number[], siteId: number): number
  /** Wall time = `timestamp` + this, as of the last look at the wall clock. */
  wallOffset(): bigint
  stats(): NativeStats
  setEnabled(enabled: boolean): void
  /** Sees everything that `ring` committed before `head`. */
  query(query: NativeQuery, ring: NativeRing, head: number, cancel: NativeCancel | null): Promise<NativeAnswer>
  querySync(query: NativeQuery, ring: NativeRing, head: number, timeoutMs: number): NativeAnswer
  /** @param plan JSON, see `src/aggregate-options.ts`. */
  aggregate(filters: NativeQuery, plan: string, ring: NativeRing, head: number, cancel: NativeCancel | null): Promise<NativeAggregate>
  aggregateSync(filters: NativeQuery, plan: string, ring: NativeRing, head: number, timeoutMs: number): NativeAggregate
  event(id: string, ring: NativeRing, head: number): Promise<NativeAnswer | null>
  eventSync(id: string, ring: NativeRing, head: number): NativeAnswer | null
  callStack(pid: string, time: bigint, ring: NativeRing, head: number, cancel: NativeCancel | null): Promise<NativeCallStack>
  callStackSync(pid: string, time: bigint, ring: NativeRing, head: number, timeoutMs: number): NativeCallStack
  state(pid: string, time: bigint, ring: NativeRing, head: number): Promise<NativeState>
  describe(ring: NativeRing, head: number): Promise<NativeSchema>
  /** The texts of a dictionary column, the most frequent first. */
  textCounts(column: string, prefix: string | null, limit: number, ring: NativeRing, head: number): Promise<NativeCount[]>
  /**
   * @param pieces EVENT records one behind the other; their memory is copied.
   * @param ids Of each event the id that it brings, or 0.
   * @returns The ids of all.
   */
  importEvents(pieces: Uint8Array[], ids: BigUint64Array, defaults: NativeImportDefaults, ring: NativeRing, head: number): Promise<BigUint64Array>
  /** As `importEvents`, from columns; their memory is copied. */
  importTable(batches: NativeImportBatch[], defaults: NativeImportDefaults, ring: NativeRing, head: number): Promise<BigUint64Array>
  /** @param onNews called when `news` has something new, and not again before that was asked for; must not throw. */
  createStreams(onNews: () => void): NativeStreams
  close(): Promise<void>
}

/** The addon's exports. */
export interface NativeAddon {
  openStore(options: NativeStoreOptions, rawNowNs: bigint): Promise<NativeStore>
  /** A recording that is finished, or that another process writes. */
  openReader(path: string, rawNowNs: bigint): Promise<NativeStore>
  attachStore(registryId: number, nonce: string, processId: number): NativeStore
  /** Numbers of the ring format as Rust has them. */
  ringLayout(): Record<string, number>
  readonly NativeCancel: new () => NativeCancel
  /** @param names of a projection's columns. */
  readonly NativeExport: new (like: NativeAnswer, format: string, names: string[] | undefined) => NativeExport
  verifyRecording(path: string): Promise<NativeVerification>
  /** `unrecovered` of that, without looking at anything else. */
  isUnrecovered(path: string): Promise<boolean>
  openShare(id: string, processId: number): NativeShare
  endShare(id: string, processId: number): void
}

/** The addon of this platform. */
export const native = loadAddon() as NativeAddon

/**
 * Runs a native call; what it throws becomes a `KinescopeError`.
 *
 * @throws {KinescopeError} With the code that the addon named.
 */
export function callNative<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw kinescopeErrorOf(error)
  }
}

/** {@link callNative} for calls that return a promise. */
export async function awaitNative<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw kinescopeErrorOf(error)
  }
}
