/** What the first `run` of a process does to every await after it: on some versions of Node, AsyncLocalStorage makes them dearer. */
import { finish, openForTiming } from '../lib/scope.mjs'
import { emptyLoop, timePerOperation } from '../lib/timing.mjs'

/** @returns {Promise<Record<string, number>>} `beforeNs` and `afterNs` for an await of nothing, outside of any `run`. */
export async function measure() {
  const scope = await openForTiming()
  const awaits = {
    async block(count) {
      let sum = 0
      for (let i = 0; i < count; i++) {
        await Promise.resolve()
        sum = (sum + i) | 0
      }
      return sum
    },
    empty: emptyLoop,
  }
  const beforeNs = await timePerOperation(awaits)
  scope.recorder.run({ pid: 'request-1' }, () => {})
  const afterNs = await timePerOperation(awaits)
  return { beforeNs, afterNs, ...(await finish(scope)) }
}
