/** What questions to a recording take, against what they take elsewhere. */
import { withRange } from './figures.mjs'

/** @typedef {import('./figures.mjs').Row} Row */
/** @typedef {import('./figures.mjs').Metric} Metric */
/** @typedef {import('./figures.mjs').Metrics} Metrics */

/** @type {Record<string, import('../lib/schedule.mjs').Probe>} */
export const QUERYING_PROBES = {
  query: { file: 'probes/query.mjs', variant: 'all', repetitions: 1 },
  queryMany: { file: 'probes/query.mjs', variant: 'many', repetitions: 1 },
}

/** @type {Row[]} */
export const QUERYING_ROWS = [
  faster('count', 'count by module, function, arity', 20),
  faster('page', 'pid and type and time: page of 100 of a busy process, exact total', 60),
  faster('page-request', 'the same of the process of one request', 60),
  faster('trace', 'whole trace by correlation id (50 events)', 60),
  faster('stack', 'call stack at a time', 270),
  faster('top', 'top 100 by data.duration_ns', 20),
  faster('x', 'count where data.variables.x > 990', 400),
  faster('group', 'group by type, module, function, arity: count, average', 6),
  faster('p95', 'p95 by module, function, arity: sketch, error <= 1/64', 35),
  faster('text', 'text search in log messages, exact total', 12),
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
    name: 'query-load',
    what: 'recording the events of these rows, one by one, until they can be asked for',
    goal: '',
    probes: ['query'],
    figures: ({ eventsPerSecond, events }) => ({ absolute: withRange(eventsPerSecond, 'M events/s', { scale: 1e-6 }), ratio: `${events.median} events` }),
  },
  {
    name: 'query-bytes',
    what: 'bytes of memory for an event of these rows, with indexes',
    goal: '',
    probes: ['query'],
    figures: ({ bytes }) => ({ absolute: withRange(bytes, 'bytes') }),
  },
]

/** @returns {Row} */
function faster(question, what, least) {
  const figures = (metrics) => ({ absolute: withRange(metricOf(metrics, question), 'ms') })
  return { name: `query-${question}`, what, goal: `>= ${least} x DuckDB`, probes: ['query'], questions: [question], figures }
}

/** @returns {Row} */
function many(question, what) {
  const figures = (metrics, fewer) => {
    const name = `at ${withRange(fewer.events, 'events')}`
    const { absolute, ratio, met } = timesOther(metricOf(metrics, question), metricOf(fewer, question), 1.2, name)
    return { absolute: `${absolute}, ${withRange(metrics.events, 'events')}`, ratio, met }
  }
  const row = { name: `query-many-${question}`, what: `${what}, of many more events`, goal: 'as with fewer (<= 1.2 x)' }
  return { ...row, probes: ['queryMany', 'query'], questions: [question], figures }
}

/**
 * @param {Metric} metric
 * @param {Metric} other
 * @param {number} most
 * @param {string} otherName
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
