/**
 * What is asked, and what answers look like. An answer is a list of `[key, number]`; every engine brings its own into this form,
 * where events are known by their numbers and functions by theirs.
 */
import { EVENTS_PER_TRACE, FIRST_TIMESTAMP, JOBS, MEAN_GAP_NS } from './events.mjs'

/** @typedef {[key: string, value: number][]} Answer */

export const PAGE = 100
/** The page that has to cost what the first one does. */
const DEEP_PAGE = 10_000
/** Snapshots whose variable `x` is above this are looked for. */
export const X_ABOVE = 990
export const QUANTILE = 0.95
/** What an estimated quantile may be off by: what Kinescope states. */
export const QUANTILE_ERROR = 1 / 64
/** Questions about one trace or process are asked of so many, in turn. */
const VARIANTS = 8

/**
 * What differs from one asking to the next.
 *
 * @param {string} question
 * @param {number} events
 * @returns {any[]} One entry per variant; an empty object where there is nothing to vary.
 */
export function variantsOf(question, events) {
  const shares = Array.from({ length: VARIANTS }, (_, index) => (index + 0.5) / VARIANTS)
  const timeAt = (share) => FIRST_TIMESTAMP + Math.round(share * events * MEAN_GAP_NS)
  // Some of all traces are those of jobs.
  const requestAt = (share) => Math.floor((share * 0.85 * events) / EVENTS_PER_TRACE)
  const lastPage = Math.min(DEEP_PAGE, Math.floor(events / PAGE)) - 1
  switch (question) {
    case 'page':
      return shares.map((share, index) => ({ process: ~(index % JOBS), start: timeAt(share * 0.5), end: timeAt(share * 0.5 + 0.4) }))
    case 'page-request':
      return shares.map((share) => ({ process: requestAt(share), start: timeAt(0), end: timeAt(1) }))
    case 'trace':
      return shares.map((share) => ({ trace: requestAt(share) }))
    case 'stack':
      return shares.map((share, index) => ({ process: ~(index % JOBS), at: timeAt(share) }))
    case 'first-page':
      return [{ skip: 0 }]
    case 'deep-page':
      return [{ skip: lastPage * PAGE }]
    default:
      return [{}]
  }
}

/**
 * Compares an answer with the right one.
 *
 * @param {string} question
 * @param {Answer} expected
 * @param {Answer} answer
 * @param {number} [tolerance] Relative; 0: equal.
 * @throws {Error} Naming what differs.
 */
export function checkAnswer(question, expected, answer, tolerance = 0) {
  for (let index = 0; index < Math.max(expected.length, answer.length); index++) {
    const [key, value] = expected[index] ?? ['nothing', Number.NaN]
    const [givenKey, given] = answer[index] ?? ['nothing', Number.NaN]
    if (key === givenKey && Math.abs(given - value) <= tolerance * Math.abs(value)) continue
    throw new Error(`${question}: item ${index} is ${givenKey} ${given}, but should be ${key} ${value}`)
  }
}

/**
 * Brings groups, which engines order as they like, into one order.
 *
 * @param {Answer} groups
 */
export function sortGroups(groups) {
  return groups.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

/**
 * An answer that consists of a total and of events.
 *
 * @param {number} total
 * @param {Iterable<number>} events Their numbers.
 * @returns {Answer}
 */
export function totalAndEvents(total, events) {
  return [['total', total], ...eventList(events)]
}

/** @param {Iterable<number>} events @returns {Answer} */
export function eventList(events) {
  return Array.from(events, (event) => ['event', event])
}
