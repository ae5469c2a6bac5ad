/**
 * Hands results to DuckDB as Arrow C streams, through its own C interface, in this process. Reports what DuckDB finds in them beside what
 * the API answers, and what is leased when.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import koffi from 'koffi'
import { exportStream, open } from 'kinescope'

const LIBRARIES = { linux: 'libduckdb.so', darwin: 'libduckdb.dylib', win32: 'duckdb.dll' }
const bindings = dirname(createRequire(import.meta.url).resolve(`@duckdb/node-bindings-${process.platform}-${process.arch}/package.json`))
const library = koffi.load(join(bindings, LIBRARIES[process.platform]))
const duckdb = {
  open: library.func('int duckdb_open(const char *path, _Out_ void **database)'),
  connect: library.func('int duckdb_connect(void *database, _Out_ void **connection)'),
  arrowScan: library.func('int duckdb_arrow_scan(void *connection, const char *name, void *stream)'),
  query: library.func('int duckdb_query(void *connection, const char *sql, void *result)'),
  error: library.func('const char *duckdb_result_error(void *result)'),
  rows: library.func('uint64_t duckdb_row_count(void *result)'),
  columns: library.func('uint64_t duckdb_column_count(void *result)'),
  value: library.func('const char *duckdb_value_varchar(void *result, uint64_t column, uint64_t row)'),
  destroyResult: library.func('void duckdb_destroy_result(void *result)'),
  disconnect: library.func('void duckdb_disconnect(_Inout_ void **connection)'),
  close: library.func('void duckdb_close(_Inout_ void **database)'),
}
/** Of its `struct duckdb_result`. */
const RESULT_BYTES = 48

const [database] = called((out) => duckdb.open(null, out))
const [connection] = called((out) => duckdb.connect(database, out))

function called(call) {
  const out = [null]
  if (call(out) !== 0) throw new Error('DuckDB refuses')
  return out
}

/** Rows as texts. */
function ask(sql) {
  const result = Buffer.alloc(RESULT_BYTES)
  if (duckdb.query(connection, sql, result) !== 0) throw new Error(duckdb.error(result))
  const [rows, columns] = [Number(duckdb.rows(result)), Number(duckdb.columns(result))]
  const read = Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (__, column) => duckdb.value(result, column, row)))
  duckdb.destroyResult(result)
  return read
}

// DuckDB (1.5) leaves it to a stream to give only the columns and rows that a query needs, and takes what comes for that. A C stream gives all.
ask("set disabled_optimizers = 'unused_columns,filter_pushdown,statistics_propagation'")

/** A stream can be scanned once: the view is for one query. */
function scan(name, { address }) {
  if (duckdb.arrowScan(connection, name, address) !== 0) throw new Error('DuckDB takes no stream')
}

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
  scan('events', stream)
  const found = ask(`select event_type, count(*), sum(seq), count(distinct correlation_id), sum(line), count(line), count(distinct pid),
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
  scan('groups', streams[0])
  const byPid = ask('select pid, n, total from groups order by pid')
  const projected = await scope.dataAccess.queryEvents({ projection: ['pid', 'data.number', 'tags.parity'], sortBy: 'data.number', sortOrder: 'desc', limit: 3 })
  streams.push(exportStream(projected))
  scan('projected', streams[1])
  const last = ask('select pid, "data.number", "tags.parity" from projected')
  const none = await scope.dataAccess.queryEvents({ pid: 'nobody' })
  streams.push(exportStream(none))
  scan('nothing', streams[2])
  const count = ask('select count(*) from nothing')
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
  scan('late', late)
  const [[count]] = ask('select count(*) from late')
  late.release()
  return { isHeld, count }
}

const report = { events: await events(), expected: await expected(), others: await others(), copiedBytes: scope.stats().copiedBytes, ends: await ends() }
duckdb.disconnect([connection])
duckdb.close([database])
console.log(JSON.stringify(report))
