/** What answers say is missing from ranges of time. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, type Kinescope, type Lost, type QueryOptions } from 'kinescope'
import { expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'

const SECOND = 1_000_000_000n
const RETENTION = { maxEvents: 30 }

/** Ranges of wall times, in seconds from the first of a hundred events, one a second, of which the first 70 and a few more are evicted. */
const RANGES: readonly { from?: number; to?: number; isMissing: boolean }[] = [
  { isMissing: true },
  { from: -20, to: -10, isMissing: false },
  { to: -10, isMissing: false },
  { to: 10, isMissing: true },
  { from: -10, to: 5, isMissing: true },
  { from: 30, to: 40, isMissing: true },
  { from: 30, to: 30, isMissing: false },
  { from: 60, isMissing: true },
  { from: 60, to: 200, isMissing: true },
  { from: 90, to: 200, isMissing: false },
  { from: 90, isMissing: false },
]

function queriesOf(start: bigint, name: 'Wall' | 'Monotonic'): { query: QueryOptions; isMissing: boolean }[] {
  const time = (seconds: number): bigint => start + BigInt(seconds) * SECOND
  return RANGES.map(({ from, to, isMissing }) => ({
    query: { ...(from !== undefined && { [`startTime${name}`]: time(from) }), ...(to !== undefined && { [`endTime${name}`]: time(to) }) },
    isMissing,
  }))
}

async function check(scope: Kinescope, now: { timestamp: bigint; wallTime: bigint }): Promise<void> {
  const oracle = openOracle({ retention: RETENTION, clock: () => now.timestamp, wallTimeOffset: now.wallTime - now.timestamp })
  for (let n = 0; n < 100; n++) oracle.recorder.record({ eventType: 'log', timestamp: now.timestamp + BigInt(n) * SECOND })
  const causes = ({ ranges }: Lost): string[] => ranges.map(({ cause }) => cause)
  for (const { query, isMissing } of [...queriesOf(now.wallTime, 'Wall'), ...queriesOf(now.timestamp, 'Monotonic')]) {
    const expected = isMissing ? ['retention'] : []
    expect(causes(oracle.dataAccess.queryEventsSync(query).lost)).toEqual(expected)
    expect(causes((await scope.dataAccess.queryEvents(query)).lost)).toEqual(expected)
    const groups = await scope.dataAccess.aggregateEvents({ filters: query, aggregations: { n: { count: '*' } } })
    expect(causes(groups.lost)).toEqual(expected)
  }
  const monotonic = { startTimeMonotonic: now.timestamp, endTimeMonotonic: now.timestamp + 10n * SECOND }
  const both = { ...monotonic, startTimeWall: now.wallTime + 90n * SECOND }
  expect(causes((await scope.dataAccess.queryEvents(both)).lost)).toEqual([])
}

test('what is missing from a range of wall times is said as of the same range of timestamps', async () => {
  await using scope = await open({ segmentEvents: 5, retention: RETENTION })
  const now = scope.now()
  for (let n = 0; n < 100; n++) scope.recorder.record({ eventType: 'log', timestamp: now.timestamp + BigInt(n) * SECOND })
  await check(scope, now)
})

test('the same of a recording on disk, as its writer, its readers and the next writer say it', async () => {
  const path = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'test-kinescope-lost-'))
  try {
    const scope = await open({ path, segmentEvents: 5, retention: RETENTION })
    const now = scope.now()
    for (let n = 0; n < 100; n++) scope.recorder.record({ eventType: 'log', timestamp: now.timestamp + BigInt(n) * SECOND })
    await check(scope, now)
    const reader = await open({ path, mode: 'read' })
    await check(reader, now)
    await reader.close()
    await scope.close()
    for (const mode of ['read', 'record'] as const) {
      const next = await open({ path, mode })
      await check(next, now)
      await next.close()
    }
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
})
