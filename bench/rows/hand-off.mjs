/** What reaches those who compute with events elsewhere. */
import { ratioOf, withRange } from './figures.mjs'

/** @typedef {import('./figures.mjs').Row} Row */

/** @type {Record<string, import('../lib/schedule.mjs').Probe>} */
export const HAND_OFF_PROBES = { handOff: { file: 'probes/hand-off.mjs', repetitions: 1 } }

/** @type {Row[]} */
export const HAND_OFF_ROWS = [
  row('hand-off-mapped', 'segments of a recording, mapped by pyarrow', 'pyarrowMapped', { 'JSON lines': 'pyarrowJson', "DuckDB's own table": 'pyarrowDuckdb' }),
  row('hand-off-served', 'a service, streamed to pyarrow', 'pyarrowServed', { 'JSON lines': 'pyarrowJson', "DuckDB's own table": 'pyarrowDuckdb' }),
  row('hand-off-parquet', 'a service, as Parquet to Polars', 'polarsServed', { 'JSON lines': 'polarsJson' }),
  row('hand-off-worker', 'a result, opened in a worker thread', 'workerShared', { 'JSON lines': 'workerJson' }),
]

/** @returns {Row} */
function row(name, what, metric, rivals) {
  const figures = (metrics) => ({
    absolute: withRange(metrics[metric], 'M events/s', { scale: 1e-6 }),
    ratio: Object.entries(rivals).map(([rival, of]) => `${ratioOf(metrics[metric], metrics[of]).toFixed(1)} x ${rival}`).join(', '),
  })
  return { name, what, goal: '', probes: ['handOff'], figures }
}
