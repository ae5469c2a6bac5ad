/** All of a query's rows, however many there are, a page at a time. */
import type { Kinescope, Lost, QueryOptions, QueryResult } from '../../index.js'
import { KinescopeError } from '../errors.js'
import { asked } from './usage.js'

const ROWS_MAX = 65_536
const FIRST_ROWS = 1024
/** What a page's rows may take when they have to be gathered. */
const PAGE_BYTES = 32 << 20

/** A page, and how many rows there are in all. */
export interface Page<Row> {
  readonly result: QueryResult<Row>
  /** Rows of all pages. */
  readonly total: number
}

/**
 * Pages of one snapshot, in order; there is at least one. Each is released when the next one is asked for. Pages grow up to 65,536 rows, as
 * far as their bytes allow.
 *
 * @param query `limit` bounds all pages together.
 * @throws {UsageError | KinescopeError}
 */
export async function* pages<Row>(scope: Kinescope, query: QueryOptions, limit = query.limit ?? Infinity): AsyncGenerator<Page<Row>> {
  let rows = FIRST_ROWS
  let left = limit
  let offset = query.offset
  for (;;) {
    const before = scope.stats().gatheredBytes
    const found = await page<Row>(scope, { ...query, limit: Math.min(rows, left), ...(offset === undefined ? {} : { offset }) })
    if (found === 'smaller') {
      if (rows === 1) throw new KinescopeError('RESOURCE_EXHAUSTED', 'an event is too large to be answered with')
      rows = Math.ceil(rows / 4)
      continue
    }
    const count = found.table.numRows
    const skipped = typeof query.offset === 'number' ? query.offset : 0
    try {
      yield { result: found, total: Math.min(limit, Math.max(0, found.totalMatches - skipped)) }
    } finally {
      found.release()
    }
    left -= count
    if (found.nextPageToken === null || left <= 0) return
    offset = { pageToken: found.nextPageToken }
    const bytes = (scope.stats().gatheredBytes - before) / Math.max(1, count)
    rows = Math.max(1, Math.min(ROWS_MAX, rows * 8, Math.floor(PAGE_BYTES / Math.max(1, bytes))))
  }
}

async function page<Row>(scope: Kinescope, query: QueryOptions): Promise<QueryResult<Row> | 'smaller'> {
  try {
    return (await asked(() => scope.dataAccess.queryEvents(query))) as unknown as QueryResult<Row>
  } catch (error) {
    if (error instanceof KinescopeError && error.code === 'RESOURCE_EXHAUSTED' && query.limit! > 1) return 'smaller'
    throw error
  }
}

/** Says on standard error what is missing from an answer. */
export function tellLost({ count, ranges }: Lost): void {
  if (count === 0) return
  const byCause = new Map<string, number>()
  for (const range of ranges) byCause.set(range.cause, (byCause.get(range.cause) ?? 0) + range.count)
  const causes = [...byCause].map(([cause, of]) => `${of} ${cause}`)
  process.stderr.write(`kinescope: ${count} events of this time are missing: ${causes.join(', ')}\n`)
}
