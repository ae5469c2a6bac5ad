/** A recording of ten gigabytes: how fast it is written, what its events take up, and how soon it is open again. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'kinescope'
import { withFolder } from '../lib/folder.mjs'
import { drain, NUMERIC_FIELDS, SITE, sumLost } from '../lib/scope.mjs'

const GIGABYTE = 1e9
const BATCH = 10_000
const CHECK_EVERY = 500_000
/** As often each way of opening it is measured. */
const OPENINGS = 5

/**
 * @param {{ quick: boolean }} options
 * @returns {Promise<Record<string, number | number[]>>} `eventsPerSecond` until everything is visible, `bytesPerEvent` of its segments and their indexes,
 * `gigabytes`, and the times `openMs` to go on recording, `readMs` to read, and `countMs` from there to the first answer.
 */
export function measure({ quick }) {
  return withFolder(async (path) => {
    const { events, seconds, lostEvents } = await fill(path, (quick ? 1 : 10) * GIGABYTE)
    const bytes = bytesOf(path)
    const times = { openMs: [], readMs: [], countMs: [] }
    for (let opening = 0; opening < OPENINGS; opening++) {
      const [writer, openMs] = await timed(() => open({ path }))
      await writer.close()
      const [reader, readMs] = await timed(() => open({ path, mode: 'read' }))
      const [{ totalMatches }, countMs] = await timed(() => reader.dataAccess.queryEvents({ limit: 1, sortOrder: 'desc' }))
      if (totalMatches !== events) throw new Error(`${events} events were recorded, and ${totalMatches} are there`)
      await reader.close()
      times.openMs.push(openMs)
      times.readMs.push(readMs)
      times.countMs.push(countMs)
    }
    return { eventsPerSecond: events / seconds, bytesPerEvent: bytes / events, gigabytes: bytes / GIGABYTE, ...times, lostEvents }
  })
}

/** Records until the files have that size. */
async function fill(path, bytes) {
  const scope = await open({ path, node: 'bench', ring: { bytes: 64 * 2 ** 20, overflow: 'block' } })
  const emit = scope.recorder.define('sample', NUMERIC_FIELDS, { site: scope.recorder.site(SITE) })
  const start = performance.now()
  let events = 0
  while (events % CHECK_EVERY !== 0 || bytesOf(path) < bytes) {
    for (let i = 0; i < BATCH; i++) emit({ queued: events + i, load: i * 0.5, waited: 7 })
    events += BATCH
  }
  await drain(scope)
  const seconds = (performance.now() - start) / 1000
  const lostEvents = sumLost(scope.stats().lost)
  await scope.close()
  return { events, seconds, lostEvents }
}

/** Of sealed segments and their indexes: what lies beside them has its full size from the start. */
function bytesOf(path) {
  const files = readdirSync(path).filter((name) => /\.(arrow|index)$/.test(name))
  return files.reduce((sum, name) => sum + (statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0), 0)
}

async function timed(action) {
  const start = performance.now()
  return [await action(), performance.now() - start]
}
