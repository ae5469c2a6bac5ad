/** Questions about what was recorded, and events from elsewhere. */
import type { RecordBatch, Table } from 'apache-arrow'
import type {
  AggregateOptions,
  AggregateOptionsSync,
  AggregateResult,
  CallStack,
  DataAccess,
  Event,
  EventId,
  EventInput,
  Field,
  FieldValuesOptions,
  ProjectedRow,
  ProjectionItem,
  QueryOptions,
  QueryOptionsSync,
  QueryResult,
  Schema,
  SourceContext,
  State,
  ValueCount,
} from '../index.js'
import { resolveAggregate } from './aggregate-options.js'
import { Groups } from './aggregate-result.js'
import { BufferCache } from './columns.js'
import { schemaOf } from './describe.js'
import { invalidArgument, KinescopeError, unknownField } from './errors.js'
import { awaitNative, callNative, native, type NativeAnswer, type NativeCancel } from './native.js'
import type { ProjectedField } from './projection.js'
import { resolveFieldValues } from './field-values.js'
import { Importer, type ImportingThread } from './import.js'
import { placing, withPlace } from './patterns.js'
import { callStackOf, STATE_EVENT_TYPES, stateOf } from './past.js'
import {
  NO_LIMIT,
  type ResolvedQuery,
  resolveEventId,
  resolveQuery,
  resolveSignal,
  resolveText,
  resolveTime,
  resolveTimeoutMs,
} from './query-options.js'
import { Answer } from './query-result.js'
import { isNotRecorded } from './recorder/event-id.js'
import { sourceContextOf } from './source-context.js'

const DEFAULT_CONTEXT_LINES = 5
const CONTEXT_LINES_MAX = 1000

/** What queries need of the thread that asks. */
export interface AskingThread extends ImportingThread {
  /** Directories outside of which no source is read. */
  readonly sourceRoots: readonly string[]
  /** @throws {KinescopeError} `CLOSED`. */
  ensureOpen(): void
}

type Projecting = { projection: readonly ProjectionItem[] }

/** See `DataAccess` in the contract. */
export class Access implements DataAccess {
  readonly #thread: AskingThread
  readonly #buffers = new BufferCache()
  readonly #importer: Importer

  constructor(thread: AskingThread) {
    this.#thread = thread
    this.#importer = new Importer(thread)
  }

  queryEvents(query: QueryOptions & Projecting): Promise<QueryResult<ProjectedRow>>
  queryEvents(query?: QueryOptions): Promise<QueryResult>
  async queryEvents(query: QueryOptions = {}): Promise<Answer> {
    return this.#query(resolveQuery(query, 'signal'), query.signal)
  }

  getTraceByCorrelationId(idOrEventId: string, query: QueryOptions & Projecting): Promise<QueryResult<ProjectedRow>>
  getTraceByCorrelationId(idOrEventId: string, query?: QueryOptions): Promise<QueryResult>
  async getTraceByCorrelationId(idOrEventId: string, query: QueryOptions = {}): Promise<Answer> {
    const trace = resolveText('idOrEventId', idOrEventId)
    const { native: asked, ...rest } = resolveQuery(query, 'signal', NO_LIMIT)
    if (isNotRecorded(trace) && !(await this.#hasTrace(trace, query.signal))) {
      throw new KinescopeError('NOT_FOUND', `id: no correlation id and no event id ${JSON.stringify(trace)}`)
    }
    return this.#query({ native: { ...asked, trace }, ...rest }, query.signal)
  }

  async #hasTrace(correlationId: string, signal: unknown): Promise<boolean> {
    using found = await this.#query({ native: { limit: 0, correlationIds: [correlationId] }, projection: null, where: undefined }, signal)
    return found.totalMatches > 0
  }

  getStateSnapshots(pid: string, query: QueryOptions & Projecting): Promise<QueryResult<ProjectedRow>>
  getStateSnapshots(pid: string, query?: QueryOptions): Promise<QueryResult>
  async getStateSnapshots(pid: string, query: QueryOptions = {}): Promise<Answer> {
    const own = resolveText('pid', pid)
    const { native: asked, ...rest } = resolveQuery(query, 'signal', NO_LIMIT)
    const pids = [own].filter((text) => asked.pids?.includes(text) ?? true)
    const eventTypes = STATE_EVENT_TYPES.filter((type) => asked.eventTypes?.includes(type) ?? true)
    return this.#query({ native: { ...asked, pids, eventTypes }, ...rest }, query.signal)
  }

  async getCallStackAt(pid: string, timestampMonotonic: bigint | number): Promise<CallStack> {
    const [own, time] = [resolveText('pid', pid), resolveTime('timestampMonotonic', timestampMonotonic)]
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    return callStackOf(await awaitNative(() => store.callStack(own, time, ring, head(), null)))
  }

  getCallStackAtSync(pid: string, timestampMonotonic: bigint | number, options: { timeoutMs?: number } = {}): CallStack {
    const [own, time] = [resolveText('pid', pid), resolveTime('timestampMonotonic', timestampMonotonic)]
    const timeoutMs = resolveSyncOptions(options)
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    return callStackOf(callNative(() => store.callStackSync(own, time, ring, head(), timeoutMs)))
  }

  async getStateAt(pid: string, timestampMonotonic: bigint | number): Promise<State> {
    const [own, time] = [resolveText('pid', pid), resolveTime('timestampMonotonic', timestampMonotonic)]
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    return stateOf(await awaitNative(() => store.state(own, time, ring, head())))
  }

