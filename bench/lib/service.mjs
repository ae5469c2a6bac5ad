/**
 * A service that is bound by its processor: a request makes forty calls, one in ten of them asynchronous, and each call does
 * about twenty microseconds of work. With a call being two events, that is about 100,000 events a second.
 */
import { timePerOperation } from './timing.mjs'

/** Calls of one request. */
export const CALLS_PER_REQUEST = 40
/** Of ten calls, one is asynchronous. */
const SYNC_CALLS_PER_ASYNC = 9
const TARGET_NS_PER_CALL = 20_000

/**
 * @param {(fn: Function, name: string) => Function} instrument Wraps one of the service's functions, or returns it as it is.
 * @param {number} workUnits How much one call works, see `calibrate`.
 * @returns {(order: number) => Promise<number>} Handles one request.
 */
export function createService(instrument, workUnits) {
  const priceOf = instrument(function priceOf(product) {
    return work(product, workUnits)
  }, 'priceOf')
  const quote = instrument(async function quote(product) {
    const price = work(product, workUnits)
    await Promise.resolve()
    return price
  }, 'quote')
  return async function handle(order) {
    let total = 0
    for (let call = 0; call < CALLS_PER_REQUEST; call += SYNC_CALLS_PER_ASYNC + 1) {
      for (let line = 0; line < SYNC_CALLS_PER_ASYNC; line++) total = (total + priceOf(order + line)) | 0
      total = (total + (await quote(order))) | 0
    }
    return total
  }
}

/** @returns {Promise<number>} Units of work that take about as long as a call should. */
export async function calibrate() {
  let sum = 0
  const units = 100
  const nsPerCall = await timePerOperation({
    count: 200,
    block(count) {
      for (let i = 0; i < count; i++) sum = (sum + work(i, units)) | 0
      return sum
    },
    empty: () => {},
  })
  return Math.max(1, Math.round((units * TARGET_NS_PER_CALL) / nsPerCall))
}

/**
 * Work without allocation, so that no collection falls into one of two rounds that are compared.
 *
 * @param {number} seed
 * @param {number} units
 */
function work(seed, units) {
  let state = seed | 1
  for (let i = 0; i < units * 8; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
  }
  return state
}
