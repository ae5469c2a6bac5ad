/** Questions about what was recorded. */
import type { DataAccess, Event, EventId, ProjectedRow, ProjectionItem, QueryOptions, QueryOptionsSync, QueryResult } from '../index.js'
import { BufferCache } from './arrow-columns.js'
import { invalidArgument, unknownField } from './errors.js'
import { awaitNative, callNative, native, type NativeAnswer, type NativeRing, type NativeStore } from './native.js'
import type { ProjectedField } from './projection.js'
import { resolveEventId, resolveQuery, resolveSignal, resolveTimeoutMs } from './query-options.js'
import { Answer } from './query-result.js'

/** What queries need of the thread that asks. */
export interface AskingThread {
  readonly store: NativeStore
  readonly ring: NativeRing
  /** Everything that this thread recorded so far lies before it. */
  head(): number
  /** @throws {KinescopeError} `CLOSED`. */
  ensureOpen(): void
}

type Projecting = { projection: readonly ProjectionItem[] }

/** See `DataAccess` in the contract. */
export class Access implements DataAccess {
  readonly #thread: AskingThread
  readonly #buffers = new BufferCache()

  constructor(thread: AskingThread) {
    this.#thread = thread
  }

  queryEvents(query: QueryOptions & Projecting): Promise<QueryResult<ProjectedRow>>
  queryEvents(query?: QueryOptions): Promise<QueryResult>
  async queryEvents(query: QueryOptions = {}): Promise<Answer> {
    const { native: resolved, projection } = resolveQuery(query, 'signal')
    const { store, ring, head, ensureOpen } = this.#thread
    const signal = resolveSignal(query.signal)
    ensureOpen()
    if (signal === undefined) return this.#answer(await awaitNative(() => store.query(resolved, ring, head(), null)), projection)
    const cancel = new native.NativeCancel()
    const answer = await untilAborted(signal, () => cancel.cancel(), () => awaitNative(() => store.query(resolved, ring, head(), cancel)))
    return this.#answer(answer, projection)
  }

  queryEventsSync(query: QueryOptionsSync & Projecting): QueryResult<ProjectedRow>
  queryEventsSync(query?: QueryOptionsSync): QueryResult
  queryEventsSync(query: QueryOptionsSync = {}): Answer {
    const { native: resolved, projection } = resolveQuery(query, 'timeoutMs')
    const timeoutMs = resolveTimeoutMs(query.timeoutMs)
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    return this.#answer(callNative(() => store.querySync(resolved, ring, head(), timeoutMs)), projection)
  }

  async getEvent(id: EventId): Promise<Event | null> {
    const known = resolveEventId(id)
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    return this.#firstEvent(await awaitNative(() => store.event(known, ring, head())))
  }

  getEventSync(id: EventId, options: { timeoutMs?: number } = {}): Event | null {
    const known = resolveEventId(id)
    if (typeof options !== 'object' || options === null) throw invalidArgument('options', options, 'an object')
    for (const name of Object.keys(options)) {
      if (name !== 'timeoutMs') throw unknownField('options', name, ['timeoutMs'])
    }
    resolveTimeoutMs(options.timeoutMs)
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    return this.#firstEvent(callNative(() => store.eventSync(known, ring, head())))
  }

  #answer(answer: NativeAnswer, projection: readonly ProjectedField[] | null): Answer {
    return new Answer(answer, this.#buffers, projection)
  }

  #firstEvent(answer: NativeAnswer | null): Event | null {
    if (answer === null) return null
    const result = this.#answer(answer, null)
    const [event] = result
    result.release()
    return event ?? null
  }
}

/** What `start` returns, or the signal's reason as soon as it is aborted; `stop` then ends the work. */
async function untilAborted<T>(signal: AbortSignal, stop: () => void, start: () => Promise<T>): Promise<T> {
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      stop()
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
  const started = start()
  // After an abort nobody waits for the work any more, which then fails on its own.
  started.catch(() => {})
  try {
    return await Promise.race([started, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort!)
  }
}
