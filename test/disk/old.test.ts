import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { open } from 'kinescope'
import { eventsOf, node, setBoot, unpack } from './old-recording.mjs'

type Event = Record<string, unknown> & { seq: string; eventId: string }

const made: string[] = []

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'test-kinescope-old-'))
  made.push(path)
  return path
}

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
})

/** Events that were on the disk when the kept process was killed: all but those of its last moment. */
const isFlushed = ({ eventType }: Event): boolean => eventType !== 'last'

/** What an event that was still in a ring has, wherever it is recovered: its times are told by the clocks of the machine. */
function withoutTimes({ timestamp: _timestamp, wallTime: _wallTime, ...rest }: Event): object {
  return rest
}

test.each([
  [1, 'closed'],
  [1, 'indexed'],
])('a recording of version %d that was %s has the same events, and goes on', async (version, name) => {
  const path = directory()
  const events = unpack(version, name, path)
  for (const mode of ['read', 'record', 'record', 'read'] as const) {
    const scope = await open({ path, mode })
    expect(await eventsOf(scope)).toEqual(events)
    expect((await scope.dataAccess.queryEvents({ limit: 0 })).lost.count).toBe(0)
    await scope.close()
  }
  const scope = await open({ path })
  const id = scope.recorder.record({ eventType: 'new' })
  const all: Event[] = await eventsOf(scope)
  expect(all.slice(0, -1)).toEqual(events)
  expect(all.at(-1)).toMatchObject({ eventId: id, seq: `${events.length}` })
  expect(new Set(all.map(({ eventId }) => eventId)).size).toBe(all.length)
  await scope.close()
})

test('the indexes of version 1 are used as they are', async () => {
  const path = directory()
  const events: Event[] = unpack(1, 'indexed', path)
  const indexes = (): { name: string; inode: number; bytes: string }[] =>
    readdirSync(path)
      .filter((name) => name.endsWith('.index'))
      .map((name) => ({ name, inode: statSync(join(path, name)).ino, bytes: readFileSync(join(path, name)).toString('latin1') }))
  const kept = indexes()
  expect(kept.every(({ bytes }) => bytes.includes('cells1'))).toBe(true)
  for (const mode of ['record', 'read'] as const) {
    // No segment is small beside that, so that none is merged with others.
    const scope = await open(mode === 'record' ? { path, mode, segmentEvents: 1 } : { path, mode })
    expect(scope.stats().indexed).toBe(events.length)
    const large = await scope.dataAccess.queryEvents({ where: { 'data.count': { gte: 6 } }, sortBy: 'seq' })
    expect([...large].map(({ seq }) => `${seq}`)).toEqual(events.filter(({ data }) => Number((data as { count?: number } | null)?.count) >= 6).map(({ seq }) => seq))
    const called = await scope.dataAccess.aggregateEvents({ groupBy: ['function'], aggregations: { calls: { count: '*' } }, filters: { eventTypes: ['function_exit'] } })
    expect(called.rows()).toEqual([{ function: 'sell', calls: 12 }])
    await scope.close()
  }
  // Those that are of no use are written anew.
  expect(indexes()).toEqual(kept)
})

test.skipIf(process.platform !== 'linux').each([1])('a recording of version %d whose process was killed is recovered, with what was still in its rings (where systems tell one run from another)', async (version) => {
  const path = directory()
  const events: Event[] = unpack(version, 'killed', path)
  expect(events.filter((event) => !isFlushed(event)).length).toBeGreaterThan(0)
  setBoot(path, true)
  for (let life = 0; life < 2; life++) {
    const scope = await open({ path, node })
    const found: Event[] = await eventsOf(scope)
    expect(found.map(withoutTimes)).toEqual(events.map(withoutTimes))
    expect(found.filter(isFlushed)).toEqual(events.filter(isFlushed))
    await scope.close()
  }
})

test.each([1])('a recording of version %d whose machine has stopped has what was flushed', async (version) => {
  const path = directory()
  const events: Event[] = unpack(version, 'killed', path)
  setBoot(path, false)
  const reader = await open({ path, mode: 'read' })
  const flushed = events.filter(isFlushed)
  expect((await eventsOf(reader)).slice(0, flushed.length)).toEqual(flushed)
  await reader.close()
  const scope = await open({ path, node })
  const found: Event[] = await eventsOf(scope)
  expect(found.length).toBeGreaterThanOrEqual(flushed.length)
  expect(found.map(withoutTimes)).toEqual(events.slice(0, found.length).map(withoutTimes))
  const { lost } = await scope.dataAccess.queryEvents({ limit: 0 })
  expect(lost.ranges).toMatchObject([{ cause: 'restart', fromSeq: BigInt(found.length) }])
  const id = scope.recorder.record({ eventType: 'new' })
  expect(events.map(({ eventId }) => eventId)).not.toContain(id)
  await scope.close()
})
