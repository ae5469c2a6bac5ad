/** Fields as a person writes them: in one text, with commas between them. */
import type { ProjectionItem } from '../index.js'

/**
 * Splits at commas, those left out that are in brackets, parentheses or quotes.
 *
 * @example
 * list('pid,data.a["x,y"]') // ['pid', 'data.a["x,y"]']
 */
export function list(text: string): string[] {
  const items = text.match(/(?:"(?:[^"\\]|\\.)*"|\([^)]*\)|[^,])+/g) ?? []
  return items.map((item) => item.trim()).filter((item) => item !== '')
}

/**
 * A field of a projection, behind which a type may follow.
 *
 * @example
 * projectionItem('data.n:i64') // { field: 'data.n', as: 'i64' }
 */
export function projectionItem(text: string): ProjectionItem {
  const [, field, as] = /^(.+):(i64|f64|bool|utf8|json)$/.exec(text) ?? []
  return field === undefined ? text : { field, as: as as 'i64' }
}
