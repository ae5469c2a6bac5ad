/**
 * Reads a recording's files, exports of it, and what a server answers with pyarrow, Polars and DuckDB in Python, and compares what they find with
 * the answers of `queryEvents` and `aggregateEvents`: `test/python`. Build first.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pythonEnvironment } from './lib/python.mjs'
import { mustRun, root, run } from './lib/run.mjs'

const EVENTS = 100_000
const SEGMENT_EVENTS = 30_000

const folder = join(root, 'test', 'python')
const environment = pythonEnvironment(folder)
const reason = environment.install(() => console.log('installing pyarrow, Polars and DuckDB for Python'))
if (reason !== undefined) {
  console.error(`Python 3.11 or newer with pip and wheels of pyarrow, Polars and DuckDB is needed, and cannot be had here: ${reason}\nNothing has been compared.`)
  process.exit(1)
}

const { open } = await import('kinescope')
const place = mkdtempSync(join(tmpdir(), 'kinescope-python-'))
try {
  const recording = join(place, 'recording')
  const expected = await record(recording)
  writeFileSync(join(place, 'expected.json'), JSON.stringify(expected))
  for (const format of ['arrow', 'arrows', 'parquet']) await mustRun(process.execPath, [join('dist', 'cli', 'main.js'), 'export', recording, '--output', join(place, `export.${format}`)])
  const { code } = await run(environment.interpreter(), [join(folder, 'compare.py'), place])
  process.exitCode = code || (await compareServed(recording))
} finally {
  rmSync(place, { recursive: true })
}

/** A service that goes on recording while it is asked; gives the exit code. */
async function compareServed(path) {
  const scope = await open({ path })
  const server = await scope.serve()
  writeFileSync(join(place, 'server.json'), JSON.stringify({ url: server.url, token: server.token }))
  const end = new AbortController()
  const recording = (async () => {
    for (let n = 0; !end.signal.aborted; n++) {
      scope.recorder.record({ eventType: 'tick', data: { n } })
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })()
  const { code } = await run(environment.interpreter(), [join(folder, 'compare_served.py'), place])
  end.abort()
  await recording
  await scope.close()
  return code
}

/** A recording of several segments; gives what the API says of it. Integers beyond 2^53 as text. */
async function record(path) {
  const scope = await open({ path, segmentEvents: SEGMENT_EVENTS, node: 'python-test' })
  const { recorder } = scope
  const work = recorder.wrap((n) => n * 2, { module: 'work', function: 'double' })
  for (let n = 0; n < EVENTS / 4; n++) {
    const context = { pid: `request-${n % 50}`, correlationId: `trace-${n % 5000}`, tags: n % 3 === 0 ? { region: n % 2 === 0 ? 'eu' : 'us' } : {} }
    recorder.run(context, () => {
      work(n)
      recorder.record({ eventType: n % 10 === 0 ? 'error' : 'log', data: n % 7 === 0 ? null : { message: `größe ${n}`, n } })
      recorder.record({ eventType: 'order', line: 1 + (n % 1000), data: { duration_ns: n } })
    })
    if (n % 1000 === 0) await scope.flush()
  }
  await scope.close()
  const reader = await open({ path, mode: 'read' })
  const totals = await totalsOf(reader.dataAccess)
  await reader.close()
  return totals
}

async function totalsOf(dataAccess) {
  const { totalMatches } = await dataAccess.queryEvents({ limit: 0 })
  const counts = async (field) => Object.fromEntries((await dataAccess.fieldValues(field, { limit: 1e6 })).map(({ value, count }) => [value, count]))
  const aggregations = {
    duration: { sum: 'data.duration_ns' },
    first: { min: 'timestamp' },
    last: { max: 'timestamp' },
    firstWall: { min: 'wall_time' },
    lastWall: { max: 'wall_time' },
    traces: { countDistinct: 'correlation_id' },
    lines: { sum: 'line' },
  }
  const [row] = (await dataAccess.aggregateEvents({ aggregations })).rows()
  const texts = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)]))
  return { events: totalMatches, eventTypes: await counts('event_type'), regions: await counts('tags.region'), ...texts }
}
