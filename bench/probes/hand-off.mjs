/** How many events a second reach a consumer that needs all of them. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { open, share } from 'kinescope'
import { withFolder } from '../lib/folder.mjs'
import { installPolars, polarsPython } from '../lib/polars-setup.mjs'
import { drain, NUMERIC_FIELDS, SITE } from '../lib/scope.mjs'

const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('../compare/hand_off.py', import.meta.url))
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const THREADS = 2
const ROUNDS = 5
const TYPES = 4

/**
 * @param {{ quick: boolean }} options
 * @returns {Promise<Record<string, number[]>>} Events a second of each consumer, in turn: in Python from mapped files, from a service and from its rivals;
 * in a worker thread from shared memory and from JSON lines.
 */
export async function measure({ quick }) {
  const trouble = installPolars(() => {})
  if (trouble !== undefined) throw new Error(`pyarrow, Polars and DuckDB for Python cannot be had here: ${trouble}`)
  return withFolder(async (path) => {
    const events = quick ? 200_000 : 2_000_000
    await record(path, events)
    const [lines, database] = [`${path}.ndjson`, `${path}.duckdb`]
    await run(process.execPath, [COMMAND, 'export', path, '--output', lines])
    await python('fill', database, path)
    const scope = await open({ path, mode: 'read' })
    const server = await scope.serve()
    const worker = new Worker(new URL('../lib/hand-off-worker.mjs', import.meta.url))
    const served = [server.url, server.token]
    const consumers = {
      pyarrowMapped: () => python('pyarrow-mapped', path),
      pyarrowServed: () => python('pyarrow-served', ...served),
      polarsServed: () => python('polars-served', ...served),
      pyarrowJson: () => python('pyarrow-json', lines),
      polarsJson: () => python('polars-json', lines),
      pyarrowDuckdb: () => python('pyarrow-duckdb', database),
      workerShared: () => shared(scope, worker, events),
      workerJson: () => asked(worker, { lines }),
    }
    const rates = Object.fromEntries(Object.keys(consumers).map((name) => [name, []]))
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, consume] of Object.entries(consumers)) {
        const found = await consume()
        if (found.events !== events || found.types !== TYPES) throw new Error(`${name}: ${found.events} events of ${found.types} types, and not ${events} of ${TYPES}`)
        rates[name].push(events / found.seconds)
      }
    }
    await worker.terminate()
    await server.close()
    await scope.close()
    return rates
  })
}

async function record(path, events) {
  const scope = await open({ path, node: 'bench', ring: { bytes: 64 * 2 ** 20, overflow: 'block' } })
  const { recorder } = scope
  const emitters = Array.from({ length: TYPES }, (_, type) => recorder.define(`sample-${type}`, NUMERIC_FIELDS, { site: recorder.site(SITE) }))
  for (let n = 0; n < events; n++) emitters[n % TYPES]({ queued: n, load: n * 0.5, waited: 7 })
  await drain(scope)
  await scope.close()
}

async function python(...args) {
  const { stdout } = await run(polarsPython(), [SCRIPT, ...args], { env: { ...process.env, POLARS_MAX_THREADS: String(THREADS) } })
  return stdout === '' ? undefined : JSON.parse(stdout)
}

/** The query is no part of it: its answer is what is handed over. */
async function shared(scope, worker, events) {
  const result = await scope.dataAccess.queryEvents({ limit: events })
  try {
    return await asked(worker, { shared: share(result) })
  } finally {
    result.release()
  }
}

async function asked(worker, question) {
  const start = performance.now()
  worker.postMessage(question)
  const [answer] = await once(worker, 'message')
  return { ...answer, seconds: (performance.now() - start) / 1000 }
}
