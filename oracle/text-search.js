// @ts-check
/**
 * Text search: every part of the query as a substring, in Unicode lower case, somewhere in the event.
 */
import { TEXT_COLUMNS } from './fields.js'
import { wellFormed } from './values.js'

/**
 * Splits at white space; a `"quoted phrase"` stays whole, an unclosed quote is literal. A quote opens a phrase only where
 * a part begins; what follows its closing quote begins the next part.
 *
 * @param {string} query
 * @returns {string[]} in lower case; without empty parts
 */
export function searchParts(query) {
  const parts = []
  const part = /\p{White_Space}*(?:"([^"]*)"|(\P{White_Space}+))/uy
  for (let match = part.exec(query); match; match = part.exec(query)) parts.push(match[1] ?? match[2] ?? '')
  return parts.filter((text) => text !== '').map((text) => wellFormed(text).toLowerCase())
}

/**
 * @param {string} query
 * @returns {(event: any) => boolean}
 */
export function compileTextSearch(query) {
  const parts = searchParts(query)
  return (event) => {
    const texts = [...searchableTexts(event)].map((text) => text.toLowerCase())
    return parts.every((part) => texts.some((text) => text.includes(part)))
  }
}

/** @param {any} event */
function* searchableTexts(event) {
  for (const { key } of TEXT_COLUMNS) if (event[key] !== null) yield event[key]
  for (const [key, value] of Object.entries(event.tags ?? {})) yield* [key, value]
  yield* textsOf(event.data)
}

/**
 * Keys and string values, at any depth. Numbers are not searched.
 *
 * @param {any} value
 * @returns {Generator<string>}
 */
function* textsOf(value) {
  if (typeof value === 'string') yield value
  if (typeof value !== 'object' || value === null) return
  for (const [key, item] of Object.entries(value)) {
    if (!Array.isArray(value)) yield key
    yield* textsOf(item)
  }
}
