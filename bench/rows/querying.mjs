/** What questions to a recording take, against what they take elsewhere. */
import { withRange } from './figures.mjs'

/** @typedef {import('./figures.mjs').Row} Row */
/** @typedef {import('./figures.mjs').Figures} Figures */
/** @typedef {import('./figures.mjs').Metric} Metric */
/** @typedef {import('./figures.mjs').Metrics} Metrics */

/** In the order of the rows' `rivals`. */
const RIVAL_NAMES = ['DuckDB', 'Polars']

/** @type {Record<string, import('../lib/schedule.mjs').Probe>} */
export const QUERYING_PROBES = {
  query: { file: 'probes/query.mjs', variant: 'all', repetitions: 1 },
  queryMany: { file: 'probes/query.mjs', variant: 'many', repetitions: 1 },
  duckdb: { file: 'compare/duckdb.mjs', repetitions: 1, readsEvents: true },
  polars: { file: 'compare/polars.mjs', repetitions: 1, readsEvents: true },
}

/** @type {Row[]} */
export const QUERYING_ROWS = [
  faster('count', 'count by module, function, arity', 20),
  faster('page', 'pid and type and time: page of 100 of a busy process, exact total', 60),
  faster('page-request', 'the same of the process of one request', 60),
  faster('trace', 'whole trace by correlation id (50 events)', 60, { mostMs: 0.3 }),
  faster('trace', 'the same against an index of DuckDB on the correlation id', 5, { asked: 'trace-indexed', rivals: ['duckdb'] }),
  faster('stack', 'call stack at a time', 270),
  faster('top', 'top 100 by data.duration_ns', 20),
  faster('x', 'count where data.variables.x > 990, against JSON', 400, { asked: 'x-json' }),
  faster('x', 'the same against a typed column', 4, { asked: 'x-typed' }),
  faster('group', 'group by type, module, function, arity: count, average', 6),
  faster('p95', 'p95 by module, function, arity: sketch, error <= 1/64', 35),
  faster('text', 'text search in log messages: page of 100, exact total', 12),
  {
    name: 'query-deep-page',
    what: 'page 10,000 in time order, 100 events each',
    goal: '<= 1.2 x page 1',
    probes: ['query'],
    questions: ['first-page', 'deep-page'],
    figures: (metrics) => timesOther(metricOf(metrics, 'deep-page'), metricOf(metrics, 'first-page'), 1.2, 'page 1'),
  },
  many('trace', 'whole trace by correlation id'),
  many('stack', 'call stack at a time'),
  {
    name: 'query-import',
    what: 'storing the events of these rows, from Arrow tables of 1,048,576',
    goal: '>= 1 M events/s',
    probes: ['query'],
    rivals: ['duckdb', 'polars'],
    figures: (metrics, ...rivals) => ({
      absolute: rateOf(metrics),
      ratio: rivals.map((rival, index) => `${RIVAL_NAMES[index]} from text ${rateOf(rival)}`).join(', '),
      met: metrics.eventsPerSecond.median >= 1e6,
    }),
  },
  {
    name: 'query-bytes',
    what: 'bytes of memory for an event of these rows, with indexes',
    goal: '',
    probes: ['query'],
    figures: ({ bytes, events }) => ({ absolute: withRange(bytes, 'bytes'), ratio: `${withRange(events, 'M events', { scale: 1e-6 })}` }),
  },
]


/**
 * A question that has to be answered so many times faster than by DuckDB; what Polars takes is for orientation.
 *
 * @param {string} question
 * @param {string} what
 * @param {number} least
 * @param {{ asked?: string, rivals?: string[], mostMs?: number }} [options] `asked`: the rivals' way of asking; `mostMs`: a
 * bound on the median besides.
 * @returns {Row}
 */
function faster(question, what, least, { asked = question, rivals = ['duckdb', 'polars'], mostMs = Infinity } = {}) {
  const figures = (metrics, ...others) => {
    const own = metricOf(metrics, question)
    const metricsOfRivals = others.map((other) => (other instanceof Error ? other : other[asked]))
    const [duckdb] = metricsOfRivals
    const isMet = (rival) => rival.median / own.median >= least && own.median <= mostMs
    return {
      absolute: withRange(own, 'ms'),
      ratio: metricsOfRivals.map((rival, index) => timesFaster(own, rival, RIVAL_NAMES[index])).join(', '),
      met: duckdb instanceof Error ? undefined : isMet(duckdb),
      incomplete: metricsOfRivals.some((rival) => rival instanceof Error),
    }
  }
  const goal = `>= ${least} x DuckDB${mostMs < Infinity ? `, <= ${mostMs} ms` : ''}`
  return { name: `query-${asked}`, what, goal, probes: ['query'], rivals, questions: [question], figures }
}

/**
 * @param {Metric} own
 * @param {Metric | Error} rival
 * @param {string} name
 */
function timesFaster(own, rival, name) {
  if (rival instanceof Error) return `${name} not measured: ${rival.message.replaceAll(/\s+/g, ' ')}`
  const ratio = rival.median / own.median
  return `${ratio.toFixed(ratio < 10 ? 1 : 0)} x ${name} (${withRange(rival, 'ms')})`
}

/**
 * A question that costs as much of many more events.
 *
 * @returns {Row}
 */
function many(question, what) {
  const figures = (metrics, fewer) => {
    const { absolute, ratio, met } = timesOther(metricOf(metrics, question), metricOf(fewer, question), 1.2, eventsOf(fewer))
    return { absolute: `${absolute} of ${eventsOf(metrics)}`, ratio, met }
  }
  const row = { name: `query-many-${question}`, what: `${what}, of many more events`, goal: 'as of fewer (<= 1.2 x)' }
  return { ...row, probes: ['queryMany', 'query'], questions: [question], figures }
}

/** @param {Metrics} metrics */
function eventsOf({ events }) {
  return withRange(events, 'M events', { scale: 1e-6 })
}

/** @param {Metrics | Error} metrics */
function rateOf(metrics) {
  return metrics instanceof Error ? 'not measured' : withRange(metrics.eventsPerSecond, 'M events/s', { scale: 1e-6 })
}

/**
 * @param {Metric} metric
 * @param {Metric} other
 * @param {number} most
 * @param {string} otherName
 * @returns {Figures}
 */
function timesOther(metric, other, most, otherName) {
  const ratio = metric.median / other.median
  return { absolute: withRange(metric, 'ms'), ratio: `${ratio.toFixed(2)} x ${otherName} (${withRange(other, 'ms')})`, met: ratio <= most }
}

/**
 * @param {Metrics} metrics
 * @param {string} name
 * @returns {Metric}
 * @throws {Error} When this could not be measured.
 */
function metricOf(metrics, name) {
  const metric = metrics[name]
  if (metric instanceof Error) throw metric
  return metric
}
