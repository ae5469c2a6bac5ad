/** Bounds on captured values: their defaults and ranges. */
import type { CaptureConfig, CaptureLimits } from '../index.js'
import { describeValue, invalidArgument, KinescopeError, unknownField } from './errors.js'

/** What is captured of nested values unless `limits` says otherwise. */
export const DEFAULT_LIMITS: Readonly<CaptureLimits> = Object.freeze({
  maxStringLength: 8192,
  maxDepth: 8,
  maxFields: 128,
  maxItems: 128,
  maxEventBytes: 65_536,
})

/** Smallest and largest value of each limit, both inclusive. */
const LIMIT_RANGES: Readonly<Record<keyof CaptureLimits, readonly [number, number]>> = {
  maxStringLength: [1, 1_048_576],
  maxDepth: [1, 64],
  maxFields: [1, 65_536],
  maxItems: [1, 65_536],
  maxEventBytes: [1024, 16_777_216],
}

/** How many field names `redact` may hold. */
const MAX_REDACTED_NAMES = 1024

/**
 * Fills in what `limits` leaves out.
 *
 * @throws {KinescopeError} `INVALID_ARGUMENT` naming the limit that is unknown, no integer, or out of its range.
 * @example
 * resolveLimits({ maxDepth: 3 }).maxItems // 128
 */
export function resolveLimits(limits: Partial<CaptureLimits> | undefined): CaptureLimits {
  const resolved: CaptureLimits = { ...DEFAULT_LIMITS }
  if (limits === undefined) return resolved
  if (typeof limits !== 'object' || limits === null) throw invalidArgument('limits', limits, 'an object')
  const names = Object.keys(LIMIT_RANGES) as (keyof CaptureLimits)[]
  for (const name of Object.keys(limits)) {
    if (!(names as string[]).includes(name)) throw unknownField('limits', name, names)
  }
  for (const name of names) {
    const value = limits[name]
    if (value === undefined) continue
    const [smallest, largest] = LIMIT_RANGES[name]
    if (!Number.isInteger(value) || value < smallest || value > largest) {
      throw invalidArgument(`limits.${name}`, value, `an integer from ${smallest} to ${largest}`)
    }
    resolved[name] = value
  }
  return resolved
}

/**
 * Checks the share of root frames that are recorded.
 *
 * @param rate From 0 to 1; default 1.
 * @throws {KinescopeError} `INVALID_ARGUMENT`.
 * @example
 * resolveSamplingRate(undefined) // 1
 */
export function resolveSamplingRate(rate: number | undefined): number {
  if (rate === undefined) return 1
  if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1)) {
    throw invalidArgument('samplingRate', rate, 'a number from 0 to 1')
  }
  return rate
}

/**
 * Checks the names of fields that are never captured.
 *
 * @param names At most 1,024 of them; default: none.
 * @throws {KinescopeError} `INVALID_ARGUMENT`.
 * @example
 * resolveRedact(['password']) // ['password']
 */
export function resolveRedact(names: readonly string[] | undefined): readonly string[] {
  if (names === undefined) return []
  if (!Array.isArray(names)) throw invalidArgument('redact', names, 'an array of strings')
  if (names.length > MAX_REDACTED_NAMES) {
    const message = `redact: expected at most ${MAX_REDACTED_NAMES} names, got ${names.length}`
    throw new KinescopeError('INVALID_ARGUMENT', message, { field: 'redact' })
  }
  for (const [index, name] of names.entries()) {
    if (typeof name !== 'string') {
      const message = `redact[${index}]: expected a string, got ${describeValue(name)}`
      throw new KinescopeError('INVALID_ARGUMENT', message, { field: `redact[${index}]` })
    }
  }
  return [...names]
}

/**
 * A configuration to show: its own copy, in which nothing can be changed, so that what captures keeps its objects to itself.
 *
 * @example
 * Object.isFrozen(frozenConfig(config).limits) // true
 */
export function frozenConfig(config: CaptureConfig): CaptureConfig {
  return Object.freeze({ ...config, limits: Object.freeze({ ...config.limits }), redact: Object.freeze([...config.redact]) })
}
