// @ts-check
/**
 * The oracle's own copy of the package's error class, so that it depends on nothing that it judges.
 */

/** @typedef {import('../index.js').KinescopeErrorCode} KinescopeErrorCode */

/** The same shape as the package's `KinescopeError`: `code` to branch on, `details` with facts. */
export class KinescopeError extends Error {
  /**
   * @param {KinescopeErrorCode} code what went wrong
   * @param {string} message what was expected, what came, and where
   * @param {Readonly<Record<string, unknown>>} [details] facts behind the message; default: none
   */
  constructor(code, message, details = {}) {
    super(message)
    this.name = /** @type {const} */ ('KinescopeError')
    this.code = code
    this.details = details
  }
}

/**
 * A short text for an error message; runs no user code beyond reading a string.
 *
 * @param {unknown} value
 */
export function describeValue(value) {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (value === null || ['number', 'boolean', 'undefined', 'symbol'].includes(typeof value)) return String(value)
  return typeof value === 'function' ? 'a function' : Array.isArray(value) ? 'an array' : 'an object'
}

/**
 * @param {string} field the argument's path, such as `query.limit`
 * @param {string} expected
 * @param {unknown} came
 */
export function invalidArgument(field, expected, came) {
  return new KinescopeError('INVALID_ARGUMENT', `${field}: expected ${expected}, got ${describeValue(came)}`, { field })
}

/**
 * Up to three candidates, the nearest by edit distance first.
 *
 * @param {string} name
 * @param {readonly string[]} candidates
 */
export function nearestNames(name, candidates) {
  const distance = (/** @type {string} */ candidate) => editDistance(name.slice(0, 64), candidate)
  return [...candidates].sort((a, b) => distance(a) - distance(b)).slice(0, 3)
}

/**
 * Levenshtein's distance, row by row.
 *
 * @param {string} a
 * @param {string} b
 */
function editDistance(a, b) {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (const [i, characterOfA] of [...a].entries()) {
    let left = i + 1
    above = above.map((up, j) => {
      if (j === 0) return left
      left = Math.min(left + 1, up + 1, /** @type {number} */ (above[j - 1]) + (characterOfA === b[j - 1] ? 0 : 1))
      return left
    })
  }
  return /** @type {number} */ (above.at(-1))
}

/**
 * Throws `INVALID_ARGUMENT` for the first key that is not among `known`.
 *
 * @param {object} options
 * @param {readonly string[]} known
 * @param {string} where
 */
export function rejectUnknownKeys(options, known, where) {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue
    const nearest = nearestNames(key, known)
    const message = `${where}.${key}: unknown; known are ${known.join(', ')}`
    throw new KinescopeError('INVALID_ARGUMENT', message, { field: `${where}.${key}`, nearest })
  }
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isPlainArgument(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
