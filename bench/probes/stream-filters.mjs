/** How many events a second one core looks at for 1,000 filters at once. */
import { EventEmitter } from 'node:events'
import { openForTiming } from '../lib/scope.mjs'
import { pidOf, plainEvent, recordMany, TYPES } from '../lib/streams.mjs'
import { threadNs } from '../lib/thread-time.mjs'

const FILTERS = 1000

/**
 * @param {{ variant: 'live' | 'emitter', quick: boolean }} options `live`: subscriptions by logical process and type to what is
 * being recorded; by the processor time of the thread that looks. `emitter`: as many listeners, each with a test of its own.
 * @returns {Promise<Record<string, number>>} `eventsPerSecond`.
 */
export async function measure({ variant, quick }) {
  return variant === 'live' ? live(quick ? 1_000_000 : 5_000_000) : emitter(quick ? 20_000 : 100_000)
}

async function live(count) {
  const scope = await openForTiming()
  let delivered = 0
  for (let filter = 0; filter < FILTERS; filter++) {
    const options = { pid: pidOf(filter * 10), eventTypes: [TYPES[filter % TYPES.length]], batchTimeoutMs: 1000 }
    scope.eventStreamer.subscribe(options, (batch) => {
      delivered += batch.batch.numRows
      batch.release()
    })
  }
  const before = threadNs('kinescope-stream')
  await recordMany(scope, count)
  const seconds = (threadNs('kinescope-stream') - before) / 1e9
  await scope.close()
  if (delivered === 0) throw new Error('nothing was delivered')
  return { eventsPerSecond: count / seconds, lostEvents: 0 }
}

async function emitter(count) {
  const stream = new EventEmitter({ captureRejections: false }).setMaxListeners(0)
  let sum = 0
  for (let filter = 0; filter < FILTERS; filter++) {
    const [pid, eventType] = [pidOf(filter * 10), TYPES[filter % TYPES.length]]
    stream.on('event', (event) => {
      if (event.pid === pid && event.eventType === eventType) sum += event.line
    })
  }
  const start = performance.now()
  for (let number = 0; number < count; number++) stream.emit('event', plainEvent(number))
  return { eventsPerSecond: count / ((performance.now() - start) / 1000), lostEvents: sum === 0 ? count : 0 }
}
