/// <reference lib="esnext.disposable" />
/**
 * Kinescope records what a running Node.js service does and answers questions about it.
 *
 * Conventions: times are nanoseconds as `bigint`, durations set by a person are milliseconds and end in `Ms`,
 * sizes end in `Bytes`, time ranges are half-open `[start, end)`. What fails is a {@link KinescopeError}, but for the reason of a signal that was
 * aborted, what a function throws that was given to `run` or `wrap`, and the `TypeError` of a `run` without a function. Loading the package throws a plain
 * `Error` where there is no binary for the platform.
 * Examples run as modules with `const scope = await open()` before them where they do not open a recording themselves.
 *
 * @packageDocumentation
 */
import type { RecordBatch, Table } from 'apache-arrow'

// Without this, a declaration file exports every declaration that it holds.
export {}

/**
 * Opens a recording and makes this thread its first producer. Without a `path` it is kept in memory and ends with the
 * process. With one it is kept in a directory, and goes on where its last process ended, in whatever way that was: what that one
 * had recorded is in the log when this resolves. With `mode: 'read'` it is one that another process records, or has recorded.
 *
 * @param options See {@link OpenOptions}; every field has a default.
 * @returns The recording. It is freed when it is closed, and its threads' rings with it.
 * @throws {KinescopeError} `INVALID_ARGUMENT` for an unknown option, a value outside its limits, or a directory that holds something
 * else; `RESOURCE_EXHAUSTED` when the memory of the ring cannot be had; `LOCKED` while another process writes the recording, whose
 * id is `details.processId`; `NOT_FOUND` when there is nothing to read; `UNSUPPORTED_VERSION` for a recording of a later version;
 * `CORRUPT_RECORDING` when its description is damaged (anything else that is damaged is left out of answers, which say so);
 * `IO` when the system refuses.
 * @example
 * import { open } from 'kinescope'
 * const scope = await open({ node: 'checkout-1' })
 * scope.recorder.record({ eventType: 'log', data: { level: 'info', message: 'started' } })
 * await scope.close()
 */
export function open(options?: OpenOptions): Promise<Kinescope>

/**
 * Joins a recording that another thread of this process has opened; this thread gets a recorder, and so a ring, of its own.
 *
 * @param handle The opener's {@link Kinescope.handle}, for instance from `workerData`.
 * @returns The same recording, seen from this thread. Its `close()` ends the attachment only.
 * @throws {KinescopeError} `INVALID_ARGUMENT` when the handle is malformed or comes from another process or another copy
 * of the addon, `CLOSED` when the recording is closed, `RESOURCE_EXHAUSTED` when there are 32,767 producers already or no
 * memory for a ring.
 * @example
 * import { Worker } from 'node:worker_threads'
 * import { once } from 'node:events'
 * const worker = new Worker(`
 *   Promise.all([import('node:worker_threads'), import('kinescope')]).then(([{ workerData }, { attach }]) => {
 *     attach(workerData.handle).recorder.record({ eventType: 'log', data: { message: 'from a worker' } })
 *   })`, { eval: true, workerData: { handle: scope.handle } })
 * await once(worker, 'exit')
 * console.log((await scope.dataAccess.queryEvents({ eventTypes: ['log'] })).totalMatches) // 1
 */
export function attach(handle: KinescopeHandle): Kinescope

/**
 * Lets other threads of this process use a result without copying it: what comes back is plain data for `postMessage`, `workerData` or
 * piscina, from which {@link openShared} makes a table over the same memory. It can be opened any number of times, and a result can be shared
 * again.
 *
 * A share holds the memory until the result's `release()`, {@link endShared}, or the end of the recording, whatever comes first; neither the
 * garbage collector nor the end of this thread ends it. What has been opened by then stays as it is. So: share, let the others open it, and release
 * the result when they have answered.
 *
 * @param batch The batch of a subscription, which is opened as a record batch; or the result of a query or an aggregate, which is opened as
 * a table.
 * @throws {KinescopeError} `INVALID_ARGUMENT` for anything else; `CLOSED` after its `release()`, and when the recording is closed.
 * @example
 * import { Worker } from 'node:worker_threads'
 * import { once } from 'node:events'
 * import { share } from 'kinescope'
 * for (let n = 1; n <= 3; n++) scope.recorder.record({ eventType: 'log', line: n })
 * const result = await scope.dataAccess.queryEvents({ projection: ['line'] })
 * const worker = new Worker(`
 *   Promise.all([import('node:worker_threads'), import('kinescope')]).then(([{ parentPort, workerData }, { openShared }]) => {
 *     const lines = openShared(workerData)
 *     parentPort.postMessage([...lines.getChild('line')])
 *     lines.release()
 *   })`, { eval: true, workerData: share(result) })
 * console.log((await once(worker, 'message'))[0].join()) // 1,2,3
 * result.release()
 */
export function share<Row>(batch: EventBatch<Row>): SharedBatch<RecordBatch>
/** A result; see the form for a batch. */
export function share<Row>(result: QueryResult<Row> | AggregateResult): SharedBatch<Table>

/**
 * Opens what a thread of this process has shared, in any thread of it, attached to the recording or not.
 *
 * Its memory is that of the result, and counts once in {@link Stats.leasedBytes} however often it is opened. Each opened table holds it on
 * its own, until its `release()` or until it is collected: also when the result is released meanwhile, the recording closed, or the thread that shared it
 * gone. Memory is given back when the garbage collector has come by after that and this thread's event loop has turned. A thread that only ever runs
 * synchronous tasks of piscina, whose default is to wait without turning it, should await a `setImmediate` in its tasks.
 *
 * @param shared As it came from the other thread.
 * @returns A `Table` of a result, a `RecordBatch` of a batch. Its columns have the names and types that they have there.
 * @throws {KinescopeError} `CLOSED` when the share has ended, see {@link share}, or there never was such a one; `INVALID_ARGUMENT` when it is
 * malformed or of another process.
 * @example
 * import { openShared, share } from 'kinescope'
 * scope.recorder.record({ eventType: 'log' })
 * const result = await scope.dataAccess.queryEvents()
 * const shared = structuredClone(share(result))
 * const table = openShared(shared)
 * result.release()
 * console.log(table.numRows) // 1
 * table.release()
 */
export function openShared<T extends Table | RecordBatch>(shared: SharedBatch<T>): Opened<T>

/**
 * Ends a share before its result is released: it cannot be opened any more. Any thread may, for instance the one that has opened it. Does
 * nothing when it has ended.
 *
 * @throws {KinescopeError} `INVALID_ARGUMENT` when it is malformed or of another process.
 * @example
 * import { endShared, share } from 'kinescope'
 * endShared(share(await scope.dataAccess.queryEvents()))
 */
export function endShared(shared: SharedBatch): void

/**
 * Hands a result to native code of this process that speaks [Arrow's C stream interface](https://arrow.apache.org/docs/format/CStreamInterface.html),
 * such as DuckDB's `duckdb_arrow_scan` or pyarrow's `RecordBatchReader._import_from_c`, without copying it.
 *
 * The consumer may read in any thread. What it takes holds the result's memory until it calls the release callbacks of the stream and of the
 * arrays that it got from it, also when the result is released and the recording closed meanwhile; until then it counts in
 * {@link Stats.leasedBytes}.
 *
 * @returns The address of a `struct ArrowArrayStream`, and how to free it. Nothing else frees it, neither the garbage collector nor the end of the
 * thread, because only its user knows when nobody looks at the address any more.
 * @throws {KinescopeError} `INVALID_ARGUMENT` for anything else than a result, and when the name of a column has a NUL, which names in C cannot have;
 * `CLOSED` after its `release()`.
 * @example
 * import { exportStream } from 'kinescope'
 * const result = await scope.dataAccess.queryEvents()
 * const stream = exportStream(result)
 * console.log(typeof stream.address) // bigint
 * stream.release()
 */
export function exportStream<Row>(result: QueryResult<Row> | AggregateResult): ArrowCStream
/**
 * Hands a live subscription to native code of this process, as results are handed, without copying: each batch becomes an array of the stream,
 * those without events included. `get_next` waits for the next batch in the consumer's own thread, and asks for none before: a slow consumer
 * slows only itself. From then on batches are for the consumer alone; `pause`, `resume`, `update` (with the same projection), `stats` and
 * `closed` are as ever. So is that the subscription keeps the thread alive, but when the recording has been closed it does no longer: wait for the consumer.
 *
 * The stream ends when the subscription is unsubscribed, or the recording is closed and everything was delivered. Releasing it ends the
 * subscription. It fails with `EIO`, and `get_last_error` says why: where positions of the log are missing, unless `onGap` is `'skip'`; when the
 * subscription was aborted; when its thread ends. Events that were lost while recording are rows of type `events_lost`.
 *
 * Let other threads read than the subscription's own: there, where nothing can interrupt it, `get_next` fails after a second without a batch
 * and can be called again. A consumer that waits in libuv's pool for a worker thread's subscription has to be ended before that worker is
 * terminated: Node.js waits for the pool first.
 *
 * @param subscription One without a listener, whose batches nobody waits for.
 * @returns As for results; `release()` also ends the subscription, if no consumer has moved the stream.
 * @throws {KinescopeError} `INVALID_ARGUMENT` for another subscription, when it has been exported before, for wrong options, and for names with a NUL;
 * `SUBSCRIPTION_NOT_FOUND` when it has ended.
 * @example
 * import { exportStream } from 'kinescope'
 * const errors = scope.eventStreamer.subscribe({ eventTypes: ['error'] })
 * const stream = exportStream(errors) // for another thread: duckdb_arrow_scan, RecordBatchReader._import_from_c
 * await errors.unsubscribe() // the end of the stream
 * stream.release()
 */
export function exportStream<Row>(subscription: Subscription<Row>, options?: ExportStreamOptions): ArrowCStream

/** How a live subscription is exported; see {@link exportStream}. */
export interface ExportStreamOptions {
  /**
   * What to do where the log has a gap other than the skipped ones of {@link StreamGap}, in most cases because retention was faster than the
   * consumer. `'fail'`: the stream fails, and stays so. `'skip'`: it goes on behind the gap, which only {@link SubscriptionStats.lost} tells.
   * Default `'fail'`.
   */
  onGap?: 'fail' | 'skip'
}

/**
 * Checks every file of a recording: checksums of sealed segments and their indexes, commit records, losses and producers'
 * numbers, and of an open segment, which has no checksums, all that readers rely on. Nothing is changed, and a process that
 * writes the recording is not disturbed; what it has still in its rings is not looked at. Reads everything once.
 *
 * @param path The recording's directory.
 * @returns What is damaged and what is intact; it rejects only when there is nothing that could be told.
 * @throws {KinescopeError} `NOT_FOUND` without a recording; `UNSUPPORTED_VERSION` for one of a later version; `CORRUPT_RECORDING`
 * when its description is damaged; `IO` when the system refuses; `INVALID_ARGUMENT`.
 * @example
 * import { mkdtempSync, rmSync } from 'node:fs'
 * import { open, verify } from 'kinescope'
 * const path = mkdtempSync('recording-')
 * const recording = await open({ path })
 * recording.recorder.record({ eventType: 'log' })
 * await recording.close()
 * const { intact, segments } = await verify(path)
 * console.log(intact, segments[0].events) // true 1
 * rmSync(path, { recursive: true })
 */
export function verify(path: string): Promise<Verification>

/**
 * What went wrong, as a code that programs can branch on.
 *
 * - `INVALID_ARGUMENT`: an argument has the wrong type, is outside its limits, or is not known.
 * - `UNKNOWN_FIELD`: no such field; `details` holds the nearest names.
 * - `TYPE_MISMATCH`: a column was compared with a value of another type.
 * - `PAGE_TOKEN_INVALID`, `PAGE_TOKEN_EXPIRED`: the token belongs to another query, or retention has evicted its rows.
 * - `NOT_FOUND`, `SUBSCRIPTION_NOT_FOUND`, `SOURCE_UNAVAILABLE`: what was asked for by name is not there.
 * - `CLOSED`: the recording, or the result, is closed.
 * - `LOCKED`, `CORRUPT_RECORDING`, `UNSUPPORTED_VERSION`, `IO`: about a recording's files.
 * - `RESOURCE_EXHAUSTED`: a bound on memory, time or number was reached.
 *
 * Worth another try, a little later: `LOCKED`; `RESOURCE_EXHAUSTED` of what waits for the writer (`flush`, `queryEvents`, `subscribe` and the like); `IO` once the
 * system's reason is gone, such as a full disk; `NOT_FOUND` of a recording that its writer has still to make. After `PAGE_TOKEN_EXPIRED` begin with the first page. All
 * others come again.
 */
