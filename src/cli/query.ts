/** `kinescope query`. */
import type { Aggregation, AggregateOptions, Event, Kinescope, ProjectedRow, QueryOptions } from '../../index.js'
import { EVENT_COLUMNS, eventRow } from './events-text.js'
import { list } from '../field-list.js'
import { exactText } from '../json.js'
import { grouped, type Output } from './output.js'
import { pages, tellLost } from './pages.js'
import { csvLine, tableText } from './table.js'
import { durationNs } from './times.js'
import { asked, UsageError } from './usage.js'

export const QUERY_FORMATS = ['table', 'json', 'ndjson', 'csv'] as const
export type QueryFormat = (typeof QUERY_FORMATS)[number]

const DEFAULT_LIMIT = 1000
const FUNCTION = /^(?:([A-Za-z_][\w-]*)=)?(count|count_distinct|sum|avg|min|max|quantile|p\d{1,2}(?:\.\d+)?)\((.*)\)$/s

/** Rows as they are written in a format. */
class Rows {
  readonly #format: QueryFormat
  readonly #output: Output
  readonly #table: Record<string, unknown>[] = []
  #names: readonly string[] | undefined
  #count = 0

  constructor(format: QueryFormat, output: Output) {
    this.#format = format
    this.#output = output
  }

  /** @param names Of the columns; the same each time. */
  async add(rows: Iterable<Readonly<Record<string, unknown>>>, names: readonly string[]): Promise<void> {
    let text = ''
    if (this.#names === undefined) {
      this.#names = names
      if (this.#format === 'csv') text = csvLine(names)
    }
    for (const row of rows) {
      if (this.#format === 'table') this.#table.push(row)
      else if (this.#format === 'csv') text += csvLine(names.map((name) => row[name]))
      else if (this.#format === 'ndjson') text += `${exactText(row)}\n`
      else text += `${this.#count === 0 ? '[' : ','}\n${exactText(row)}`
      this.#count++
      if (text.length > 1 << 16) {
        await this.#output.write(text)
        text = ''
      }
    }
    await this.#output.write(text)
  }

  async end(): Promise<void> {
    if (this.#format === 'json') await this.#output.write(this.#count === 0 ? '[]\n' : '\n]\n')
    if (this.#format === 'table') await this.#output.write(tableText(this.#names!, this.#table))
  }
}

/** Shows the rows of a query. */
export async function queryEvents(scope: Kinescope, query: QueryOptions, format: QueryFormat, output: Output): Promise<void> {
  const rows = new Rows(format, output)
  const limit = query.limit ?? DEFAULT_LIMIT
  let count = 0
  let total = 0
  for await (const { result } of pages<Event | ProjectedRow>(scope, query, limit)) {
    const isWhole = query.projection === undefined
    const found = format === 'table' && isWhole ? (result.toArray() as Event[]).map(eventRow) : (result as Iterable<ProjectedRow>)
    await rows.add(found, isWhole && format === 'table' ? EVENT_COLUMNS : keysOf(result.table.schema.names as string[], isWhole))
    total = result.totalMatches
    count += result.table.numRows
    if (result.nextPageToken === null || count >= limit) tellLost(result.lost)
  }
  await rows.end()
  const left = total - count - (typeof query.offset === 'number' ? Math.min(query.offset, total) : 0)
  if (left > 0 || format === 'table') process.stderr.write(`${grouped(count)} of ${grouped(total)} events${left > 0 && query.limit === undefined ? '; --limit shows more' : ''}\n`)
}

/** The keys of rows, by the names of their columns. */
function keysOf(names: readonly string[], isWhole: boolean): string[] {
  return names.map((name) => (isWhole || !/[.[]/.test(name) ? name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) : name))
}

/** What `--group-by` and `--aggregate` ask for. */
export function aggregateOf(groupBy: readonly string[] | undefined, aggregate: readonly string[] | undefined, query: QueryOptions): AggregateOptions {
  const { limit, offset, sortBy, sortOrder, projection, ...filters } = query
  const unfit = projection !== undefined ? '--fields' : offset !== undefined ? '--offset' : undefined
  if (unfit !== undefined) throw new UsageError(`${unfit}: expected none with --group-by or --aggregate`)
  const aggregations = (aggregate ?? ['count(*)']).flatMap(list).map(aggregationOf)
  return {
    groupBy: (groupBy ?? []).flatMap(list).map(keyOf),
    aggregations: Object.fromEntries(aggregations),
    filters,
    ...(limit === undefined ? {} : { limit }),
    ...(sortBy === undefined ? {} : { orderBy: [{ field: sortBy, ...(sortOrder === undefined ? {} : { order: sortOrder }) }] }),
  }
}

function keyOf(text: string): string | { timeBucketNs: bigint } {
  const [, length] = /^time:(.+)$/.exec(text) ?? []
  return length === undefined ? text : { timeBucketNs: durationNs('--group-by', length) }
}

function aggregationOf(text: string): [string, Aggregation] {
  const [, name, fn, inner] = FUNCTION.exec(text) ?? []
  const [field, ...more] = inner === undefined ? [] : list(inner)
  const isQuantile = fn === 'quantile'
  if (field === undefined || more.length !== (isQuantile ? 1 : 0)) {
    throw new UsageError(`--aggregate: expected [NAME=]FUNCTION(FIELD), such as count(*), avg(data.duration_ns) or slow=p95(data.duration_ns), got ${JSON.stringify(text)}`)
  }
  if (fn === 'count_distinct') return [name ?? text, { countDistinct: field }]
  if (isQuantile) return [name ?? text, { quantile: field, q: Number(more[0]) }]
  if (fn!.startsWith('p')) return [name ?? text, { quantile: field, q: Number(fn!.slice(1)) / 100 }]
  return [name ?? (text === 'count(*)' ? 'count' : text), { [fn!]: field } as unknown as Aggregation]
}

/** Shows groups of events. */
export async function aggregateEvents(scope: Kinescope, options: AggregateOptions, format: QueryFormat, output: Output): Promise<void> {
  const groups = await asked(() => scope.dataAccess.aggregateEvents(options))
  const rows = new Rows(format, output)
  await rows.add(groups.rows(), groups.table.schema.names as string[])
  await rows.end()
  tellLost(groups.lost)
  groups.release()
}
