/** "Order and pages" and "Projection" of the semantics. */
import { describe, expect, it } from 'vitest'
import { codeOf, countingOracle, oracleWith, seqs } from './events.js'

describe('order', () => {
  it('is by timestamp, then seq', async () => {
    const oracle = await oracleWith([{ timestamp: 5 }, { timestamp: 3 }, { timestamp: 5 }, { timestamp: 3 }])
    expect(seqs(oracle.dataAccess.queryEventsSync())).toEqual([1, 3, 0, 2])
    expect(seqs(oracle.dataAccess.queryEventsSync({ sortOrder: 'desc' }))).toEqual([2, 0, 3, 1])
  })

  it('sorts booleans, numbers, strings, and absent values last either way', async () => {
    const values = ['b', 2, null, true, 'a', 1.5, false, { x: 1 }, 2n ** 60n, [1], 'a']
    const oracle = await oracleWith(values.map((x) => ({ data: { x } })))
    const sorted = (sortOrder: 'asc' | 'desc') => seqs(oracle.dataAccess.queryEventsSync({ sortBy: 'data.x', sortOrder }))
    expect(sorted('asc')).toEqual([6, 3, 5, 1, 8, 4, 10, 0, 2, 7, 9])
    expect(sorted('desc')).toEqual([0, 10, 4, 8, 1, 5, 3, 6, 9, 7, 2])
  })

  it('sorts ids by their bits and strings by their bytes', async () => {
    const ids = await oracleWith([{ eventId: '40000-10' }, { eventId: '40000-9' }, { eventId: '33000-11' }])
    expect(seqs(ids.dataAccess.queryEventsSync({ sortBy: 'event_id' }))).toEqual([2, 1, 0])
    const texts = await oracleWith([{ pid: '\u{1F600}' }, { pid: '\uFF5E' }, { pid: 'Z' }, { pid: 'a' }])
    expect(seqs(texts.dataAccess.queryEventsSync({ sortBy: 'pid' }))).toEqual([2, 3, 1, 0])
  })
})

describe('pages', () => {
  const ten = Array.from({ length: 10 }, (_, x) => ({ data: { x: x % 3 } }))

  it('neither repeat nor skip a row, whatever is recorded in between', async () => {
    const oracle = await oracleWith(ten)
    const query = { sortBy: 'data.x', limit: 4 }
    const first = oracle.dataAccess.queryEventsSync(query)
    oracle.recorder.record({ eventType: 'late', data: { x: 0 } })
    const second = oracle.dataAccess.queryEventsSync({ ...query, limit: 3, offset: { pageToken: first.nextPageToken } })
    const third = oracle.dataAccess.queryEventsSync({ ...query, offset: { pageToken: second.nextPageToken } })
    expect([first, second, third].map(seqs)).toEqual([[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]])
    expect([first, second, third].map((page) => page.totalMatches)).toEqual([10, 10, 10])
    expect([second.snapshot, third.snapshot, third.nextPageToken]).toEqual([10n, 10n, null])
  })

  it('can be skipped by number, and count without rows', async () => {
    const oracle = await oracleWith(ten)
    expect(seqs(oracle.dataAccess.queryEventsSync({ offset: 8 }))).toEqual([8, 9])
    const totals = oracle.dataAccess.queryEventsSync({ limit: 0, where: { 'data.x': 0 } })
    expect([totals.toArray(), totals.totalMatches, totals.nextPageToken]).toEqual([[], 4, null])
  })

  it('have 1000 rows by default', async () => {
    const oracle = await oracleWith(Array.from({ length: 1001 }, () => ({ correlationId: 'c' })))
    expect(oracle.dataAccess.queryEventsSync().toArray()).toHaveLength(1000)
    expect((await oracle.dataAccess.getTraceByCorrelationId('c')).toArray()).toHaveLength(1001)
  })

  it('refuse tokens of other queries, and those of evicted rows', async () => {
    const oracle = await oracleWith(ten)
    const { nextPageToken: pageToken } = oracle.dataAccess.queryEventsSync({ limit: 4 })
    const page = (query: object) => codeOf(() => oracle.dataAccess.queryEvents({ offset: { pageToken }, ...query }))
    expect(await page({ sortBy: 'pid' })).toBe('PAGE_TOKEN_INVALID')
    expect(await page({ offset: { pageToken: 'nonsense' } })).toBe('PAGE_TOKEN_INVALID')
    oracle.evictBefore(4n)
    expect(await page({})).toBe('no error')
    oracle.evictBefore(5n)
    expect(await page({})).toBe('PAGE_TOKEN_EXPIRED')
  })
})

