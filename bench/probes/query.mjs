/** What questions to a recording take, of events that come in as Arrow tables. */
import { freemem } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { openForTiming, sumLost } from '../lib/scope.mjs'
import { measureAskings } from '../query/asking.mjs'
import { tableOf } from '../query/arrow.mjs'
import { correlationIdOf, EVENTS_PER_TRACE, generateEvents, pidOf } from '../query/events.mjs'
import { RARE_WORD } from '../query/messages.mjs'
import { eventList, PAGE, QUANTILE, QUANTILE_ERROR, sortGroups, totalAndEvents, X_ABOVE } from '../query/questions.mjs'
import { functionKey, groupKey } from '../query/reference.mjs'

const MOST_EVENTS = 100_000_000
/** Of memory, what this may use; and what an event may take of it, which is more than `bytes` because segments are sealed. */
const USED_SHARE = 0.75
const BYTES_PER_EVENT = 200
/** Events in a table: a whole segment, as it would be if they were recorded one by one. */
const TABLE_EVENTS = 2 ** 20
const now = process.hrtime.bigint
/** Events beyond memory would be evicted, and answers would be wrong. */
const OPTIONS = { retention: { maxBytes: 64 * 2 ** 30 } }

/**
 * @param {{ variant: 'all' | 'many', quick: boolean, events: number, many: number | undefined, questions: string[] }} options `events`, or `many` of
 * them in the variant of that name: by default as many as memory allows, up to 100 million.
 * @returns {Promise<Record<string, number | number[] | string>>} Milliseconds of each question; `eventsPerSecond` stored, `bytes` for an event.
 */
export async function measure({ variant, quick, questions, ...sizes }) {
  const events = variant === 'many' ? (sizes.many ?? manyEvents()) : sizes.events
  const scope = await openForTiming(OPTIONS)
  const seconds = await load(scope, events)
  await untilIndexed(scope)
  const { stored, evicted, lost, memoryBytes } = scope.stats()
  if (stored !== events || evicted > 0 || sumLost(lost) > 0) throw new Error(`of ${events} events ${stored} are stored`)
  const samples = await measureAskings(askingsOf(scope.dataAccess), { events, quick, questions })
  await scope.close()
  return { ...samples, events, eventsPerSecond: events / seconds, bytes: memoryBytes / events }
}

/** Queries are measured as they are once recording has paused for a while. */
async function untilIndexed(scope) {
  const rows = (await scope.dataAccess.queryEvents({ limit: 0 })).totalMatches
  while (scope.stats().indexed < rows) await setTimeout(50)
}

/** @returns {number} Events for which there is memory enough. */
function manyEvents() {
  const availableBytes = process.availableMemory?.() ?? freemem()
  const most = Math.min(MOST_EVENTS, (availableBytes * USED_SHARE) / BYTES_PER_EVENT)
  return Math.floor(most / EVENTS_PER_TRACE) * EVENTS_PER_TRACE
}

/**
 * @param {import('kinescope').Kinescope} scope
 * @param {number} events
 * @returns {Promise<number>} Seconds for which events were being stored.
 */
async function load(scope, events) {
  let ns = 0n
  for (const batch of generateEvents(events, TABLE_EVENTS)) {
    const table = tableOf(batch)
    const start = now()
    await scope.dataAccess.storeEvents(table)
    ns += now() - start
  }
  return Number(ns) / 1e9
}

/**
 * @param {import('kinescope').DataAccess} dataAccess
 * @returns {Record<string, import('../query/asking.mjs').Asking>}
 */
