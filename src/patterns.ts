/** Where regular expressions stand: the addon, which compiles them, knows them by their text only. */
import { isPlainObject } from './conditions.js'
import { KinescopeError } from './errors.js'

interface Place {
  readonly where: string
  readonly pattern: string
}

/**
 * The error of a call that had these conditions; that of a regular expression by the place of that.
 *
 * @param conditions By their option, checked.
 */
export function withPlace(error: unknown, conditions: Readonly<Record<string, unknown>>): unknown {
  if (!(error instanceof KinescopeError) || error.details['field'] !== 'matches') return error
  const places = Object.entries(conditions).flatMap(([option, condition]) => placesIn(condition, option))
  const lines = error.message.split('\n')
  // A pattern of several lines is shown with their numbers, one that is too large not at all.
  const shown = places.filter(({ pattern }) => lines.includes(`    ${pattern.toWellFormed()}`))
  const [place] = shown.length > 0 ? shown : places
  if (place === undefined || (shown.length === 0 && places.length > 1)) return error
  return new KinescopeError(error.code, error.message.replace(/^matches/, () => place.where), { field: place.where })
}

/** What a call answers that had these conditions; see {@link withPlace}. */
export function placing<T>(conditions: Readonly<Record<string, unknown>>, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw withPlace(error, conditions)
  }
}

function placesIn(condition: unknown, where: string): Place[] {
  if (Array.isArray(condition)) return condition.flatMap((item, index) => placesIn(item, `${where}[${index}]`))
  if (!isPlainObject(condition)) return []
  return Object.entries(condition).flatMap(([name, value]) => {
    const here = `${where}.${name}`
    if (name === 'and' || name === 'or' || name === 'not') return placesIn(value, here)
    const pattern = isPlainObject(value) ? value['matches'] : undefined
    return typeof pattern === 'string' ? [{ where: `${here}.matches`, pattern }] : []
  })
}
