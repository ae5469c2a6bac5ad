import { randomBytes } from 'node:crypto'
import { Table, RecordBatch } from 'apache-arrow'
import { endShared, type EventBatch, type Kinescope, open, openShared, type QueryResult, share, type SharedBatch } from 'kinescope'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runChild } from '../lifetime/child.js'
import { contentOf, eventsOf, memoryOf } from './fixtures/reading.mjs'
import { until } from '../stream/consumer.js'
import { Opener } from './opener.mjs'

const EVENTS = 2500
const SEGMENT_EVENTS = 1000
const ALL = { limit: Number.MAX_SAFE_INTEGER }
const CLOSED = expect.objectContaining({ name: 'KinescopeError', code: 'CLOSED' })
const INVALID = expect.objectContaining({ name: 'KinescopeError', code: 'INVALID_ARGUMENT' })

let scope: Kinescope
let opener: Opener

beforeEach(async () => {
  scope = await open({ segmentEvents: SEGMENT_EVENTS })
  for (let number = 0; number < EVENTS; number += 1) {
    const isOdd = number % 2 === 1
    scope.recorder.record({ eventType: isOdd ? 'odd' : 'even', correlationId: isOdd ? 'odd' : null, line: isOdd ? number : null, tags: isOdd ? { number } : null, data: { number } })
  }
  await scope.flush()
  opener = new Opener()
})

afterEach(async () => {
  await opener.worker.terminate()
  await scope.close()
})

/** Opens it in the other thread under the name `it`. */
async function openThere(shared: SharedBatch): Promise<void> {
  await opener.tell('open', { name: 'it', shared })
}

/** The next batch of a subscription that has so many events. */
async function batchOf(events: number): Promise<EventBatch> {
  for await (const batch of scope.eventStreamer.subscribe({ startFrom: { seq: 0n }, batchSize: events })) if (batch.batch.numRows === events) return batch
  throw new Error('there is no such batch')
}

test('a result of whole segments, one of gathered rows, a projection, groups and a batch have the same rows there', async () => {
  const results = [
    await scope.dataAccess.queryEvents(ALL),
    await scope.dataAccess.queryEvents({ sortBy: 'data.number', sortOrder: 'desc', limit: 77 }),
    await scope.dataAccess.queryEvents({ projection: ['seq', 'event_type', { field: 'data.number', as: 'f64' }, 'tags.number', 'data'], limit: 50 }),
    await scope.dataAccess.queryEvents({ pid: 'nobody' }),
    await scope.dataAccess.aggregateEvents({ groupBy: ['eventType', 'line'], aggregations: { n: { count: '*' }, sum: { sum: 'data.number' }, mean: { avg: 'data.number' } }, limit: 20 }),
  ]
  for (const result of results) {
    await openThere(share(result as QueryResult))
    expect(await opener.tell('content', { name: 'it' })).toEqual(contentOf(result.table))
  }
  const batch = await batchOf(100)
  await openThere(share(batch))
  expect(await opener.tell('content', { name: 'it' })).toEqual(contentOf(batch.batch))
  expect((await opener.tell('events', { name: 'it' })).map(({ data }: { data: unknown }) => data)).toEqual(batch.toArray().map(({ data }) => data))
  expect(scope.stats().copiedBytes).toBe(0)
})

test('in the same thread, too: a Table of a result, a RecordBatch of a batch, also of one without events', async () => {
  const result = await scope.dataAccess.queryEvents(ALL)
  const table = openShared(share(result))
  expect(table).toBeInstanceOf(Table)
  expect(eventsOf(table)).toEqual(result.toArray().map((event) => ({ ...event, tags: event.tags && { ...event.tags } })))
  const batch = openShared(share(await batchOf(10)))
  expect(batch).toBeInstanceOf(RecordBatch)
  expect(batch.numRows).toBe(10)
  for await (const none of scope.eventStreamer.subscribe({ pid: 'nobody', startFrom: { seq: 0n } })) {
    const empty = openShared(share(none))
    expect([empty.numRows, empty.schema.fields.length]).toEqual([0, 16])
    break
  }
  const { batch: own } = await batchOf(10)
  expect(own.schema.toString()).toBe(batch.schema.toString())
})

describe('the memory is the same', () => {
  test.each([
    ['of whole segments', async () => (await scope.dataAccess.queryEvents(ALL)) as QueryResult],
    ['of gathered rows', async () => (await scope.dataAccess.queryEvents({ sortBy: 'data.number', sortOrder: 'desc', limit: 500 })) as QueryResult],
    ['of a projection', async () => (await scope.dataAccess.queryEvents({ projection: ['line', 'data.number', 'event_type', 'tags'], limit: 500 })) as unknown as QueryResult],
    ['of groups', async () => (await scope.dataAccess.aggregateEvents({ groupBy: ['eventType', 'line'], aggregations: { n: { count: '*' } } })) as unknown as QueryResult],
  ])('%s: what is written here is read there, in every column', async (_, ask) => {
    // Nobody else looks at the memory while there is nonsense in it.
    await until(() => scope.stats().indexed === EVENTS)
    const result = await ask()
    await openThere(share(result))
    const stretches = memoryOf(result.table)
    const before = stretches.map(([byte]) => byte!)
    expect(await opener.tell('firstBytes', { name: 'it' })).toEqual(before)
    const random = randomBytes(stretches.length)
    for (const [index, stretch] of stretches.entries()) stretch[0] = random[index]!
    // Some stretches are several columns': what is there now is what counts.
    const now = stretches.map(([byte]) => byte!)
    expect(now).not.toEqual(before)
    expect(await opener.tell('firstBytes', { name: 'it' })).toEqual(now)
    for (const [index, stretch] of stretches.entries()) stretch[0] = before[index]!
    expect(scope.stats().copiedBytes).toBe(0)
  })

  test('and counts once, however often it is shared and opened', async () => {
    const result = await scope.dataAccess.queryEvents({ limit: 100, eventTypes: ['odd'] })
    const { leasedBytes } = scope.stats()
    expect(leasedBytes).toBeGreaterThan(0)
    const shares = [share(result), share(result)]
    expect(shares[0]!.shareId).not.toBe(shares[1]!.shareId)
    for (const shared of shares) for (const name of ['a', 'b']) await opener.tell('open', { name: `${name}${shared.shareId}`, shared })
    expect(scope.stats().leasedBytes).toBe(leasedBytes)
  })
})

