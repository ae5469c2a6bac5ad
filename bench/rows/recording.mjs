/** What recording costs the thread that records. */
import { atMost, atMostTimes, ratioOf, timesCheaper, withRange } from './figures.mjs'

/** @typedef {import('./figures.mjs').Row} Row */

/** The young generation holds all that a round may allocate: collections happen when asked for only. */
const HEAP_FLAGS = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64']

/** @type {Record<string, import('../lib/schedule.mjs').Probe>} */
export const RECORDING_PROBES = {
  clock: { file: 'probes/clock.mjs', variant: 'performance' },
  hrtime: { file: 'probes/clock.mjs', variant: 'hrtime' },
  precise: { file: 'probes/emitter.mjs', variant: 'precise' },
  coarse: { file: 'probes/emitter.mjs', variant: 'coarse' },
  coarseInRun: { file: 'probes/emitter.mjs', variant: 'coarse-in-run' },
  coarseAfterAwait: { file: 'probes/emitter.mjs', variant: 'coarse-after-await' },
  enterExit: { file: 'probes/calls.mjs', variant: 'enter-exit' },
  wrapSync: { file: 'probes/calls.mjs', variant: 'sync' },
  wrapSyncNoArgs: { file: 'probes/calls.mjs', variant: 'sync-no-args' },
  wrapAsync: { file: 'probes/calls.mjs', variant: 'async' },
  wrapAsyncNoArgs: { file: 'probes/calls.mjs', variant: 'async-no-args' },
  record: { file: 'probes/record.mjs' },
  offEmit: { file: 'probes/off.mjs', variant: 'emit' },
  offEnterExit: { file: 'probes/off.mjs', variant: 'enter-exit' },
  offWrap: { file: 'probes/off.mjs', variant: 'wrap' },
  offRecord: { file: 'probes/off.mjs', variant: 'record' },
  bytesThreeFields: { file: 'probes/allocation.mjs', variant: 'three-fields', repetitions: 3, flags: HEAP_FLAGS },
  bytesEightFields: { file: 'probes/allocation.mjs', variant: 'eight-fields', repetitions: 3, flags: HEAP_FLAGS },
  bytesEnterExit: { file: 'probes/allocation.mjs', variant: 'enter-exit', repetitions: 3, flags: HEAP_FLAGS },
  nativeEmit: { file: 'probes/native-calls.mjs', variant: 'emit', repetitions: 3 },
  nativeEnterExit: { file: 'probes/native-calls.mjs', variant: 'enter-exit', repetitions: 3 },
  tail: { file: 'probes/tail.mjs', variant: 'emit' },
  tailOfClock: { file: 'probes/tail.mjs', variant: 'clock' },
  serviceArgs: { file: 'probes/service.mjs', variant: 'args', repetitions: 5 },
  serviceNoArgs: { file: 'probes/service.mjs', variant: 'no-args', repetitions: 5 },
  firstRun: { file: 'probes/first-run.mjs' },
  otelSpan: { file: 'compare/opentelemetry.mjs' },
  pinoSync: { file: 'compare/pino.mjs', variant: 'sync' },
  pinoBuffered: { file: 'compare/pino.mjs', variant: 'buffered' },
  plainEmit: { file: 'compare/pure-javascript.mjs', variant: 'emit', repetitions: 3 },
  plainEnterExit: { file: 'compare/pure-javascript.mjs', variant: 'enter-exit', repetitions: 3 },
  plainRecord: { file: 'compare/pure-javascript.mjs', variant: 'record', repetitions: 3 },
}

const CLOCK = 'performance.now()'

/** @type {Row[]} */
const CLOCK_ROWS = [
  { name: 'clock', what: `${CLOCK}, the unit of what follows`, goal: '', probes: ['clock'], figures: ({ ns }) => ({ absolute: withRange(ns, 'ns') }) },
  {
    name: 'clock-hrtime',
    what: 'process.hrtime.bigint() stored as int64',
    goal: '',
    probes: ['hrtime', 'clock'],
    figures: ({ ns }, clock) => ({ absolute: withRange(ns, 'ns'), ratio: `${ratioOf(ns, clock.ns).toFixed(2)} x ${CLOCK}` }),
  },
]

