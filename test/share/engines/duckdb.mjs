/**
 * Hands results to DuckDB as Arrow C streams, through its own C interface, in this process. Reports what DuckDB finds in them beside what
 * the API answers, and what is leased when.
 */
import { exportStream, open } from 'kinescope'
import { DuckDB } from './duckdb-library.mjs'

const duckdb = new DuckDB()

async function filled() {
  const scope = await open({ segmentEvents: 1000, node: 'test' })
  for (let number = 0; number < 2500; number += 1) {
    const isOdd = number % 2 === 1
    const context = { pid: `job-${number % 7}`, tags: { parity: isOdd } }
    scope.recorder.run(isOdd ? { ...context, correlationId: `trace-${number % 11}` } : context, () => {
      scope.recorder.record({ eventType: isOdd ? 'odd' : 'even', line: isOdd ? number : null, data: { number } })
    })
  }
  await scope.flush()
  return scope
}

const scope = await filled()

async function events() {
  const result = await scope.dataAccess.queryEvents({ limit: 1e6 })
  const before = scope.stats().leasedBytes
  const stream = exportStream(result)
  result.release()
  const whileExported = scope.stats().leasedBytes
  duckdb.scan('events', stream)
  const found = duckdb.ask(`select event_type, count(*), sum(seq), count(distinct correlation_id), sum(line), count(line), count(distinct pid),
    sum(cast(regexp_extract(data, '[0-9]+') as bigint)), max(epoch_ns(wall_time)), min(timestamp), count(distinct node), count(tags) from events group by all order by 1`)
  stream.release()
  stream.release()
  return { found, isHeld: before > 0 && whileExported === before, left: scope.stats().leasedBytes }
}

async function expected() {
  const groups = await scope.dataAccess.aggregateEvents({
    groupBy: ['eventType'],
    aggregations: {
      n: { count: '*' },
      seq: { sum: 'seq' },
      traces: { countDistinct: 'correlationId' },
      lines: { sum: 'line' },
      withLine: { count: 'line' },
      pids: { countDistinct: 'pid' },
      numbers: { sum: 'data.number' },
      wall: { max: 'wallTime' },
      time: { min: 'timestamp' },
      nodes: { countDistinct: 'node' },
      tags: { count: 'tags.parity' },
    },
    orderBy: [{ field: 'eventType' }],
  })
  // DuckDB's timestamps with a time zone are in microseconds.
  const rows = groups.rows().map((row) => Object.values({ ...row, wall: (row.wall / 1000n) * 1000n }).map((value) => (value === null ? null : String(value))))
  groups.release()
  return rows
}

/** Groups and a projection, under the names that were asked for. */
async function others() {
  const groups = await scope.dataAccess.aggregateEvents({ groupBy: ['pid'], aggregations: { n: { count: '*' }, total: { sum: 'data.number' } }, orderBy: [{ field: 'pid' }] })
  const streams = [exportStream(groups)]
  duckdb.scan('groups', streams[0])
  const byPid = duckdb.ask('select pid, n, total from groups order by pid')
  const projected = await scope.dataAccess.queryEvents({ projection: ['pid', 'data.number', 'tags.parity'], sortBy: 'data.number', sortOrder: 'desc', limit: 3 })
  streams.push(exportStream(projected))
  duckdb.scan('projected', streams[1])
  const last = duckdb.ask('select pid, "data.number", "tags.parity" from projected')
  const none = await scope.dataAccess.queryEvents({ pid: 'nobody' })
  streams.push(exportStream(none))
  duckdb.scan('nothing', streams[2])
  const count = duckdb.ask('select count(*) from nothing')
  const expectedGroups = groups.rows().map((row) => Object.values(row).map(String))
  const expectedLast = projected.toArray().map((row) => Object.values(row).map(String))
  for (const each of [...streams, groups, projected, none]) each.release()
  return { byPid, last, count, expectedGroups, expectedLast }
}

/** What is never read is released as well, and what outlives its recording is still right. */
async function ends() {
  const result = await scope.dataAccess.queryEvents({ limit: 1e6 })
  const unread = exportStream(result)
  const late = exportStream(result)
  result.release()
  const isHeld = scope.stats().leasedBytes > 0
  unread.release()
  await scope.close()
  duckdb.scan('late', late)
  const [[count]] = duckdb.ask('select count(*) from late')
  late.release()
  return { isHeld, count }
}

const report = { events: await events(), expected: await expected(), others: await others(), copiedBytes: scope.stats().copiedBytes, ends: await ends() }
duckdb.close()
console.log(JSON.stringify(report))
