/** A line of pino with three fields, to the null device. */
import { once } from 'node:events'
import { devNull } from 'node:os'
import pino from 'pino'
import { timePerOperation } from '../lib/timing.mjs'

/** Lines in a block. */
const LINES = 2_000

/**
 * @param {{ variant: 'sync' | 'buffered' }} options `sync`: as pino comes; `buffered`: its asynchronous destination, which
 * writes whenever 4 KiB have come together, and whose writing is not timed.
 * @returns {Promise<Record<string, number>>} `ns` for a line.
 */
export async function measure({ variant }) {
  const buffered = variant === 'buffered'
  const destination = pino.destination({ dest: devNull, sync: !buffered, ...(buffered && { minLength: 4096 }) })
  await once(destination, 'ready')
  const logger = pino(destination)
  let lines = 0
  const ns = await timePerOperation({
    count: LINES,
    block(count) {
      for (let i = 0; i < count; i++) {
        logger.info({ order: i, currency: 'EUR', paid: true })
        lines++
      }
    },
    empty(count) {
      for (let i = 0; i < count; i++) lines += 0
    },
    // Not `flush`: it ends with an fsync, which the null device refuses.
    between: () => buffered && once(destination, 'drain'),
  })
  return { ns }
}
