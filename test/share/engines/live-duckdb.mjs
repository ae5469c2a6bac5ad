/**
 * DuckDB reads live subscriptions as Arrow C streams, in other threads, while this one records, closes and unsubscribes. Reports what DuckDB
 * finds in them beside what the API answers. With an argument: ends the process while DuckDB waits for a batch.
 */
import { exportStream, open } from 'kinescope'
import { DuckDB } from './duckdb-library.mjs'

const TOTALS = `select event_type, count(*), sum(seq), count(distinct pid), sum(cast(json_extract_string(data, '$.number') as bigint)), count(tags)
  from live group by all order by 1`

function record(scope, from, to) {
  for (let number = from; number < to; number += 1) {
    scope.recorder.run({ pid: `job-${number % 7}`, tags: number % 3 === 0 ? { third: true } : {} }, () => {
      scope.recorder.record({ eventType: number % 2 === 1 ? 'odd' : 'even', data: { number } })
    })
  }
}

/** Until the consumer has taken so many events. */
async function delivered(subscription, events) {
  while (subscription.stats().delivered < events) await new Promise(setImmediate)
}

async function expected(scope) {
  const groups = await scope.dataAccess.aggregateEvents({
    groupBy: ['eventType'],
    aggregations: { n: { count: '*' }, seq: { sum: 'seq' }, pids: { countDistinct: 'pid' }, numbers: { sum: 'data.number' }, tags: { count: 'tags.third' } },
    orderBy: [{ field: 'eventType' }],
  })
  return groups.rows().map((row) => Object.values(row).map(String))
}

/** What was recorded before, and goes on being recorded in pieces while DuckDB reads. */
async function whileRecording() {
  const [scope, duckdb] = [await open({ segmentEvents: 1000 }), new DuckDB()]
  record(scope, 0, 2500)
  const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0n }, batchSize: 100, batchTimeoutMs: 1 })
  const stream = exportStream(subscription)
  duckdb.scan('live', stream)
  const asking = duckdb.askElsewhere(TOTALS)
  for (let from = 2500; from < 6000; from += 500) {
    await delivered(subscription, from)
    record(scope, from, from + 500)
  }
  await delivered(subscription, 6000)
  await subscription.unsubscribe()
  await subscription.closed
  const found = await asking
  stream.release()
  const { leasedBytes, copiedBytes } = scope.stats()
  const report = { found, expected: await expected(scope), leasedBytes, copiedBytes }
  await scope.close()
  duckdb.close()
  return report
}

/** A filter, a projection, and an end because the recording is closed while DuckDB waits. */
async function whileClosing() {
  const [scope, duckdb] = [await open(), new DuckDB()]
  const subscription = scope.eventStreamer.subscribe({ eventTypes: ['odd'], projection: [{ field: 'data.number', as: 'i64' }, 'pid'], batchTimeoutMs: 1 })
  const stream = exportStream(subscription)
  duckdb.scan('live', stream)
  const asking = duckdb.askElsewhere('select count(*), sum("data.number"), count(distinct pid) from live')
  record(scope, 0, 100)
  await delivered(subscription, 50)
  record(scope, 100, 200)
  await scope.close()
  const found = await asking
  stream.release()
  duckdb.close()
  return found
}

/** What retention has evicted is an error for DuckDB, unless it is to be skipped. */
async function afterEviction() {
  const [scope, duckdb] = [await open({ segmentEvents: 100, retention: { maxEvents: 200 } }), new DuckDB()]
  record(scope, 0, 1000)
  await scope.flush()
  const { evicted } = scope.stats()
  const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0n } })
  const stream = exportStream(subscription)
  duckdb.scan('live', stream)
  const error = await duckdb.askElsewhere('select count(*) from live').catch(({ message }) => message)
  stream.release()
  const skipping = scope.eventStreamer.subscribe({ startFrom: { seq: 0n }, batchTimeoutMs: 1 })
  const rest = exportStream(skipping, { onGap: 'skip' })
  duckdb.scan('rest', rest)
  const asking = duckdb.askElsewhere('select count(*) from rest')
  await delivered(skipping, 1000 - evicted)
  const { lost } = skipping.stats()
  await scope.close()
  const found = await asking
  rest.release()
  duckdb.close()
  return { error, evicted, skipping: { found, lost } }
}

/** The process ends while DuckDB waits for a batch: nothing of ours keeps it. */
async function exit() {
  const [scope, duckdb] = [await open(), new DuckDB()]
  record(scope, 0, 1)
  const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0n }, batchTimeoutMs: 1 })
  duckdb.scan('live', exportStream(subscription))
  void duckdb.askElsewhere('select count(*) from live')
  await delivered(subscription, 1)
  process.exit(7)
}

if (process.argv[2] === 'exit') await exit()
console.log(JSON.stringify({ whileRecording: await whileRecording(), whileClosing: await whileClosing(), afterEviction: await afterEviction() }))
