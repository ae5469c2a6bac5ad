/** `record()` of a plain object with three fields in `data`. */
import { finish, openForTiming } from '../lib/scope.mjs'
import { emptyLoop, timePerOperation } from '../lib/timing.mjs'

/** @returns {Promise<Record<string, number>>} `ns` for an event. */
export async function measure() {
  const scope = await openForTiming()
  const { recorder } = scope
  const ns = await timePerOperation({
    count: 5_000,
    block(count) {
      let sum = 0
      for (let i = 0; i < count; i++) {
        const id = recorder.record({ eventType: 'log', data: { order: i, currency: 'EUR', paid: true } })
        sum = (sum + id.length) | 0
      }
      return sum
    },
    empty: emptyLoop,
    between: () => scope.flush(),
  })
  return { ns, ...(await finish(scope)) }
}
