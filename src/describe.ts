/** What a recording holds, in the words of the contract. */
import type { PathDescription, Schema } from '../index.js'
import type { NativeSchema } from './native.js'
import { lostOf } from './query-result.js'

/** Arrow's types of the columns, as apache-arrow writes them. */
const COLUMN_TYPES: Readonly<Record<string, string>> = {
  seq: 'Uint64',
  event_id: 'Uint64',
  timestamp: 'Int64',
  wall_time: 'Timestamp<NANOSECOND, UTC>',
  event_type: 'Dictionary<Int32, Utf8>',
  node: 'Dictionary<Int32, Utf8>',
  pid: 'Dictionary<Int32, Utf8>',
  correlation_id: 'Dictionary<Int32, Utf8>',
  parent_id: 'Uint64',
  module: 'Dictionary<Int32, Utf8>',
  function: 'Dictionary<Int32, Utf8>',
  arity: 'Uint16',
  file: 'Dictionary<Int32, Utf8>',
  line: 'Uint32',
  tags: 'Map<Utf8, Utf8>',
  data: 'Utf8',
}
const VALUE_TYPES = ['boolean', 'integer', 'float', 'string', 'array'] as const

/** A description. */
export function schemaOf({ columns, paths, tags, eventTypes, segments, truncated, snapshot, lost }: NativeSchema): Schema {
  const missing = lostOf(lost)
  const evicted = missing.ranges.reduce((sum, { cause, count }) => (cause === 'retention' ? sum + count : sum), 0)
  const times = segments.map(({ first, last }) => ({ first, last }))
  return {
    columns: columns.map(({ name, count }) => ({ name, type: COLUMN_TYPES[name]!, count })),
    paths: paths.map(pathOf),
    tags: tags.map(({ name, count }) => ({ name: `tags.${name}`, count })),
    eventTypes: eventTypes.map(({ name, count }) => ({ eventType: name, count })),
    truncated,
    timeRange: times.length === 0 ? null : times.reduce((a, b) => ({ first: a.first < b.first ? a.first : b.first, last: a.last > b.last ? a.last : b.last })),
    segments: segments.map(({ fromSeq, events, first, last, bytes, sealed }) => ({ fromSeq, events, timeRange: { first, last }, bytes, sealed })),
    snapshot,
    evicted,
    lost: missing,
  }
}

function pathOf({ path, ...counts }: NativeSchema['paths'][number]): PathDescription {
  return { path, types: Object.fromEntries(VALUE_TYPES.flatMap((type) => (counts[type] > 0 ? [[type, counts[type]]] : []))) }
}
