/** What recording takes from a service at about 100,000 events a second; see `lib/service.mjs`. */
import { finish, openForTiming } from '../lib/scope.mjs'
import { CALLS_PER_REQUEST, calibrate, createService } from '../lib/service.mjs'
import { median } from '../lib/timing.mjs'

const REQUESTS_PER_ROUND = 10
const WARM_UP_ROUNDS = 20
const now = process.hrtime.bigint

/**
 * Rounds with and without recording alternate, in changing order. Both run while AsyncLocalStorage is in use: what its first
 * use costs is measured by `first-run.mjs`.
 *
 * @param {{ variant: 'args' | 'no-args', quick: boolean }} options Whether arguments are captured.
 * @returns {Promise<Record<string, number>>} `lost`: the share of throughput, the median over pairs of rounds;
 * `eventsPerSecond` while recording.
 */
export async function measure({ variant, quick }) {
  const scope = await openForTiming()
  const { recorder } = scope
  const workUnits = await calibrate()
  const options = { module: 'cart', captureArgs: variant === 'args' }
  const bare = createService((fn) => fn, workUnits)
  const recorded = createService((fn) => recorder.wrap(fn, options), workUnits)
  let requests = 0
  const handleRecorded = (order) => recorder.run({ pid: `request-${requests}`, correlationId: `trace-${requests++}` }, () => recorded(order))

  const pairs = quick ? 100 : 300
  /** @type {number[]} */
  const ratios = []
  let recordedNs = 0
  for (let pair = -WARM_UP_ROUNDS; pair < pairs; pair++) {
    const bareFirst = pair % 2 === 0
    const first = await roundNs(bareFirst ? bare : handleRecorded)
    const second = await roundNs(bareFirst ? handleRecorded : bare)
    if (pair < 0) continue
    ratios.push(bareFirst ? first / second : second / first)
    recordedNs += bareFirst ? second : first
  }
  const events = pairs * REQUESTS_PER_ROUND * CALLS_PER_REQUEST * 2
  return { lost: 1 - median(ratios), eventsPerSecond: (events / recordedNs) * 1e9, ...(await finish(scope)) }
}

/** @param {(order: number) => Promise<number>} handle */
async function roundNs(handle) {
  const start = now()
  for (let order = 0; order < REQUESTS_PER_ROUND; order++) await handle(order)
  return Number(now() - start)
}
