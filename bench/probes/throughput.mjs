/** One thread records as fast as events become rows of indexed segments: ring and writer together, nothing lost. */
import { drain, finish, NUMERIC_FIELDS, openForTiming, SITE } from '../lib/scope.mjs'

const BATCH = 10_000
const now = process.hrtime.bigint

/** A ring that lets the thread wait when it is full, and retention that keeps memory bounded. */
const OPTIONS = { ring: { bytes: 64 * 2 ** 20, overflow: 'block' }, retention: { maxBytes: 512 * 2 ** 20 } }

/**
 * @param {{ variant: 'emit' | 'enter-exit', quick: boolean }} options
 * @returns {Promise<Record<string, number>>} `eventsPerSecond` from the first event until the last one is visible to queries.
 */
export async function measure({ variant, quick }) {
  const scope = await openForTiming(OPTIONS)
  const { recorder } = scope
  const site = recorder.site(SITE)
  const emit = recorder.define('sample', NUMERIC_FIELDS, { site })
  const recordBatch = {
    emit() {
      for (let i = 0; i < BATCH; i++) emit({ queued: i, load: i * 0.5, waited: 7 })
    },
    'enter-exit'() {
      for (let i = 0; i < BATCH; i += 2) recorder.exit(recorder.enter(site))
    },
  }[variant]
  const start = now()
  const end = start + BigInt(quick ? 5 : 60) * 1_000_000_000n
  let events = 0
  while (now() < end) {
    recordBatch()
    events += BATCH
  }
  await drain(scope)
  const seconds = Number(now() - start) / 1e9
  const { recorded, stored } = scope.stats()
  if (recorded !== events) throw new Error(`${events} events were recorded, but ${recorded} are counted`)
  return { eventsPerSecond: stored / seconds, seconds, ...(await finish(scope)) }
}
