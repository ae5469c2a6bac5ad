/** An open recording, as one thread sees it. */
import { isMainThread, threadId } from 'node:worker_threads'
import type { CaptureConfig, DataAccess, EventStreamer, Kinescope, KinescopeHandle, KinescopeServer, LossCause, OpenOptions, Recorder, ServeOptions, Stats } from '../index.js'
import { Access } from './data-access.js'
import { Streamer } from './event-streamer.js'
import { closedError, invalidArgument, kinescopeErrorOf } from './errors.js'
import { awaitNative, callNative, NATIVE_LOSS_CAUSES, native, type NativeProducer, type NativeRing, type NativeStore } from './native.js'
import { resolveOptions, type Settings } from './open-options.js'
import { frozenConfig } from './options.js'
import { createRecorder, type RecorderHandle } from './recorder/recorder.js'
import { monotonicNow } from './recorder/intrinsics.js'
import { I32_CAPACITY_WORDS, I32_STATE, I32_TAIL, STATE_CLOSED } from './recorder/layout.js'
import type { OwnServer } from './serve/server.js'

/** The default pid of what this thread records. */
const THREAD_LABEL = isMainThread ? 'main' : `worker-${threadId}`

/**
 * `open` of the contract.
 *
 * @throws {KinescopeError} See there.
 */
export async function open(options: OpenOptions = {}): Promise<Kinescope> {
  const resolved = resolveOptions(options)
  if ('read' in resolved) return openReader(resolved.read, resolved.sourceRoots)
  return ownScope(await awaitNative(() => native.openStore(resolved.store, monotonicNow())), () => resolved.settings)
}

/** The scope of who opened a recording, which is closed again when there can be none. */
async function ownScope(store: NativeStore, settings: () => Settings): Promise<Kinescope> {
  try {
    return new Scope(store, settings(), true)
  } catch (error) {
    await store.close().catch(() => {})
    throw error
  }
}

/** Opens a recording of another process, with that one's settings but for where sources are. */
async function openReader(path: string, sourceRoots: readonly string[]): Promise<Kinescope> {
  const store = await awaitNative(() => native.openReader(path, monotonicNow()))
  return ownScope(store, () => ({ config: recordedConfig(store.configJson), sourceRoots }))
}

/** What the recording says was captured; a recording whose description is damaged says nothing. */
function recordedConfig(json: string): CaptureConfig {
  const nothing = resolveOptions({})
  const standard = 'settings' in nothing ? nothing.settings.config : undefined
  try {
    const { config } = JSON.parse(json) as Settings
    return { ...standard!, ...config, limits: { ...standard!.limits, ...config.limits } }
  } catch {
    return standard!
  }
}

/**
 * `attach` of the contract.
 *
 * @throws {KinescopeError} See there.
 */
export function attach(handle: KinescopeHandle): Kinescope {
  const { registryId, nonce, processId } = resolveHandle(handle)
  const store = callNative(() => native.attachStore(registryId, nonce, processId))
  return new Scope(store, JSON.parse(store.configJson) as Settings, false)
}

function resolveHandle(handle: unknown): KinescopeHandle {
  if (typeof handle !== 'object' || handle === null) throw invalidArgument('handle', handle, 'the handle of an open recording')
  const { registryId, nonce, processId } = handle as Record<string, unknown>
  for (const [name, value] of Object.entries({ registryId, processId })) {
    if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 0xffff_ffff) {
      throw invalidArgument(`handle.${name}`, value, 'an integer from 0 to 4294967295')
    }
  }
  if (typeof nonce !== 'string') throw invalidArgument('handle.nonce', nonce, 'a string')
  return { registryId: registryId as number, nonce, processId: processId as number }
}

/** See `Kinescope` in the contract. */
class Scope implements Kinescope {
  readonly recorder: Recorder
  readonly dataAccess: DataAccess
  readonly eventStreamer: EventStreamer
  readonly handle: KinescopeHandle
  readonly #store: NativeStore
  readonly #ring: NativeRing
  readonly #ringWords: Int32Array
  readonly #recording: RecorderHandle
  readonly #config: CaptureConfig
  readonly #isOpener: boolean
  /** Whether its ring has been closed from the beginning, as no ring is of a recording that this process writes. */
  readonly #isReader: boolean
  /** Never changes, and would be a call into native code each time. */
  readonly #timestampOffset: bigint
  readonly #streamer: Streamer
  readonly #servers = new Set<OwnServer>()
  #closing: Promise<void> | undefined

