/** DuckDB's totals of the example service, which the argument is a recording of: of a result that it got as an Arrow C stream. */
import { exportStream, open } from 'kinescope'
import { DuckDB } from './duckdb-library.mjs'

const scope = await open({ path: process.argv[2], mode: 'read' })
const duckdb = new DuckDB()
const events = await scope.dataAccess.queryEvents({ limit: 1e9 })
const stream = exportStream(events)
duckdb.scan('events', stream)
duckdb.ask('create table service as from events')
stream.release()
events.release()
const numbers = (rows) => rows.map((row) => row.map((value) => (/^\d+$/.test(value) ? Number(value) : value)))
const ask = (sql) => numbers(duckdb.ask(sql))
const [[totalMatches, traces]] = ask('select count(*), count(distinct correlation_id) from service')
const types = ask('select event_type, count(*) from service group by 1 order by 1')
const functions = ask(`select module, "function", count(*), sum(cast(json_extract_string(data, '$.duration_ns') as bigint)) from service
  where event_type = 'function_exit' group by 1, 2 order by 1, 2`)
const { leasedBytes, copiedBytes } = scope.stats()
await scope.close()
duckdb.close()
console.log(JSON.stringify({ totals: { totalMatches, types, functions, traces }, leasedBytes, copiedBytes }))