function askingsOf(dataAccess) {
  const query = (options) => withTable(dataAccess.queryEvents(options))
  const aggregate = (options) => withTable(dataAccess.aggregateEvents(options))
  const release = (result) => result.release()
  const page = {
    ask: ({ process: code, start, end }) =>
      query({ pid: pidOf(code), eventTypes: ['function_exit'], startTimeMonotonic: start, endTimeMonotonic: end, limit: PAGE }),
    answer: (result) => totalAndEvents(result.totalMatches, numbersOf(result)),
    release,
  }
  return {
    count: {
      ask: () => aggregate({ groupBy: ['mfa'], aggregations: { n: { count: '*' } } }),
      answer: (result) => sortGroups(result.rows().map((row) => [functionKey(row), row.n])),
      release,
    },
    page,
    'page-request': page,
    trace: {
      ask: ({ trace }) => withTable(dataAccess.getTraceByCorrelationId(correlationIdOf(trace))),
      answer: (result) => eventList(numbersOf(result)),
      release,
    },
    stack: {
      ask: ({ process: code, at }) => dataAccess.getCallStackAt(pidOf(code), at),
      answer: ({ frames }) => eventList(frames.map(({ entryId }) => Number(entryId.split('-')[1]))),
    },
    top: {
      ask: () => query({ sortBy: 'data.duration_ns', sortOrder: 'desc', limit: PAGE }),
      answer: (result) => eventList(numbersOf(result)),
      release,
    },
    x: {
      ask: () => query({ where: { 'data.variables.x': { gt: X_ABOVE } }, limit: 0 }),
      answer: ({ totalMatches }) => [['count', totalMatches]],
      release,
    },
    group: {
      ask: () => aggregate({ groupBy: ['event_type', 'mfa'], aggregations: { n: { count: '*' }, mean: { avg: 'data.duration_ns' } } }),
      answer: (result) =>
        sortGroups(
          result.rows().flatMap(({ event_type: type, n, mean, ...site }) => {
            const key = groupKey(type, site)
            return [[`${key} count`, n], ...(mean === null ? [] : [[`${key} sum`, Math.round(mean * n)]])]
          }),
        ),
      release,
    },
    p95: {
      ask: () => aggregate({ groupBy: ['mfa'], aggregations: { p95: { quantile: 'data.duration_ns', q: QUANTILE } } }),
      answer: (result) => sortGroups(result.rows().filter(({ p95 }) => p95 !== null).map((row) => [functionKey(row), row.p95])),
      release,
      tolerance: QUANTILE_ERROR,
    },
    text: {
      ask: () => query({ eventTypes: ['log'], textSearch: RARE_WORD, limit: PAGE }),
      answer: (result) => totalAndEvents(result.totalMatches, numbersOf(result)),
      release,
    },
    ...pagesOf(dataAccess),
  }
}

/**
 * The first page of all events in their order, and a deep one, to which one comes by way of all pages before it.
 *
 * @param {import('kinescope').DataAccess} dataAccess
 */
function pagesOf(dataAccess) {
  /** @type {Map<number, string>} Where the page before ended, by what a page skips. */
  const tokens = new Map()
  const answer = (result) => eventList(numbersOf(result))
  const release = (result) => result.release()
  return {
    'first-page': { ask: () => withTable(dataAccess.queryEvents({ limit: PAGE })), answer, release },
    'deep-page': {
      async ask({ skip }) {
        const token = tokens.get(skip) ?? (await tokenAt(dataAccess, skip))
        tokens.set(skip, token)
        return withTable(dataAccess.queryEvents({ limit: PAGE, offset: { pageToken: token } }))
      },
      answer,
      release,
    },
  }
}

/**
 * @param {import('kinescope').DataAccess} dataAccess
 * @param {number} skip A multiple of a page.
 * @returns {Promise<string>} The token of the page that skips so many events.
 */
async function tokenAt(dataAccess, skip) {
  let offset = {}
  for (let page = 0; page < skip / PAGE; page++) {
    const result = await dataAccess.queryEvents({ limit: PAGE, ...offset })
    offset = { offset: { pageToken: result.nextPageToken } }
    result.release()
  }
  return offset.offset.pageToken
}

/** Waits for a result and for its table. */
async function withTable(promise) {
  const result = await promise
  if (result.table === undefined) throw new Error('there is no table')
  return result
}

/** @param {import('kinescope').QueryResult} result @returns {number[]} The numbers of its events. */
function numbersOf(result) {
  return result.toArray().map(({ seq }) => Number(seq))
}
