/** How long the slowest blocks of 64 events take. */
import { finish, NUMERIC_FIELDS, openForTiming } from '../lib/scope.mjs'
import { quantile } from '../lib/timing.mjs'

const BLOCK = 64
const BLOCKS_PER_PASS = 500
const now = process.hrtime.bigint

/**
 * @param {{ variant: 'emit' | 'clock', quick: boolean }} options `clock`: blocks of readings of the clock alone, which shows
 * how often the machine itself stands still.
 * @returns {Promise<Record<string, number>>} `ns` for an event: the 99.9th percentile over blocks.
 */
export async function measure({ variant, quick }) {
  const scope = await openForTiming()
  const emit = scope.recorder.define('sample', NUMERIC_FIELDS)
  const times = new BigInt64Array(1)
  const runBlock = {
    emit() {
      for (let i = 0; i < BLOCK; i++) emit({ queued: i, load: i * 0.5, waited: 7 })
    },
    clock() {
      for (let i = 0; i < BLOCK; i++) times[0] = now()
    },
  }[variant]
  const passes = quick ? 200 : 800
  const warmUpPasses = 40
  const perEvent = new Float64Array(passes * BLOCKS_PER_PASS)
  for (let pass = -warmUpPasses; pass < passes; pass++) {
    for (let block = 0; block < BLOCKS_PER_PASS; block++) {
      const start = now()
      runBlock()
      const ns = Number(now() - start) / BLOCK
      if (pass >= 0) perEvent[pass * BLOCKS_PER_PASS + block] = ns
    }
    await scope.flush()
  }
  return { ns: quantile(perEvent, 0.999), ...(await finish(scope)) }
}