  async #query({ native: resolved, projection, where }: ResolvedQuery, givenSignal: unknown): Promise<Answer> {
    const { store, ring, head, ensureOpen } = this.#thread
    const signal = resolveSignal(givenSignal)
    ensureOpen()
    try {
      return this.#answer(await abortable(signal, (cancel) => store.query(resolved, ring, head(), cancel)), projection)
    } catch (error) {
      throw withPlace(error, { where })
    }
  }

  async aggregateEvents(options: AggregateOptions): Promise<AggregateResult> {
    const { filters, plan, names, conditions } = resolveAggregate(options, 'signal')
    const { store, ring, head, ensureOpen } = this.#thread
    const signal = resolveSignal(options.filters?.signal)
    ensureOpen()
    try {
      return new Groups(await abortable(signal, (cancel) => store.aggregate(filters, plan, ring, head(), cancel)), this.#buffers, names)
    } catch (error) {
      throw withPlace(error, conditions)
    }
  }

  aggregateEventsSync(options: AggregateOptionsSync): AggregateResult {
    const { filters, plan, names, conditions } = resolveAggregate(options, 'timeoutMs')
    const timeoutMs = resolveTimeoutMs(options.timeoutMs)
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    const made = placing(conditions, () => callNative(() => store.aggregateSync(filters, plan, ring, head(), timeoutMs)))
    return new Groups(made, this.#buffers, names)
  }

  async describe(): Promise<Schema> {
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    return schemaOf(await awaitNative(() => store.describe(ring, head())))
  }

  async fieldValues(field: Field, options: FieldValuesOptions = {}): Promise<ValueCount[]> {
    if (typeof field !== 'string') throw invalidArgument('field', field, "a column's name or a path")
    const { aggregate, limit, textColumn } = resolveFieldValues(field, options)
    if (textColumn !== null) {
      const { store, ring, head, ensureOpen } = this.#thread
      ensureOpen()
      const counts = await awaitNative(() => store.textCounts(textColumn, options.prefix?.toWellFormed() ?? null, limit, ring, head()))
      return counts.map(({ name, count }) => ({ value: name, count }))
    }
    using groups = await this.aggregateEvents(aggregate)
    const values = groups.rows().map(({ count, ...key }) => ({ value: Object.values(key)[0] as ValueCount['value'] | null, count: count as number }))
    return values.filter((entry): entry is ValueCount => entry.value !== null).slice(0, limit)
  }

  queryEventsSync(query: QueryOptionsSync & Projecting): QueryResult<ProjectedRow>
  queryEventsSync(query?: QueryOptionsSync): QueryResult
  queryEventsSync(query: QueryOptionsSync = {}): Answer {
    const { native: resolved, projection, where } = resolveQuery(query, 'timeoutMs')
    const timeoutMs = resolveTimeoutMs(query.timeoutMs)
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    return this.#answer(placing({ where }, () => callNative(() => store.querySync(resolved, ring, head(), timeoutMs))), projection)
  }

  async getEvent(id: EventId): Promise<Event | null> {
    const known = resolveEventId(id)
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    if (isNotRecorded(known)) return null
    return this.#firstEvent(await awaitNative(() => store.event(known, ring, head())))
  }

  async getSourceContext(id: EventId, linesBefore = DEFAULT_CONTEXT_LINES, linesAfter = DEFAULT_CONTEXT_LINES): Promise<SourceContext> {
    const before = resolveLines('linesBefore', linesBefore)
    const after = resolveLines('linesAfter', linesAfter)
    const event = await this.getEvent(id)
    if (event === null) throw new KinescopeError('NOT_FOUND', `id: no event ${id}`)
    return sourceContextOf(event, before, after, this.#thread.sourceRoots)
  }

  getEventSync(id: EventId, options: { timeoutMs?: number } = {}): Event | null {
    const known = resolveEventId(id)
    resolveSyncOptions(options)
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    if (isNotRecorded(known)) return null
    return this.#firstEvent(callNative(() => store.eventSync(known, ring, head())))
  }

  async storeEvent(event: EventInput): Promise<EventId> {
    this.#thread.ensureOpen()
    return this.#importer.storeOne(event)
  }

  async storeEvents(events: readonly EventInput[] | Table | RecordBatch): Promise<EventId[]> {
    this.#thread.ensureOpen()
    return this.#importer.storeAll(events)
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

function resolveLines(field: string, lines: unknown): number {
  if (!Number.isInteger(lines) || (lines as number) < 0 || (lines as number) > CONTEXT_LINES_MAX) {
    throw invalidArgument(field, lines, `an integer from 0 to ${CONTEXT_LINES_MAX}`)
  }
  return lines as number
}

/** Checks the options of a blocking call that has no others; returns its milliseconds. */
function resolveSyncOptions(options: { timeoutMs?: number }): number {
  if (typeof options !== 'object' || options === null) throw invalidArgument('options', options, 'an object')
  for (const name of Object.keys(options)) {
    if (name !== 'timeoutMs') throw unknownField('options', name, ['timeoutMs'])
  }
  return resolveTimeoutMs(options.timeoutMs)
}

/** What a native call answers, or the signal's reason as soon as it is aborted, which also ends the work. */
async function abortable<T>(signal: AbortSignal | undefined, start: (cancel: NativeCancel | null) => Promise<T>): Promise<T> {
  if (signal === undefined) return awaitNative(() => start(null))
  const cancel = new native.NativeCancel()
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      cancel.cancel()
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', onAbort, { once: true })
  })
  const started = awaitNative(() => start(cancel))
  // After an abort nobody waits for the work any more, which then fails on its own.
  started.catch(() => {})
  try {
    return await Promise.race([started, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort!)
  }
}
