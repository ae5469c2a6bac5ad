/** What recording costs the thread that records, in memory and on disk. */
import { finish, NUMERIC_FIELDS, openForTiming } from '../lib/scope.mjs'
import { emptyLoop, timePerOperation } from '../lib/timing.mjs'
import { withFolder } from '../lib/folder.mjs'

/**
 * @param {{ variant: 'memory' | 'path' }} options
 * @returns {Promise<Record<string, number>>} `emitNs` for an event of a defined type with three numeric fields, `recordNs` for one of a
 * plain object with as many.
 */
export function measure({ variant }) {
  return withFolder(async (path) => {
    const scope = await openForTiming(variant === 'path' ? { path } : {})
    const { recorder } = scope
    const emit = recorder.define('sample', NUMERIC_FIELDS)
    const between = () => scope.flush()
    const emitNs = await timePerOperation({
      block(count) {
        let sum = 0
        for (let i = 0; i < count; i++) {
          sum = (sum + i) | 0
          emit({ queued: i, load: i * 0.5, waited: 7 })
        }
        return sum
      },
      empty: emptyLoop,
      between,
    })
    const recordNs = await timePerOperation({
      count: 5_000,
      block(count) {
        let sum = 0
        for (let i = 0; i < count; i++) sum = (sum + recorder.record({ eventType: 'log', data: { order: i, currency: 'EUR', paid: true } }).length) | 0
        return sum
      },
      empty: emptyLoop,
      between,
    })
    return { emitNs, recordNs, ...(await finish(scope)) }
  })
}
