/** All of a query's rows, however many there are, a page at a time. */
import type { Kinescope, QueryOptions, QueryResult } from '../index.js'
import { KinescopeError } from './errors.js'

const ROWS_MAX = 65_536
const FIRST_ROWS = 1024

/** A page, and how many rows there are in all. */
export interface Page<Row> {
  readonly result: QueryResult<Row>
  /** Rows of all pages. */
  readonly total: number
  /** What has been made of the page, set by whoever made it: the next one is as large as that allows. */
  bytes: number
}

/** How pages are fetched. */
export interface PageOptions {
  /** What a page's rows may take, gathered or written. Default: 32 MiB. */
  readonly pageBytes?: number
  /** Calls the API. Default: as it is. */
  asking?<T>(call: () => Promise<T>): Promise<T>
}

/**
 * Pages of one snapshot, in order; there is at least one. Each is released when the next one is asked for. Pages grow up to 65,536 rows, as
 * far as their bytes allow.
 *
 * @param query `limit` bounds all pages together; default: all.
 * @throws {KinescopeError}
 */
export async function* pages<Row>(scope: Kinescope, query: QueryOptions, { pageBytes = 32 << 20, asking = (call) => call() }: PageOptions = {}): AsyncGenerator<Page<Row>> {
  const limit = query.limit ?? Infinity
  const skipped = typeof query.offset === 'number' ? query.offset : 0
  let rows = FIRST_ROWS
  let left = limit
  let offset = query.offset
  for (;;) {
    const before = scope.stats().gatheredBytes
    // A limit that is none is refused as it came.
    const count = query.limit === undefined || Number.isSafeInteger(limit) ? Math.min(rows, left) : limit
    const result = await pageOf<Row>(scope, { ...query, limit: count, ...(offset === undefined ? {} : { offset }) }, asking)
    if (result === 'smaller') {
      rows = Math.ceil(count / 4)
      continue
    }
    const page = { result, total: Math.min(limit, Math.max(0, result.totalMatches - skipped)), bytes: 0 }
    try {
      yield page
    } finally {
      result.release()
    }
    // A page that is not the last one is full.
    left -= count
    if (result.nextPageToken === null || left <= 0) return
    offset = { pageToken: result.nextPageToken }
    const bytes = Math.max(scope.stats().gatheredBytes - before, page.bytes) / count
    rows = Math.max(1, Math.min(ROWS_MAX, count * 8, Math.floor(pageBytes / Math.max(1, bytes))))
  }
}

async function pageOf<Row>(scope: Kinescope, query: QueryOptions, asking: NonNullable<PageOptions['asking']>): Promise<QueryResult<Row> | 'smaller'> {
  try {
    return (await asking(() => scope.dataAccess.queryEvents(query))) as unknown as QueryResult<Row>
  } catch (error) {
    if (error instanceof KinescopeError && error.code === 'RESOURCE_EXHAUSTED' && query.limit! > 1) return 'smaller'
    throw error
  }
}
