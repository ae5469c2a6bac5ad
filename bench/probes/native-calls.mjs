/** Calls into the addon while events are recorded, counted by wrapping every function and method that the addon exports. */
import { createRequire } from 'node:module'

const EVENTS = 1_000_000
/** Recorded between two chances for the writer to catch up. */
const BLOCK = 10_000

/**
 * @param {{ variant: 'emit' | 'enter-exit' }} options
 * @returns {Promise<Record<string, number>>} `calls` for an event; `wakes`: the share of events that woke a sleeping writer,
 * which are calls too, at most one each time the writer has gone to sleep.
 */
export async function measure({ variant }) {
  const counts = countCallsOf(createRequire(import.meta.url)('../../dist/addon.cjs'))
  const { finish, NUMERIC_FIELDS, openForTiming, SITE } = await import('../lib/scope.mjs')
  const scope = await openForTiming()
  const { recorder } = scope
  const emit = recorder.define('sample', NUMERIC_FIELDS)
  const site = recorder.site(SITE)
  const blocks = {
    emit() {
      for (let i = 0; i < BLOCK; i++) emit({ queued: i, load: i * 0.5, waited: 7 })
    },
    'enter-exit'() {
      for (let i = 0; i < BLOCK; i += 2) recorder.exit(recorder.enter(site))
    },
  }
  if (counts.total === 0) throw new Error('no call into the addon was counted, not even of those that open a recording')
  const [callsBefore, wakesBefore] = [counts.total, counts.wakes]
  let outside = 0
  for (let events = 0; events < EVENTS; events += BLOCK) {
    blocks[variant]()
    const before = counts.total
    await scope.flush()
    outside += counts.total - before
  }
  const wakes = counts.wakes - wakesBefore
  const calls = counts.total - callsBefore - outside
  return { calls: calls / EVENTS, wakes: wakes / EVENTS, ...(await finish(scope)) }
}

/**
 * Replaces what the addon exports by functions that count. The package must not have been loaded yet.
 *
 * @param {Record<string, any>} addon
 */
function countCallsOf(addon) {
  const counts = { total: 0, wakes: 0 }
  const counted = (name, fn) =>
    function (...args) {
      counts.total++
      if (name === 'wake') counts.wakes++
      return Reflect.apply(fn, this, args)
    }
  for (const [name, exported] of Object.entries(addon)) {
    if (typeof exported !== 'function') continue
    const methods = exported.prototype ? Object.getOwnPropertyDescriptors(exported.prototype) : {}
    const isClass = Object.keys(methods).some((method) => method !== 'constructor')
    if (!isClass) addon[name] = counted(name, exported)
    for (const [method, { value }] of Object.entries(methods)) {
      if (method !== 'constructor' && typeof value === 'function') exported.prototype[method] = counted(method, value)
    }
  }
  return counts
}
