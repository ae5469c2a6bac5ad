/** Polars' totals of the example service, which the argument is a recording of: of its files, and of results as Arrow's bytes. */
import { join } from 'node:path'
import { open } from 'kinescope'
import pl from 'nodejs-polars'

const [path] = process.argv.slice(2)

/** Of frames that have these columns; `ns` makes durations of what is in `duration`. */
function totalsOf(events, ns) {
  const rows = (frame) => frame.collectSync().rows()
  const exits = events.filter(pl.col('event_type').cast(pl.Utf8).eq(pl.lit('function_exit')))
  return {
    totalMatches: rows(events.select(pl.col('event_type').count()))[0][0],
    types: rows(events.groupBy([pl.col('event_type').cast(pl.Utf8)]).agg(pl.col('pid').count().alias('n')).sort('event_type')),
    functions: rows(
      exits
        .groupBy([pl.col('module').cast(pl.Utf8), pl.col('function').cast(pl.Utf8)])
        .agg(pl.col('pid').count().alias('calls'), ns.sum().alias('ns'))
        .sort(['module', 'function']),
    ),
    traces: rows(events.select(pl.col('correlation_id').cast(pl.Utf8).dropNulls().nUnique()))[0][0],
  }
}

const duration = pl.col('data').str.jsonPathMatch('$.duration_ns').cast(pl.Int64)
const report = { files: totalsOf(pl.scanIPC(join(path, '*.arrow')), duration) }

const scope = await open({ path, mode: 'read' })
const projection = ['event_type', 'pid', 'module', 'function', 'correlation_id', { field: 'data.duration_ns', as: 'i64' }]
const result = await scope.dataAccess.queryEvents({ projection, limit: 1e9 })
const bytes = Buffer.from(result.toIPC('file').buffer)
result.release()
await scope.close()
report.bytes = totalsOf(pl.readIPC(bytes).lazy(), pl.col('data.duration_ns'))
console.log(JSON.stringify(report, (_, value) => (typeof value === 'bigint' ? Number(value) : value)))
