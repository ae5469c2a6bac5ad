/** Options of `serve`: validation and defaults. */
import { randomBytes } from 'node:crypto'
import type { ServeOptions } from '../../index.js'
import { describeValue, invalidArgument, KinescopeError, unknownField } from '../errors.js'

/** Options that are integers: smallest, default and largest value. */
const INTEGERS = {
  port: [0, 0, 65_535],
  maxRequests: [1, 16, 1024],
  maxBodyBytes: [1, 1 << 20, 1 << 26],
  requestTimeoutMs: [1, 10_000, 3_600_000],
  closeTimeoutMs: [0, 1000, 3_600_000],
  maxFiles: [1, 8, 1024],
  maxFileBytes: [1, 2 ** 31, Number.MAX_SAFE_INTEGER],
  maxFileIdleMs: [0, 600_000, 2 ** 31 - 1],
} as const satisfies { [name: string]: readonly [number, number, number] }
type IntegerName = keyof typeof INTEGERS

const OPTIONS = [...Object.keys(INTEGERS), 'host', 'token', 'allowedHosts']
const DEFAULT_HOST = '127.0.0.1'
const ALLOWED_HOSTS_MAX = 64
const TOKEN_BYTES = 32
const TOKEN_CHARACTERS_MIN = 16
const TOKEN_CHARACTERS_MAX = 1024
/** What RFC 6750 allows behind `Bearer`. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

/** Options that have been checked, complete. */
export interface ResolvedServe extends Readonly<Record<IntegerName, number>> {
  readonly host: string
  readonly token: string
  readonly allowedHosts: readonly string[]
}

/**
 * Checks the options of `serve` and fills in what they leave out.
 *
 * @throws {KinescopeError} `INVALID_ARGUMENT` naming the option; a token is never repeated.
 */
export function resolveServe(options: ServeOptions): ResolvedServe {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) throw invalidArgument('options', options, 'an object')
  for (const name of Object.keys(options)) if (!OPTIONS.includes(name)) throw unknownField('options', name, OPTIONS)
  const { host = DEFAULT_HOST, token, allowedHosts = [] } = options
  if (typeof host !== 'string' || host === '') throw invalidArgument('host', host, 'the name or the address of an interface of this machine')
  if (!Array.isArray(allowedHosts) || allowedHosts.length > ALLOWED_HOSTS_MAX) throw invalidArgument('allowedHosts', allowedHosts, `an array of at most ${ALLOWED_HOSTS_MAX} names`)
  for (const [index, name] of allowedHosts.entries()) {
    if (typeof name !== 'string' || name === '') throw invalidArgument(`allowedHosts[${index}]`, name, 'what a Host header has, such as "analysis.internal:8080"')
  }
  const integers = Object.fromEntries(Object.keys(INTEGERS).map((name) => [name, integer(name as IntegerName, options[name as IntegerName])])) as Record<IntegerName, number>
  return { ...integers, host, token: resolveToken('token', token), allowedHosts: allowedHosts.map((name) => name.toLowerCase()) }
}

/**
 * The token that was given, or a new one.
 *
 * @param where What the message calls it; the token itself is in no message.
 * @throws {KinescopeError} `INVALID_ARGUMENT`.
 */
export function resolveToken(where: string, token: unknown): string {
  if (token === undefined) return randomBytes(TOKEN_BYTES).toString('base64url')
  const expected = `${TOKEN_CHARACTERS_MIN} to ${TOKEN_CHARACTERS_MAX} of the characters A-Z a-z 0-9 . _ ~ + / -, behind which = may follow`
  const got = typeof token === 'string' ? `a string of ${token.length} characters` : describeValue(token)
  if (typeof token !== 'string' || token.length < TOKEN_CHARACTERS_MIN || token.length > TOKEN_CHARACTERS_MAX || !TOKEN.test(token)) {
    throw new KinescopeError('INVALID_ARGUMENT', `${where}: expected ${expected}, got ${got}`, { field: where, expected })
  }
  return token
}

function integer(name: IntegerName, value: unknown): number {
  const [smallest, standard, largest] = INTEGERS[name]
  if (value === undefined) return standard
  if (!Number.isSafeInteger(value) || (value as number) < smallest || (value as number) > largest) throw invalidArgument(name, value, `an integer from ${smallest} to ${largest}`)
  return value as number
}
