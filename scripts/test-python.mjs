/**
 * Reads recordings' files, one of the example service among them, exports of them, and what a server answers with pyarrow, Polars and DuckDB in Python, and compares what they find with
 * the answers of `queryEvents` and `aggregateEvents`: `test/python`. Build first.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
const { recordExampleService } = await import('../test/support/example-service.mjs')
const place = mkdtempSync(join(tmpdir(), 'kinescope-python-'))
try {
  const recording = join(place, 'recording')
  await record(recording)
  const service = join(place, 'service')
  await recordExampleService(join(service, 'recording'))
  process.exitCode = (await compareFiles(place)) || (await compareFiles(service)) || (await compareServed(recording)) || (await compareEmbedded())
} finally {
  rmSync(place, { recursive: true })
}

/** The files of the recording in a folder, and exports of it; gives the exit code. */
async function compareFiles(within) {
  const recording = join(within, 'recording')
  const reader = await open({ path: recording, mode: 'read' })
  writeFileSync(join(within, 'expected.json'), JSON.stringify(await totalsOf(reader.dataAccess)))
  await reader.close()
  for (const format of ['arrow', 'arrows', 'parquet']) await mustRun(process.execPath, [join('dist', 'cli', 'main.js'), 'export', recording, '--output', join(within, `export.${format}`)])
  const { code } = await run(environment.interpreter(), [join(folder, 'compare.py'), within])
  return code
}

/** What pyarrow reads in a process of Node.js, whose C library koffi calls. Gives the exit code. */
async function compareEmbedded() {
  const engines = join(root, 'test', 'share', 'engines')
  if (!existsSync(join(engines, 'node_modules', 'koffi'))) await mustRun('npm', ['ci', '--prefix', engines, '--loglevel=error', '--no-audit', '--no-fund'])
  const facts = "import json, sys, sysconfig as s; print(json.dumps([s.get_config_var('Py_ENABLE_SHARED'), s.get_config_var('LIBDIR'), s.get_config_var('INSTSONAME'), sys.base_prefix, s.get_path('purelib')]))"
  const [isShared, libraries, name, prefix, packages] = JSON.parse(execFileSync(environment.interpreter(), ['-c', facts], { encoding: 'utf8' }))
  if (isShared !== 1) {
    console.error('Python has no shared library here, so it cannot be loaded into Node.js. Live subscriptions have not been read.')
    return 0
  }
  const env = { PYTHONHOME: prefix, PYTHONPATH: packages }
  const program = [join('test', 'python', 'embedded.mjs'), join(libraries, name), place]
  const { code } = await run(process.execPath, program, { env })
  if (code !== 0) return code
  // Ended while pyarrow waits for a batch, with the code that it asks for.
  const { code: exited } = await run(process.execPath, [...program, 'exit'], { env })
  console.log(`${exited === 7 ? 'passed' : 'FAILED'}  the process ends while pyarrow waits`)
  return exited === 7 ? 0 : 1
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

/** A recording of several segments. */
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
}

/** What the API says of a recording. Integers beyond 2^53 as text. */
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
  const texts = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value ?? 0)]))
  return { events: totalMatches, eventTypes: await counts('event_type'), regions: await counts('tags.region'), ...texts }
}
