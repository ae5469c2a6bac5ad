/** Order and pages of results. */
import { isPlainObject } from './conditions.js'
import { invalidArgument, unknownField } from './errors.js'
import { resolveField } from './fields.js'
import type { Order } from './plan.js'

/**
 * Checks `sortBy` and `sortOrder`.
 *
 * @returns undefined for the order that results have anyway: by (`timestamp`, `seq`).
 * @throws {KinescopeError} `INVALID_ARGUMENT`, `UNKNOWN_FIELD`.
 */
export function resolveOrder(sortBy: unknown = 'timestamp', sortOrder: unknown = 'asc'): Order | undefined {
  if (sortOrder !== 'asc' && sortOrder !== 'desc') throw invalidArgument('sortOrder', sortOrder, "'asc' or 'desc'")
  const { name, ref } = resolveField(sortBy, 'sortBy')
  const descending = sortOrder === 'desc'
  return name === 'timestamp' && !descending ? undefined : { field: ref, descending }
}

/**
 * Checks `offset`.
 *
 * @returns `skip`: rows to leave out, if any; `token`: where an earlier page ended.
 * @throws {KinescopeError} `INVALID_ARGUMENT`.
 */
export function resolveOffset(offset: unknown): { skip?: number; token?: string } {
  if (offset === undefined) return {}
  if (!isPlainObject(offset)) return resolveSkip(offset)
  for (const name of Object.keys(offset)) {
    if (name !== 'pageToken') throw unknownField('offset', name, ['pageToken'])
  }
  const { pageToken } = offset
  if (pageToken === undefined) return {}
  if (typeof pageToken !== 'string') throw invalidArgument('offset.pageToken', pageToken, 'the nextPageToken of a result')
  return { token: pageToken }
}

function resolveSkip(offset: unknown): { skip?: number } {
  if (!Number.isSafeInteger(offset) || (offset as number) < 0) {
    throw invalidArgument('offset', offset, 'a non-negative safe integer or { pageToken }')
  }
  return offset === 0 ? {} : { skip: offset as number }
}
