/** The unit of the goals: one reading of the clock. */
import { performance } from 'node:perf_hooks'
import { emptyLoop, timePerOperation } from '../lib/timing.mjs'

/**
 * @param {{ variant: 'performance' | 'hrtime' }} options `performance.now()`, or `process.hrtime.bigint()` stored as int64,
 * which is what a recorder does.
 * @returns {Promise<Record<string, number>>} `ns` for a reading.
 */
export async function measure({ variant }) {
  const times = new BigInt64Array(1)
  const read = process.hrtime.bigint
  const blocks = {
    performance(count) {
      let sum = 0
      for (let i = 0; i < count; i++) sum += performance.now() + i
      return sum
    },
    hrtime(count) {
      let sum = 0
      for (let i = 0; i < count; i++) {
        times[0] = read()
        sum = (sum + i) | 0
      }
      return sum
    },
  }
  const ns = await timePerOperation({
    block: blocks[variant],
    empty: emptyLoop,
  })
  return { ns }
}
