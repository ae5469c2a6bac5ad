/**
 * `node bench/soak-streams.mjs --minutes 10`: 200 subscriptions, a third of them paused, stuck or slow, while two threads
 * record 500,000 events a second. Prints resident memory and the latency of a quick consumer as it goes; the exit code is 1
 * when memory grew, when the quick consumer got slower, or when anything was delivered wrongly.
 */
import { Worker } from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { open } from 'kinescope'
import { sumLost } from './lib/scope.mjs'
import { quantile } from './lib/timing.mjs'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '500000' } } })
const SECONDS = Number(values.minutes) * 60
const EVENTS_PER_SECOND = Number(values.rate)
const THREADS = 2
const SUBSCRIPTIONS = 200
const REPORT_SECONDS = 15
const MEBIBYTE = 2 ** 20
/** Memory is looked at from here on: rings, retention and the heap have their size by then. */
const WARM_UP_SECONDS = Math.min(120, SECONDS / 3)
const GROWTH_MAX = 0.05
const P99_MAX_MS = 50

const scope = await open({ ring: { bytes: 2 ** 24 }, retention: { maxBytes: 256 * MEBIBYTE } })
const problems = []
const counts = { batches: 0, events: 0, gaps: 0 }

/** A consumer that checks that batches adjoin. */
function watched(work) {
  let next
  return async (batch) => {
    if (next !== undefined && batch.fromSeq !== next) problems.push(`a batch starts at ${batch.fromSeq} and not at ${next}`)
    next = batch.toSeq + 1n
    counts.batches += 1
    counts.events += batch.batch.numRows
    counts.gaps += batch.gap === undefined ? 0 : 1
    await work?.(batch)
    batch.release()
  }
}

const latenciesMs = []
scope.eventStreamer.subscribe(
  { eventTypes: ['tick'], batchSize: 1 },
  watched((batch) => {
    const { wallTime } = scope.now()
    for (const tick of batch) latenciesMs.push(Number(wallTime - tick.wallTime) / 1e6)
  }),
)
const toggled = []
for (let index = 1; index < SUBSCRIPTIONS; index++) {
  const pid = `p-${index}`
  const filter = [{ pid }, { pid, where: { 'data.n': { lt: 500 * index } } }, { pid: [pid, 'p-1'], eventTypes: ['a'] }][index % 3]
  const options = { ...filter, batchTimeoutMs: 250 }
  if (index % 9 === 0) toggled.push(scope.eventStreamer.subscribe(options, watched()))
  else if (index % 9 === 3) scope.eventStreamer.subscribe({ ...options, batchSize: 1 }, watched(() => new Promise(() => {})))
  else if (index % 9 === 6) scope.eventStreamer.subscribe(options, watched(() => sleep(2000)))
  else scope.eventStreamer.subscribe(options, watched())
}

const workers = Array.from({ length: THREADS }, () => new Worker(new URL('lib/soak-worker.mjs', import.meta.url), { workerData: { handle: scope.handle, eventsPerSecond: EVENTS_PER_SECOND / THREADS } }))
const ticking = setInterval(() => scope.recorder.record({ eventType: 'tick' }), 10)
const reports = []
for (let second = 1; second <= SECONDS; second++) {
  await sleep(1000)
  // Those that are paused now are resumed, and the reverse, in turn.
  const one = toggled[second % toggled.length]
  if (one.stats().paused) await one.resume(['send_all', 'discard_all', { sendLatest: 10 }][second % 3])
  else await one.pause()
  if (second % REPORT_SECONDS !== 0) continue
  const { recorded, lost, leasedBytes, memoryBytes, evicted } = scope.stats()
  const report = { second, residentMiB: Math.round(process.memoryUsage.rss() / MEBIBYTE), p50Ms: quantile(latenciesMs, 0.5), p99Ms: quantile(latenciesMs, 0.99) }
  latenciesMs.length = 0
  reports.push(report)
  console.log(JSON.stringify({ ...report, recorded, lost: sumLost(lost), evicted, leasedMiB: Math.round(leasedBytes / MEBIBYTE), storeMiB: Math.round(memoryBytes / MEBIBYTE), ...counts }))
}
clearInterval(ticking)
await Promise.all(workers.map((worker) => worker.terminate()))

const settled = reports.filter(({ second }) => second > WARM_UP_SECONDS)
const half = Math.floor(settled.length / 2)
const highest = (some) => Math.max(...some.map(({ residentMiB }) => residentMiB))
const growth = highest(settled.slice(half)) / highest(settled.slice(0, half)) - 1
if (growth > GROWTH_MAX) problems.push(`memory grew by ${(growth * 100).toFixed(1)} %`)
const slow = settled.filter(({ p99Ms }) => p99Ms > P99_MAX_MS)
if (slow.length > settled.length / 10) problems.push(`the quick consumer's p99 was above ${P99_MAX_MS} ms in ${slow.length} of ${settled.length} reports`)
console.log(JSON.stringify({ growth, problems: problems.slice(0, 10), problemCount: problems.length }))
process.exit(problems.length > 0 ? 1 : 0)
