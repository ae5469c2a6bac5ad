/** Times on the command line. */
import { UsageError } from './usage.js'

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const AGO = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/
const ISO = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/
const NANOSECONDS = /^-?\d+$/

/**
 * A time as `startTimeWall` takes it.
 *
 * @param text ISO 8601, how long ago (`5m`), or nanoseconds since the Unix epoch.
 * @throws {UsageError} naming the option.
 * @example
 * wallTime('--since', '5m', Date.now()) // a Date five minutes ago
 */
export function wallTime(option: string, text: string, nowMs: number): Date | bigint {
  if (NANOSECONDS.test(text)) return BigInt(text)
  const [, number, unit] = AGO.exec(text) ?? []
  const date = number === undefined ? new Date(ISO.test(text) ? text : NaN) : new Date(nowMs - Number(number) * UNITS_MS[unit!]!)
  if (Number.isNaN(date.getTime())) {
    throw new UsageError(`${option}: expected an ISO time such as 2026-11-27T09:30:00Z, a time ago such as 90s, 5m, 2h or 1d, or nanoseconds since the Unix epoch, got ${JSON.stringify(text)}`)
  }
  return date
}

/**
 * A length of time in nanoseconds.
 *
 * @throws {UsageError} naming the option.
 */
export function durationNs(option: string, text: string): bigint {
  const [, number, unit] = AGO.exec(text) ?? []
  const nanoseconds = number === undefined ? 0 : Math.round(Number(number) * UNITS_MS[unit!]! * 1e6)
  if (!(nanoseconds > 0) || !Number.isSafeInteger(nanoseconds)) throw new UsageError(`${option}: expected a length of time such as 500ms, 1s or 5m, got ${JSON.stringify(text)}`)
  return BigInt(nanoseconds)
}

/** Nanoseconds since the Unix epoch as ISO 8601, to the microsecond. */
export function isoTime(wallTimeNs: bigint): string {
  const microseconds = wallTimeNs / 1000n
  const milliseconds = Number(microseconds / 1000n)
  // Beyond the years that a Date can have, the number is all that there is.
  if (Math.abs(milliseconds) > 8.64e15 || wallTimeNs < 0n) return String(wallTimeNs)
  return new Date(milliseconds).toISOString().replace('Z', `${String(microseconds % 1000n).padStart(3, '0')}Z`)
}
