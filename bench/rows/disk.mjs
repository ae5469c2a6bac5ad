/** What a recording on disk costs. */
import { atMost, ratioOf, withRange } from './figures.mjs'

/** @typedef {import('./figures.mjs').Row} Row */

/** @type {Record<string, import('../lib/schedule.mjs').Probe>} */
export const DISK_PROBES = {
  recordInMemory: { file: 'probes/disk-record.mjs', variant: 'memory' },
  recordOnDisk: { file: 'probes/disk-record.mjs', variant: 'path' },
  diskOpen: { file: 'probes/disk-open.mjs', repetitions: 1 },
}

/** @type {Row[]} */
export const DISK_ROWS = [
  cost('disk-emit', 'emitter, 3 fields, into a recording on disk', 'emitNs'),
  cost('disk-record', 'record() of an object with 3 fields in data, likewise', 'recordNs'),
  {
    name: 'disk-open',
    what: 'opening a recording of 10 GB to go on recording',
    goal: '<= 2 s',
    probes: ['diskOpen'],
    figures: ({ openMs, readMs, countMs, gigabytes }) => ({
      ...atMost(openMs, 2_000, 'ms'),
      ratio: `${withRange(gigabytes, 'GB')}; to read: ${withRange(readMs, 'ms')}, first answer: ${withRange(countMs, 'ms')}`,
    }),
  },
  {
    name: 'disk-bytes',
    what: 'bytes on disk for an event of 3 numbers, with indexes',
    goal: '',
    probes: ['diskOpen'],
    figures: ({ bytesPerEvent, eventsPerSecond }) => ({
      absolute: withRange(bytesPerEvent, 'bytes'),
      ratio: `recorded at ${withRange(eventsPerSecond, 'M events/s', { scale: 1e-6 })}`,
    }),
  },
]

/** @returns {Row} */
function cost(name, what, metric) {
  const figures = ({ [metric]: disk }, { [metric]: memory }) => {
    const ratio = ratioOf(disk, memory)
    return { absolute: withRange(disk, 'ns'), ratio: `${ratio.toFixed(2)} x in memory (${withRange(memory, 'ns')})`, met: ratio <= 1.3 }
  }
  return { name, what, goal: '<= 1.3 x in memory', probes: ['recordOnDisk', 'recordInMemory'], figures }
}
