// @ts-check
/**
 * The log: an array of plain events.
 */
import { KinescopeError } from './errors.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {import('../index.js').LossCause} LossCause */
/** @typedef {import('../index.js').LostRange} LostRange */
/** @typedef {Omit<Event, 'seq'>} Row */
/** @typedef {import('./query.js').TimeRange} TimeRange */

/** What eviction has removed, in one run of `seq` from 0. */
class Evicted {
  count = 0
  /** @type {Set<string>} */
  pids = new Set()
  /** @type {Record<'timestamp' | 'wallTime', { first: bigint, last: bigint } | null>} */
  span = { timestamp: null, wallTime: null }

  /** @param {Event} event */
  add(event) {
    this.count += 1
    this.pids.add(event.pid)
    for (const key of /** @type {const} */ (['timestamp', 'wallTime'])) {
      const span = this.span[key] ?? { first: event[key], last: event[key] }
      this.span[key] = {
        first: event[key] < span.first ? event[key] : span.first,
        last: event[key] > span.last ? event[key] : span.last,
      }
    }
  }

  /**
   * Whether something evicted may lie in the range: by the span of the evicted timestamps, not event by event, and by the
   * recording's clocks, not by wall times that events have brought themselves.
   *
   * @param {{ monotonic: TimeRange, wall: TimeRange }} ranges
   * @param {(timestamp: bigint) => bigint} wallTimeOf
   */
  overlaps({ monotonic, wall }, wallTimeOf) {
    const span = this.span.timestamp
    return overlap(span, monotonic) && overlap(span && { first: wallTimeOf(span.first), last: wallTimeOf(span.last) }, wall)
  }
}

/**
 * @param {{ first: bigint, last: bigint } | null} span both inclusive
 * @param {TimeRange} range
 */
function overlap(span, { start, end }) {
  if (!span || (start !== null && start === end)) return false
  return (start === null || span.last >= start) && (end === null || span.first < end)
}

export class Log {
  /** Everything kept, by `seq`. @type {Event[]} */
  events = []
  evicted = new Evicted()
  closed = false
  /** Called after each event. @type {Set<() => void>} */
  watchers = new Set()
  #maxEvents
  #wallTimeOf
  #lossSequence = 0

  /**
   * @param {number} maxEvents events kept; once there are an eighth (rounded down) more, the oldest are evicted down to it:
   * below 8 that is at once
   * @param {(timestamp: bigint) => bigint} wallTimeOf
   */
  constructor(maxEvents, wallTimeOf) {
    this.#maxEvents = maxEvents
    this.#wallTimeOf = wallTimeOf
  }

  /** The next `seq`; as a snapshot: exclusive. */
  get watermark() {
    return BigInt(this.evicted.count + this.events.length)
  }

  /**
   * @param {Row} row
   * @returns {Event}
   */
  append(row) {
    const event = { seq: this.watermark, ...row }
    this.events.push(event)
    if (this.events.length > this.#maxEvents + Math.floor(this.#maxEvents / 8)) this.evictBefore(this.watermark - BigInt(this.#maxEvents))
    for (const wake of this.watchers) setImmediate(wake)
    return event
  }

  /** @param {bigint} seq the first that stays */
  evictBefore(seq) {
    const count = Number(seq) - this.evicted.count
    for (const event of this.events.splice(0, Math.max(0, count))) this.evicted.add(event)
  }

  /**
   * Writes what a store writes about attempts that left no event: an `events_lost` row of producer 0.
   *
   * @param {{ producer: number, firstSequence: number, lastSequence: number, count: number, cause: LossCause }} loss
   * @param {{ node: string, timestamp: bigint, wallTime: bigint }} origin
   */
  appendLoss(loss, { node, timestamp, wallTime }) {
    const { producer, firstSequence, lastSequence, count, cause } = loss
    return this.append({
      ...EMPTY_ROW,
      ...{ eventId: /** @type {const} */ (`0-${this.#lossSequence++}`), timestamp, wallTime, eventType: 'events_lost', node, pid: 'kinescope' },
      data: { producer, first_sequence: firstSequence, last_sequence: lastSequence, count, cause },
    })
  }

  /**
   * What is known to be missing from a range of time, oldest first.
   *
   * @param {{ monotonic: TimeRange, wall: TimeRange }} ranges
   * @param {(event: Event) => boolean} inRange
   */
  lost(ranges, inRange) {
    /** @type {LostRange[]} */
    const found = []
    const { count } = this.evicted
    if (this.evicted.overlaps(ranges, this.#wallTimeOf)) found.push({ cause: 'retention', count, fromSeq: 0n, toSeq: BigInt(count - 1) })
    for (const event of this.events) {
      if (event.eventType !== 'events_lost' || !event.eventId.startsWith('0-') || !inRange(event)) continue
      const { cause, count: lostCount, producer, first_sequence: firstSequence, last_sequence: lastSequence } = event.data
      found.push({ cause, count: lostCount, producer, firstSequence, lastSequence })
    }
    return { count: found.reduce((sum, range) => sum + range.count, 0), ranges: found }
  }

  /** @throws {KinescopeError} `CLOSED` */
  requireOpen() {
    if (this.closed) throw new KinescopeError('CLOSED', 'the recording is closed')
  }
}

/** Every nullable column, absent. */
export const EMPTY_ROW = Object.freeze({
  correlationId: null,
  parentId: null,
  module: null,
  function: null,
  arity: null,
  file: null,
  line: null,
  tags: null,
  data: null,
})
