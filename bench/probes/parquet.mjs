/** Bytes that the events of the queries' benchmark take once they are exported as Parquet, and how fast that is. */
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { open } from 'kinescope'
import { tableOf } from '../query/arrow.mjs'
import { withFolder } from '../lib/folder.mjs'
import { generateEvents } from '../query/events.mjs'

const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const EVENTS = 2_000_000
const TABLE_EVENTS = 250_000

/** @returns {Promise<Record<string, number>>} `bytes` for an event, `eventsPerSecond` of the whole command. */
export function measure() {
  return withFolder(async (path) => {
    const file = `${path}.parquet`
    const scope = await open({ path, node: 'bench' })
    for (const batch of generateEvents(EVENTS, TABLE_EVENTS)) await scope.dataAccess.storeEvents(tableOf(batch))
    await scope.close()
    const start = performance.now()
    execFileSync(process.execPath, [COMMAND, 'export', path, '--output', file])
    const seconds = (performance.now() - start) / 1000
    return { bytes: statSync(file).size / EVENTS, eventsPerSecond: EVENTS / seconds, lostEvents: 0 }
  })
}
