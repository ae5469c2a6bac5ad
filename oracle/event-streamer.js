// @ts-check
/**
 * Subscriptions: each looks at the whole log again whenever something is recorded. Batches come as if `batchTimeoutMs` and
 * `progressIntervalMs` were 0.
 */
import { NOTHING_RECORDED } from './envelope.js'
import { KinescopeError, invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { projectRow, settleTypes } from './projection.js'
import { compileQuery } from './query.js'
import { requireEventId, requireTime } from './values.js'

/** @typedef {import('./store.js').Log} Log */
/** @typedef {{ fromSeq: bigint, toSeq: bigint, count: number, cause: 'retention' | 'skipped' }} Gap */

const STREAM_OPTIONS = ['batchSize', 'batchTimeoutMs', 'progressIntervalMs', 'startFrom', 'maxInFlight', 'signal']
const NO_FILTERS = ['limit', 'offset', 'sortBy', 'sortOrder', 'signal', 'timeoutMs']

export class OracleEventStreamer {
  #log
  #lastId = 0
  /** @type {Map<string, OracleSubscription>} */
  #live = new Map()

  /** @param {import('./recorder.js').Shared} shared */
  constructor(shared) {
    this.#log = shared.log
  }

  /**
   * @param {any} [options] `SubscribeOptions`
   * @param {(batch: OracleBatch) => unknown} [listener]
   */
  subscribe(options = {}, listener) {
    if (!isPlainArgument(options)) throw invalidArgument('subscribe', 'an object', options)
    if (listener !== undefined && typeof listener !== 'function') throw invalidArgument('listener', 'a function', listener)
    this.#log.requireOpen()
    const { batchSize = 1024, startFrom = 'now', maxInFlight = 1 } = /** @type {any} */ (options)
    const filter = Object.fromEntries(Object.entries(options).filter(([name]) => !STREAM_OPTIONS.includes(name)))
    const id = `subscription-${(this.#lastId += 1)}`
    const subscription = new OracleSubscription(this.#log, { id, batchSize, maxInFlight, listener, onEnd: () => this.#live.delete(id) }, filter, startFrom)
    this.#live.set(id, subscription)
    return subscription
  }

  /** @param {string} id @param {any} filter */
  async updateSubscription(id, filter) {
    return this.#find(id).update(filter)
  }

  /** @param {string} id */
  async unsubscribe(id) {
    return this.#find(id).unsubscribe()
  }

  /** @param {string} id */
  async pauseStream(id) {
    return this.#find(id).pause()
  }

  /** @param {string} id @param {any} [policy] */
  async resumeStream(id, policy) {
    return this.#find(id).resume(policy)
  }

  /** @param {string} id */
  #find(id) {
    const subscription = this.#live.get(id)
    if (!subscription) throw new KinescopeError('SUBSCRIPTION_NOT_FOUND', `id: no subscription ${id}`, { id })
    return subscription
  }
}

/** Matching events of a stretch of the log. */
export class OracleBatch {
  /**
   * @param {{ subscriptionId: string, fromSeq: bigint, toSeq: bigint, caughtUp: boolean, filterVersion: number, gap: Gap | undefined }} facts
   * @param {any[]} rows
   */
  constructor(facts, rows) {
    this.subscriptionId = facts.subscriptionId
    this.fromSeq = facts.fromSeq
    this.toSeq = facts.toSeq
    this.caughtUp = facts.caughtUp
    this.filterVersion = facts.filterVersion
    this.gap = facts.gap
    this.rows = rows
  }

  toArray() {
    return [...this.rows]
  }

  [Symbol.iterator]() {
    return this.rows.values()
  }

  release() {}
}

class OracleSubscription {
  #log
  #options
  #query
  /** @type {bigint | null} null: the start is a time that is still to come */
  #cursor = null
  /** @type {(event: import('../index.js').Event) => boolean} */
  #isStart = () => true
  /** Whether the start may have been among what retention has taken so far. */
  #mayBeGone = () => false
  /** While the start is still to come: everything below has been looked at. */
  #looked = 0n
  #filterVersion = 1
  /** @type {Gap | undefined} */
  #skip
  #paused = false
  #ended = false
  #told = false
  #inFlight = 0
  /** @type {((batch: OracleBatch | null) => void)[]} */
  #waiting = []
  #wake = () => this.#deliver()

  /**
   * @param {Log} log
   * @param {{ id: string, batchSize: number, maxInFlight: number, listener: ((batch: OracleBatch) => unknown) | undefined, onEnd: () => void }} options
   * @param {any} filter
   * @param {any} startFrom
   */
  constructor(log, options, filter, startFrom) {
    this.#log = log
    this.#options = options
    this.id = options.id
    this.#query = compileFilter(filter)
    this.#startAt(startFrom)
    log.watchers.add(this.#wake)
    setImmediate(this.#wake)
    this.closed = new Promise((resolve, reject) => {
      this.#settle = { resolve: () => resolve(undefined), reject }
    })
    this.closed.catch(() => {})
  }

  #settle = { resolve: () => {}, reject: (/** @type {unknown} */ _error) => {} }

  /** @param {any} startFrom */
  #startAt(startFrom) {
    const log = this.#log
    this.#skip = undefined
    this.#isStart = () => true
    this.#told = startFrom === 'now'
    if (startFrom === 'now') {
      this.#cursor = log.watermark
      return
    }
    if (!isPlainArgument(startFrom)) throw invalidArgument('startFrom', "'now' or an object", startFrom)
    rejectUnknownKeys(startFrom, ['seq', 'eventId', 'timestampMonotonic', 'timestampWall'], 'startFrom')
    if (startFrom.seq !== undefined) {
      this.#cursor = BigInt(/** @type {any} */ (startFrom.seq))
      this.#told = this.#cursor > log.watermark
    } else if (startFrom.eventId !== undefined) {
      requireEventId(startFrom.eventId, 'startFrom.eventId')
      const event = log.events.find(({ eventId }) => eventId !== NOTHING_RECORDED && eventId === startFrom.eventId)
      if (!event) throw new KinescopeError('NOT_FOUND', `startFrom.eventId: no event ${startFrom.eventId}`)
      this.#cursor = event.seq + 1n
    } else {
      const [key, name] = startFrom.timestampWall === undefined ? /** @type {const} */ (['timestamp', 'timestampMonotonic']) : /** @type {const} */ (['wallTime', 'timestampWall'])
      const time = requireTime(startFrom[name], `startFrom.${name}`, key === 'wallTime')
      this.#isStart = (event) => event[key] >= time
      this.#mayBeGone = () => (log.evicted.span[key]?.last ?? time - 1n) >= time
      this.#looked = log.watermark
      this.#cursor = this.#mayBeGone() ? 0n : (log.events.find(this.#isStart)?.seq ?? null)
    }
  }

  /** Hands out batches as long as there are some and somebody wants them. */
  #deliver() {
    const { listener, maxInFlight } = this.#options
    while (!this.#ended && !this.#paused && (listener ? this.#inFlight < maxInFlight : this.#waiting.length > 0)) {
      const batch = this.#nextBatch()
      if (batch === null) return
      this.#cursor = batch.toSeq + 1n
      this.#told = batch.caughtUp
      this.#skip = undefined
      if (listener) this.#call(listener, batch)
      else this.#waiting.shift()?.(batch)
    }
  }

  /**
   * @param {(batch: OracleBatch) => unknown} listener
   * @param {OracleBatch} batch
   */
  async #call(listener, batch) {
    this.#inFlight += 1
    try {
      await listener(batch)
    } catch (error) {
      this.#end()
      this.#settle.reject(error)
    }
    this.#inFlight -= 1
    this.#deliver()
  }

  /** @returns {OracleBatch | null} null: nothing to say */
  #nextBatch() {
    const { events, watermark } = this.#log
    // What was evicted while nobody looked may have been the start.
    if (this.#cursor === null && this.#evictedFrom(this.#looked) && this.#mayBeGone()) this.#cursor = this.#looked
    this.#cursor ??= events.find(this.#isStart)?.seq ?? null
    this.#looked = watermark
    if (this.#cursor === null) return null
    const fromSeq = this.#cursor
    const gap = this.#skip ?? this.#evictedFrom(fromSeq)
    const first = gap ? gap.toSeq + 1n : fromSeq
    const matching = events.filter((event) => event.seq >= first && this.#query.matches(event))
    const size = this.#options.batchSize === 0 ? Infinity : this.#options.batchSize
    const cut = matching[size]
    const toSeq = (cut ? cut.seq : watermark) - 1n
    const hasMoved = toSeq >= fromSeq
    if (fromSeq > watermark || (!hasMoved && this.#told)) return null
    const facts = { subscriptionId: this.id, fromSeq, toSeq, caughtUp: toSeq + 1n === watermark, filterVersion: this.#filterVersion, gap }
    return new OracleBatch(facts, matching.slice(0, size).map(this.#query.row))
  }

  /**
   * @param {bigint} fromSeq
   * @returns {Gap | undefined}
   */
  #evictedFrom(fromSeq) {
    const kept = BigInt(this.#log.evicted.count)
    return fromSeq < kept ? { fromSeq, toSeq: kept - 1n, count: Number(kept - fromSeq), cause: 'retention' } : undefined
  }

  /** @param {any} filter */
  async update(filter) {
    this.#requireLive()
    this.#query = compileFilter(filter)
    this.#filterVersion += 1
  }

  async pause() {
    this.#requireLive()
    this.#paused = true
  }

  /** @param {any} [policy] */
  async resume(policy = 'send_all') {
    this.#requireLive()
    if (!this.#paused) return
    if (policy === 'discard_all') this.#skipTo(this.#log.watermark)
    else if (policy.startFrom !== undefined) this.#startAt(policy.startFrom)
    else if (policy.sendLatest !== undefined) {
      const missed = this.#log.events.filter((event) => this.#cursor !== null && event.seq >= this.#cursor && this.#query.matches(event))
      const lastSkipped = missed[missed.length - 1 - policy.sendLatest]
      if (lastSkipped) this.#skipTo(lastSkipped.seq + 1n)
    }
    this.#paused = false
    this.#deliver()
  }

  /** @param {bigint} seq the first that is delivered */
  #skipTo(seq) {
    const fromSeq = this.#cursor
    if (fromSeq === null || fromSeq >= seq) return
    this.#skip = { fromSeq, toSeq: seq - 1n, count: Number(seq - fromSeq), cause: 'skipped' }
  }

  async unsubscribe() {
    this.#end()
    this.#settle.resolve()
  }

  #end() {
    if (this.#ended) return
    this.#ended = true
    this.#log.watchers.delete(this.#wake)
    this.#options.onEnd()
    for (const resolve of this.#waiting.splice(0)) resolve(null)
  }

  #requireLive() {
    if (this.#ended) throw new KinescopeError('SUBSCRIPTION_NOT_FOUND', `id: no subscription ${this.id}`, { id: this.id })
  }

  stats() {
    this.#requireLive()
    return { position: this.#cursor, paused: this.#paused, lagEvents: this.#cursor === null ? 0 : Math.max(0, Number(this.#log.watermark - this.#cursor)) }
  }

  [Symbol.asyncIterator]() {
    return {
      next: async () => {
        const batch = this.#ended ? null : await new Promise((resolve) => {
          this.#waiting.push(resolve)
          this.#deliver()
        })
        return batch === null ? { done: true, value: undefined } : { done: false, value: batch }
      },
      return: async () => {
        await this.unsubscribe()
        return { done: true, value: undefined }
      },
    }
  }
}

/** @param {any} filter */
function compileFilter(filter) {
  const forbidden = NO_FILTERS.find((name) => filter?.[name] !== undefined)
  if (forbidden !== undefined) throw invalidArgument('filter', 'a filter', forbidden)
  const { matches, projection } = compileQuery(filter, { limit: 0, where: 'filter' })
  // A path without a type has no snapshot to take one from.
  const items = projection && settleTypes(projection, [])
  return { matches, row: (/** @type {any} */ event) => (items ? projectRow(items, event) : event) }
}