/** @type {Row[]} */
const EMITTER_ROWS = [
  {
    name: 'emit-precise',
    what: 'emitter, 3 numeric fields, precise time',
    goal: `<= 1.2 x ${CLOCK}`,
    probes: ['precise', 'clock'],
    figures: ({ ns }, clock) => atMostTimes(ns, clock.ns, 1.2, CLOCK),
  },
  nanoseconds('emit-coarse', 'the same, coarse time, outside any run', 'coarse', 12),
  nanoseconds('emit-coarse-run', 'the same, coarse time, in a run before the first await', 'coarseInRun', 12),
  nanoseconds('emit-coarse-await', 'the same, coarse time, in a run after an await', 'coarseAfterAwait'),
  cheaperThanPlain('emit-plain', 'the same, precise time', 'precise', 'plainEmit'),
]

/** @type {Row[]} */
const CALL_ROWS = [
  {
    name: 'enter-exit',
    what: 'enter + exit',
    goal: `<= 2 x ${CLOCK}`,
    probes: ['enterExit', 'clock'],
    figures: ({ ns }, clock) => atMostTimes(ns, clock.ns, 2, CLOCK),
  },
  {
    name: 'enter-exit-span',
    what: 'enter + exit',
    goal: '>= 20 x cheaper than a span',
    probes: ['enterExit', 'otelSpan'],
    figures: ({ ns }, span) => timesCheaper(ns, span.ns, 20, `an OpenTelemetry span (${withRange(span.ns, 'ns')})`),
  },
  cheaperThanPlain('enter-exit-plain', 'enter + exit', 'enterExit', 'plainEnterExit'),
  overBareCall('wrap-sync', 'wrapped synchronous function over the bare call, its argument captured', 'wrapSync', 2.5),
  overBareCall('wrap-sync-no-args', 'the same, captureArgs: false', 'wrapSyncNoArgs', 2.5),
  overBareCall('wrap-async', 'wrapped asynchronous function over the bare call, its argument captured', 'wrapAsync', 12),
  overBareCall('wrap-async-no-args', 'the same, captureArgs: false', 'wrapAsyncNoArgs', 12),
]

/** @type {Row[]} */
const RECORD_ROWS = [
  nanoseconds('record', 'record(), 3 fields in data', 'record', 1_000),
  {
    name: 'record-pino',
    what: 'record(), 3 fields in data',
    goal: '>= 2 x cheaper than a pino line',
    probes: ['record', 'pinoSync'],
    figures: ({ ns }, line) => timesCheaper(ns, line.ns, 2, `a pino line as it comes (${withRange(line.ns, 'ns')})`),
  },
  {
    name: 'record-pino-buffered',
    what: 'record(), 3 fields in data',
    goal: '>= 2 x cheaper than a pino line',
    probes: ['record', 'pinoBuffered'],
    figures: ({ ns }, line) => timesCheaper(ns, line.ns, 2, `a pino line, buffered (${withRange(line.ns, 'ns')})`),
  },
  cheaperThanPlain('record-plain', 'record(), 3 fields in data', 'record', 'plainRecord'),
]

/** @type {Row[]} */
const OFF_ROWS = [
  nanoseconds('off-emit', 'switched off: emitter, inlined', 'offEmit', 1),
  nanoseconds('off-enter-exit', 'switched off: enter or exit', 'offEnterExit', 10),
  nanoseconds('off-wrap', 'switched off: wrapped synchronous function over the bare call', 'offWrap', 10),
  nanoseconds('off-record', 'switched off: record(), 3 fields in data', 'offRecord', 10),
]

