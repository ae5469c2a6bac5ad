/**
 * A pool of workers computes features of every trace of a recording, over the recording's own memory: what goes to a worker is a
 * name, and what comes back are the features. `node examples/worker-pool/main.mjs [events]`
 */
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { open, share } from 'kinescope'
import { Piscina } from 'piscina'
import { featuresOf, merge } from './features.mjs'
import { recordTraces } from './traces.mjs'

const EVENTS = Number(process.argv[2] ?? 10_000_000)
const PAGE_EVENTS = 100_000

const scope = await open({ ring: { bytes: 2 ** 26, overflow: 'block' }, retention: { maxBytes: 2 ** 33 } })
recordTraces(scope.recorder, EVENTS)
await scope.flush()
// Events are indexed behind the recording's back, which would take processors from what is measured.
while (scope.stats().indexed < scope.stats().stored) await setTimeout(20)
const { stored, lost } = scope.stats()
print(`${count(stored)} events recorded, ${count(lost.ring_full)} lost`)

const alone = await timed(() => onThisThread())
print(`one thread   ${seconds(alone.ms)} for ${count(alone.value.size)} traces`)

// By default piscina ends a thread as soon as it finds no task waiting, and to start another takes longer than a page does.
const pool = new Piscina({ filename: fileURLToPath(new URL('features.mjs', import.meta.url)), idleTimeout: 10_000 })
// The first run also starts the threads.
await inPool()
const resident = []
const pooled = await timed(() => inPool(() => resident.push(process.memoryUsage.rss())))
print(`a pool of ${pool.threads.length}  ${seconds(pooled.ms)}, ${(alone.ms / pooled.ms).toFixed(2)} times as fast`)
await pool.close()

for (const [trace, features] of alone.value) {
  if (String(features) !== String(pooled.value.get(trace))) throw new Error(`${trace}: ${features} here, ${pooled.value.get(trace)} in the pool`)
}
if (alone.value.size !== pooled.value.size) throw new Error('the pool has found other traces')
print(`copied       ${count(scope.stats().copiedBytes)} bytes`)
const [first, last] = [resident[Math.floor(resident.length / 4)], resident.at(-1)].map((bytes) => `${count(Math.round(bytes / 2 ** 20))} MiB`)
print(`resident     ${first} after a quarter of the pages, ${last} after all`)
await scope.close()

/** All pages in the order of time. Each stays valid until it is released, whoever reads it. */
async function* pages() {
  let offset
  do {
    const page = await scope.dataAccess.queryEvents({ limit: PAGE_EVENTS, offset })
    yield page
    offset = { pageToken: page.nextPageToken }
  } while (offset.pageToken !== null)
}

async function onThisThread() {
  const byTrace = new Map()
  for await (const page of pages()) {
    merge(byTrace, featuresOf(page.table))
    page.release()
  }
  return byTrace
}

async function inPool(progress = () => {}) {
  const byTrace = new Map()
  const running = new Set()
  const compute = async (page) => {
    merge(byTrace, await pool.run(share(page)))
    // Ends the share, too.
    page.release()
    progress()
  }
  for await (const page of pages()) {
    const task = compute(page).finally(() => running.delete(task))
    running.add(task)
    // Piscina's queue has no limit of its own: one page more than there are threads keeps them busy.
    if (running.size > pool.maxThreads) await Promise.race(running)
  }
  await Promise.all(running)
  return byTrace
}

async function timed(work) {
  const start = performance.now()
  const value = await work()
  return { value, ms: performance.now() - start }
}

function count(number) {
  return number.toLocaleString('en')
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`
}

function print(line) {
  console.log(line)
}
