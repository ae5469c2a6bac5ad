/** What recording costs this service's thread, measured by timing the same calls with and without it. */

const CALLS_PER_ROUND = 2_000
const ROUNDS = 40

/**
 * Times a function of the service and its wrapped twin in alternating rounds, inside a `run` as in a request, and takes
 * the median difference. The writer catches up between rounds, so that no event is dropped.
 *
 * @param {import('kinescope').Kinescope} scope
 * @returns {Promise<{ syncNs: number, asyncNs: number }>} Nanoseconds for each event; a call is two events.
 */
export async function measureCost(scope) {
  const taxOf = (netCents, rate) => Math.round(netCents * rate)
  const taxOfLater = async (netCents, rate) => Math.round(netCents * rate)
  const options = { module: 'cost', captureResult: true }
  const wrapped = scope.recorder.wrap(taxOf, options)
  const wrappedLater = scope.recorder.wrap(taxOfLater, options)
  return {
    syncNs: await medianDifference(scope, () => callAll(taxOf), () => callAll(wrapped)),
    asyncNs: await medianDifference(scope, () => awaitAll(taxOfLater), () => awaitAll(wrappedLater)),
  }
}

async function medianDifference(scope, bare, recorded) {
  const differences = []
  for (let round = 0; round < ROUNDS; round++) {
    await scope.flush()
    const withoutNs = await scope.recorder.run({}, bare)
    const withNs = await scope.recorder.run({ pid: 'cost', correlationId: `cost-${round}` }, recorded)
    differences.push((withNs - withoutNs) / CALLS_PER_ROUND / 2)
  }
  return differences.toSorted((a, b) => a - b)[ROUNDS / 2]
}

function callAll(fn) {
  const start = process.hrtime.bigint()
  for (let call = 0; call < CALLS_PER_ROUND; call++) fn(call, 0.19)
  return Number(process.hrtime.bigint() - start)
}

async function awaitAll(fn) {
  const start = process.hrtime.bigint()
  for (let call = 0; call < CALLS_PER_ROUND; call++) await fn(call, 0.19)
  return Number(process.hrtime.bigint() - start)
}
