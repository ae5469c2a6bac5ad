/** What measurements of streams record and consume. */
import { drain, SITE } from './scope.mjs'

/** Columns of an event but for its payload. */
export const WITHOUT_DATA = ['seq', 'eventId', 'timestamp', 'wallTime', 'eventType', 'node', 'pid', 'correlationId', 'parentId', 'module', 'function', 'arity', 'file', 'line', 'tags']

/** Event types that are recorded in turn. */
export const TYPES = ['function_entry', 'function_exit', 'log', 'metric']
const PIDS = 10_000
const EVENTS_PER_TURN = 10_000

/** The logical process of the event of this number. */
export function pidOf(number) {
  return `request-${Math.floor(number / 10) % PIDS}`
}

/**
 * Records events of several types and logical processes, and waits for the writer as needed.
 *
 * @param {import('kinescope').Kinescope} scope
 * @param {number} count
 */
export async function recordMany(scope, count) {
  const { recorder } = scope
  const site = recorder.site(SITE)
  const emitters = TYPES.map((type) => recorder.define(type, { queued: 'i64', load: 'f64' }, { site }))
  for (let number = 0; number < count; ) {
    const due = Math.min(count, number + EVENTS_PER_TURN)
    while (number < due) {
      const first = number
      recorder.run({ pid: pidOf(first) }, () => {
        for (; number < first + 10; number++) emitters[number % TYPES.length]({ queued: number, load: 0.5 })
      })
    }
    await drain(scope)
  }
}

/** One event as the pure-JavaScript path makes it. */
export function plainEvent(number) {
  const at = process.hrtime.bigint()
  return { seq: BigInt(number), eventId: `1-${number}`, timestamp: at, wallTime: at, eventType: TYPES[number % TYPES.length], node: 'bench', pid: pidOf(number), correlationId: null, parentId: null, module: SITE.module, function: SITE.function, arity: SITE.arity, file: SITE.file, line: SITE.line, tags: null, data: { queued: number, load: 0.5 } }
}
