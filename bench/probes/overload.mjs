/** Memory while more is recorded than the writer can take, which drops events, and counts them. */
import { drain, NUMERIC_FIELDS, openForTiming, sumLost } from '../lib/scope.mjs'
import { median } from '../lib/timing.mjs'

const RETENTION_BYTES = 256 * 2 ** 20
const SAMPLE_NS = 100_000_000n
/** Time to fill the store before the first sample, at most. */
const FILL_NS = 60_000_000_000n
const BATCH = 10_000
const now = process.hrtime.bigint

/**
 * @param {{ quick: boolean }} options
 * @returns {Promise<Record<string, number>>} Once retention has begun to evict, `growth`: how much more resident memory the
 * last quarter of the time needs than the second quarter, as a share; `residentBytes` in the last quarter; `storeBytes`: the most that the store held;
 * `droppedShare` of all events.
 */
export async function measure({ quick }) {
  const scope = await openForTiming({ retention: { maxBytes: RETENTION_BYTES } })
  const emit = scope.recorder.define('sample', NUMERIC_FIELDS, { time: 'coarse' })
  let attempts = 0
  const recordFor = (ns) => {
    const end = now() + ns
    while (now() < end) {
      for (let i = 0; i < BATCH; i++) emit({ queued: i, load: i * 0.5, waited: 7 })
      attempts += BATCH
    }
  }
  const givenUpAt = now() + FILL_NS
  while (scope.stats().evicted === 0) {
    if (now() > givenUpAt) throw new Error('retention was not reached within a minute')
    recordFor(SAMPLE_NS)
  }
  const samples = quick ? 40 : 600
  /** @type {number[]} */
  const residentBytes = []
  let storeBytes = 0
  for (let sample = 0; sample < samples; sample++) {
    recordFor(SAMPLE_NS)
    residentBytes.push(process.memoryUsage.rss())
    storeBytes = Math.max(storeBytes, scope.stats().memoryBytes)
  }
  await drain(scope)
  const { lost } = scope.stats()
  await scope.close()
  if (sumLost(lost) === 0) throw new Error('nothing was dropped, so this was no overload')
  const quarter = samples >> 2
  const last = median(residentBytes.slice(-quarter))
  const growth = last / median(residentBytes.slice(quarter, 2 * quarter)) - 1
  return { growth, residentBytes: last, storeBytes, droppedShare: sumLost(lost) / attempts }
}
