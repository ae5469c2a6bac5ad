/** Text search: what a query of words and phrases looks for. */
import { invalidArgument } from './errors.js'
import type { Node } from './plan.js'

/** A phrase in quotes, or a run without white space; a quote that is never closed is part of such a run. */
const PART = /"([^"]*)"|\P{White_Space}+/gu

/**
 * Splits a text search at white space; a `"quoted phrase"` stays whole.
 *
 * @returns The parts that must all occur, in lower case; none when there is nothing to look for.
 * @throws {KinescopeError} `INVALID_ARGUMENT` when it is no string.
 * @example
 * resolveTextSearch('Cart "not found"') // { text: ['cart', 'not found'] }
 */
export function resolveTextSearch(query: unknown): Node {
  if (typeof query !== 'string') throw invalidArgument('textSearch', query, 'a string')
  const parts = Array.from(query.toWellFormed().matchAll(PART), ([part, phrase]) => (phrase ?? part).toLowerCase())
  const text = parts.filter((part) => part !== '')
  return text.length === 0 ? { and: [] } : { text }
}