describe('a share ends', () => {
  test('with the release of its result; what has been opened stays as it is', async () => {
    const result = await scope.dataAccess.queryEvents(ALL)
    const [shared, again] = [share(result), share(result)]
    const expected = contentOf(result.table)
    await openThere(shared)
    const here = openShared(shared)
    result.release()
    for (const ended of [shared, again]) {
      expect(() => openShared(ended)).toThrow(CLOSED)
      await expect(opener.tell('open', { name: 'other', shared: ended })).rejects.toMatchObject({ code: 'CLOSED', message: expect.stringContaining('released') })
    }
    expect(() => share(result)).toThrow(CLOSED)
    expect(await opener.tell('content', { name: 'it' })).toEqual(expected)
    expect(contentOf(here)).toEqual(expected)
  })

  test('by endShared in any thread, without its result or other shares of it', async () => {
    const result = await scope.dataAccess.queryEvents(ALL)
    const [shared, other] = [share(result), share(result)]
    await opener.tell('end', { shared })
    endShared(shared)
    expect(() => openShared(shared)).toThrow(CLOSED)
    expect(openShared(other).numRows).toBe(EVENTS)
    expect(result.table.numRows).toBe(EVENTS)
  })

  test('with the recording; what has been opened stays as it is, and results can be shared no more', async () => {
    const result = await scope.dataAccess.queryEvents(ALL)
    const shared = share(result)
    await openThere(shared)
    await scope.close()
    await expect(opener.tell('open', { name: 'other', shared })).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => share(result)).toThrow(CLOSED)
    expect(await opener.tell('content', { name: 'it' })).toEqual(contentOf(result.table))
  })

  test('neither with another recording, nor with another result', async () => {
    const result = await scope.dataAccess.queryEvents(ALL)
    const shared = share(result)
    const other = await open()
    other.recorder.record({ eventType: 'other' })
    const others = await other.dataAccess.queryEvents()
    share(others)
    const sameMemory = await scope.dataAccess.queryEvents(ALL)
    share(sameMemory)
    sameMemory.release()
    others.release()
    await other.close()
    expect(openShared(shared).numRows).toBe(EVENTS)
  })

  test('not with the thread that has shared it, nor is that thread needed', async () => {
    const shared = await opener.tell('share', { handle: scope.handle, query: ALL })
    const third = new Opener()
    await third.tell('open', { name: 'it', shared })
    await opener.worker.terminate()
    await third.tell('open', { name: 'again', shared })
    const own = await scope.dataAccess.queryEvents(ALL)
    for (const name of ['it', 'again']) expect(await third.tell('content', { name })).toEqual(contentOf(own.table))
    await third.worker.terminate()
    expect(openShared(shared).numRows).toBe(EVENTS)
  })
})

test('an opened table is revoked by its own release and no other, and slices taken before stay readable', async () => {
  const result = await scope.dataAccess.queryEvents(ALL)
  const shared = share(result)
  const [one, other] = [openShared(shared), openShared(shared)]
  const seq = one.getChild('seq')!
  const part = seq.slice(5, 10)
  one.release()
  one.release()
  one[Symbol.dispose]()
  expect(() => seq.get(0)).toThrow(CLOSED)
  expect(() => one.getChild('data')!.get(0)).toThrow(CLOSED)
  expect([...part]).toEqual([5n, 6n, 7n, 8n, 9n])
  expect(other.getChild('seq')!.get(EVENTS - 1)).toBe(BigInt(EVENTS - 1))
  expect(result.toArray()).toHaveLength(EVENTS)
  expect(openShared(shared).numRows).toBe(EVENTS)
})

test('only results and batches can be shared', async () => {
  const result = await scope.dataAccess.queryEvents(ALL)
  const others = [undefined, null, 7, 'result', {}, [], result.table, result.table.batches[0], scope, share(result), openShared(share(result))]
  for (const other of others) expect(() => share(other as never)).toThrow(INVALID)
})

test('leases return to zero when everything is released, or collected', { timeout: 120_000 }, async () => {
  const { status, signal, stderr, report } = await runChild(new URL('fixtures/leases.mjs', import.meta.url), [], ['--expose-gc'])
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  expect(report).toEqual({ released: 0, forgotten: 0, ended: 0, threadGone: 0, closed: 'CLOSED', copiedBytes: 0 })
})

test('workers terminated while they open, read and share take nothing down with them', { timeout: 120_000 }, async () => {
  const { status, signal, stderr, report } = await runChild(new URL('fixtures/terminated.mjs', import.meta.url))
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  expect(report).toEqual({ intact: true, others: 0 })
})
