// @ts-check
/**
 * JSON with what JavaScript's own lacks: integers beyond 2^53, and floats that stay floats.
 */
import { isInteger } from './values.js'

/**
 * Text of a captured value. A float always shows a point or an exponent, so that a bare integer literal always was an
 * integer: `-0.0`, `1.5`, `1.152921504606847e18`.
 *
 * @param {any} value
 * @returns {string}
 */
export function jsonText(value) {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return numberText(value)
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${jsonText(item)}`).join(',')}}`
}

/** @param {number} value */
function numberText(value) {
  if (Object.is(value, -0)) return '-0.0'
  if (isInteger(value) || !Number.isInteger(value)) return String(value).replace('e+', 'e')
  return value.toExponential().replace('e+', 'e')
}