  constructor(store: NativeStore, { config, sourceRoots }: Settings, isOpener: boolean) {
    this.#store = store
    this.#config = frozenConfig(config)
    this.#isOpener = isOpener
    this.#timestampOffset = store.timestampOffset
    const ring = callNative(() => store.createProducer(THREAD_LABEL))
    this.#ring = ring
    const buffer = callNative(() => ring.mapRing())
    this.#ringWords = new Int32Array(buffer)
    this.#isReader = this.#ringWords[I32_STATE] === STATE_CLOSED
    const producer: NativeProducer = {
      number: ring.number,
      buffer,
      wake: () => ring.wake(),
      waitForSpace: (head, words) => ring.waitForSpace(head, words),
    }
    this.#recording = createRecorder({ native: store, producer, config })
    this.recorder = this.#recording.recorder
    this.handle = Object.freeze({ registryId: store.registryId, nonce: store.nonce, processId: process.pid })
    const head = (): number => this.#recording.head()
    const ensureOpen = (): void => this.#ensureOpen()
    this.dataAccess = new Access({ store, ring, head, config, label: THREAD_LABEL, sourceRoots, ensureOpen })
    this.#streamer = new Streamer({ store, ring, head, ensureOpen })
    this.eventStreamer = this.#streamer
  }

  get config(): Readonly<CaptureConfig> {
    // A reader's own recorder is off, whatever is recorded.
    return this.#isReader ? this.#config : Object.freeze({ ...this.#config, enabled: this.recorder.enabled })
  }

  now(): { timestamp: bigint; wallTime: bigint } {
    this.#ensureOpen()
    // The clock that events are stamped with, so that what was recorded before is never later than now.
    const timestamp = monotonicNow() + this.#timestampOffset
    return { timestamp, wallTime: timestamp + callNative(() => this.#store.wallOffset()) }
  }

  async flush(): Promise<void> {
    this.#ensureOpen()
    await awaitNative(() => this.#ring.flush(this.#recording.head()))
  }

  flushSync(): void {
    this.#ensureOpen()
    callNative(() => this.#ring.waitVisible(this.#recording.head()))
  }

  stats(): Stats {
    this.#ensureOpen()
    const { lost, copies, ...counts } = callNative(() => this.#store.stats())
    const byCause = NATIVE_LOSS_CAUSES.map((cause, index) => [cause, lost[index]!] as const)
    const used = (this.#recording.head() - Atomics.load(this.#ringWords, I32_TAIL)) >>> 0
    return {
      ...counts,
      lost: Object.fromEntries(byCause) as Record<LossCause, number>,
      ringFill: used / this.#ringWords[I32_CAPACITY_WORDS]!,
      zeroCopy: copies ? 'copied' : 'external',
    }
  }

  async serve(options: ServeOptions = {}): Promise<KinescopeServer> {
    this.#ensureOpen()
    // Who serves nothing loads nothing of it.
    const { startServer } = await import('./serve/server.js')
    const server = await startServer(this, options, (ended) => this.#servers.delete(ended))
    this.#servers.add(server)
    if (this.#closing !== undefined) {
      await server.close()
      throw closedError('the recording')
    }
    return server
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const head = this.#recording.head()
    this.#recording.detach()
    try {
      if (this.#isOpener) await this.#store.close()
      else await this.#ring.flush(head)
    } catch (error) {
      // A recording that its opener has closed meanwhile has drained this ring too.
      const known = kinescopeErrorOf(error)
      if (!(known instanceof Error && 'code' in known && known.code === 'CLOSED')) throw known
    } finally {
      this.#streamer.finish()
      await Promise.all([...this.#servers].map((server) => server.finish()))
      this.#ring.close()
    }
  }

  #ensureOpen(): void {
    if (this.#closing !== undefined) throw closedError('the recording')
  }
}
