/** Recordings under measurement. */
import { open } from 'kinescope'

/** The site whose columns the measured events carry. */
export const SITE = Object.freeze({ module: 'cart', function: 'total', arity: 2, file: 'src/cart.js', line: 40 })

/** Three numeric fields, as the goals ask for. */
export const NUMERIC_FIELDS = Object.freeze({ queued: 'i64', load: 'f64', waited: 'i64' })

/**
 * Opens a recording with the default ring, unless told otherwise, and little retention, so that memory stays where it is.
 *
 * @param {import('kinescope').OpenOptions} [options]
 */
export function openForTiming(options = {}) {
  return open({ node: 'bench', retention: { maxBytes: 256 * 2 ** 20 }, ...options })
}

/**
 * Ends a recording.
 *
 * @param {import('kinescope').Kinescope} scope
 * @returns {Promise<{ lostEvents: number }>} A measurement during which events were lost is none: losing is cheaper.
 */
export async function finish(scope) {
  await scope.flush()
  const { lost, recorded, stored } = scope.stats()
  const lostEvents = sumLost(lost)
  if (lostEvents === 0 && recorded !== stored) throw new Error(`recorded ${recorded} events, but ${stored} are stored`)
  await scope.close()
  return { lostEvents }
}

/** @param {import('kinescope').Stats['lost']} lost */
export function sumLost(lost) {
  return Object.values(lost).reduce((sum, count) => sum + count, 0)
}

/**
 * `flush` for measurements that outrun the writer for longer than its bound.
 *
 * @param {import('kinescope').Kinescope} scope
 */
export async function drain(scope) {
  for (;;) {
    try {
      return await scope.flush()
    } catch (error) {
      if (error.code !== 'RESOURCE_EXHAUSTED') throw error
    }
  }
}
