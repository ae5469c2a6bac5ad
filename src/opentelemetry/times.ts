/** OpenTelemetry's times, which are of the wall clock, on the recording's time line. */

/** Both clocks at one moment, in nanoseconds. */
export interface Moment {
  readonly timestamp: bigint
  readonly wallTime: bigint
}

/**
 * The SDK reads the wall clock in milliseconds, and calls its processors a little later: within this of the present, a time that it
 * names says no more than that it is now.
 */
const NOW_NS = 2_000_000n
const SECOND_NS = 1_000_000_000n

/**
 * Seconds and nanoseconds as nanoseconds.
 *
 * @returns `undefined` for what is no such pair, or is beyond 64 bits.
 * @example
 * nanoseconds([1, 5]) // 1000000005n
 */
export function nanoseconds(time: unknown): bigint | undefined {
  if (!Array.isArray(time)) return undefined
  const [seconds, rest] = time as unknown[]
  if (!Number.isSafeInteger(seconds) || !Number.isFinite(rest)) return undefined
  const total = BigInt(seconds as number) * SECOND_NS + BigInt(Math.round(rest as number))
  return BigInt.asIntN(64, total) === total ? total : undefined
}

/**
 * When something that the SDK tells of now has happened by its wall time, on the recording's time line.
 *
 * @param span In which it happened: what the coarseness of clocks would put before its start is put there.
 */
export function timestampOfWall(wallTime: bigint, now: Moment, span?: Moment): bigint {
  const timestamp = nearest(now.timestamp - (now.wallTime - wallTime), now.timestamp)
  return span !== undefined && wallTime >= span.wallTime && timestamp < span.timestamp ? span.timestamp : timestamp
}

/** `expected`, or the present where that cannot be told from it. */
export function nearest(expected: bigint, now: bigint): bigint {
  const ago = now - expected
  return ago > -NOW_NS && ago < NOW_NS ? now : BigInt.asIntN(64, expected)
}
