/** The pure-JavaScript path: the same API over arrays of objects, see `oracle/`. */
import { openOracle } from '../../oracle/index.js'
import { emptyLoop, timePerOperation } from '../lib/timing.mjs'

/** Operations in a block; its rows are dropped after each. */
const OPERATIONS = 500

/**
 * @param {{ variant: 'emit' | 'enter-exit' | 'record' }} options
 * @returns {Promise<Record<string, number>>} `ns` for an event, or for a call's entry and exit together.
 */
export async function measure({ variant }) {
  const scope = openOracle({ node: 'bench' })
  const { recorder } = scope
  const emit = recorder.define('sample', { queued: 'i64', load: 'f64', waited: 'i64' })
  const site = recorder.site({ module: 'cart', function: 'total', arity: 2 })
  const operations = {
    emit: (i) => emit({ queued: i, load: i * 0.5, waited: 7 }),
    'enter-exit': () => recorder.exit(recorder.enter(site)),
    record: (i) => recorder.record({ eventType: 'log', data: { order: i, currency: 'EUR', paid: true } }),
  }
  const operation = operations[variant]
  const ns = await timePerOperation({
    count: OPERATIONS,
    block(count) {
      for (let i = 0; i < count; i++) operation(i)
    },
    empty: emptyLoop,
    between: () => scope.evictBefore(BigInt(scope.stats().stored)),
  })
  return { ns }
}