describe('projection', () => {
  const project = async (values: unknown[], as?: string) => {
    const oracle = await oracleWith(values.map((x) => ({ data: { x } })))
    const item = as === undefined ? 'data.x' : { field: 'data.x', as }
    return oracle.dataAccess.queryEventsSync({ projection: [item] }).toArray().map((row) => row['data.x'])
  }

  it('has only what was asked for, under its own name', async () => {
    const oracle = await oracleWith([{ pid: 'p', tags: { a: 1 }, data: { x: 1 } }])
    const rows = oracle.dataAccess.queryEventsSync({ projection: ['event_type', 'seq', 'tags.a', 'data.x', 'data.y'] }).toArray()
    expect(rows).toEqual([{ eventType: 'log', seq: 0n, 'tags.a': '1', 'data.x': 1, 'data.y': null }])
    expect(await codeOf(() => oracle.dataAccess.queryEvents({ projection: ['pid', 'pid'] }))).toBe('INVALID_ARGUMENT')
  })

  it('takes the type that the snapshot holds', async () => {
    expect(await project([1, 2n ** 60n, null])).toEqual([1, 2n ** 60n, null])
    expect(await project([1, 2n ** 60n, 0.5])).toEqual([1, 2 ** 60, 0.5])
    expect(await project([true, null])).toEqual([true, null])
    expect(await project(['a', null])).toEqual(['a', null])
    expect(await project(['a', 1, { b: [1.5, -0] }])).toEqual(['"a"', '1', '{"b":[1.5,-0.0]}'])
  })

  it('settles types over the snapshot, not over the rows that match', async () => {
    const oracle = await oracleWith([{ pid: 'p', data: { x: 1 } }, { pid: 'q', data: { x: 'a' } }])
    expect(oracle.dataAccess.queryEventsSync({ pid: 'p', projection: ['data.x'] }).toArray()).toEqual([{ 'data.x': '1' }])
  })

  it('is null where a value does not fit', async () => {
    const values = [1, 1.5, true, 'a', [1], 2n ** 63n]
    expect(await project(values, 'i64')).toEqual([1, null, null, null, null, null])
    expect(await project(values, 'f64')).toEqual([1, 1.5, null, null, null, 2 ** 63])
    expect(await project(values, 'bool')).toEqual([null, null, true, null, null, null])
    expect(await project(values, 'utf8')).toEqual([null, null, null, 'a', null, null])
    expect(await project(values, 'json')).toEqual(['1', '1.5', 'true', '"a"', '[1]', '9223372036854775808'])
  })
})

describe('results', () => {
  it('are closed by release', () => {
    const result = countingOracle().dataAccess.queryEventsSync()
    result.release()
    result.release()
    expect(() => result.toArray()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    expect(() => [...result]).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })

  it('say what is known to be missing from their time range', async () => {
    const oracle = await oracleWith([{ timestamp: 0 }, { timestamp: 10 }, { timestamp: 20 }])
    oracle.evictBefore(1n)
    oracle.reportLoss({ producer: 1, firstSequence: 4, lastSequence: 6, count: 3, cause: 'ring_full' })
    const retention = { cause: 'retention', count: 1, fromSeq: 0n, toSeq: 0n }
    const loss = { cause: 'ring_full', count: 3, producer: 1, firstSequence: 4, lastSequence: 6 }
    expect(oracle.dataAccess.queryEventsSync().lost).toEqual({ count: 4, ranges: [retention, loss] })
    expect(oracle.dataAccess.queryEventsSync({ startTimeMonotonic: 10 }).lost).toEqual({ count: 0, ranges: [] })
    expect(oracle.dataAccess.queryEventsSync({ endTimeMonotonic: 0 }).lost).toEqual({ count: 0, ranges: [] })
    expect(oracle.dataAccess.queryEventsSync({ endTimeMonotonic: 1 }).lost.count).toBeGreaterThan(0)
  })

  it('evict the oldest when an eighth too many are there', async () => {
    const kept = async (count: number) => seqs((await oracleWith(Array.from({ length: count }, () => ({})), { retention: { maxEvents: 16 } })).events)
    expect(await kept(18)).toHaveLength(18)
    expect(await kept(19)).toEqual(Array.from({ length: 16 }, (_, i) => i + 3))
  })

  it('evict the oldest exactly where an eighth is less than one, and keep counting', async () => {
    const oracle = await oracleWith([{}, {}, {}, {}], { retention: { maxEvents: 3 } })
    expect(seqs(oracle.events)).toEqual([1, 2, 3])
    expect(oracle.dataAccess.queryEventsSync().snapshot).toBe(4n)
    expect(oracle.stats()).toMatchObject({ stored: 4, evicted: 1 })
  })
})