export type KinescopeErrorCode =
  | 'INVALID_ARGUMENT'
  | 'UNKNOWN_FIELD'
  | 'TYPE_MISMATCH'
  | 'PAGE_TOKEN_INVALID'
  | 'PAGE_TOKEN_EXPIRED'
  | 'NOT_FOUND'
  | 'SOURCE_UNAVAILABLE'
  | 'SUBSCRIPTION_NOT_FOUND'
  | 'CLOSED'
  | 'LOCKED'
  | 'CORRUPT_RECORDING'
  | 'UNSUPPORTED_VERSION'
  | 'RESOURCE_EXHAUSTED'
  | 'IO'

/**
 * The only error class of this package. The message says what was expected, what came, and where.
 *
 * @example
 * import { KinescopeError, open } from 'kinescope'
 * try {
 *   await open({ segmentEvents: -1 })
 * } catch (error) {
 *   if (error instanceof KinescopeError) console.log(error.code) // INVALID_ARGUMENT
 * }
 */
export class KinescopeError extends Error {
  /**
   * @param code What went wrong.
   * @param message For people: what was expected, what came, and where.
   * @param details For programs; default: an empty object.
   */
  constructor(code: KinescopeErrorCode, message: string, details?: Readonly<Record<string, unknown>>)
  /** Always `'KinescopeError'`. */
  readonly name: 'KinescopeError'
  /** What went wrong. */
  readonly code: KinescopeErrorCode
  /** Facts behind the message, such as the field's name or the nearest valid names; empty when there are none. */
  readonly details: Readonly<Record<string, unknown>>
}

// ---------------------------------------------------------------------------------------------------- Opening

/** Options of {@link open}. */
export interface OpenOptions {
  /**
   * The recording's directory, made when it is not there; relative to the working directory. One process at a time records into
   * it, any number read it. Files have the permissions that the umask leaves. Not on Windows, where it is `INVALID_ARGUMENT`. docs/operations.md has what
   * those need to know who run services. Default: none, the recording is in memory.
   *
   * @example
   * import { mkdtempSync, rmSync } from 'node:fs'
   * import { open } from 'kinescope'
   * const path = mkdtempSync('recording-')
   * const first = await open({ path })
   * first.recorder.record({ eventType: 'log', data: { message: 'kept' } })
   * await first.close()
   * const second = await open({ path, mode: 'read' })
   * console.log((await second.dataAccess.queryEvents()).toArray()[0].data.message) // kept
   * await second.close()
   * rmSync(path, { recursive: true })
   */
  path?: string
  /**
   * `'record'` (default) writes the recording. `'read'` opens one that is finished, or that another process is writing, of which
   * what that process publishes is seen within 100 ms, usually in a few; nothing in the directory is changed, and the writer is not
   * slowed. Its `recorder` records nothing, and calls count in {@link Stats.afterClose}; {@link Kinescope.flush} waits until everything is
   * visible that was published before. Of the other options it takes `path`, which it needs, and `sourceRoots`.
   */
  mode?: 'record' | 'read'
  /**
   * What survives what, of a recording with a `path`. In each case every event whose recording call has returned, and that is not
   * counted as lost, survives the end of the process, whatever ends it: `close`, `process.exit()`, SIGKILL, a crash, running out of
   * memory. After a signal or a crash the last moments are in the rings, which whoever opens the recording to record takes over, or `kinescope recover`; a container's
   * own /dev/shm, and rings in it, go with the container. After a power loss or a crash of the system
   * - `'process'` (default) has what the system had written to the disk by itself,
   * - `'interval'` all but about the last 200 ms,
   * - `'sync'` the same, and everything before a {@link Kinescope.flush} that has returned.
   *
   * What is missing then is a gap that answers and streams tell of. Ids and positions of the log that had been handed out do not come
   * again. While the disk is full, events are kept in memory, 256 MiB at most, until there is space ({@link Stats.unsavedEvents}); beyond
   * that they are lost as `disk_full`.
   * A ring for which there is no file is in memory, and its last milliseconds end with the process.
   */
  durability?: 'process' | 'interval' | 'sync'
  /** The name of this process in the `node` column. 1 to 255 characters; default: `<host name>:<process id>`. */
  node?: string
  /** What is kept. Default: 1 GiB of a recording in memory; of one with a `path` everything, so that it grows until the disk is full. */
  retention?: RetentionOptions
  /** Events in a sealed segment, the unit of indexing and eviction. 1 to 16,777,216; default 1,048,576. */
  segmentEvents?: number
  /** Each thread's ring. */
  ring?: RingOptions
  /** The share of root `run` calls that are recorded, from 0 to 1; default 1. See {@link CaptureConfig.samplingRate}. */
  samplingRate?: number
  /** How much of a nested value is captured. */
  limits?: Partial<CaptureLimits>
  /**
   * Names of fields whose values are never captured, at any depth of `data`, keys of Maps included; compared exactly, letter case included.
   * They appear as `null`, marked `redacted`. Tags of such names are left out, and fields of defined events; imported events and tables are treated likewise. At most 1,024
   * names; default: none.
   *
   * Only names of fields count: what a function is given by position, JSON or a URL in a string, and the messages and stacks of errors are captured as they are.
   */
  redact?: string[]
  /**
   * Directories outside of which {@link DataAccess.getSourceContext} reads nothing, links resolved. At most 64; default: the
   * working directory.
   */
  sourceRoots?: string[]
}

/**
 * What a recording keeps. Whatever limit is reached first evicts the oldest events, a whole segment at a time; the
 * overshoot is at most an eighth of the limit. All are positive integers.
 */
export interface RetentionOptions {
  /** Bytes of memory for events and their indexes, or of files with a `path`. Default: 1 GiB in memory, no limit on disk. */
  maxBytes?: number
  /** Milliseconds since an event was appended. Default: no limit. */
  maxAgeMs?: number
  /** Number of events. Default: no limit. */
  maxEvents?: number
}

/** The memory through which one thread hands its events to the writer. */
export interface RingOptions {
  /** Size in bytes, rounded up to a power of two; 65,536 to 1,073,741,824; default 8 MiB. Every recording thread has one. */
  bytes?: number
  /**
   * What happens when the writer cannot keep up. `'drop_newest'` (default) never waits: the event is lost and counted.
   * `'block'` makes the recording thread wait, for about a second at most; what does not fit by then is lost and counted.
   */
  overflow?: 'drop_newest' | 'block'
}

/** Bounds on what is captured of one event's nested values; what they cut off is marked in `data.$cut` with its reason. */
export interface CaptureLimits {
  /**
   * Characters (UTF-16 code units) of a string. 1 to 1,048,576; default 8192. Reason `length`. The texts that come with an event or a `run` beside `data`, which are pid,
   * correlation id, event type, node, module, function, file and tags, are cut to it without a mark, so that longer ones which begin alike become one. A key in `data`
   * that is longer ends its object, with the reason `size`.
   */
  maxStringLength: number
  /** Containers inside each other, the outermost being 1. 1 to 64; default 8. Reason `depth`. */
  maxDepth: number
  /** Fields of one object. 1 to 65,536; default 128. Reason `fields`. */
  maxFields: number
  /** Items of one array, Map, Set or typed array. 1 to 65,536; default 128. Reason `length`. */
  maxItems: number
  /**
   * Bytes of one event's captured values, tags included, in the form that they have in the ring; their JSON can be half as long again, or more. 1,024 to
   * 16,777,216; default 65,536. Reason `size`. An event of more than a quarter of the ring is lost as `too_large`.
   */
  maxEventBytes: number
}

/** What is captured now; the same for every thread of the recording. Frozen, `limits` and `redact` too. */
export interface CaptureConfig {
  /** Whether anything is recorded. Set by {@link Recorder.enabled}. */
  readonly enabled: boolean
  /**
   * The share, from 0 to 1, of root frames that are recorded. Decided once per {@link Recorder.run} that is not inside
   * another one; what runs inside is recorded as a whole or not at all, and counted in {@link Stats.sampledOut}. Events
   * outside any `run` are always recorded.
   */
  readonly samplingRate: number
  /** Bounds on nested values. */
  readonly limits: Readonly<CaptureLimits>
  /** Names of fields whose values are never captured. */
  readonly redact: readonly string[]
}

/** Names a recording to the other threads of its process. Plain data for `workerData` and `postMessage`; never an address. */
export interface KinescopeHandle {
  /** The recording's number in this process. */
  readonly registryId: number
  /** Tells this recording from an earlier one, and this copy of the addon from another. */
  readonly nonce: string
  /** The process in which the handle is valid. */
  readonly processId: number
}

/** A result or a subscription for native code; see {@link exportStream}. */
export interface ArrowCStream extends Disposable {
  /** Of a `struct ArrowArrayStream`, which has not been consumed. */
  readonly address: bigint
  /**
   * Frees the struct, and what it holds if no consumer has moved the stream out of it. Nobody may use the address afterwards, nor be in the
   * middle of using it. Idempotent.
   */
  release(): void
}

/** Names a shared result to the threads of its process. Plain data; what it names is in its type only. */
export interface SharedBatch<T extends Table | RecordBatch = Table | RecordBatch> {
  /** The process in which it can be opened. */
  readonly processId: number
  /** 128 random bits in hexadecimal. */
  readonly shareId: string
  readonly [sharedBrand]?: T
}
declare const sharedBrand: unique symbol

/** A table or record batch that {@link openShared} has made. */
export type Opened<T extends Table | RecordBatch> = T &
  Disposable & {
    /** As {@link QueryResult.release}; neither the share nor what others have opened ends with it. */
    release(): void
  }

/** An open recording, as one thread sees it. */
export interface Kinescope extends AsyncDisposable {
  /** This thread's producer. */
  readonly recorder: Recorder
  /** Asks about what was recorded. */
  readonly dataAccess: DataAccess
  /** Delivers what is recorded, as it is recorded, and what was recorded before. */
  readonly eventStreamer: EventStreamer
  /** What is captured now. */
  readonly config: Readonly<CaptureConfig>
  /** For {@link attach} in another thread of this process. */
  readonly handle: KinescopeHandle
  /**
   * The present, on the recording's time line.
   *
   * @returns `timestamp`: nanoseconds, monotonic; `wallTime`: nanoseconds since the Unix epoch, UTC.
   * @throws {KinescopeError} `CLOSED`.
   * @example
   * const before = scope.now().timestamp
   * scope.recorder.record({ eventType: 'log' })
   * console.log((await scope.dataAccess.queryEvents({ startTimeMonotonic: before })).totalMatches) // 1
   */
  now(): { timestamp: bigint; wallTime: bigint }
  /**
   * Waits until everything that this thread has recorded so far is visible to every thread's queries, and with
   * {@link OpenOptions.durability} `'sync'` on the disk.
   *
   * @throws {KinescopeError} `CLOSED`; `RESOURCE_EXHAUSTED` when the writer has not caught up within about a second, or the disk
   * within ten; with `'sync'`, `IO` when the disk refuses, or is full so that events are in memory only.
   * @example
   * scope.recorder.record({ eventType: 'log' })
   * await scope.flush()
   */
  flush(): Promise<void>
  /**
   * {@link Kinescope.flush} for exit handlers: blocks this thread instead.
   *
   * @throws {KinescopeError} As {@link Kinescope.flush}.
   * @example
   * scope.recorder.record({ eventType: 'log' })
   * scope.flushSync()
   */
  flushSync(): void
  /**
   * Counters of the whole recording, all threads together.
   *
   * @throws {KinescopeError} `CLOSED`.
   * @example
   * console.log(scope.stats().lost.ring_full) // 0
   */
  stats(): Stats
  /**
   * Serves the recording over HTTP to analysts on this machine: pyarrow, Polars, DuckDB, curl. Off until it is called, and nothing of it is
   * loaded before. See {@link KinescopeServer} for what can be asked. A server ends with the `close()` of the scope that serves: what follows
   * the log gets the last events and the end of its stream first.
   *
   * @param options See {@link ServeOptions}; every field has a default.
   * @returns The server, which listens already.
   * @throws {KinescopeError} `INVALID_ARGUMENT` for an option; `IO` when the port cannot be listened at, `details.systemCode` says why; `CLOSED`.
   * @example
   * import { tableFromIPC } from 'apache-arrow'
   * scope.recorder.record({ eventType: 'log', data: { message: 'served' } })
   * const server = await scope.serve()
   * const headers = { Authorization: `Bearer ${server.token}` }
   * const response = await fetch(`${server.url}/v1/events.arrows?eventTypes=log`, { headers })
   * console.log((await tableFromIPC(response)).get(0).data) // {"message":"served"}
   * await server.close()
   */
  serve(options?: ServeOptions): Promise<KinescopeServer>
  /**
   * Ends this thread's part. The opener's `close` ends the recording: every thread's ring is drained first, recording
   * afterwards does nothing but count in {@link Stats.afterClose}, and everything else throws `CLOSED`. Idempotent.
   *
   * @throws {KinescopeError} `IO` when {@link Stats.unsavedEvents} found no space to the end and are lost; the recording is closed all the same.
   * @example
   * await scope.close()
   * await scope.close()
   */
  close(): Promise<void>
}

