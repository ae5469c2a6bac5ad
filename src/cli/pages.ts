/** Pages of what the command line asks for, and what is missing from them. */
import type { Kinescope, Lost, QueryOptions } from '../../index.js'
import { type Page, pages as pagesOf } from '../pages.js'
import { asked } from './usage.js'

export type { Page } from '../pages.js'

/**
 * {@link pagesOf}, with the command line's names in messages.
 *
 * @param limit Bounds all pages together.
 * @throws {UsageError | KinescopeError}
 */
export function pages<Row>(scope: Kinescope, query: QueryOptions, limit = query.limit): AsyncGenerator<Page<Row>> {
  return pagesOf<Row>(scope, limit === undefined ? query : { ...query, limit }, { asking: asked })
}

/** Says on standard error what is missing from an answer. */
export function tellLost({ count, ranges }: Lost): void {
  if (count === 0) return
  const byCause = new Map<string, number>()
  for (const range of ranges) byCause.set(range.cause, (byCause.get(range.cause) ?? 0) + range.count)
  const causes = [...byCause].map(([cause, of]) => `${of} ${cause}`)
  process.stderr.write(`kinescope: ${count} events of this time are missing: ${causes.join(', ')}\n`)
}
