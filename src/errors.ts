/** The error class of the package, and the messages that validation builds. */
import { types } from 'node:util'
import type { KinescopeErrorCode } from '../index.js'

/**
 * The only error class of this package.
 *
 * @example
 * throw new KinescopeError('CLOSED', 'the recording is closed')
 */
export class KinescopeError extends Error {
  /** Always `'KinescopeError'`. */
  override readonly name = 'KinescopeError'
  /** What went wrong, for programs. */
  readonly code: KinescopeErrorCode
  /** Facts behind the message; an empty object when there are none. */
  readonly details: Readonly<Record<string, unknown>>

  /**
   * @param code What went wrong.
   * @param message What was expected, what came, and where.
   * @param details For programs; default: an empty object.
   */
  constructor(code: KinescopeErrorCode, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** Characters of a string that a message repeats. */
const SHOWN_CHARACTERS = 60

/**
 * Says in a few words what a value is, without running code of its own: no getter, trap or `toString`.
 *
 * @example
 * describeValue('7') // 'the string "7"'
 */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > SHOWN_CHARACTERS
        ? `a string of ${value.length} characters that starts with ${JSON.stringify(value.slice(0, SHOWN_CHARACTERS))}`
        : `the string ${JSON.stringify(value)}`
    case 'number':
      return `the number ${Object.is(value, -0) ? '-0' : value}`
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? `the bigint ${value}n` : 'a bigint beyond 64 bits'
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'symbol':
    case 'function':
      return `a ${typeof value}`
    default:
      if (value === null) return 'null'
      if (types.isProxy(value)) return 'a Proxy'
      if (Array.isArray(value)) return 'an array'
      return types.isDate(value) ? 'a Date' : 'an object'
  }
}

/**
 * The error for an argument of a wrong type or value.
 *
 * @param field Path of the argument, such as `event.pid`.
 * @param received What came.
 * @param expected What was expected, as the end of "expected ...".
 * @returns `INVALID_ARGUMENT`, with `field` and `expected` in its details.
 * @example
 * throw invalidArgument('event.pid', 7, 'a string') // event.pid: expected a string, got the number 7
 */
export function invalidArgument(field: string, received: unknown, expected: string): KinescopeError {
  return new KinescopeError('INVALID_ARGUMENT', `${field}: expected ${expected}, got ${describeValue(received)}`, {
    field,
    expected,
  })
}

/**
 * The error for a field that does not exist.
 *
 * @param owner What has no such field, such as `event`.
 * @param name The name that came.
 * @param known The names that exist.
 * @returns `INVALID_ARGUMENT`, with `field` and the `nearest` known name in its details.
 * @example
 * throw unknownField('event', 'eventTyp', ['eventType', 'pid']) // ... did you mean "eventType"?
 */
export function unknownField(owner: string, name: string, known: readonly string[]): KinescopeError {
  const nearest = nearestName(name, known)
  const hint = nearest === undefined ? `expected one of ${known.join(', ')}` : `did you mean "${nearest}"?`
  const shown = JSON.stringify(name.slice(0, SHOWN_CHARACTERS))
  return new KinescopeError('INVALID_ARGUMENT', `${owner}: unknown field ${shown}; ${hint}`, { field: name, nearest })
}

/**
 * The known name with the smallest edit distance, if that is at most a third of its length, and 2 at least.
 *
 * @example
 * nearestName('colour', ['color', 'size']) // 'color'
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  let nearestDistance = Infinity
  const folded = name.slice(0, SHOWN_CHARACTERS).toLowerCase()
  for (const candidate of known) {
    const distance = editDistance(folded, candidate.toLowerCase())
    if (distance < nearestDistance && distance <= Math.max(2, candidate.length / 3)) {
      nearest = candidate
      nearestDistance = distance
    }
  }
  return nearest
}

/**
 * The three known names with the smallest edit distances, the nearest first.
 *
 * @example
 * nearestNames('colour', ['size', 'colors', 'color', 'count']) // ['color', 'colors', 'count']
 */
export function nearestNames(name: string, known: readonly string[]): string[] {
  const folded = name.slice(0, SHOWN_CHARACTERS).toLowerCase()
  const ranked = known.map((candidate) => ({ candidate, distance: editDistance(folded, candidate.toLowerCase()) }))
  ranked.sort((a, b) => a.distance - b.distance)
  return ranked.slice(0, 3).map(({ candidate }) => candidate)
}

/** Levenshtein's distance by the two-row method of Wagner and Fischer. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1))
    }
    previous = current
  }
  return previous[b.length]!
}

/** Codes that the addon names; every one is a code of the contract. */
const NATIVE_CODE = /^(INVALID_ARGUMENT|UNKNOWN_FIELD|TYPE_MISMATCH|PAGE_TOKEN_INVALID|PAGE_TOKEN_EXPIRED|NOT_FOUND|CLOSED|LOCKED|CORRUPT_RECORDING|UNSUPPORTED_VERSION|RESOURCE_EXHAUSTED|IO): /

/** Who holds what is locked. */
const NATIVE_HOLDER = /\bprocess (\d+)\b/

/** An argument that is at fault opens the message. */
const NATIVE_FIELD = /^([A-Za-z][\w.[\]]*): /

/**
 * The error behind one that the addon threw: its message begins with the code.
 *
 * @example
 * kinescopeErrorOf(new Error('CLOSED: the recording is closed')).code // 'CLOSED'
 */
export function kinescopeErrorOf(error: unknown): unknown {
  const message = error instanceof Error ? error.message : ''
  const code = NATIVE_CODE.exec(message)?.[1] as KinescopeErrorCode | undefined
  if (code === undefined) return error
  const text = message.slice(code.length + 2)
  const holder = code === 'LOCKED' ? NATIVE_HOLDER.exec(text)?.[1] : undefined
  if (holder !== undefined) return new KinescopeError(code, text, { processId: Number(holder) })
  const field = code === 'INVALID_ARGUMENT' ? NATIVE_FIELD.exec(text)?.[1] : undefined
  return new KinescopeError(code, text, field === undefined ? {} : { field })
}

/** The error of every call on something that has been closed or released. */
export function closedError(what: string): KinescopeError {
  return new KinescopeError('CLOSED', `${what} is closed`)
}