/** Options of {@link Kinescope.serve}. */
export interface ServeOptions {
  /** 0 to 65,535; 0 (default) is any port that is free. */
  port?: number
  /**
   * The interface to listen at. Default `'127.0.0.1'`, which nobody outside of this machine reaches. With any other than a loopback address
   * everyone who reaches the machine reaches the server: events, and the token with each request, cross the network unencrypted. Put
   * something that speaks TLS in between, or tunnel: `ssh -L 8080:127.0.0.1:8080 machine`.
   */
  host?: string
  /**
   * What clients have to send as `Authorization: Bearer TOKEN`: 16 to 1,024 of `A-Z a-z 0-9 . _ ~ + / -`, behind which `=` may follow.
   * Default: 256 random bits, as {@link KinescopeServer.token}.
   */
  token?: string
  /**
   * What a request's `Host` header may have besides loopback names and `host` with the port, verbatim, such as
   * `'analysis.internal:8080'`; anything else is refused, so that no page in a browser can reach the server under a name of its own.
   * At most 64; default: none.
   */
  allowedHosts?: readonly string[]
  /** Requests that are answered at the same time, live streams included; further ones get status 429. 1 to 1,024; default 16. */
  maxRequests?: number
  /** Bytes of a request's body; larger ones get status 413. 1 to 67,108,864; default 1 MiB. */
  maxBodyBytes?: number
  /** Milliseconds in which a request has to arrive whole, its body included; slower ones get status 408. 1 to 3,600,000; default 10,000. */
  requestTimeoutMs?: number
  /** Milliseconds that {@link KinescopeServer.close} waits for requests that are being answered. 0 to 3,600,000; default 1000. */
  closeTimeoutMs?: number
  /** Answers kept as temporary files, so that they can be read by ranges. 1 to 1,024; default 8. */
  maxFiles?: number
  /** Bytes of all of these together; what does not fit gets status 507. Default 2 GiB. */
  maxFileBytes?: number
  /** Milliseconds for which such a file is kept when nobody reads it. Default 600,000. */
  maxFileIdleMs?: number
}

/**
 * A recording that is served over HTTP/1.1. Each request needs the token, a `Host` of this server, and no `Origin` but this server's own.
 *
 * - `GET /v1/events.arrows`: the events of one snapshot as an Arrow IPC stream, written while the client reads. Whoever reads slowly holds no
 *   memory but a page of it. Headers tell its `X-Kinescope-Snapshot`, `X-Kinescope-Total-Matches` and `X-Kinescope-Lost`, a number of events.
 *   When retention evicts what was not read yet, the connection breaks off, without the end of the body.
 * - `GET /v1/events.arrow`, `/v1/events.parquet`: the same as a file, with its length, a strong `ETag` and `Range`. A file is written once to
 *   a private temporary file. Ranges without a tag are answered from the file that the query got before, as is HEAD within 30 seconds, a
 *   request for all of it from the present; with `If-Match` or `If-Range` it is the file of that tag.
 * - `GET /v1/live`: an Arrow IPC stream that goes on with what is recorded, until the recording is closed or the server ends. Each batch has in
 *   the metadata of its message `kinescope.from_seq`, `to_seq`, `caught_up` and `lost_count`, and where something is left out before it
 *   `kinescope.gap_from_seq`, `gap_to_seq`, `gap_count` and `gap_cause`, as {@link StreamGap} has them. Batches without events tell how far
 *   it has got.
 * - `GET /v1/describe`: {@link DataAccess.describe} as JSON.
 * - `POST /v1/aggregate`: `{ rows, quantileError, snapshot, lost }` of {@link AggregateOptions} in the body, as JSON.
 *
 * Which events, say either parameters behind the path or a JSON object in the body, of GET or POST, that is {@link QueryOptions}, for live
 * {@link SubscribeOptions}, both without `signal`. Without `limit` it is all events. Parameters are `pid`, `correlationId` and `tag` (`key=value`), which may come several
 * times; `eventTypes` and `projection` or `columns`, separated by commas, a type behind a colon (`data.n:i64`); `module`, `function`,
 * `arity`; `from` and `to` by wall clock, `startTimeMonotonic`, `endTimeMonotonic`; `textSearch`; `where` as JSON; `limit`, `offset`, `sortBy`,
 * `sortOrder`; for live `startFrom` (`now`, a `seq`, or JSON), `batchSize`, `batchTimeoutMs`, `progressIntervalMs`. Times are nanoseconds as
 * digits, in JSON also as text, or ISO 8601 for those by wall clock. Integers in JSON are written and read with all of their digits.
 *
 * Errors are JSON, `{ "error": { "code", "message", "details" } }` with a {@link KinescopeErrorCode}. Statuses: 400 for what the API
 * refuses, 401, 403 for a foreign `Origin`, 404, 405, 408, 410 `PAGE_TOKEN_EXPIRED`, 412, 413, 415, 416, 421 for a foreign `Host`, 429, 431, 500,
 * 503 `CLOSED` or `RESOURCE_EXHAUSTED`, 507.
 */
