/** What recording calls cost while recording is switched off. */
import { finish, NUMERIC_FIELDS, openForTiming, SITE } from '../lib/scope.mjs'
import { timePerOperation } from '../lib/timing.mjs'

/**
 * @param {{ variant: 'emit' | 'enter-exit' | 'wrap' | 'record' }} options
 * @returns {Promise<Record<string, number>>} `ns` for one recording call; of `enter-exit`, for one of the two.
 */
export async function measure({ variant }) {
  const scope = await openForTiming()
  const { recorder } = scope
  const emit = recorder.define('sample', NUMERIC_FIELDS)
  const site = recorder.site(SITE)
  const total = (count) => (count * 19) >>> 3
  const wrapped = recorder.wrap(total)
  recorder.enabled = false
  const blocks = {
    emit(count) {
      let sum = 0
      for (let i = 0; i < count; i++) {
        sum = (sum + total(i)) | 0
        emit({ queued: i, load: i * 0.5, waited: 7 })
      }
      return sum
    },
    'enter-exit'(count) {
      let sum = 0
      for (let i = 0; i < count; i++) {
        const call = recorder.enter(site)
        sum = (sum + total(i)) | 0
        recorder.exit(call)
      }
      return sum
    },
    wrap(count) {
      let sum = 0
      for (let i = 0; i < count; i++) sum = (sum + wrapped(i)) | 0
      return sum
    },
    record(count) {
      let sum = 0
      for (let i = 0; i < count; i++) {
        sum = (sum + total(i)) | 0
        recorder.record({ eventType: 'log', data: { order: i, currency: 'EUR', paid: true } })
      }
      return sum
    },
  }
  const ns = await timePerOperation({
    count: 100_000,
    block: blocks[variant],
    empty(count) {
      let sum = 0
      for (let i = 0; i < count; i++) sum = (sum + total(i)) | 0
      return sum
    },
  })
  const callsPerLoop = variant === 'enter-exit' ? 2 : 1
  if (scope.stats().recorded !== 0) throw new Error('something was recorded while recording was switched off')
  return { ns: ns / callsPerLoop, ...(await finish(scope)) }
}
