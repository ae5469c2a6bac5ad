/** What happens to events behind the ring. */
import { atMost, withRange } from './figures.mjs'

/** @typedef {import('./figures.mjs').Row} Row */

const MEBIBYTE = 2 ** 20
/** What is evicted is a whole segment, so that a limit may be exceeded by an eighth. */
const OVERSHOOT = 1.125

/** @type {Record<string, import('../lib/schedule.mjs').Probe>} */
export const WRITING_PROBES = {
  throughputEmit: { file: 'probes/throughput.mjs', variant: 'emit', repetitions: 1 },
  throughputCalls: { file: 'probes/throughput.mjs', variant: 'enter-exit', repetitions: 1 },
  visibleIdle: { file: 'probes/visibility.mjs', variant: 'idle', repetitions: 3 },
  visibleBusy: { file: 'probes/visibility.mjs', variant: 'busy', repetitions: 3 },
  writerCost: { file: 'probes/writer-cost.mjs', repetitions: 3 },
  overload: { file: 'probes/overload.mjs', repetitions: 1 },
  footprint: { file: 'probes/footprint.mjs', repetitions: 1 },
  parquet: { file: 'probes/parquet.mjs', repetitions: 1 },
}

/** @type {Row[]} */
export const WRITING_ROWS = [
  throughput('throughput-emit', 'ring to indexed segment, one thread, nothing lost: emitter, 3 fields', 'throughputEmit'),
  throughput('throughput-calls', 'the same: enter + exit', 'throughputCalls'),
  visibility('visible-idle', 'visible to another thread, 200 events/s: p99', 'visibleIdle'),
  visibility('visible-busy', 'visible to another thread, 100,000 events/s: p99', 'visibleBusy'),
  {
    name: 'writer-cost',
    what: 'writer thread at 1 M events/s',
    goal: '<= 15 % of a core',
    probes: ['writerCost'],
    figures: ({ share, eventsPerSecond }) => ({
      absolute: Number.isNaN(share.median) ? 'unknown on this system' : withRange(share, '%', { scale: 100 }),
      ratio: `at ${withRange(eventsPerSecond, 'events/s', { digits: 0 })}`,
      met: Number.isNaN(share.median) ? undefined : share.median <= 0.15,
    }),
  },
  {
    name: 'overload-growth',
    what: 'growth of resident memory at overload, retention 256 MiB, drops counted',
    goal: 'flat (<= 2 %)',
    probes: ['overload'],
    figures: ({ growth, residentBytes, droppedShare }) => ({
      ...atMost(growth, 0.02, '%', { scale: 100 }),
      ratio: `${withRange(residentBytes, 'MiB', { scale: 1 / MEBIBYTE })} resident, ${withRange(droppedShare, '% dropped', { scale: 100 })}`,
    }),
  },
  {
    name: 'overload-store',
    what: 'most that the store held then',
    goal: '<= 288 MiB',
    probes: ['overload'],
    figures: ({ storeBytes }) => atMost(storeBytes, 256 * MEBIBYTE * OVERSHOOT, 'MiB', { scale: 1 / MEBIBYTE }),
  },
  {
    name: 'footprint',
    what: 'bytes of memory for an event of 14 columns, with indexes',
    goal: '',
    probes: ['footprint'],
    figures: ({ bytes }) => ({ absolute: withRange(bytes, 'bytes') }),
  },
  {
    name: 'parquet',
    what: 'bytes of an event of the queries exported as Parquet',
    goal: '<= 23 bytes',
    probes: ['parquet'],
    figures: ({ bytes, eventsPerSecond }) => ({ ...atMost(bytes, 23, 'bytes'), ratio: `${withRange(eventsPerSecond, 'M events/s', { scale: 1e-6 })} exported` }),
  },
]

/** @returns {Row} */
function throughput(name, what, probe) {
  const figures = ({ eventsPerSecond, seconds }) => ({
    absolute: withRange(eventsPerSecond, 'M events/s', { scale: 1e-6 }),
    ratio: `over ${seconds.median.toFixed(0)} s`,
    met: eventsPerSecond.median >= 5e6,
  })
  return { name, what, goal: '>= 5 M events/s', probes: [probe], figures }
}

/** @returns {Row} */
function visibility(name, what, probe) {
  const figures = ({ p50Ms, p99Ms }) => ({ ...atMost(p99Ms, 5, 'ms'), ratio: `p50 ${withRange(p50Ms, 'ms')}` })
  return { name, what, goal: '<= 5 ms', probes: [probe], figures }
}
