/** What the oracle's own tests share. */
import type { Event } from '../../index.js'
import { openOracle } from '../../oracle/index.js'

/** An oracle whose clock counts up from 0 by one, on 1970-01-01. */
export function countingOracle(options: Parameters<typeof openOracle>[0] = {}) {
  let now = 0n
  return openOracle({ node: 'test', clock: () => now++, wallTimeOffset: 0n, ...options })
}

/** An oracle that holds the given events; `timestamp` defaults to the position. */
export async function oracleWith(events: readonly Record<string, unknown>[], options: Parameters<typeof openOracle>[0] = {}) {
  const oracle = countingOracle(options)
  await oracle.dataAccess.storeEvents(events.map((event, index) => ({ eventType: 'log', timestamp: index, ...event })))
  return oracle
}

/** The `seq` of every row, as numbers. */
export function seqs(rows: Iterable<Event>): number[] {
  return [...rows].map((row) => Number(row.seq))
}

/** The code with which a call fails. */
export async function codeOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return 'no error'
}
