/** How long after its recording call has returned an event is visible to another thread's queries. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { finish, openForTiming } from '../lib/scope.mjs'
import { quantile, sleepSync } from '../lib/timing.mjs'

const POLL_MS = 0.2
const now = process.hrtime.bigint

/**
 * A worker records and notes when each call returned; this thread asks for the total again and again, and takes every event
 * that is new in it as visible from then on. So the answers include the wait for the next question and the query itself.
 *
 * @param {{ variant: 'idle' | 'busy', quick: boolean }} options `idle`: an event every 5 ms; `busy`: 100,000 a second.
 * @returns {Promise<Record<string, number>>} `p50Ms` and `p99Ms` over all events.
 */
export async function measure({ variant, quick }) {
  const scope = await openForTiming()
  const idle = variant === 'idle'
  const bursts = quick ? 500 : 2_000
  const eventsPerBurst = idle ? 1 : 100
  const workerData = { handle: scope.handle, bursts, eventsPerBurst, pauseMs: idle ? 5 : 1 }
  const events = bursts * eventsPerBurst
  const recordedAt = new Float64Array(new SharedArrayBuffer(events * 8))
  const worker = new Worker(new URL('../lib/visibility-worker.mjs', import.meta.url), { workerData: { ...workerData, recordedAt } })
  const ended = once(worker, 'exit')
  const delaysMs = new Float64Array(events)
  for (let seen = 0; seen < events; ) {
    const result = scope.dataAccess.queryEventsSync({ limit: 0 })
    const visibleAt = Number(now())
    const total = result.totalMatches
    result.release()
    for (; seen < total; seen++) delaysMs[seen] = (visibleAt - (recordedAt[seen] || visibleAt)) / 1e6
    sleepSync(POLL_MS)
    // The worker's messages and its end are handled between questions.
    await new Promise(setImmediate)
  }
  await ended
  return { p50Ms: quantile(delaysMs, 0.5), p99Ms: quantile(delaysMs, 0.99), ...(await finish(scope)) }
}
