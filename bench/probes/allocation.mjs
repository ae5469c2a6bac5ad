/**
 * Bytes of JavaScript's heap that an event takes once the recording code is optimized. The young generation is larger than
 * what is measured at once (a flag of the child process), so that no collection hides an allocation.
 */
import { getHeapStatistics } from 'node:v8'
import { finish, NUMERIC_FIELDS, openForTiming, SITE } from '../lib/scope.mjs'
import { emptyLoop, median } from '../lib/timing.mjs'

const EVENTS = 50_000
const WARM_UP_ROUNDS = 60
const ROUNDS = 20
const EIGHT_FIELDS = Object.fromEntries(Array.from('abcdefgh', (name) => [name, name < 'e' ? 'f64' : 'i64']))

/**
 * @param {{ variant: 'three-fields' | 'eight-fields' | 'enter-exit' }} options
 * @returns {Promise<Record<string, number>>} `bytes` for an event; of `enter-exit`, for one of the two.
 */
export async function measure({ variant }) {
  const scope = await openForTiming()
  const block = recording(scope.recorder, variant)
  const perEvent = []
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    await scope.flush()
    globalThis.gc()
    const own = heapGrowth(emptyLoop)
    const grown = heapGrowth(block)
    if (round >= 0) perEvent.push((grown - own) / EVENTS)
  }
  return { bytes: median(perEvent), ...(await finish(scope)) }
}

/** @param {(count: number) => number} run */
function heapGrowth(run) {
  const before = getHeapStatistics().used_heap_size
  run(EVENTS)
  return getHeapStatistics().used_heap_size - before
}

/**
 * @param {import('kinescope').Recorder} recorder
 * @param {string} variant
 * @returns {(events: number) => void}
 */
function recording(recorder, variant) {
  if (variant === 'enter-exit') {
    const site = recorder.site(SITE)
    return (events) => {
      for (let i = 0; i < events; i += 2) recorder.exit(recorder.enter(site))
    }
  }
  if (variant === 'eight-fields') {
    const emit = recorder.define('eight', EIGHT_FIELDS)
    return (events) => {
      for (let i = 0; i < events; i++) emit({ a: i * 0.5, b: i * 0.25, c: 1.5, d: i, e: i, f: 6, g: i >> 1, h: 8 })
    }
  }
  const emit = recorder.define('sample', NUMERIC_FIELDS)
  return (events) => {
    for (let i = 0; i < events; i++) emit({ queued: i, load: i * 0.5, waited: 7 })
  }
}