/** @type {Row[]} */
const PER_EVENT_ROWS = [
  noBytes('bytes-three', 'bytes allocated for an event: emitter, 3 fields', 'bytesThreeFields'),
  noBytes('bytes-eight', 'bytes allocated for an event: emitter, 8 fields', 'bytesEightFields'),
  noBytes('bytes-enter-exit', 'bytes allocated for an event: enter + exit', 'bytesEnterExit'),
  noCalls('native-emit', 'calls into the addon for an event: emitter', 'nativeEmit'),
  noCalls('native-enter-exit', 'calls into the addon for an event: enter + exit', 'nativeEnterExit'),
  {
    name: 'tail',
    what: 'emitter, 3 fields, precise: p99.9 over blocks of 64 events',
    goal: '<= 1000 ns an event',
    probes: ['tail', 'tailOfClock'],
    figures: ({ ns }, clock) => ({ ...atMost(ns, 1_000, 'ns'), ratio: `the clock alone: ${withRange(clock.ns, 'ns')}` }),
  },
]

/** @type {Row[]} */
const SERVICE_ROWS = [
  throughputLost('service', 'service throughput lost, wrapped calls, 10 % asynchronous, one argument captured', 'serviceArgs'),
  throughputLost('service-no-args', 'the same, captureArgs: false', 'serviceNoArgs'),
  {
    name: 'first-run',
    what: 'an await after the first run of the process',
    goal: '',
    probes: ['firstRun'],
    figures: ({ beforeNs, afterNs }) => ({
      absolute: withRange(afterNs, 'ns'),
      ratio: `${ratioOf(afterNs, beforeNs).toFixed(2)} x before it (${withRange(beforeNs, 'ns')})`,
    }),
  },
]

/** @type {Row[]} */
export const RECORDING_ROWS = [...CLOCK_ROWS, ...EMITTER_ROWS, ...CALL_ROWS, ...RECORD_ROWS, ...OFF_ROWS, ...PER_EVENT_ROWS, ...SERVICE_ROWS]

/**
 * @param {string} name
 * @param {string} what
 * @param {string} probe
 * @param {number} [most] Missing where there is no goal.
 * @returns {Row}
 */
function nanoseconds(name, what, probe, most) {
  const figures = ({ ns }) => (most === undefined ? { absolute: withRange(ns, 'ns') } : atMost(ns, most, 'ns'))
  return { name, what, goal: most === undefined ? '' : `<= ${most} ns`, probes: [probe], figures }
}

/** @returns {Row} */
function cheaperThanPlain(name, what, probe, rival) {
  const figures = ({ ns }, plain) => ({ ...timesCheaper(ns, plain.ns, 0, `pure JavaScript (${withRange(plain.ns, 'ns')})`), met: undefined })
  return { name, what, goal: '', probes: [probe, rival], figures }
}

/** @returns {Row} */
function overBareCall(name, what, probe, most) {
  const figures = ({ ns }, clock) => atMostTimes(ns, clock.ns, most, CLOCK)
  return { name, what, goal: `<= ${most} x ${CLOCK}`, probes: [probe, 'clock'], figures }
}

/** @returns {Row} */
function noBytes(name, what, probe) {
  // The statistics themselves take a few hundred bytes for each round of 50,000 events.
  return { name, what, goal: '0', probes: [probe], figures: ({ bytes }) => atMost(bytes, 0.05, 'bytes', { digits: 2 }) }
}

/** @returns {Row} */
function noCalls(name, what, probe) {
  const figures = ({ calls, wakes }) => ({
    // Waking a sleeping writer is a call that the ring's protocol demands, once for each time that it sleeps.
    ...atMost(calls, 0.001, 'calls', { digits: 5 }),
    ratio: `of which to wake the writer: ${wakes.median.toFixed(5)}`,
  })
  return { name, what, goal: '0 (<= 0.001)', probes: [probe], figures }
}

/** @returns {Row} */
function throughputLost(name, what, probe) {
  const figures = ({ lost, eventsPerSecond }) => ({
    ...atMost(lost, 0.01, '%', { scale: 100, digits: 2 }),
    ratio: `at ${withRange(eventsPerSecond, 'events/s', { digits: 0 })}`,
  })
  return { name, what, goal: '<= 1 % at 100,000 events/s', probes: [probe], figures }
}
