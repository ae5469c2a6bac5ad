/** How long after its recording call has returned an event reaches a listener that takes each event by itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import { finish, openForTiming } from '../lib/scope.mjs'
import { quantile } from '../lib/timing.mjs'

const PAUSE_MS = 5

/**
 * @param {{ variant: 'alone' | 'beside-stuck', quick: boolean }} options `beside-stuck`: with 100 others whose listeners never
 * finish and 100 that are paused.
 * @returns {Promise<Record<string, number>>} `p50Ms`, `p99Ms`; `leasedBytes` at the end.
 */
export async function measure({ variant, quick }) {
  const scope = await openForTiming()
  const events = quick ? 400 : 2000
  const delaysMs = new Float64Array(events)
  let recordedAt = 0
  let seen = 0
  const live = scope.eventStreamer.subscribe({ eventTypes: ['tick'], batchSize: 1 }, (batch) => {
    if (batch.batch.numRows > 0) delaysMs[seen++] = performance.now() - recordedAt
    batch.release()
  })
  for (let other = 0; variant === 'beside-stuck' && other < 100; other++) {
    scope.eventStreamer.subscribe({ batchSize: 1 }, () => new Promise(() => {})).unref()
    await scope.eventStreamer.subscribe({ batchSize: 1 }, () => {}).pause()
  }
  const tick = scope.recorder.define('tick', { n: 'i64' })
  for (let n = 0; n < events; n++) {
    tick({ n })
    recordedAt = performance.now()
    while (seen <= n) await sleep(1)
    await sleep(PAUSE_MS)
  }
  const { leasedBytes } = scope.stats()
  await live.unsubscribe()
  return { p50Ms: quantile(delaysMs, 0.5), p99Ms: quantile(delaysMs, 0.99), leasedBytes, ...(await finish(scope)) }
}
