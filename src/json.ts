/** Values as JSON, in which integers have all of their digits. */

/**
 * As `JSON.stringify`, but a bigint is the integer that it is.
 *
 * @example
 * jsonText({ seq: 7n }) // '{"seq":7}'
 */
export function jsonText(value: unknown): string {
  if (typeof value === 'bigint') return String(value)
  try {
    return JSON.stringify(value) ?? 'null'
  } catch (error) {
    // A bigint is all that it cannot do: nothing here refers to itself.
    if (!(error instanceof TypeError)) throw error
    return exactText(value)
  }
}

/** {@link jsonText} of what is known to have bigints, as rows do. */
export function exactText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return jsonText(value)
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`
  let text = '{'
  for (const [name, field] of Object.entries(value)) {
    if (field !== undefined) text += `${text === '{' ? '' : ','}${JSON.stringify(name)}:${jsonText(field)}`
  }
  return `${text}}`
}
