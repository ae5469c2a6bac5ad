/**
 * pyarrow reads live subscriptions as Arrow C streams, in this process: Python's library is loaded into it. Compares what it finds with what
 * the API answers. Run by `npm run test:python`. Arguments: Python's shared library, a folder for results, and `exit` to end the process while
 * pyarrow waits for a batch.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { exportStream, open } from 'kinescope'

const [library, folder, how] = process.argv.slice(2)
const TOO_LATE =
  'Io error: RESOURCE_EXHAUSTED: no batch has come within a second, and the JavaScript thread of the subscription waits no longer; ask again, or in another thread'

function record(scope, from, to) {
  for (let number = from; number < to; number += 1) {
    scope.recorder.run({ pid: `job-${number % 7}` }, () => scope.recorder.record({ eventType: number % 2 === 1 ? 'odd' : 'even', data: { number } }))
  }
}

/** Until the consumer has taken so many events. */
async function delivered(subscription, events) {
  while (subscription.stats().delivered < events) await setImmediate()
}

/** What Python has found is to be this. */
async function expected(scope) {
  const types = (await scope.dataAccess.aggregateEvents({ groupBy: ['eventType'], aggregations: { n: { count: '*' } } })).rows()
  const aggregations = { rows: { count: '*' }, seq: { sum: 'seq' }, numbers: { sum: 'data.number' }, pids: { countDistinct: 'pid' } }
  const [totals] = (await scope.dataAccess.aggregateEvents({ aggregations })).rows()
  return { ...totals, types: Object.fromEntries(types.map(({ eventType, n }) => [eventType, n])), allocated: 0, error: null }
}

/** A thread that is terminated while somebody waits for its subscription's next batch. */
async function inWorker() {
  const scope = await open()
  record(scope, 0, 1)
  const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0n }, batchTimeoutMs: 1 })
  parentPort.postMessage(exportStream(subscription).address)
  await delivered(subscription, 1)
  parentPort.postMessage('read')
}

/** Python with the functions of `embedded.py`. */
function embed() {
  const koffi = createRequire(new URL('../share/engines/package.json', import.meta.url))('koffi')
  // Extension modules look for Python's symbols among those of the process.
  const python = koffi.load(library, { global: true })
  const [run, ensure, release] = ['int PyRun_SimpleString(const char *)', 'int PyGILState_Ensure()', 'void PyGILState_Release(int)'].map((declaration) => python.func(declaration))
  python.func('void Py_InitializeEx(int)')(0)
  assert.equal(run(readFileSync(fileURLToPath(new URL('embedded.py', import.meta.url)), 'utf8')), 0)
  // Without it no thread of Python's would run but this.
  python.func('void *PyEval_SaveThread()')()
  return (code) => {
    const state = ensure()
    assert.equal(run(code), 0, code)
    release(state)
  }
}

async function main() {
  const python = embed()
  const streams = []
  const start = (name, subscription, options) => {
    const stream = exportStream(subscription, options)
    streams.push(stream)
    python(`start(${JSON.stringify(name)}, ${stream.address})`)
  }

  const scope = await open({ segmentEvents: 1000 })
  record(scope, 0, 2500)
  const followed = scope.eventStreamer.subscribe({ startFrom: { seq: 0n }, batchSize: 100, batchTimeoutMs: 1 })
  start('followed until it was unsubscribed', followed)
  for (let from = 2500; from < 6000; from += 500) {
    await delivered(followed, from)
    record(scope, from, from + 500)
  }
  await delivered(followed, 6000)
  if (how === 'exit') process.exit(7)
  await followed.unsubscribe()
  const all = await expected(scope)

  // A batch of what is there, and none any more.
  const here = exportStream(scope.eventStreamer.subscribe({ startFrom: { seq: 5990n }, batchTimeoutMs: 1 }))
  python(`read_here('in the thread of the subscription', ${here.address})`)
  streams.push(here)

  const closing = scope.eventStreamer.subscribe({ startFrom: { seq: 0n } })
  start('followed until the recording was closed', closing)
  await scope.close()

  const small = await open({ segmentEvents: 100, retention: { maxEvents: 200 } })
  record(small, 0, 1000)
  await small.flush()
  const { evicted } = small.stats()
  start('behind retention', small.eventStreamer.subscribe({ startFrom: { seq: 0n } }))
  const skipping = small.eventStreamer.subscribe({ startFrom: { seq: 0n }, batchTimeoutMs: 1 })
  start('behind retention, skipping', skipping, { onGap: 'skip' })
  await delivered(skipping, 1000 - evicted)
  const { lost } = skipping.stats()
  const left = await expected(small)
  await small.close()

  const worker = new Worker(new URL(import.meta.url))
  const [address] = await once(worker)
  python(`start('of a terminated thread', ${address})`)
  await once(worker)
  await worker.terminate()

  const results = join(folder, 'embedded.json')
  python(`wait(${JSON.stringify(results)})`)
  for (const stream of streams) stream.release()
  const found = JSON.parse(readFileSync(results, 'utf8'))
  const failedWith = (text) => ({ error: `OSError: Io error: ${text}` })
  compare(found, {
    'followed until it was unsubscribed': all,
    'in the thread of the subscription': [10, TOO_LATE],
    'followed until the recording was closed': all,
    'behind retention': failedWith(`NOT_FOUND: positions 0 to ${evicted - 1} of the log are missing: retention`),
    'behind retention, skipping': left,
    'of a terminated thread': { rows: 1, ...failedWith('CLOSED: the thread of the subscription has ended') },
  })
  assert.equal(lost, evicted)
}

async function once(worker) {
  return new Promise((resolve, reject) => worker.once('message', (message) => resolve([message])).once('error', reject))
}

function compare(found, expectations) {
  let failed = 0
  for (const [name, values] of Object.entries(expectations)) {
    try {
      assert.deepEqual(Array.isArray(values) ? values : { ...found[name], ...values }, found[name])
      console.log(`passed  pyarrow in this process, ${name}`)
    } catch (error) {
      failed += 1
      console.log(`FAILED  pyarrow in this process, ${name}: ${error.message}`)
    }
  }
  process.exitCode = failed === 0 ? 0 : 1
}

await (isMainThread ? main() : inWorker())
