/** Answers in the form in which those of two implementations must be equal. */
import type { Event } from '../../index.js'
import { parseData } from '../../src/data-json.js'
import { exact } from '../query/exact.js'

type Projection = readonly (string | { readonly field: string; readonly as: string })[]
type Row = Record<string, unknown>

/** Rows of a query. */
export function comparableRows(rows: Iterable<object>, projection: unknown): string[] {
  return Array.from(rows, (row) => exact(projection === undefined ? inOneOrder(row as Event) : withValues(row, projection as Projection)))
}

/** Fields of an event, and its tags, have no order of their own; those of a projection have. */
function inOneOrder(event: Event): object {
  const fields = Object.entries({ ...event, tags: event.tags && Object.entries(event.tags).sort() })
  return Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** One number has several spellings in JSON text, and no 64-bit integer is -0. */
function withValues(row: object, projection: Projection): object {
  const entries = Object.entries(row).map(([key, value], index) => {
    const item = projection[index]!
    if (typeof item === 'object' && item.as === 'i64' && value === 0) return [key, 0]
    const mayBeJson = typeof item === 'string' ? item.startsWith('data') : item.as === 'json'
    return [key, mayBeJson && typeof value === 'string' ? valueOf(value) : value]
  })
  return Object.fromEntries(entries)
}

function valueOf(text: string): unknown {
  try {
    return { json: parseData(text) }
  } catch {
    return text
  }
}

/** Names of the columns that come of `groupBy`. */
export function keysOf({ groupBy }: Row): string[] {
  return ((groupBy ?? []) as unknown[]).flatMap((key) => (key === 'mfa' ? ['module', 'function', 'arity'] : typeof key === 'object' ? ['time_bucket'] : [key as string]))
}

/** Groups. Which of several equal numbers a key shows is not said: 0 or -0, an integer or a float beyond 2^53. */
export function comparableGroups(rows: Row[], options: Row): string[] {
  const keys = keysOf(options)
  const plain = (value: unknown) => (typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value)
  return rows.map((row) => exact(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, keys.includes(name) ? plain(value) : value]))))
}