export interface KinescopeServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:43121`. */
  readonly url: string
  /** As it was given. */
  readonly host: string
  /** The port that is listened at. */
  readonly port: number
  /** What clients have to send. Not printed with the server. */
  readonly token: string
  /**
   * Takes no further requests, ends live streams, waits for what is being answered as long as {@link ServeOptions.closeTimeoutMs} says,
   * and cuts off the rest. Idempotent.
   *
   * @example
   * const server = await scope.serve()
   * await server.close()
   */
  close(): Promise<void>
  /** Lets the server keep the thread alive, as at first. */
  ref(): this
  /**
   * Lets the thread end although the server listens.
   *
   * @example
   * const server = await scope.serve()
   * server.unref()
   */
  unref(): this
}

/** Why an attempt to record has left no event. */
export type LossCause = 'ring_full' | 'too_large' | 'torn' | 'encoder' | 'disk_full'

/**
 * Counters since the recording was opened. Numbers of events unless their name says `Bytes`. With `mode: 'read'` those of the process that reads: `recorded`,
 * `stored` and `diskBytes` are 0; {@link DataAccess.describe} counts what the recording holds.
 */
export interface Stats {
  /**
   * Events recorded, lost and imported ones not counted: what is `stored` of them plus what still is in rings. With all of
   * `lost`: every attempt.
   */
  readonly recorded: number
  /** Events appended to the log, imported and evicted ones included, `events_lost` rows left out. */
  readonly stored: number
  /** Rows that retention has removed. */
  readonly evicted: number
  /** Attempts that left no event, by cause; each also is part of an `events_lost` row. */
  readonly lost: Readonly<Record<LossCause, number>>
  /** Values of a wrong type that were stored as absent. */
  readonly mistyped: number
  /** Exits without their entry, or out of order. */
  readonly unbalanced: number
  /** Events left out by sampling. */
  readonly sampledOut: number
  /**
   * Recording calls that came when the recording was closed, or was opened with `mode: 'read'`. Those of a thread that has called `close()` itself are not counted.
   */
  readonly afterClose: number
  /**
   * Events of the log that an index covers, `events_lost` rows included. Indexes are built in the background; queries answer
   * the same without them, and take longer. Of a recording on disk, those of sealed segments are kept in files.
   */
  readonly indexed: number
  /** Segments, the one being written included. */
  readonly segments: number
  /** Bytes of events, indexes and dictionaries in memory; rings are not counted, nor what is only in files. */
  readonly memoryBytes: number
  /** Bytes of the recording's files, rings left out; 0 for a recording in memory. */
  readonly diskBytes: number
  /**
   * Rows of the log that are in memory only, because the disk is full or the recording's directory is gone: they are queried like all others, become
   * files as soon as that is possible, and end with the process if it ends before. 0 as long as the disk takes everything.
   */
  readonly unsavedEvents: number
  /** Bytes that results hold, whether or not the store still holds them too. Not part of `memoryBytes` or `retention.maxBytes`. */
  readonly leasedBytes: number
  /** How full this thread's ring is, from 0 to 1. */
  readonly ringFill: number
  /** Bytes that were gathered once, in native code, into the buffers that JavaScript then reads. */
  readonly gatheredBytes: number
  /** Bytes copied after that; 0 wherever the runtime allows external buffers. */
  readonly copiedBytes: number
  /** How results reach JavaScript: over shared buffers, over external ones, or as copies where the runtime forbids both. */
  readonly zeroCopy: 'shared' | 'external' | 'copied'
  /** Live subscriptions. */
  readonly subscriptions: number
}

// -------------------------------------------------------------------------------------------------- Recording

/**
 * Names one event of its recording: `"<producer>-<sequence>"`, both decimal. In Arrow columns it is the number
 * `producer * 2^48 + sequence`. `"0-0"` stands for nothing recorded, because recording is switched off, sampled out or closed.
 */
export type EventId = `${number}-${number}`

/**
 * Custom key-value tags of an event. Numbers and booleans are stored as their text. Tags that do not fit into {@link CaptureLimits.maxEventBytes} any more are left out
 * without a mark; those of `run` have no more than a sixteenth of the ring, either.
 */
export type Tags = { readonly [key: string]: string | number | boolean }

/** An open call of this thread, until it has exited. Opaque: an integer that means nothing elsewhere. */
export type Call = number & { readonly [callBrand]: never }
declare const callBrand: unique symbol

/** An interned call site. Opaque: valid for the recorder that made it. */
export type Site = number & { readonly [siteBrand]: never }
declare const siteBrand: unique symbol

/** Types of a defined event's fields. `symbol` is an interned string of low cardinality, `utf8` is stored as given. */
export type FieldType = 'i64' | 'f64' | 'bool' | 'utf8' | 'symbol'

/** What JavaScript gives for a {@link FieldType}. An `i64` is an integer; beyond 2^53 it has to be a bigint. */
export type FieldValue<T extends FieldType> = T extends 'i64'
  ? number | bigint
  : T extends 'f64'
    ? number
    : T extends 'bool'
      ? boolean
      : string

/**
 * Records one event of a defined type. Give a plain literal: it is not allocated once the call is optimized. Never
 * throws; a field that is left out, `null` or of the wrong type is absent, the last one counted in {@link Stats.mistyped}.
 */
export type Emitter<F extends Readonly<Record<string, FieldType>> = Readonly<Record<string, FieldType>>> = (fields: {
  readonly [K in keyof F]?: FieldValue<F[K]> | null
}) => void

/** Options of {@link Recorder.define}. */
export interface DefineOptions {
  /**
   * `'precise'` (default) reads the monotonic clock. `'coarse'` takes the later of this thread's last timestamp and the
   * writer's clock tick, about a millisecond wide, and saves the greater part of the cost.
   */
  time?: 'precise' | 'coarse'
  /** Where the events come from: their module, function, arity, file and line. */
  site?: Site
}

/** Where a call or an event comes from. */
export interface SiteInput {
  /** Module, package or class. */
  module: string
  /** Function or method. */
  function: string
  /** Number of declared parameters, 0 to 65,535. */
  arity: number
  /** Source file. */
  file?: string
  /** 1-based line in `file`, to 4,294,967,295. */
  line?: number
}

/** Options of {@link Recorder.wrap}. */
export interface WrapOptions {
  /** Default: none. */
  module?: string
  /** Default: the function's own name. */
  function?: string
  /** Default: the function's `length`. */
  arity?: number
  /** Source file. Default: none. */
  file?: string
  /** 1-based line in `file`. Default: none. */
  line?: number
  /**
   * Whether `data.args` is captured on entry. Default `true`. An argument is captured with all that it refers to, within {@link CaptureLimits}: switch it off for
   * handlers that get a request and a response of `node:http`, which are 95 KB of JSON for each call, and for functions that are given secrets.
   */
  captureArgs?: boolean
  /** Whether `data.result` is captured on exit. Default `false`. */
  captureResult?: boolean
  /**
   * `true`: each call opens a frame of its own, so that it is the parent of all that it starts. Default: whether the
   * function is a native async function.
   */
  async?: boolean
}

/** An event as it is given. Fields that are left out come from the current frame, the clock and the recording. */
export interface EventInput {
  /** Any string. docs/events.md lists the well-known types and their fields. */
  eventType: string
  /**
   * For imported events: producer 32,768 to 65,535, sequence below 2^48. Default: assigned. {@link DataAccess.storeEvents}
   * refuses an id that exists; {@link Recorder.record} does not look.
   */
  eventId?: EventId
  /** Default: the recording's {@link OpenOptions.node}. */
  node?: string
  /** The logical process. Default: the frame's, else the thread's, which is `main`, or `worker-` and its `threadId`. */
  pid?: string
  /** The trace. Default: the frame's; `null` for none. */
  correlationId?: string | null
  /** The event that caused this one. Default: the frame's current call; `null` for none. */
  parentId?: EventId | null
  /** Module, package or class. Default: none, also within a call; so are the next four. */
  module?: string | null
  /** Function or method. */
  function?: string | null
  /** Number of declared parameters, 0 to 65,535. */
  arity?: number | null
  /** Source file, for {@link DataAccess.getSourceContext}. */
  file?: string | null
  /** 1-based, to 4,294,967,295. */
  line?: number | null
  /** Merged over the frame's. */
  tags?: Tags | null
  /**
   * The payload: anything. It is walked without running user code, within {@link CaptureLimits}; docs/events.md says what becomes of values that JSON does not have.
   */
  data?: unknown
  /** Nanoseconds on the recording's time line. Default: now. */
  timestamp?: bigint | number
  /** Nanoseconds since the Unix epoch, or a Date. Default: what belongs to `timestamp`. */
  wallTime?: bigint | number | Date
}

/** What {@link Recorder.run} is given. What is left out or `null` is inherited. */
export interface RunContext {
  /** The logical process. A request or a job has one of its own. */
  pid?: string | null
  /** Root id of the trace. */
  correlationId?: string | null
  /** The event that caused what runs. */
  parentId?: EventId | null
  /** Added to every event; merged over what is inherited. */
  tags?: Tags | null
}

/**
 * Where this thread is: plain data, to hand across a queue or to another thread of the recording. {@link Recorder.run} takes it. For another recording, such as
 * another process's, take only `correlationId` and `tags` of it: event ids mean nothing there, and would name an event of its own.
 */
export interface Context {
  /** `null`: the thread's own. */
  readonly pid: string | null
  /** `null`: outside any trace. */
  readonly correlationId: string | null
  /** The current call's entry; `null` outside any call. */
  readonly parentId: EventId | null
  /** `null`: none. */
  readonly tags: Readonly<Record<string, string>> | null
}

/** Anything {@link Recorder.wrap} can wrap. */
export type Wrappable = ((...args: never[]) => unknown) | (abstract new (...args: never[]) => unknown)

/**
 * Records what this thread does. Belongs to the thread that made it. Only `record`, `define`, `site` and `run` throw, and only
 * for arguments that break their contract, `define` also when there is no room. Capturing runs no user code, with two exceptions: the documented fields of an event
 * that is passed to `record` are read as those of any object, and `fail` reads `error.stack`, which may run a getter or `Error.prepareStackTrace`.
 */
export interface Recorder {
  /**
   * Whether the recording records at all; setting it holds for every thread. Default `true`.
   *
   * @example
   * scope.recorder.enabled = false
   * scope.recorder.record({ eventType: 'log' }) // leaves nothing
   * scope.recorder.enabled = true
   */
  enabled: boolean
  /**
   * Records any event.
   *
   * @returns Its id, also if it was lost; `"0-0"` if nothing is recorded at present.
   * @throws {KinescopeError} `INVALID_ARGUMENT` for an unknown field of the event or one of the wrong type.
   * @example
   * const id = scope.recorder.record({ eventType: 'state_change', data: { old_state: 'idle', new_state: 'busy' } })
   * console.log((await scope.dataAccess.getEvent(id)).data.new_state) // busy
   */
  record(event: EventInput): EventId
  /**
   * Defines an event type with fixed fields and returns the function that records it: the fastest way to record.
   * Numeric, bool and symbol fields need no native call. Define once, outside of loops.
   *
   * @param fields Name and type of each field of `data`; 1 to 256 of them.
   * @throws {KinescopeError} `INVALID_ARGUMENT`; `RESOURCE_EXHAUSTED` above 16 MiB of definitions.
   * @example
   * const tick = scope.recorder.define('tick', { queued: 'i64', load: 'f64', busy: 'bool' })
   * tick({ queued: 3, load: 0.25, busy: true })
   * const [event] = await scope.dataAccess.queryEvents({ eventTypes: ['tick'] })
   * console.log(event.data.load) // 0.25
   */
  define<const F extends Readonly<Record<string, FieldType>>>(eventType: string, fields: F, options?: DefineOptions): Emitter<F>
  /**
   * Interns a call site for {@link Recorder.enter} and {@link Recorder.define}. Do it once per site.
   *
   * @throws {KinescopeError} `INVALID_ARGUMENT`.
   * @example
   * const site = scope.recorder.site({ module: 'cart', function: 'total', arity: 1 })
   * scope.recorder.exit(scope.recorder.enter(site))
   */
  site(site: SiteInput): Site
  /**
   * Records a `function_entry`, which becomes the current call of the enclosing frame. Never throws.
   *
   * @param data The entry's payload, by convention `{ args }`.
   * @returns The call, for {@link Recorder.exit} or {@link Recorder.fail}. At most 1,048,576 may be open at once.
   * @example
   * const call = scope.recorder.enter(scope.recorder.site({ module: 'cart', function: 'total', arity: 1 }), { args: [7] })
   * scope.recorder.exit(call, { result: 7 })
   */
  enter(site: Site, data?: unknown): Call
  /**
   * Records the `function_exit` of a call, with `data.duration_ns`; the nearest open ancestor becomes current. Never
   * throws: a call that has exited already is counted in {@link Stats.unbalanced}.
   *
   * @param data An object of further fields, by convention `{ result }`.
   * @example
   * const call = scope.recorder.enter(scope.recorder.site({ module: 'cart', function: 'total', arity: 0 }))
   * scope.recorder.exit(call)
   */
  exit(call: Call, data?: unknown): void
  /**
   * Records that a call threw: its `function_exit` with `exit_reason` `"throw"` and `exception`, and an `error` event, which has the stack, too. Never throws.
   *
   * @param error Whatever was thrown.
   * @example
   * const call = scope.recorder.enter(scope.recorder.site({ module: 'cart', function: 'total', arity: 0 }))
   * scope.recorder.fail(call, new Error('empty cart'))
   * console.log((await scope.dataAccess.queryEvents({ eventTypes: ['error'] })).totalMatches) // 1
   */
  fail(call: Call, error: unknown): void
  /**
   * Returns a function that does what `fn` does and records entry and exit of every call: synchronous, asynchronous and generator functions. Of classes
   * the construction is recorded: wrap methods by themselves. Name, length, `this`, `new`, static properties, results and errors
   * are unchanged; a native promise comes back as its `then` derivative. Never throws by itself; what is no function comes back as it is, and counts in
   * {@link Stats.mistyped}.
   *
   * The exit has `data.duration_ns` and `data.exit_reason`: `normal`; `throw` or `reject` with `data.exception`, `{ error_type, message }`; `abandoned` for a generator
   * that was ended by `return`, as by leaving a loop. A failure is this exit, and no `error` event: ask for `data.exception`, or for these reasons.
   *
   * @example
   * const total = scope.recorder.wrap((prices) => prices.reduce((sum, price) => sum + price, 0), { module: 'cart', function: 'total' })
   * console.log(total([1, 2])) // 3
   * const [entry] = await scope.dataAccess.queryEvents({ eventTypes: ['function_entry'] })
   * console.log(entry.data.args) // [ [ 1, 2 ] ]
   *
   * const pay = scope.recorder.wrap(async () => Promise.reject(new RangeError('no credit')), { module: 'cart', function: 'pay' })
   * await pay().catch(() => {})
   * const [failed] = await scope.dataAccess.queryEvents({ where: { 'data.exception': { exists: true } } })
   * console.log(failed.data.exit_reason, failed.data.exception.message) // reject no credit
   */
  wrap<F extends Wrappable>(fn: F, options?: WrapOptions): F
  /**
   * Records a `local_variable_snapshot` in the current call.
   *
   * @param variables Name and value of each variable.
   * @param options `line`: 1-based line of the source; `call`: the call it belongs to, default the current one.
   * @returns As {@link Recorder.record}.
   * @example
   * const step = 3
   * scope.recorder.snapshot({ step }, { line: 12 })
   */
  snapshot(variables: Readonly<Record<string, unknown>>, options?: { line?: number; call?: Call }): EventId
  /**
   * Calls `fn` in a frame of its own. All that it does, across awaits, carries the context.
   *
   * The first `run`, or call of a wrapped asynchronous function, starts AsyncLocalStorage in this thread. From then on Node.js 20 takes almost three times as long for
   * every `await` of it (33 ns became 92), as with any other user of AsyncLocalStorage; docs/benchmarks.md, `first-run`.
   *
   * @returns What `fn` returns. What it throws passes through; a context of the wrong type is counted in
   * {@link Stats.mistyped}.
   * @throws {KinescopeError} `INVALID_ARGUMENT` when `fn` is no function.
   * @example
   * await scope.recorder.run({ pid: 'request-1', correlationId: 'trace-1' }, async () => {
   *   await null
   *   scope.recorder.record({ eventType: 'log', data: { message: 'inside' } })
   * })
   * console.log((await scope.dataAccess.queryEvents({ correlationId: 'trace-1' })).totalMatches) // 1
   */
  run<T>(context: RunContext, fn: () => T): T
  /**
   * The current frame as plain data.
   *
   * @example
   * scope.recorder.run({ correlationId: 'trace-1' }, () => console.log(scope.recorder.context().correlationId)) // trace-1
   */
  context(): Context
  /**
   * The id of a call's `function_entry`; `"0-0"` for a call that has exited.
   *
   * @example
   * const call = scope.recorder.enter(scope.recorder.site({ module: 'cart', function: 'total', arity: 0 }))
   * scope.recorder.record({ eventType: 'log', parentId: scope.recorder.idOf(call) })
   * scope.recorder.exit(call)
   */
  idOf(call: Call): EventId
}

// ----------------------------------------------------------------------------------------------- DataAccess: pull

/**
 * What a query can name: a column's name, in snake_case or in camelCase, or a path.
 *
 * - `data.a.b` is a value in the payload, `data.args.0` an item of an array, `data.a["http.method"]` a key with a dot or
 *   another special character, quoted as in JSON.
 * - `tags.` is followed by a tag's key, verbatim.
 *
 * A path that no event has matches nothing; a column that does not exist is `UNKNOWN_FIELD`.
 */
export type Field = string

/** A value to compare with: text by its UTF-8 bytes, numbers by their exact value; a Date only with `wall_time`. */
export type ConditionValue = string | number | bigint | boolean | Date

/**
 * Operators on one field; all that are given must hold. `null` means absent or JSON `null`. `ne` and `notIn` are the exact
 * complements of `eq` and `in`, so they also match events without the field.
 */
export interface ConditionOperators {
  /** Equal to it. */
  eq?: ConditionValue | null
  /** Not equal to it, or absent. */
  ne?: ConditionValue | null
  /** Less than it. */
  lt?: ConditionValue
  /** Less than it, or equal. */
  lte?: ConditionValue
  /** Greater than it. */
  gt?: ConditionValue
  /** Greater than it, or equal. */
  gte?: ConditionValue
  /** Equal to one of these; an empty list matches nothing. */
  in?: readonly (ConditionValue | null)[]
  /** Equal to none of these. */
  notIn?: readonly (ConditionValue | null)[]
  /** Whether there is a value other than `null`. */
  exists?: boolean
  /** A substring, exactly. Text only, as the two below. */
  contains?: string
  /** A prefix, exactly. */
  startsWith?: string
  /** A regular expression of the Rust `regex` crate: unanchored, without look-around and back references. */
  matches?: string
}

/**
 * A condition: fields with the value that they must have, or with {@link ConditionOperators}, and the keys `and`, `or` and
 * `not`. All that is in it must hold; `and: []` holds always, `or: []` never. A column is compared with values of its own
 * type only (`TYPE_MISMATCH`); what a path holds is compared if it has the type of the given value. A tag is compared with
 * a number by the JSON number that its text is, with a boolean if it is `true` or `false`. At most 28 conditions may be
 * inside each other.
 *
 * @example
 * const slow = { or: [{ 'data.duration_ns': { gte: 1_000_000 } }, { eventType: 'error' }], not: { 'tags.region': 'eu' } }
 * console.log((await scope.dataAccess.queryEvents({ where: slow })).totalMatches) // 0
 */
export type Condition = {
  /** All of these hold. */
  readonly and?: readonly Condition[]
  /** One of these holds, or several. */
  readonly or?: readonly Condition[]
  /** This does not hold. */
  readonly not?: Condition
} & {
  readonly [field: string]: ConditionValue | null | Readonly<ConditionOperators> | Condition | readonly Condition[] | undefined
}

/**
 * A projected field, and its type in the answer. What does not fit the type is `null`: `i64` takes whole numbers of 64
 * bits, `f64` any number, rounded; `json` is the value's JSON text; a tag counts as the number or boolean that its text is.
 *
 * Without a type a column stays as it is, a tag is text, and a path has the type that the snapshot's values have, the same
 * for all pages: `i64`, `f64`, `bool` or `utf8`, and `json` when they are objects, arrays, of several types, or none.
 */
export type ProjectionItem = Field | { readonly field: Field; readonly as: 'i64' | 'f64' | 'bool' | 'utf8' | 'json' }

/** A row of a query with a projection: columns in camelCase, paths by the name that they were asked for. */
// oxlint-disable-next-line typescript/no-explicit-any -- the types are those that the projection asks for
export type ProjectedRow = Readonly<Record<string, any>>

/** Which events a query answers with, and how. All filters that are given must hold. */
export interface QueryOptions {
  /** Inclusive start, in nanoseconds on the recording's time line. A number must be a safe integer. */
  startTimeMonotonic?: bigint | number
  /** Exclusive end. Equal to the start: nothing; before it: `INVALID_ARGUMENT`. */
  endTimeMonotonic?: bigint | number
  /** Inclusive start, in nanoseconds since the Unix epoch, or a Date. */
  startTimeWall?: bigint | number | Date
  /** Exclusive end. */
  endTimeWall?: bigint | number | Date
  /** One logical process, or several. */
  pid?: string | readonly string[]
  /** One trace, or several. */
  correlationId?: string | readonly string[]
  /** Event types; an empty list matches nothing. */
  eventTypes?: readonly string[]
  /** Module, function and arity; of the object, what is left out is not compared. */
  mfa?: { readonly module?: string; readonly function?: string; readonly arity?: number } | readonly [module: string, function_: string, arity: number]
  /** Tags that must be there, with these values; compared as in a {@link Condition}. */
  tags?: { readonly [key: string]: string | number | boolean }
  /**
   * Words, and `"quoted phrases"`, that must all occur somewhere in the event, as substrings in Unicode lower case: in its
   * columns of text, keys and values of tags, and keys and strings of `data`. Numbers are not searched.
   */
  textSearch?: string
  /** Any other condition. */
  where?: Condition
  /** Rows at most, a non-negative safe integer. 0 gives totals only. Default 1000. */
  limit?: number
  /**
   * Rows to leave out, a non-negative safe integer; or where an earlier page ended, see
   * {@link QueryResult.nextPageToken}; the first page has no token. Default 0.
   */
  offset?: number | { readonly pageToken?: string | undefined }
  /**
   * What orders the rows; ties are ordered by `seq`. Booleans come before numbers and those before text; what is absent,
   * an object or an array comes last. Default `timestamp`.
   */
  sortBy?: Field
  /** `'desc'` mirrors `'asc'`, but for absent values, which stay last. Default `'asc'`. */
  sortOrder?: 'asc' | 'desc'
  /** The fields that rows and table consist of, each once, in this order; at least one. Default: every column. */
  projection?: readonly ProjectionItem[]
  /** Ends the wait: the call rejects with the signal's reason. */
  signal?: AbortSignal
}

/** {@link QueryOptions} of a call that blocks. */
export interface QueryOptionsSync extends Omit<QueryOptions, 'signal'> {
  /** Milliseconds until `RESOURCE_EXHAUSTED`, 1 to 60,000. Default 1000. */
  timeoutMs?: number
}

/**
 * Asks about what was recorded. A call sees everything that its own thread recorded before it, and other threads' events
 * after their `flush()`, and within milliseconds anyway.
 */
export interface DataAccess {
  /**
   * Events that match, in (`timestamp`, `seq`) order unless `sortBy` says otherwise.
   *
   * @throws {KinescopeError} `INVALID_ARGUMENT` for an unknown option or a wrong value; `UNKNOWN_FIELD` with the `nearest`
   * names in its details; `TYPE_MISMATCH` when a column is compared with a value of another type; `PAGE_TOKEN_INVALID`
   * when the token is none of this query's, `PAGE_TOKEN_EXPIRED` when retention has evicted rows that it would deliver;
   * `CLOSED`; `RESOURCE_EXHAUSTED` when the writer has not caught up with this thread within about a second; the signal's
   * reason when it is aborted.
   * @example
   * scope.recorder.record({ eventType: 'log', data: { level: 'warn' } })
   * const result = await scope.dataAccess.queryEvents({ pid: 'main', projection: ['eventType', 'data.level'], limit: 10 })
   * for (const row of result) console.log(row.eventType, row['data.level']) // log warn
   * result.release()
   */
  queryEvents(query: QueryOptions & { projection: readonly ProjectionItem[] }): Promise<QueryResult<ProjectedRow>>
  /**
   * Whole events; see the form with a projection.
   *
   * @throws {KinescopeError} As there.
   * @example
   * scope.recorder.record({ eventType: 'order', tags: { region: 'eu' }, data: { items: [{ price: 990 }] } })
   * const where = { 'data.items.0.price': { gt: 500 }, 'tags.region': { startsWith: 'e' } }
   * const [order] = await scope.dataAccess.queryEvents({ where, sortBy: 'data.items.0.price', sortOrder: 'desc' })
   * console.log(order.eventType) // order
   */
  queryEvents(query?: QueryOptions): Promise<QueryResult>
  /**
   * {@link DataAccess.queryEvents} that blocks this thread.
   *
   * @throws {KinescopeError} As there.
   * @example
   * console.log(scope.dataAccess.queryEventsSync({ limit: 0, timeoutMs: 200 }).totalMatches) // 0
   */
  queryEventsSync(query: QueryOptionsSync & { projection: readonly ProjectionItem[] }): QueryResult<ProjectedRow>
  /**
   * Whole events; see the form with a projection.
   *
   * @throws {KinescopeError} As there.
   * @example
   * scope.recorder.record({ eventType: 'log' })
   * console.log(scope.dataAccess.queryEventsSync({ textSearch: 'LOG' }).totalMatches) // 1
   */
  queryEventsSync(query?: QueryOptionsSync): QueryResult
  /**
   * A whole trace: every event with the correlation id, and events without one that reach it through their parents. All of
   * `query` applies to these events afterwards; without `limit` there is none.
   *
   * @param idOrEventId A correlation id, or else the id of any event of the trace.
   * @throws {KinescopeError} `NOT_FOUND` when it is neither; as {@link DataAccess.queryEvents}.
   * @example
   * scope.recorder.run({ correlationId: 'order-7' }, () => scope.recorder.record({ eventType: 'log' }))
   * console.log((await scope.dataAccess.getTraceByCorrelationId('order-7')).totalMatches) // 1
   */
  getTraceByCorrelationId(
    idOrEventId: string,
    query: QueryOptions & { projection: readonly ProjectionItem[] },
  ): Promise<QueryResult<ProjectedRow>>
  /** Whole events; see the form with a projection. */
  getTraceByCorrelationId(idOrEventId: string, query?: QueryOptions): Promise<QueryResult>
  /**
   * The calls of a logical process that were open at a time, with their chain of callers, across logical processes.
   *
   * @param pid The logical process.
   * @param timestampMonotonic On the recording's time line; events at that time count.
   * @throws {KinescopeError} `NOT_FOUND` for a pid of which the log holds nothing; `INVALID_ARGUMENT`, `CLOSED`,
   * `RESOURCE_EXHAUSTED`.
   * @example
   * const { recorder, dataAccess } = scope
   * const call = recorder.enter(recorder.site({ module: 'shop', function: 'checkout', arity: 0 }))
   * console.log((await dataAccess.getCallStackAt('main', scope.now().timestamp)).frames[0].function) // checkout
   * recorder.exit(call)
   */
  getCallStackAt(pid: string, timestampMonotonic: bigint | number): Promise<CallStack>
  /**
   * {@link DataAccess.getCallStackAt} that blocks this thread.
   *
   * @param options `timeoutMs`: milliseconds until `RESOURCE_EXHAUSTED`, 1 to 60,000; default 1000.
   * @throws {KinescopeError} As there.
   * @example
   * scope.recorder.record({ eventType: 'log' })
   * console.log(scope.dataAccess.getCallStackAtSync('main', scope.now().timestamp).frames.length) // 0
   */
  getCallStackAtSync(pid: string, timestampMonotonic: bigint | number, options?: { timeoutMs?: number }): CallStack
  /**
   * State events of a logical process: `local_variable_snapshot`, `state_snapshot` and `state_change`. All of `query`
   * applies besides; without `limit` there is none.
   *
   * @throws {KinescopeError} As {@link DataAccess.queryEvents}.
   * @example
   * scope.recorder.snapshot({ total: 12 })
   * console.log((await scope.dataAccess.getStateSnapshots('main')).toArray()[0].data.variables.total) // 12
   */
  getStateSnapshots(
    pid: string,
    query: QueryOptions & { projection: readonly ProjectionItem[] },
  ): Promise<QueryResult<ProjectedRow>>
  /** Whole events; see the form with a projection. */
  getStateSnapshots(pid: string, query?: QueryOptions): Promise<QueryResult>
  /**
   * The last value at or before a time of every variable and every state of a logical process.
   *
   * @param timestampMonotonic On the recording's time line; events at that time count.
   * @throws {KinescopeError} As {@link DataAccess.getCallStackAt}.
   * @example
   * scope.recorder.snapshot({ total: 12 })
   * console.log((await scope.dataAccess.getStateAt('main', scope.now().timestamp)).variables[0].value) // 12
   */
  getStateAt(pid: string, timestampMonotonic: bigint | number): Promise<State>
  /**
   * The source around an event's `file` and `line`, through the file's source map where it has one.
   *
   * @param id The event.
   * @param linesBefore Lines above, 0 to 1000; default 5.
   * @param linesAfter Lines below, 0 to 1000; default 5.
   * @throws {KinescopeError} `NOT_FOUND` without such an event; `SOURCE_UNAVAILABLE` when it names no file and line, or the file
   * is gone, lies outside of {@link OpenOptions.sourceRoots}, or was changed after the event; `INVALID_ARGUMENT`, `CLOSED`.
   * @example
   * const id = scope.recorder.record({ eventType: 'log', file: 'package.json', line: 1 })
   * console.log((await scope.dataAccess.getSourceContext(id)).firstLine) // 1
   */
  getSourceContext(id: EventId, linesBefore?: number, linesAfter?: number): Promise<SourceContext>
  /**
   * One event by its id.
   *
   * @returns `null` when there is no such event: never recorded, lost, or evicted.
   * @throws {KinescopeError} `INVALID_ARGUMENT` when the text is not an id, `CLOSED`, `RESOURCE_EXHAUSTED`.
   * @example
   * const id = scope.recorder.record({ eventType: 'log' })
   * console.log((await scope.dataAccess.getEvent(id)).eventType) // log
   */
  getEvent(id: EventId): Promise<Event | null>
  /**
   * {@link DataAccess.getEvent} that blocks this thread.
   *
   * @param options `timeoutMs`: milliseconds until `RESOURCE_EXHAUSTED`, 1 to 60,000; default 1000.
   * @throws {KinescopeError} As there.
   * @example
   * const id = scope.recorder.record({ eventType: 'log' })
   * console.log(scope.dataAccess.getEventSync(id).eventType) // log
   */
  getEventSync(id: EventId, options?: { timeoutMs?: number }): Event | null
  /**
   * Takes one event from elsewhere into the log.
   *
   * @returns Its id.
   * @throws {KinescopeError} As {@link DataAccess.storeEvents}.
   * @example
   * const id = await scope.dataAccess.storeEvent({ eventType: 'deploy', wallTime: new Date('2026-11-01'), data: { version: 7 } })
   * console.log((await scope.dataAccess.getEvent(id)).data.version) // 7
   */
  storeEvent(event: EventInput): Promise<EventId>
  /**
   * Takes events from elsewhere into the log: all of them, or none. When the promise resolves they are visible to every
   * thread's queries, behind everything that this thread has recorded before the call.
   *
   * Frames do not apply: an event has no correlation id, parent or tags but its own, and its pid is the thread's unless it
   * names one. A missing time follows from the other one, and is the present if both are missing. `data` is captured as by
   * {@link Recorder.record}, within {@link CaptureLimits}; of events that are objects no code runs but that of their own
   * documented fields.
   *
   * An Arrow table has the columns of {@link QueryResult.table}, or some of them; `event_type` must be there. Texts may be
   * `Utf8`, `LargeUtf8` or dictionaries with any index; `arity` and `line` integers of any width; `timestamp` and `wall_time`
   * `Int64` nanoseconds or any `Timestamp`; `data` is JSON. `seq` is given anew. So the table of an answer can be stored in
   * another recording: ids of its recording threads (producers below 32,768) become those of the producer that is 32,768
   * higher, in `parent_id` too, and its own `events_lost` rows get new ones. In a table without `event_id`, `parent_id` names
   * events of this recording.
   *
   * @param events Objects, or a `Table` or `RecordBatch` of apache-arrow, whose memory is copied before the call returns. At
   * most 1 GiB of encoded objects at a time, and no more than {@link RetentionOptions.maxBytes} keeps.
   * @returns The ids in the order of the events: those that they bring (producer 32,768 to 65,535), else numbers of producer
   * 32,768.
   * @throws {KinescopeError} `INVALID_ARGUMENT` naming the event and its field, or the column and its row, for what is no event;
   * for an id that exists or comes twice; `RESOURCE_EXHAUSTED` for more than there may be at a time; `CLOSED`.
   * @example
   * const { dataAccess } = scope
   * const [id] = await dataAccess.storeEvents([{ eventType: 'request', timestamp: 5n }, { eventType: 'response', timestamp: 9n }])
   * console.log(id) // 32768-0
   * const { table } = await dataAccess.queryEvents()
   * const again = await dataAccess.storeEvents(table.select(['event_type', 'timestamp', 'data']))
   * console.log(again[1]) // 32768-3
   */
  storeEvents(events: readonly EventInput[] | Table | RecordBatch): Promise<EventId[]>
  /**
   * Counts, sums, averages, extremes and quantiles of groups of events.
   *
   * @throws {KinescopeError} `INVALID_ARGUMENT` for an unknown option, a wrong value, or two columns of one name;
   * `UNKNOWN_FIELD` with the `nearest` names in its details; `TYPE_MISMATCH` when a function of numbers is asked of a column
   * without any; `CLOSED`; `RESOURCE_EXHAUSTED` above 10 million groups or distinct values, and as `queryEvents`; the
   * signal's reason when `filters.signal` is aborted.
   * @example
   * for (const ms of [1, 2, 30]) scope.recorder.record({ eventType: 'request', tags: { route: '/cart' }, data: { ms } })
   * const result = await scope.dataAccess.aggregateEvents({
   *   groupBy: ['tags.route'],
   *   aggregations: { requests: { count: '*' }, slowest: { max: 'data.ms' }, p50: { quantile: 'data.ms', q: 0.5, exact: true } },
   *   filters: { eventTypes: ['request'] },
   * })
   * for (const { requests, slowest, p50 } of result.rows()) console.log(requests, slowest, p50) // 3 30 2
   * result.release()
   */
  aggregateEvents(options: AggregateOptions): Promise<AggregateResult>
  /**
   * {@link DataAccess.aggregateEvents} that blocks this thread.
   *
   * @throws {KinescopeError} As there; `RESOURCE_EXHAUSTED` also when it takes longer than `timeoutMs`.
   * @example
   * scope.recorder.record({ eventType: 'log' })
   * const [all] = scope.dataAccess.aggregateEventsSync({ aggregations: { n: { count: '*' } } }).rows()
   * console.log(all.n) // 1
   */
  aggregateEventsSync(options: AggregateOptionsSync): AggregateResult
  /**
   * What the recording holds: columns, paths in `data` and tags with their types and counts, event types, times, segments, and
   * what is missing. Sealed segments are counted the first time, and known from then on.
   *
   * @throws {KinescopeError} `CLOSED`, `RESOURCE_EXHAUSTED`.
   * @example
   * scope.recorder.record({ eventType: 'request', tags: { route: '/cart' }, data: { ms: 12, user: { id: 'u1' } } })
   * const { paths } = await scope.dataAccess.describe()
   * console.log(paths[0].path, paths[0].types.integer) // data.ms 1
   */
  describe(): Promise<Schema>
  /**
   * The distinct values of a field, the most frequent first; of equally frequent ones in ascending order. What is absent, an
   * object or an array is no value.
   *
   * @param field A column, a path or a tag.
   * @throws {KinescopeError} As {@link DataAccess.aggregateEvents}; `TYPE_MISMATCH` also for a prefix of what is no text.
   * @example
   * for (const level of ['info', 'warn', 'info']) scope.recorder.record({ eventType: 'log', data: { level } })
   * console.log((await scope.dataAccess.fieldValues('data.level'))[0].value) // info
   */
  fieldValues(field: Field, options?: FieldValuesOptions): Promise<ValueCount[]>
}

/**
 * Which events a subscription delivers, and what of them: the filtering part of a query, and `projection`, of which a path
 * without a type is JSON text, such as `"tea"` with its quotes: give its type (`as`) or parse it.
 */
export type Filter = Omit<QueryOptions, 'limit' | 'offset' | 'sortBy' | 'sortOrder' | 'signal'>

/**
 * Where a subscription starts.
 *
 * - `'now'`: after everything that this thread recorded before the call. There is no batch before something is recorded, not even one that says `caughtUp`.
 * - `{ seq }`: at this position of the log, itself included; one that is still to come is waited for.
 * - `{ eventId }`: after this event.
 * - `{ timestampMonotonic }`, `{ timestampWall }`: at the lowest position whose time is this or later; whatever follows is
 *   delivered, also with an earlier time. Where retention may have evicted such events, at the first that it did.
 *
 * What retention has evicted from there on is the first batch's `gap`.
 */
export type StartFrom =
  | 'now'
  | { readonly seq: bigint | number }
  | { readonly eventId: EventId }
  | { readonly timestampMonotonic: bigint | number }
  | { readonly timestampWall: bigint | number | Date }

/**
 * Where a paused subscription goes on. `'send_all'`: where it was. `{ sendLatest: n }`: with the last `n` events that match
 * of what it has missed. `'discard_all'`: after everything that this thread recorded before the call. What these two leave
 * out is a `gap` of the cause `skipped`. `{ startFrom }`: anywhere, also back.
 */
export type ResumePolicy = 'send_all' | 'discard_all' | { readonly sendLatest: number } | { readonly startFrom: StartFrom }

/** Options of {@link EventStreamer.subscribe}. */
export interface SubscribeOptions extends Filter {
  /**
   * Matching events of a full batch, 0 to 1,000,000; 1 delivers each event by itself. 0 takes whatever is there, and at
   * most a segment of it. Default 1024.
   */
  batchSize?: number
  /** Milliseconds that an incomplete batch may wait for more events; 0 and 1 deliver at once. Default 50. */
  batchTimeoutMs?: number
  /** Least milliseconds between two batches without events, which tell how far the subscription has got. Default 1000. */
  progressIntervalMs?: number
  /** Default `'now'`. */
  startFrom?: StartFrom
  /** Batches that the listener may have and not have finished, 1 to 1,024. Default 1. */
  maxInFlight?: number
  /** Ends the subscription: `closed` rejects with the signal's reason, and iterators throw it. */
  signal?: AbortSignal
}

/**
 * Delivers events in the order of the log. A subscription is a cursor in the log, so it makes no difference whether an
 * event was recorded long ago or just now: there is no seam in which one could be lost or repeated. A slow, paused or stuck
 * consumer costs no memory and slows nobody; it can only lose what retention evicts, and is told so.
 *
 * Batches of subscriptions that want them at once (a `batchSize` or `batchTimeoutMs` of 0 or 1) are handed out before others
 * that are ready, and no more than two milliseconds at a time are spent on handing out, beside what listeners do.
 *
 * A subscription belongs to the thread that made it, whatever thread records. By default it keeps its thread alive, as
 * an interval timer does; see {@link Subscription.unref}. When the recording, or the attachment, is closed, subscriptions end
 * once they have got what had been published by then; paused ones end at once.
 */
export interface EventStreamer {
  /**
   * Delivers events to a listener, or to a `for await` loop over the subscription.
   *
   * A listener that returns a promise gets its next batch when that settles. One that throws, or whose promise rejects, ends
   * its own subscription with that error, of which a process warning tells, and no other.
   *
   * @param listener Without one, iterate over the subscription.
   * @throws {KinescopeError} `INVALID_ARGUMENT`, `UNKNOWN_FIELD`, `TYPE_MISMATCH` for wrong options; `NOT_FOUND` when there is
   * no event of that id; `CLOSED`; `RESOURCE_EXHAUSTED` when the writer has not caught up with this thread within about a
   * second; the signal's reason when it is aborted already.
   * @example
   * scope.recorder.record({ eventType: 'order', data: { item: 'tea' } })
   * const orders = scope.eventStreamer.subscribe({ eventTypes: ['order'], projection: ['data.item'], startFrom: { seq: 0n } })
   * for await (const batch of orders) {
   *   for (const row of batch) console.log(row['data.item']) // "tea"
   *   if (batch.caughtUp) break
   * }
   */
  subscribe(
    options: SubscribeOptions & { projection: readonly ProjectionItem[] },
    listener?: (batch: EventBatch<ProjectedRow>) => void | Promise<void>,
  ): Subscription<ProjectedRow>
  /**
   * Whole events; see the form with a projection.
   *
   * @throws {KinescopeError} As there.
   * @example
   * const errors = scope.eventStreamer.subscribe({ eventTypes: ['error'], batchSize: 1 }, async (batch) => {
   *   for (const { data } of batch) console.log(data.message) // no such product
   *   if (batch.batch.numRows > 0) await errors.unsubscribe()
   * })
   * scope.recorder.record({ eventType: 'error', data: { message: 'no such product' } })
   * await errors.closed
   */
  subscribe(options?: SubscribeOptions, listener?: (batch: EventBatch) => void | Promise<void>): Subscription
  /**
   * Replaces filter and projection, for everything from the first position on that its consumer has not got. Options that
   * are left out are gone.
   *
   * @throws {KinescopeError} `SUBSCRIPTION_NOT_FOUND`; as {@link EventStreamer.subscribe} for a wrong filter, which changes
   * nothing.
   * @example
   * const { id } = scope.eventStreamer.subscribe({ pid: 'main' })
   * await scope.eventStreamer.updateSubscription(id, { pid: 'worker-1' })
   * await scope.close()
   */
  updateSubscription(id: string, filter: Filter): Promise<void>
  /**
   * Ends a subscription, whatever it had still to deliver. No call of its listener starts afterwards.
   *
   * @throws {KinescopeError} `SUBSCRIPTION_NOT_FOUND`.
   * @example
   * const { id } = scope.eventStreamer.subscribe({}, () => {})
   * await scope.eventStreamer.unsubscribe(id)
   */
  unsubscribe(id: string): Promise<void>
  /**
   * Stops a subscription where its consumer has got its last batch. No call of its listener starts afterwards.
   *
   * @throws {KinescopeError} `SUBSCRIPTION_NOT_FOUND`.
   * @example
   * const { id } = scope.eventStreamer.subscribe({}, () => {})
   * await scope.eventStreamer.pauseStream(id)
   * await scope.close()
   */
  pauseStream(id: string): Promise<void>
  /**
   * Goes on after a pause. Without one it does nothing.
   *
   * @param policy Default `'send_all'`.
   * @throws {KinescopeError} `SUBSCRIPTION_NOT_FOUND`, and as {@link EventStreamer.subscribe} for a wrong policy.
   * @example
   * const { id } = scope.eventStreamer.subscribe({}, () => {})
   * await scope.eventStreamer.pauseStream(id)
   * await scope.eventStreamer.resumeStream(id, { sendLatest: 100 })
   * await scope.close()
   */
  resumeStream(id: string, policy?: ResumePolicy): Promise<void>
}

/** A cursor in the log, and who reads from there. */
export interface Subscription<Row = Event> extends AsyncIterable<EventBatch<Row>>, AsyncDisposable {
  /** Unique in the recording. */
  readonly id: string
  /**
   * Resolves when the subscription is unsubscribed, and when the scope that it came from, or the recording, is closed and it has delivered everything; rejects
   * with what else ended it. Nobody has to look at it: a rejection is never unhandled.
   *
   * It does not tell a process that is quiet from one that is gone: with `mode: 'read'` it stays pending when the process that records has ended, because another one
   * may go on. {@link Verification.live} tells whether one writes now.
   */
  readonly closed: Promise<void>
  /**
   * Batches, for subscriptions without a listener. The next batch is made when it is asked for. Leaving the loop ends the
   * subscription; what ended it otherwise is thrown.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<EventBatch<Row>>
  /** {@link EventStreamer.updateSubscription} of this one. */
  update(filter: Filter): Promise<void>
  /** {@link EventStreamer.pauseStream} of this one. */
  pause(): Promise<void>
  /** {@link EventStreamer.resumeStream} of this one. */
  resume(policy?: ResumePolicy): Promise<void>
  /**
   * {@link EventStreamer.unsubscribe} of this one; idempotent.
   *
   * @example
   * const subscription = scope.eventStreamer.subscribe()
   * await subscription.unsubscribe()
   * await subscription.closed
   */
  unsubscribe(): Promise<void>
  /**
   * Where it is and what it has done.
   *
   * @throws {KinescopeError} `SUBSCRIPTION_NOT_FOUND` once it has ended.
   * @example
   * const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0n } })
   * console.log(subscription.stats().position) // 0n
   * await subscription.unsubscribe()
   */
  stats(): SubscriptionStats
  /** Keeps the thread alive while the subscription lives, which is so from the start. Returns the subscription. */
  ref(): this
  /**
   * Lets the thread end although the subscription lives. Returns the subscription.
   *
   * @example
   * scope.eventStreamer.subscribe({}, () => {}).unref() // this program ends by itself
   */
  unref(): this
}

/** What a subscription has done so far. */
export interface SubscriptionStats {
  /** The next position of the log that its consumer will get. */
  readonly position: bigint
  /** Positions of the log from there on, whether or not they match. */
  readonly lagEvents: number
  /** Nanoseconds since the oldest of them was recorded; 0 when there are none. */
  readonly lagNs: bigint
  /** Events that its consumer has got. */
  readonly delivered: number
  /** Positions in gaps that its consumer has got, those that it asked to skip left out. */
  readonly lost: number
  /** Whether it is paused. */
  readonly paused: boolean
}

/** Why positions of the log are left out; see {@link StreamGap}. */
export type GapCause = 'retention' | 'corrupt' | 'restart' | 'skipped'

/** A stretch of the log that a subscription does not get. */
export interface StreamGap {
  /** Its first position. */
  readonly fromSeq: bigint
  /** Its last position. */
  readonly toSeq: bigint
  /** Positions in it, whether or not they would have matched. */
  readonly count: number
  /**
   * - `retention`: they were evicted before the subscription got there.
   * - `corrupt`: the file that held them is damaged or gone.
   * - `restart`: the recording resumed above them after the power had gone.
   * - `skipped`: the policy of {@link EventStreamer.resumeStream} left them out.
   */
  readonly cause: GapCause
}

/**
 * Matching events of a stretch of the log. The stretches of a subscription's batches adjoin: each starts at the last one's
 * `toSeq + 1n`, also across pauses, updates and gaps, unless `{ startFrom }` moved it. So whoever stores `toSeq` after each
 * batch, and starts from the position behind it next time, gets every event once. There are batches without events: one
 * when the subscription has caught up, unless it started at `'now'`, and others that tell how far it has got.
 *
 * Rows can also be had as plain objects, made one at a time. The memory is given back when nothing refers to it any more, or
 * on `release()`; it counts in {@link Stats.leasedBytes}.
 */
export interface EventBatch<Row = Event> extends Iterable<Row>, Disposable {
  /** {@link Subscription.id} of the one that delivers it. */
  readonly subscriptionId: string
  /**
   * The events as an Arrow record batch, over memory that native code filled; columns as in {@link QueryResult.table}.
   *
   * @throws {KinescopeError} `CLOSED` after `release()`.
   */
  readonly batch: RecordBatch
  /** The first position that it covers. */
  readonly fromSeq: bigint
  /** The last one; `fromSeq - 1n` when it covers none. */
  readonly toSeq: bigint
  /** Whether the log had nothing behind it when it was made. */
  readonly caughtUp: boolean
  /** 1, and one more after each update. */
  readonly filterVersion: number
  /** What is left out at its start; `gap.fromSeq` is `fromSeq`. */
  readonly gap?: StreamGap
  /** What is known to be missing from the time that it covers. */
  readonly lost: Lost
  /**
   * The events as plain objects, made one at a time.
   *
   * @throws {KinescopeError} `CLOSED` after `release()`.
   */
  [Symbol.iterator](): IterableIterator<Row>
  /**
   * The events as plain objects, all at once.
   *
   * @throws {KinescopeError} `CLOSED` after `release()`.
   */
  toArray(): Row[]
  /** As {@link QueryResult.release}. */
  release(): void
}

/** What a recording holds, as of one snapshot. */
export interface Schema {
  /** Every column, in order: Arrow's type, and how many events have a value. */
  readonly columns: readonly { readonly name: string; readonly type: string; readonly count: number }[]
  /** Paths of object keys into `data` that have values other than objects, in ascending order. What is in an array is no path. */
  readonly paths: readonly PathDescription[]
  /** Tags by the name that queries have for them, the most frequent first, with the number of events that have them. */
  readonly tags: readonly { readonly name: string; readonly count: number }[]
  /** The most frequent first. */
  readonly eventTypes: readonly { readonly eventType: string; readonly count: number }[]
  /** Whether there are more paths, tags or event types than the 10,000 of each that are listed, or than 1 MiB of their text. */
  readonly truncated: boolean
  /** The lowest and the highest timestamp; `null` without events. */
  readonly timeRange: { readonly first: bigint; readonly last: bigint } | null
  /** Runs of the log, in `seq` order. */
  readonly segments: readonly SegmentDescription[]
  /** Exclusive: the description holds for all events with `seq < snapshot`. */
  readonly snapshot: bigint
  /** Events that retention has removed. */
  readonly evicted: number
  /** What is known to be missing. */
  readonly lost: Lost
}

/** A path, and how many values of each type there are; `null` is no value. */
export interface PathDescription {
  /** As queries take it, such as `data.user.id`. */
  readonly path: Field
  /** Values by their type; types without any are left out. `integer` is what is written without a point or exponent, within 64 bits. */
  readonly types: { readonly [T in 'boolean' | 'integer' | 'float' | 'string' | 'array']?: number }
}

/** A run of the log: the unit of indexing and of eviction. */
export interface SegmentDescription {
  /** Position of its first event. */
  readonly fromSeq: bigint
  /** Events in it, `events_lost` rows included. */
  readonly events: number
  /** The lowest and the highest timestamp. */
  readonly timeRange: { readonly first: bigint; readonly last: bigint }
  /** Bytes of memory. */
  readonly bytes: number
  /** Whether it is complete; the last one is still being written. */
  readonly sealed: boolean
}

/** Source around the place that an event comes from. */
export interface SourceContext {
  /** Absolute; the original file where a source map names one. */
  readonly filePath: string
  /** 1-based, of the event. */
  readonly lineNumber: number
  /** The lines, joined by newlines; fewer than asked for at the file's first and last lines. */
  readonly codeSnippet: string
  /** 1-based, of the snippet's first line. */
  readonly firstLine: number
}

/** Calls that were open at a time. */
export interface CallStack {
  /** Innermost first. */
  readonly frames: readonly StackFrame[]
  /** Whether these are all of them, and none too many. */
  readonly complete: boolean
  /** Why not: the log does not reach back far enough, or has an exit without its entry. */
  readonly reason?: 'truncated' | 'unbalanced'
}

/** An open call. Absent fields are `null`. */
export interface StackFrame {
  /** The logical process that entered it. */
  readonly pid: string
  /** Module, package or class. */
  readonly module: string | null
  /** Function or method. */
  readonly function: string | null
  /** Number of declared parameters. */
  readonly arity: number | null
  /** Source file. */
  readonly file: string | null
  /** 1-based. */
  readonly line: number | null
  /** Its `function_entry`. */
  readonly entryId: EventId
  /** Nanoseconds on the recording's time line. */
  readonly enteredAt: bigint
}

/** What a logical process knew at a time; both lists in the order of their keys, absent ones last. */
export interface State {
  /** The last value of every variable, by module, function, arity and name. */
  readonly variables: readonly VariableValue[]
  /** The last value of every state, by module and name. */
  readonly states: readonly NamedState[]
}

/** A variable's value and the event that it came from. */
export interface VariableValue {
  /** Module of the call that it was recorded in. */
  readonly module: string | null
  /** Function of that call. */
  readonly function: string | null
  /** Number of parameters of that function. */
  readonly arity: number | null
  /** The variable's name. */
  readonly name: string
  /** As captured; integers beyond 2^53 are bigints. */
  readonly value: unknown
  /** The `local_variable_snapshot`. */
  readonly eventId: EventId
  /** Nanoseconds on the recording's time line. */
  readonly timestamp: bigint
}

/** A state's value and the event that it came from: `data.state` of a `state_snapshot`, `data.new_state` of a `state_change`. */
export interface NamedState {
  /** The event's module. */
  readonly module: string | null
  /** `data.name` of the event. */
  readonly name: string | null
  /** As captured; integers beyond 2^53 are bigints. */
  readonly value: unknown
  /** The event. */
  readonly eventId: EventId
  /** Nanoseconds on the recording's time line. */
  readonly timestamp: bigint
}

/** The answer to a query: rows of one snapshot of the log; whole events, or what a projection asked for. */
export interface QueryResult<Row = Event> extends Iterable<Row>, Disposable {
  /**
   * The rows as an Arrow table, over memory that native code filled. Its columns are always the same: `seq` and `event_id` (uint64), `timestamp` (int64),
   * `wall_time` (timestamp in nanoseconds, UTC), `event_type`, `node`, `pid` and `correlation_id` (utf8 in a dictionary), `parent_id` (uint64), `module` and `function`
   * (utf8 in a dictionary), `arity` (uint16), `file` (utf8 in a dictionary), `line` (uint32), `tags` (a map of utf8 to utf8) and `data` (utf8, JSON). Those from `correlation_id`
   * on may be null. With a projection it is what that asks for, a path by the name that it was asked for. For ids as numbers see {@link EventId}.
   */
  readonly table: Table
  /** Events that match, exactly, whatever `limit` says. */
  readonly totalMatches: number
  /**
   * Where this page ended, for `offset` of the next call; `null` when nothing follows. The pages are those of the first
   * call's snapshot, so none repeats or skips a row, whatever is recorded meanwhile; `totalMatches` stays as it was. All
   * options but `limit` and `signal` must be those of the first call. Of a recording on disk the token holds for everyone who
   * opens it, now or later, to write or to read; of one in memory as long as it is open.
   *
   * @example
   * for (let n = 0; n < 5; n++) scope.recorder.record({ eventType: 'log', data: { n } })
   * const query = { eventTypes: ['log'], limit: 2 }
   * let page = await scope.dataAccess.queryEvents(query)
   * const seen = page.toArray()
   * while (page.nextPageToken !== null) {
   *   page = await scope.dataAccess.queryEvents({ ...query, offset: { pageToken: page.nextPageToken } })
   *   seen.push(...page)
   * }
   * console.log(seen.map(({ data }) => data.n).join()) // 0,1,2,3,4
   */
  readonly nextPageToken: string | null
  /** Exclusive: the answer holds for all events with `seq < snapshot`. */
  readonly snapshot: bigint
  /** What is known to be missing from the queried time range. */
  readonly lost: Lost
  /**
   * The rows as plain objects, made one at a time.
   *
   * @throws {KinescopeError} `CLOSED` after `release()`.
   */
  [Symbol.iterator](): IterableIterator<Row>
  /**
   * The rows as plain objects, all at once.
   *
   * @throws {KinescopeError} `CLOSED` after `release()`.
   * @example
   * scope.recorder.record({ eventType: 'log' })
   * console.log((await scope.dataAccess.queryEvents()).toArray().length) // 1
   */
  toArray(): Row[]
  /**
   * The rows as Arrow IPC, for another process. This is an export: it copies.
   *
   * @param format `'stream'` or `'file'`.
   * @throws {KinescopeError} `INVALID_ARGUMENT`; `CLOSED` after `release()`.
   * @example
   * import { tableFromIPC } from 'apache-arrow'
   * console.log(tableFromIPC((await scope.dataAccess.queryEvents()).toIPC('stream')).numRows) // 0
   */
  toIPC(format: 'stream' | 'file'): Uint8Array
  /**
   * Gives the memory back without waiting for the garbage collector. Afterwards the result, its table, vectors and rows
   * throw `CLOSED`; slices and typed arrays taken earlier stay readable. Idempotent.
   *
   * @example
   * const result = await scope.dataAccess.queryEvents()
   * result.release()
   */
  release(): void
}

/**
 * A function of a group's values. Absent values are skipped; all functions but the counts also skip what is no number, and
 * take a tag for the number that its text is. Of no values `count` and `countDistinct` are 0, the others `null`.
 *
 * - `count`: `'*'` counts events, a field those that have it.
 * - `countDistinct`: objects and arrays do not count; numbers of equal value are one.
 * - `sum`: exact where all values of all groups are integers; with a float among them all sums of the column are floats.
 * - `quantile`: the value of the nearest rank, `ceil(q * n)`. `q` is from 0 to 1. Unless `exact` is true, it is estimated,
 *   in little memory, with a relative error of at most {@link AggregateResult.quantileError}. Default: false.
 */
export type Aggregation =
  | { readonly count: Field }
  | { readonly countDistinct: Field }
  | { readonly sum: Field }
  | { readonly avg: Field }
  | { readonly min: Field }
  | { readonly max: Field }
  | { readonly quantile: Field; readonly q: number; readonly exact?: boolean }

/** What to group and to compute. No two columns of the answer may have the same name. */
export interface AggregateOptions {
  /**
   * Events with equal values of all of these are a group; what is absent, an object or an array is a value of its own.
   * Columns are named as asked for. `'mfa'` stands for `module`, `function` and `arity`; `timeBucketNs` makes a column
   * `time_bucket`: `timestamp` rounded down to a multiple of so many nanoseconds. That is the recording's time line, not the wall clock: buckets begin at no full minutes of the
   * day, and {@link Kinescope.now} tells how far apart both are now. Default: everything is one group.
   */
  groupBy?: readonly (Field | 'mfa' | { readonly timeBucketNs: bigint | number })[]
  /** What to compute of each group, by the name of its column; not `and`, `or`, `not` or `__proto__`. */
  aggregations: { readonly [name: string]: Aggregation }
  /** Which events; the filtering part of a query. Default: all. */
  filters?: Omit<QueryOptions, 'limit' | 'offset' | 'sortBy' | 'sortOrder' | 'projection'>
  /** Which groups: a condition on the columns of the answer. Default: all. */
  having?: Condition
  /** Columns of the answer; ties are ordered by the groups' keys, ascending. Absent values come last either way. */
  orderBy?: readonly { readonly field: string; readonly order?: 'asc' | 'desc' }[]
  /** Groups at most, a non-negative safe integer. Default: all. */
  limit?: number
}

/** {@link AggregateOptions} of a call that blocks. */
export interface AggregateOptionsSync extends Omit<AggregateOptions, 'filters'> {
  /** Which events; the filtering part of a query. Default: all. */
  filters?: Omit<QueryOptions, 'limit' | 'offset' | 'sortBy' | 'sortOrder' | 'projection' | 'signal'>
  /** Milliseconds until `RESOURCE_EXHAUSTED`, 1 to 60,000. Default 1000. */
  timeoutMs?: number
}

/** Options of {@link DataAccess.fieldValues}. */
export interface FieldValuesOptions {
  /** Only texts that start with this one. */
  prefix?: string
  /** Values at most, a non-negative safe integer. Default 100. */
  limit?: number
  /** Of which events; the filtering part of a query. Default: all. */
  filters?: NonNullable<AggregateOptions['filters']>
}

/** A value and how many events have it. */
export interface ValueCount {
  /** Integers beyond 2^53 are bigints. */
  readonly value: string | number | bigint | boolean
  /** Events that have it. */
  readonly count: number
}

/** The answer to an aggregate: groups of one snapshot of the log. */
export interface AggregateResult extends Disposable {
  /**
   * The groups as an Arrow table: the keys' columns, then the aggregations'. A column of events keeps its type. Counts are
   * `int64`; sums `decimal128(38, 0)`, or `float64`; averages and estimated quantiles `float64`. What comes from paths has
   * the type of its values: `int64`, `float64`, `bool` or `utf8`, `decimal128(38, 0)` for larger integers, and JSON text for
   * values of several types that none of these holds.
   */
  readonly table: Table
  /**
   * The groups as plain objects by the names of their columns. Integers are numbers when safe, else bigints; `seq`,
   * `timestamp`, `wall_time` and `time_bucket` are bigints always, and ids texts.
   *
   * @throws {KinescopeError} `CLOSED` after `release()`.
   * @example
   * scope.recorder.record({ eventType: 'log' })
   * const result = await scope.dataAccess.aggregateEvents({ groupBy: ['pid'], aggregations: { n: { count: '*' } } })
   * console.log(result.rows()[0].pid) // main
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- the types are those that the aggregations ask for
  rows(): Record<string, any>[]
  /** Relative error of the quantiles, at most: 1/64, or 0 when all of them are exact. */
  readonly quantileError: number
  /** Exclusive: the answer holds for all events with `seq < snapshot`. */
  readonly snapshot: bigint
  /** What is known to be missing from the queried time range. */
  readonly lost: Lost
  /**
   * Gives the memory back without waiting for the garbage collector. Afterwards the table, its vectors and `rows()` throw
   * `CLOSED`; slices and typed arrays taken earlier stay readable. Idempotent.
   *
   * @example
   * const result = await scope.dataAccess.aggregateEvents({ aggregations: { n: { count: '*' } } })
   * result.release()
   */
  release(): void
}

/** What {@link verify} has found. */
export interface Verification {
  /** Whether no file and no segment is damaged, and there are no holes. */
  readonly intact: boolean
  /** Whether a process writes the recording now. */
  readonly live: boolean
  /**
   * Whether the process that wrote it was killed, and nobody has opened it to record since. What that one recorded in its last
   * moments is in its rings then, and no reader sees it: `kinescope recover`, or {@link open} to record, takes it over.
   */
  readonly unrecovered: boolean
  /** Exclusive: where the log ends. */
  readonly snapshot: bigint
  /** Runs of the log, in `seq` order. */
  readonly segments: readonly VerifiedSegment[]
  /** Every file that was looked at. */
  readonly files: readonly VerifiedFile[]
  /** Positions of the log, first and last, that are in no file although the recording does not tell that they are missing. */
  readonly holes: readonly { readonly fromSeq: bigint; readonly toSeq: bigint; readonly count: number }[]
}

/** A run of the log, as {@link verify} has found it. */
export interface VerifiedSegment {
  /** Position of its first event. */
  readonly fromSeq: bigint
  /** Position of its last event; `null` when nothing tells it that could be trusted. */
  readonly toSeq: bigint | null
  /** Events; 0 when nothing tells it. */
  readonly events: number
  /** Whether it is complete, and in a file of its own. */
  readonly sealed: boolean
  /** Why no answer has anything of it; `null`: it is whole. */
  readonly damage: string | null
}

/** A file of a recording, as {@link verify} has found it. */
export interface VerifiedFile {
  /** In the recording's directory. */
  readonly name: string
  /** Its length. Open segments (`.head`) are mostly holes: they take up far less of the disk. */
  readonly bytes: number
  /** What is wrong with it; `null`: nothing. */
  readonly damage: string | null
}

/**
 * What is known to be missing from a range of time. Of losses only timestamps are known: what a range of wall times holds of them is
 * said by the recording's clocks, whatever wall times events have brought themselves. If the wall clock has been set meanwhile, losses are
 * told that lie outside by no more than what it was set by.
 */
export interface Lost {
  /** Events, all ranges together. */
  readonly count: number
  /** One entry per loss; of a recording with over 1,024 of them, older ones of the same producer and cause are merged. */
  readonly ranges: readonly LostRange[]
}

/**
 * Attempts of one producer that left no event, or positions of the log that are not there any more: evicted by retention, in a file
 * that is damaged (`corrupt`), or gone with a machine that stopped before they were on its disk (`restart`).
 */
export type LostRange =
  | {
      /** Why there are no events. */
      readonly cause: LossCause
      /** Attempts. */
      readonly count: number
      /** The producer whose numbers these are. */
      readonly producer: number
      /** First and last number lost, both inclusive; when `count` is less than they span, which of them is not known. */
      readonly firstSequence: number
      /** See `firstSequence`. */
      readonly lastSequence: number
    }
  | {
      /** Why they are not there. */
      readonly cause: 'retention' | 'corrupt' | 'restart'
      /** Positions. */
      readonly count: number
      /** Positions in the log, first and last, both inclusive. */
      readonly fromSeq: bigint
      /** See `fromSeq`. */
      readonly toSeq: bigint
    }

/**
 * An event as it was stored. Absent fields are `null`. `JSON.stringify` throws for it, because it has bigints: give it a replacer, such as
 * `(_, value) => typeof value === 'bigint' ? String(value) : value`.
 */
export interface Event {
  /** Position in the log, from 0. */
  readonly seq: bigint
  /** Assigned when it was recorded; for an import by whoever imported it, or by the recording. */
  readonly eventId: EventId
  /** Nanoseconds on the recording's time line. */
  readonly timestamp: bigint
  /** Nanoseconds since the Unix epoch. */
  readonly wallTime: bigint
  /** Any text; docs/events.md lists the well-known ones, with the fields of their `data`. */
  readonly eventType: string
  /** The process that recorded it. */
  readonly node: string
  /** The logical process. */
  readonly pid: string
  /** The trace that it belongs to. */
  readonly correlationId: string | null
  /** The event that caused it; the caller's entry for an entry, its own entry for an exit. */
  readonly parentId: EventId | null
  /** Module, package or class. */
  readonly module: string | null
  /** Function or method. */
  readonly function: string | null
  /** Number of declared parameters. */
  readonly arity: number | null
  /** Source file. */
  readonly file: string | null
  /** 1-based. */
  readonly line: number | null
  /** An object without prototype. */
  readonly tags: Readonly<Record<string, string>> | null
  /**
   * The payload; integers beyond 2^53 are bigints. What was not captured is listed in its field `$cut`, an object from path (`args.0.name`) to reason: `depth`,
   * `length`, `fields` and `size` by {@link CaptureLimits}, `redacted`, `getter` and `proxy` because looking would run code, `non_finite` for NaN, infinities and invalid
   * dates, `bigint` for integers beyond 64 bits, which are text. A payload that is no object and was cut is in `$value` beside it.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- what it holds is for the reader to know, as with JSON.parse
  readonly data: any
}
