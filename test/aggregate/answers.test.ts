/** What is in the answer to an aggregate: types of its columns, estimated quantiles, and how it ends. */
import * as fc from 'fast-check'
import { open, type Aggregation, type AggregateOptions, type Kinescope } from 'kinescope'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { numbers } from '../support/arbitraries.js'
import { exact } from '../query/exact.js'

let scope: Kinescope

beforeEach(async () => {
  scope = await open({ node: 'test', segmentEvents: 7 })
})
afterEach(() => scope.close())

const aggregateEvents = (options: AggregateOptions) => scope.dataAccess.aggregateEvents(options)
const record = (values: readonly unknown[]) => values.forEach((x, timestamp) => scope.recorder.record({ eventType: 'log', timestamp, data: { x } }))

async function codeOf(ask: () => unknown): Promise<string> {
  try {
    await ask()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'no error'
}

describe('a table', () => {
  it('has the keys with their types, then the functions', async () => {
    const id = scope.recorder.record({ eventType: 'log', module: 'm', arity: 2, timestamp: -1, wallTime: 5n, tags: { t: 1 }, data: { x: true } })
    const groupBy = ['seq', 'event_id', 'wallTime', 'eventType', 'parentId', 'mfa', { timeBucketNs: 10 }, 'tags.t', 'data.x'] as const
    const aggregations = { n: { count: '*' }, d: { countDistinct: 'pid' }, s: { sum: 'seq' }, a: { avg: 'line' }, l: { min: 'timestamp' }, h: { max: 'arity' }, e: { quantile: 'arity', q: 0.5 } }
    const result = await aggregateEvents({ groupBy, aggregations })
    expect(result.table.schema.fields.map(({ name, type }) => [name, String(type)])).toEqual([
      ['seq', 'Uint64'],
      ['event_id', 'Uint64'],
      ['wallTime', 'Timestamp<NANOSECOND, UTC>'],
      ['eventType', 'Dictionary<Int32, Utf8>'],
      ['parentId', 'Uint64'],
      ['module', 'Dictionary<Int32, Utf8>'],
      ['function', 'Dictionary<Int32, Utf8>'],
      ['arity', 'Uint16'],
      ['time_bucket', 'Int64'],
      ['tags.t', 'Utf8'],
      ['data.x', 'Bool'],
      ['n', 'Int64'],
      ['d', 'Int64'],
      ['s', 'Decimal[38e0]'],
      ['a', 'Float64'],
      ['l', 'Int64'],
      ['h', 'Uint16'],
      ['e', 'Float64'],
    ])
    const [row] = result.rows()
    expect(row).toEqual({ seq: 0n, event_id: id, wallTime: 5n, eventType: 'log', parentId: null, module: 'm', function: null, arity: 2, time_bucket: -10n, 'tags.t': '1', 'data.x': true, n: 1, d: 1, s: 0, a: null, l: -1n, h: 2, e: expect.closeTo(2, 1) })
    expect(result.table.getChild('eventType')!.get(0)).toBe('log')
    expect(result.table.getChild('function')!.get(0)).toBe(null)
    expect(result.table.getChild('n')!.get(0)).toBe(1n)
    expect([...(result.table.getChild('s')!.get(0) as Uint32Array)]).toEqual([0, 0, 0, 0])
  })

  it.each<[readonly unknown[], string, unknown[]]>([
    [[3, -1, null], 'Int64', [-1, 3, null]],
    [[2n ** 62n, 0], 'Int64', [0, 2n ** 62n]],
    [[2n ** 63n, -1], 'Decimal[38e0]', [-1, 2n ** 63n]],
    [[0.5, 1], 'Float64', [0.5, 1]],
    [[true, false], 'Bool', [false, true]],
    [['b', 'ä', ''], 'Utf8', ['', 'b', 'ä']],
    [['"', 1, true, 2n ** 60n, -0, 2 ** 60 + 2 ** 10], 'Utf8', [true, -0, 1, 2n ** 60n, 2 ** 60 + 2 ** 10, '"']],
    [[[1], null], 'Utf8', [null]],
  ])('has %O by a type that holds them', async (values, type, keys) => {
    record(values)
    const result = await aggregateEvents({ groupBy: ['data.x'], aggregations: { n: { count: '*' } } })
    expect(String(result.table.schema.fields[0]!.type)).toBe(type)
    expect(exact(result.rows().map((row) => row['data.x'] as unknown))).toBe(exact(keys))
  })

  it('shows of equal numbers the one that came first', async () => {
    record([-0, 0, 2 ** 60, 2n ** 60n])
    const rows = (await aggregateEvents({ groupBy: ['data.x'], aggregations: { n: { count: '*' } } })).rows()
    expect(exact(rows)).toBe(exact([{ 'data.x': -0, n: 2 }, { 'data.x': 2 ** 60, n: 2 }]))
  })

  it('has sums that no float could hold, and none beyond its digits', async () => {
    record([2n ** 64n - 1n, 2n ** 64n - 1n, -(2n ** 63n)])
    const s: Aggregation = { sum: 'data.x' }
    expect((await aggregateEvents({ aggregations: { s } })).rows()).toEqual([{ s: 2n ** 65n - 2n - 2n ** 63n }])
    const nines = '9'.repeat(38)
    for (const n of [nines, nines]) scope.recorder.record({ eventType: 'log', tags: { n } })
    expect((await aggregateEvents({ aggregations: { s: { sum: 'tags.n' } } })).rows()).toEqual([{ s: 2e38 }])
  })

  it('is there without groups and without columns', async () => {
    const none = await aggregateEvents({ groupBy: ['pid'], aggregations: { n: { count: '*' } } })
    expect([none.table.numRows, none.table.numCols, none.rows()]).toEqual([0, 2, []])
    record([1, 2])
    const aggregations = { n: { count: '*' } }
    expect((await aggregateEvents({ groupBy: ['data.x'], aggregations, limit: 0 })).rows()).toEqual([])
    expect((await aggregateEvents({ aggregations: {} })).rows()).toEqual([{}])
  })

  it('has far more groups than a table of codes has room for', async () => {
    await using large = await open({ node: 'test', ring: { bytes: 2 ** 24, overflow: 'block' } })
    const count = 30_000
    for (let n = 0; n < count; n++) large.recorder.record({ eventType: 'log', pid: `p${n % 3000}`, data: { n: n % 1500, m: n } })
    const result = await large.dataAccess.aggregateEvents({ groupBy: ['data.n', 'pid'], aggregations: { n: { count: '*' }, d: { countDistinct: 'data.m' } } })
    const rows = result.rows()
    expect(rows.length).toBe(3000)
    expect(rows.every(({ n, d }) => n === 10 && d === 10)).toBe(true)
    expect(rows.slice(0, 3)).toMatchObject([{ 'data.n': 0, pid: 'p0' }, { 'data.n': 0, pid: 'p1500' }, { 'data.n': 1, pid: 'p1' }])
  })
})

describe('an estimated quantile', () => {
  it('is within the stated error of the exact one', async () => {
    const shares = [0, 0.25, 0.5, 0.9, 1]
    const property = fc.asyncProperty(fc.array(numbers(), { maxLength: 40 }), async (values) => {
      await using own = await open({ node: 'test', segmentEvents: 7 })
      values.forEach((x) => own.recorder.record({ eventType: 'log', data: { x } }))
      const aggregations = Object.fromEntries(shares.flatMap((q): [string, Aggregation][] => [[`about ${q}`, { quantile: 'data.x', q }], [`exact ${q}`, { quantile: 'data.x', q, exact: true }]]))
      const result = await own.dataAccess.aggregateEvents({ aggregations })
      expect(result.quantileError).toBe(1 / 64)
      const [row] = result.rows()
      for (const q of shares) {
        const [about, really] = [row![`about ${q}`] as number | null, row![`exact ${q}`] as number | bigint | null]
        if (really === null) expect(about).toBe(null)
        else expect(Math.abs(about! - Number(really))).toBeLessThanOrEqual(Math.abs(Number(really)) / 64)
      }
    })
    await fc.assert(property, { numRuns: 200 })
  })
})

describe('an answer', () => {
  const n: AggregateOptions = { aggregations: { n: { count: '*' } } }

  it('is closed after its release', async () => {
    record([1])
    const result = await aggregateEvents(n)
    const { table } = result
    const column = table.getChild('n')!
    const taken = column.toArray() as BigInt64Array
    result.release()
    result.release()
    expect(await codeOf(() => result.rows())).toBe('CLOSED')
    expect(await codeOf(() => result.table)).toBe('CLOSED')
    expect(await codeOf(() => column.get(0) as unknown)).toBe('CLOSED')
    expect([...taken]).toEqual([1n])
  })

  it('counts as leased until then', async () => {
    record([1])
    const before = scope.stats().leasedBytes
    const result = await aggregateEvents(n)
    expect(scope.stats().leasedBytes).toBeGreaterThan(before)
    result.release()
    expect(scope.stats().leasedBytes).toBe(before)
  })

  it('does not come of a call that is aborted, or on a closed recording', async () => {
    const reason = new Error('no longer wanted')
    await expect(aggregateEvents({ ...n, filters: { signal: AbortSignal.abort(reason) } })).rejects.toBe(reason)
    const controller = new AbortController()
    const asked = aggregateEvents({ ...n, filters: { signal: controller.signal } })
    controller.abort(reason)
    await expect(asked).rejects.toBe(reason)
    await scope.close()
    expect(await codeOf(() => aggregateEvents(n))).toBe('CLOSED')
    expect(await codeOf(() => scope.dataAccess.aggregateEventsSync(n))).toBe('CLOSED')
  })

  it('is refused for a regular expression that is none', async () => {
    expect(await codeOf(() => aggregateEvents({ ...n, filters: { where: { pid: { matches: '(' } } } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => aggregateEvents({ ...n, groupBy: ['pid'], having: { pid: { matches: '(' } } }))).toBe('INVALID_ARGUMENT')
  })
})
