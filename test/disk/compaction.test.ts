import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { open, verify, type Kinescope, type Subscription } from 'kinescope'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const made: string[] = []

function directory(): string {
  const path = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'test-kinescope-small-'))
  made.push(path)
  return path
}

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
})

const files = (path: string): number => readdirSync(path).filter((name) => name.endsWith('.arrow')).length

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it did not come about')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** All events as the command writes them, in the order of the log. */
function exported(path: string): string[] {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'export', path, '--format', 'ndjson', '--sort', 'seq'], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  return stdout.trimEnd().split('\n')
}

const text = (rows: unknown): string => JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))

/** What several questions are answered, up to a position. */
async function answers(scope: Kinescope, end: bigint): Promise<string[]> {
  const where = { seq: { lt: end } }
  const { dataAccess } = scope
  return [
    text((await dataAccess.queryEvents({ where, sortBy: 'seq', limit: 100_000 })).toArray()),
    text((await dataAccess.queryEvents({ where, eventTypes: ['type-1'], sortBy: 'data.n', sortOrder: 'desc', limit: 7 })).toArray()),
    text((await dataAccess.aggregateEvents({ filters: { where }, groupBy: ['event_type'], aggregations: { events: { count: '*' }, sum: { sum: 'data.n' } } })).rows()),
  ]
}

/** Follows a subscription; gives the positions that it has delivered so far. */
function follow(subscription: Subscription): bigint[] {
  const seqs: bigint[] = []
  void (async () => {
    for await (const batch of subscription) for (const { seq } of batch) seqs.push(seq)
  })()
  return seqs
}

const LIVES = 40
const EVENTS = 9

test('a recording that is opened often has few files, and everyone who reads sees the same', { timeout: 60_000 }, async () => {
  const path = directory()
  const record = async (life: number): Promise<void> => {
    const scope = await open({ path })
    for (let n = life * EVENTS; n < (life + 1) * EVENTS; n++) {
      // Types come in another order in each life, so that their codes differ from file to file.
      scope.recorder.record({ eventType: `type-${(n * 7 + life) % 5}`, tags: { life: `${life}` }, ...(n % 3 === 0 ? {} : { data: { n, text: `é ${n}` } }) })
    }
    await scope.close()
  }
  await record(0)
  const reader = await open({ path, mode: 'read' })
  const all = follow(reader.eventStreamer.subscribe({ startFrom: { seq: 0n }, batchSize: 4 }))
  const some = follow(reader.eventStreamer.subscribe({ eventTypes: ['type-1', 'type-3'], startFrom: { seq: 0n }, batchSize: 1 }))
  for (let life = 1; life < LIVES / 2; life++) await record(life)
  const half = BigInt((LIVES / 2) * EVENTS)
  await until(async () => (await reader.dataAccess.queryEvents({ limit: 0 })).snapshot === half)
  const before = { answers: await answers(reader, half), exported: exported(path) }
  const paged = { sortBy: 'data.n', limit: 50 } as const
  let page = await reader.dataAccess.queryEvents(paged)
  const [whole, first] = [(await reader.dataAccess.queryEvents({ ...paged, limit: 10_000 })).toArray(), page.toArray()]
  for (let life = LIVES / 2; life < LIVES; life++) await record(life)
  const total = LIVES * EVENTS
  await until(() => all.length >= total)
  // Fewer than were written, by far: what is left is halved from file to file, with one for each life that was not merged yet.
  expect(files(path)).toBeLessThan(16)

  expect(all).toEqual(Array.from({ length: total }, (_, seq) => BigInt(seq)))
  const types = (await reader.dataAccess.queryEvents({ eventTypes: ['type-1', 'type-3'], sortBy: 'seq', limit: total })).toArray().map(({ seq }) => seq)
  await until(() => some.length >= types.length)
  expect(some).toEqual(types)
  const pages = [first]
  while (page.nextPageToken !== null) {
    page = await reader.dataAccess.queryEvents({ ...paged, offset: { pageToken: page.nextPageToken } })
    pages.push(page.toArray())
  }
  expect(text(pages.flat())).toBe(text(whole))
  const again = await open({ path, mode: 'read' })
  for (const scope of [reader, again]) {
    expect(await answers(scope, half)).toEqual(before.answers)
    expect(text((await scope.dataAccess.queryEvents({ limit: 0 })).lost.ranges)).toBe('[]')
    expect((await scope.dataAccess.queryEvents({ limit: 0 })).totalMatches).toBe(total)
  }
  expect(exported(path).slice(0, Number(half))).toEqual(before.exported)
  const checked = await verify(path)
  expect(checked.intact).toBe(true)
  expect(checked.segments.reduce((sum, { events }) => sum + (events ?? 0), 0)).toBe(total)
  await Promise.all([reader.close(), again.close()])
})
