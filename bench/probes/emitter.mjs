/** Events of a defined type with three numeric fields. */
import { finish, NUMERIC_FIELDS, openForTiming } from '../lib/scope.mjs'
import { emptyLoop, timePerOperation } from '../lib/timing.mjs'

/**
 * @param {{ variant: 'precise' | 'coarse' | 'coarse-in-run' | 'coarse-after-await' }} options
 * @returns {Promise<Record<string, number>>} `ns` for an event.
 */
export async function measure({ variant }) {
  const scope = await openForTiming()
  const { recorder } = scope
  const emit = recorder.define('sample', NUMERIC_FIELDS, { time: variant === 'precise' ? 'precise' : 'coarse' })
  /** @param {number} count */
  const emitAll = (count) => {
    let sum = 0
    for (let i = 0; i < count; i++) {
      sum = (sum + i) | 0
      emit({ queued: i, load: i * 0.5, waited: 7 })
    }
    return sum
  }
  const context = { pid: 'request-1', correlationId: 'trace-1' }
  const blocks = {
    precise: emitAll,
    coarse: emitAll,
    'coarse-in-run': (count) => recorder.run(context, () => emitAll(count)),
    'coarse-after-await': (count) =>
      recorder.run(context, async () => {
        await Promise.resolve()
        return emitAll(count)
      }),
  }
  const ns = await timePerOperation({
    block: blocks[variant],
    empty: emptyLoop,
    between: () => scope.flush(),
  })
  return { ns, ...(await finish(scope)) }
}
