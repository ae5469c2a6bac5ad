/** Function calls: entry and exit by hand, and wrapped functions less the bare call. */
import { finish, openForTiming, SITE } from '../lib/scope.mjs'
import { emptyLoop, timePerOperation } from '../lib/timing.mjs'

/**
 * @param {{ variant: 'enter-exit' | 'sync' | 'sync-no-args' | 'async' | 'async-no-args' }} options
 * @returns {Promise<Record<string, number>>} `ns` for a call, its entry and exit together.
 */
export async function measure({ variant }) {
  const scope = await openForTiming()
  const options = { module: 'cart', captureArgs: !variant.endsWith('-no-args') }
  const loop = variant === 'enter-exit' ? enterAndExit(scope) : variant.startsWith('async') ? wrappedAsync(scope, options) : wrappedSync(scope, options)
  const ns = await timePerOperation({ count: 10_000, between: () => scope.flush(), ...loop })
  return { ns, ...(await finish(scope)) }
}

function enterAndExit({ recorder }) {
  const site = recorder.site(SITE)
  return {
    block(count) {
      let sum = 0
      for (let i = 0; i < count; i++) {
        const call = recorder.enter(site)
        sum = (sum + i) | 0
        recorder.exit(call)
      }
      return sum
    },
    empty: emptyLoop,
  }
}

function wrappedSync({ recorder }, options) {
  const total = (count) => (count * 19) >>> 3
  const wrapped = recorder.wrap(total, options)
  return {
    block(count) {
      let sum = 0
      for (let i = 0; i < count; i++) sum = (sum + wrapped(i)) | 0
      return sum
    },
    empty(count) {
      let sum = 0
      for (let i = 0; i < count; i++) sum = (sum + total(i)) | 0
      return sum
    },
  }
}

function wrappedAsync({ recorder }, options) {
  const total = async (count) => (count * 19) >>> 3
  const wrapped = recorder.wrap(total, options)
  return {
    async block(count) {
      let sum = 0
      for (let i = 0; i < count; i++) sum = (sum + (await wrapped(i))) | 0
      return sum
    },
    async empty(count) {
      let sum = 0
      for (let i = 0; i < count; i++) sum = (sum + (await total(i))) | 0
      return sum
    },
  }
}
