/** What subscribers get, and what that costs. */
import { atMost, ratioOf, withRange } from './figures.mjs'

/** @typedef {import('./figures.mjs').Row} Row */

const MEBIBYTE = 2 ** 20

/** @type {Record<string, import('../lib/schedule.mjs').Probe>} */
export const STREAMING_PROBES = {
  streamLatency: { file: 'probes/stream-latency.mjs', variant: 'alone', repetitions: 3 },
  streamBesideStuck: { file: 'probes/stream-latency.mjs', variant: 'beside-stuck', repetitions: 3 },
  streamBatches: { file: 'probes/stream-delivery.mjs', variant: 'batches', repetitions: 3 },
  streamObjects: { file: 'probes/stream-delivery.mjs', variant: 'objects', repetitions: 3 },
  streamCatchUp: { file: 'probes/stream-delivery.mjs', variant: 'catch-up', repetitions: 3 },
  streamEmitter: { file: 'probes/stream-delivery.mjs', variant: 'emitter', repetitions: 3 },
  streamReadable: { file: 'probes/stream-delivery.mjs', variant: 'readable', repetitions: 3 },
  streamFilters: { file: 'probes/stream-filters.mjs', variant: 'live', repetitions: 3 },
  streamFiltersEmitter: { file: 'probes/stream-filters.mjs', variant: 'emitter', repetitions: 3 },
}

/** @type {Row[]} */
export const STREAMING_ROWS = [
  {
    name: 'stream-latency',
    what: 'from recording an event to its listener, batch size 1: p99',
    goal: '<= 5 ms, p50 <= 1 ms',
    probes: ['streamLatency'],
    figures: ({ p50Ms, p99Ms }) => ({ absolute: withRange(p99Ms, 'ms'), ratio: `p50 ${withRange(p50Ms, 'ms')}`, met: p99Ms.median <= 5 && p50Ms.median <= 1 }),
  },
  {
    name: 'stream-beside-stuck',
    what: 'the same beside 100 stuck and 100 paused subscriptions: p99',
    goal: '<= 5 ms, no memory',
    probes: ['streamBesideStuck'],
    figures: ({ p99Ms, leasedBytes }) => ({ ...atMost(p99Ms, 5, 'ms'), ratio: `${withRange(leasedBytes, 'MiB held', { scale: 1 / MEBIBYTE })}` }),
  },
  rate('stream-batches', 'delivered to one consumer as Arrow batches without data', 'streamBatches', 5e6, ['streamEmitter', 'streamReadable']),
  rate('stream-objects', 'delivered to one consumer as objects', 'streamObjects', undefined, ['streamEmitter', 'streamReadable']),
  rate('stream-catch-up', 'catching up over history, one event in 10,000 matches', 'streamCatchUp', 20e6, []),
  rate('stream-filters', '1,000 filters live at once, per core', 'streamFilters', 10e6, ['streamFiltersEmitter']),
]

const RIVAL_NAMES = { streamEmitter: 'EventEmitter', streamReadable: 'Readable', streamFiltersEmitter: 'EventEmitter' }

/** @returns {Row} A goal of the form "at least so many events a second". */
function rate(name, what, probe, least, rivals) {
  const figures = ({ eventsPerSecond }, ...others) => ({
    absolute: withRange(eventsPerSecond, 'M events/s', { scale: 1e-6 }),
    ratio: others.map((other, index) => `${ratioOf(eventsPerSecond, other.eventsPerSecond).toFixed(1)} x ${RIVAL_NAMES[rivals[index]]}`).join(', '),
    ...(least === undefined ? {} : { met: eventsPerSecond.median >= least }),
  })
  return { name, what, goal: least === undefined ? '' : `>= ${least / 1e6} M events/s`, probes: [probe, ...rivals], figures }
}
