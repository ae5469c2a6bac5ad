// @ts-check
/**
 * Asking the log. Every method has the answer at once; the asynchronous ones only wrap it.
 */
import { aggregate } from './aggregate.js'
import { describe, fieldValues } from './describe.js'
import { NOTHING_RECORDED } from './envelope.js'
import { KinescopeError, invalidArgument } from './errors.js'
import { every, oneOf } from './filter.js'
import { resolveField } from './fields.js'
import { Importer } from './imports.js'
import { Pages } from './pages.js'
import { compileQuery } from './query.js'
import { callStackAt } from './stacks.js'
import { STATE_EVENT_TYPES, stateAt } from './states.js'
import { traceEvents } from './traces.js'
import { requireEventId, requireTime } from './values.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {import('../index.js').EventId} EventId */

const DEFAULT_LIMIT = 1000

export class OracleDataAccess {
  #log
  #pages
  #importer

  /** @param {import('./recorder.js').Shared} shared */
  constructor(shared) {
    this.#log = shared.log
    this.#pages = new Pages(shared.log)
    this.#importer = new Importer(shared)
  }

  /** @param {any} [query] `QueryOptions` */
  async queryEvents(query) {
    query?.signal?.throwIfAborted()
    return this.queryEventsSync(query)
  }

  /** @param {any} [query] `QueryOptions` */
  queryEventsSync(query) {
    this.#log.requireOpen()
    return this.#pages.run(compileQuery(query, { limit: DEFAULT_LIMIT }))
  }

  /** @param {unknown} id */
  async getEvent(id) {
    return this.getEventSync(id)
  }

  /**
   * @param {unknown} id
   * @returns {Event | null}
   */
  getEventSync(id) {
    this.#log.requireOpen()
    requireEventId(id, 'id')
    return (id !== NOTHING_RECORDED && this.#log.events.find((event) => event.eventId === id)) || null
  }

  /** @param {unknown} event `EventInput` */
  async storeEvent(event) {
    const [id] = await this.storeEvents([event])
    return /** @type {EventId} */ (id)
  }

  /** @param {unknown} events `EventInput[]` */
  async storeEvents(events) {
    this.#log.requireOpen()
    return this.#importer.storeAll(events)
  }

  /**
   * @param {unknown} idOrEventId
   * @param {any} [query] `QueryOptions`, applied to the trace
   */
  async getTraceByCorrelationId(idOrEventId, query) {
    query?.signal?.throwIfAborted()
    this.#log.requireOpen()
    if (typeof idOrEventId !== 'string') throw invalidArgument('idOrEventId', 'a string', idOrEventId)
    const compiled = compileQuery(query, { limit: Infinity })
    return this.#pages.run(within(compiled, `trace of ${idOrEventId}`), traceEvents(this.#log.events, idOrEventId))
  }

  /**
   * @param {unknown} pid
   * @param {any} [query] `QueryOptions`
   */
  async getStateSnapshots(pid, query) {
    query?.signal?.throwIfAborted()
    this.#log.requireOpen()
    const wanted = requirePidText(pid)
    const { matches, ...rest } = compileQuery(query, { limit: Infinity })
    const isState = every([oneOf(resolveField('pid', 'pid'), [wanted], 'pid'), oneOf(resolveField('event_type', 'eventType'), STATE_EVENT_TYPES, 'eventType')])
    return this.#pages.run(within({ ...rest, matches: every([isState, matches]) }, `states of ${wanted}`))
  }

  /**
   * @param {unknown} pid
   * @param {unknown} timestampMonotonic inclusive
   */
  async getCallStackAt(pid, timestampMonotonic) {
    return this.getCallStackAtSync(pid, timestampMonotonic)
  }

  /**
   * @param {unknown} pid
   * @param {unknown} timestampMonotonic inclusive
   */
  getCallStackAtSync(pid, timestampMonotonic) {
    this.#log.requireOpen()
    return callStackAt(this.#log, requirePidText(pid), requireTime(timestampMonotonic, 'timestampMonotonic', false))
  }

  /**
   * @param {unknown} pid
   * @param {unknown} timestampMonotonic inclusive
   */
  async getStateAt(pid, timestampMonotonic) {
    this.#log.requireOpen()
    return stateAt(this.#log, requirePidText(pid), requireTime(timestampMonotonic, 'timestampMonotonic', false))
  }

  /** @param {any} options `AggregateOptions` */
  async aggregateEvents(options) {
    options?.filters?.signal?.throwIfAborted()
    return this.aggregateEventsSync(options)
  }

  /** @param {any} options `AggregateOptions` */
  aggregateEventsSync(options) {
    this.#log.requireOpen()
    const answer = aggregate(this.#log, options)
    return new OracleAggregate(answer)
  }

  async describe() {
    this.#log.requireOpen()
    return describe(this.#log)
  }

  /**
   * @param {unknown} field
   * @param {any} [options] `prefix`, `limit`, `filters`
   */
  async fieldValues(field, options) {
    this.#log.requireOpen()
    return fieldValues(this.#log, field, options)
  }
}

/** Groups as plain objects. Quantiles are always exact here. */
class OracleAggregate {
  /** @type {Record<string, any>[] | null} */
  #rows
  quantileError = 0

  /** @param {ReturnType<typeof aggregate>} answer */
  constructor({ rows, snapshot, lost }) {
    this.#rows = rows
    this.snapshot = snapshot
    this.lost = lost
  }

  rows() {
    if (this.#rows === null) throw new KinescopeError('CLOSED', 'the result has been released')
    return [...this.#rows]
  }

  release() {
    this.#rows = null
  }
}

/**
 * Keeps the pages of one question apart from those of another with the same options.
 *
 * @param {import('./query.js').CompiledQuery} query
 * @param {string} question
 */
function within(query, question) {
  return { ...query, identity: `${question}: ${query.identity}` }
}

/** @param {unknown} pid */
function requirePidText(pid) {
  if (typeof pid !== 'string') throw invalidArgument('pid', 'a string', pid)
  return pid
}
