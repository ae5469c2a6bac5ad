/** What streams and answers say of positions that a recording does not have any more. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RecordBatchReader } from 'apache-arrow'
import { open, type GapCause, type Kinescope, type SubscribeOptions } from 'kinescope'
import { afterEach, expect, test } from 'vitest'
import { started } from '../serve/client.js'

const made: string[] = []

function directory(): string {
  const path = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'test-kinescope-gaps-'))
  made.push(path)
  return path
}

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
})

const ROWS = 50

/** A closed recording of so many segments of 50 events. */
async function recorded(segments: number, retention?: { maxEvents: number }): Promise<string> {
  const path = directory()
  await using scope = await open({ path, segmentEvents: ROWS, ...(retention && { retention }) })
  for (let n = 0; n < segments * ROWS; n++) scope.recorder.record({ eventType: n % 2 ? 'odd' : 'even' })
  return path
}

const files = (path: string): string[] => readdirSync(path).filter((name) => name.endsWith('.arrow')).sort()

function flipByte(path: string, place: number): void {
  const file = join(path, files(path)[place]!)
  const bytes = readFileSync(file)
  bytes[Math.floor(bytes.length / 2)]! ^= 0x40
  writeFileSync(file, bytes)
}

interface Told {
  gaps: [GapCause, number, number][]
  seqs: number[]
  lost: number
}

/** All that a stream tells from the start of the log until it has caught up. */
async function told(scope: Kinescope, options: SubscribeOptions = {}): Promise<Told> {
  const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0n }, ...options })
  const all: Told = { gaps: [], seqs: [], lost: 0 }
  let next = 0n
  for await (const batch of subscription) {
    expect(batch.fromSeq).toBe(next)
    next = batch.toSeq + 1n
    if (batch.gap !== undefined) {
      const { cause, fromSeq, toSeq, count } = batch.gap
      expect([fromSeq, count]).toEqual([batch.fromSeq, Number(toSeq - fromSeq + 1n)])
      all.gaps.push([cause, Number(fromSeq), Number(toSeq)])
    }
    for (const { seq } of batch) all.seqs.push(Number(seq))
    all.lost = subscription.stats().lost
    if (batch.caughtUp) break
  }
  return all
}

const seqsBut = (end: number, missing: [GapCause, number, number][]): number[] =>
  Array.from({ length: end }, (_, seq) => seq).filter((seq) => !missing.some(([, from, to]) => seq >= from && seq <= to))

test.each([[[0]], [[1]], [[3]], [[0, 1, 3]], [[2, 3]], [[0, 1, 2, 3]]])('a stream tells of damaged segments as corrupt: %j', { timeout: 20_000 }, async (damaged) => {
  const path = await recorded(4)
  for (const place of damaged) flipByte(path, place)
  await using scope = await open({ path, mode: 'read' })
  for (const options of [{}, { batchSize: 1 }, { eventTypes: ['odd'] }]) {
    const { gaps, seqs, lost } = await told(scope, options)
    // Neighbours may be told together.
    const positions = gaps.flatMap(([cause, from, to]) => Array.from({ length: to - from + 1 }, (_, n) => `${cause} ${from + n}`))
    expect(positions).toEqual(damaged.flatMap((place) => Array.from({ length: ROWS }, (_, n) => `corrupt ${place * ROWS + n}`)))
    expect(seqs).toEqual(seqsBut(4 * ROWS, gaps).filter((seq) => !options.eventTypes || seq % 2 === 1))
    expect(lost).toBe(damaged.length * ROWS)
    const answer = await scope.dataAccess.queryEvents()
    expect(answer.lost).toMatchObject({ count: lost, ranges: damaged.map((place) => ({ cause: 'corrupt', fromSeq: BigInt(place * ROWS), count: ROWS })) })
  }
})

test.each(['read', 'record'] as const)('a hole of several causes is told as several gaps, and in answers once (mode: %s)', { timeout: 20_000 }, async (mode) => {
  const path = await recorded(8, { maxEvents: 300 })
  const names = files(path)
  const [first, second, third, fourth] = names.map((name) => Number.parseInt(name, 10)) as [number, number, number, number]
  expect(first).toBeGreaterThan(0)
  for (const place of [0, 2]) rmSync(join(path, names[place]!))
  await using scope = await open({ path, mode, ...(mode === 'record' && { segmentEvents: ROWS }) })
  const expected: [GapCause, number, number][] = [
    ['retention', 0, first - 1],
    ['corrupt', first, second - 1],
    ['corrupt', third, fourth - 1],
  ]
  const { gaps, seqs, lost } = await told(scope)
  expect(gaps).toEqual(expected)
  expect(seqs).toEqual(seqsBut(8 * ROWS, gaps))
  const answer = await scope.dataAccess.queryEvents()
  expect(answer.lost.ranges.map((range) => [range.cause, Number((range as { fromSeq: bigint }).fromSeq), range.count])).toEqual(
    expected.map(([cause, from, to]) => [cause, from, to - from + 1]),
  )
  expect(answer.lost.count).toBe(lost)
})

test('a live stream over HTTP says corrupt', { timeout: 20_000 }, async () => {
  const path = await recorded(3)
  flipByte(path, 1)
  await using scope = await open({ path, mode: 'read' })
  const server = await scope.serve()
  const response = await started(server, '/v1/live', { method: 'POST', body: JSON.stringify({ startFrom: { seq: '0' } }) })
  for await (const { metadata } of await RecordBatchReader.from(response)) {
    if (!metadata.has('kinescope.gap_count')) continue
    const gap = ['cause', 'from_seq', 'to_seq', 'count'].map((name) => metadata.get(`kinescope.gap_${name}`))
    expect(gap).toEqual(['corrupt', '50', '99', '50'])
    break
  }
  response.destroy()
  await server.close()
})
