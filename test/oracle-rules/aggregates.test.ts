/** "Aggregates" of the semantics, and what describes a recording. */
import { describe, expect, it } from 'vitest'
import { codeOf, oracleWith } from './events.js'

const rowsOf = async (events: Record<string, unknown>[], options: Record<string, unknown>) => {
  const oracle = await oracleWith(events)
  return (await oracle.dataAccess.aggregateEvents(options)).rows()
}
const data = (values: unknown[]) => values.map((x) => ({ data: { x } }))
const count = { n: { count: '*' } }

describe('groups', () => {
  it('are by key, ascending, absent last', async () => {
    const rows = await rowsOf(data(['b', null, 2, 'a', undefined, 1, 'b', [1]]), { groupBy: ['data.x'], aggregations: count })
    expect(rows).toEqual([
      { 'data.x': 1, n: 1 },
      { 'data.x': 2, n: 1 },
      { 'data.x': 'a', n: 1 },
      { 'data.x': 'b', n: 2 },
      { 'data.x': null, n: 3 },
    ])
  })

  it('take numbers of equal value for one', async () => {
    expect(await rowsOf(data([2 ** 60, 2n ** 60n, 0, -0]), { groupBy: ['data.x'], aggregations: count })).toMatchObject([{ n: 2 }, { n: 2 }])
  })

  it('are by module, function and arity for mfa, under the names asked for', async () => {
    const events = [{ module: 'm', function: 'f', arity: 1, eventType: 'a' }, { module: 'm', function: 'f', arity: 0, eventType: 'a' }, { eventType: 'a' }]
    expect(await rowsOf(events, { groupBy: ['event_type', 'mfa'], aggregations: count })).toEqual([
      { event_type: 'a', module: 'm', function: 'f', arity: 0, n: 1 },
      { event_type: 'a', module: 'm', function: 'f', arity: 1, n: 1 },
      { event_type: 'a', module: null, function: null, arity: null, n: 1 },
    ])
    expect(await rowsOf(events.slice(2), { groupBy: ['eventType'], aggregations: count })).toEqual([{ eventType: 'a', n: 1 }])
  })

  it('are filtered and ordered by either spelling of a column, and not by both', async () => {
    const events = ['a', 'b', 'b'].map((eventType) => ({ eventType }))
    for (const [asked, other] of [['event_type', 'eventType'], ['eventType', 'event_type']] as const) {
      const rows = await rowsOf(events, { groupBy: [asked], aggregations: count, having: { [other]: { ne: 'c' } }, orderBy: [{ field: other, order: 'desc' }] })
      expect(rows).toEqual([{ [asked]: 'b', n: 2 }, { [asked]: 'a', n: 1 }])
      expect(await codeOf(() => rowsOf(events, { groupBy: [asked, other], aggregations: count }))).toBe('INVALID_ARGUMENT')
    }
  })

  it('are by floored time', async () => {
    const events = [-11, -10, -1, 0, 9, 10].map((timestamp) => ({ timestamp }))
    expect(await rowsOf(events, { groupBy: [{ timeBucketNs: 10n }], aggregations: count })).toEqual([
      { time_bucket: -20n, n: 1 },
      { time_bucket: -10n, n: 2 },
      { time_bucket: 0n, n: 2 },
      { time_bucket: 10n, n: 1 },
    ])
  })

  it('are one without keys, also of nothing, and none with keys', async () => {
    const aggregations = { ...count, s: { sum: 'data.x' }, a: { avg: 'data.x' }, l: { min: 'data.x' }, h: { max: 'data.x' }, q: { quantile: 'data.x', q: 0.5 }, d: { countDistinct: 'data.x' } }
    expect(await rowsOf([], { aggregations })).toEqual([{ n: 0, s: null, a: null, l: null, h: null, q: null, d: 0 }])
    expect(await rowsOf([], { groupBy: ['pid'], aggregations })).toEqual([])
  })
})

describe('functions', () => {
  const aggregate = async (values: unknown[], aggregations: object) => (await rowsOf(data(values), { aggregations }))[0]

  it('skip absent and non-numeric values', async () => {
    expect(await aggregate([1, null, 'x', true, { a: 1 }, 2.5], { s: { sum: 'data.x' }, a: { avg: 'data.x' }, l: { min: 'data.x' }, h: { max: 'data.x' } })).toEqual({ s: 3.5, a: 1.75, l: 1, h: 2.5 })
  })

  it('count what is present and what differs', async () => {
    expect(await aggregate([1, null, 'x', 1, { a: 1 }, '1'], { all: { count: '*' }, some: { count: 'data.x' }, d: { countDistinct: 'data.x' } })).toEqual({ all: 6, some: 5, d: 3 })
  })

  it('sum integers exactly', async () => {
    const big = 2n ** 63n
    expect(await aggregate([big, big, 1], { s: { sum: 'data.x' } })).toEqual({ s: 2n ** 64n + 1n })
    expect(await aggregate([big, -(2n ** 63n), 3], { s: { sum: 'data.x' } })).toEqual({ s: 3 })
    expect(await aggregate([0.1, 0.2], { s: { sum: 'data.x' } })).toEqual({ s: 0.1 + 0.2 })
  })

  it('give one type per column: with a float anywhere all sums are floats', async () => {
    const events = [{ pid: 'a', data: { x: 2n ** 60n } }, { pid: 'b', data: { x: 0.5 } }]
    expect(await rowsOf(events, { groupBy: ['pid'], aggregations: { s: { sum: 'data.x' } } })).toEqual([{ pid: 'a', s: 2 ** 60 }, { pid: 'b', s: 0.5 }])
  })

  it('find quantiles by nearest rank', async () => {
    const q = (share: number) => ({ quantile: 'data.x', q: share, exact: true })
    expect(await aggregate([50, 20, 15, 40, 35], { min: q(0), p5: q(0.05), p30: q(0.3), p40: q(0.4), p50: q(0.5), max: q(1) })).toEqual({ min: 15, p5: 15, p30: 20, p40: 20, p50: 35, max: 50 })
  })

  it('read tags as the numbers that they are', async () => {
    expect(await rowsOf([{ tags: { x: 2 } }, { tags: { x: 'no' } }, { tags: { x: '1.5' } }], { aggregations: { s: { sum: 'tags.x' } } })).toEqual([{ s: 3.5 }])
  })

  it('refuse what is no number, no function, or two', async () => {
    expect(await codeOf(() => aggregate([], { s: { sum: 'pid' } }))).toBe('TYPE_MISMATCH')
    expect(await codeOf(() => aggregate([], { s: { sum: 'nothing' } }))).toBe('UNKNOWN_FIELD')
    for (const spec of [{ total: 'data.x' }, { sum: 'data.x', avg: 'data.x' }, { quantile: 'data.x', q: 2 }, { quantile: 'data.x' }, 'sum']) {
      expect(await codeOf(() => aggregate([], { s: spec })), JSON.stringify(spec)).toBe('INVALID_ARGUMENT')
    }
  })
})

describe('having, order and limit', () => {
  const events = [['a', 1], ['b', 5], ['b', 6], ['c', 1], ['d', null]].map(([pid, x]) => ({ pid, data: { x } }))
  const ask = (options: object) => rowsOf(events, { groupBy: ['pid'], aggregations: { s: { sum: 'data.x' }, n: { count: '*' } }, ...options })
  const pids = async (options: object) => (await ask(options)).map((row: { pid?: string }) => row.pid).join('')

  it('work on the columns of the answer', async () => {
    expect(await pids({ having: { s: { gt: 1 } } })).toBe('b')
    expect(await pids({ having: { or: [{ pid: 'a' }, { s: null }] } })).toBe('ad')
    expect(await pids({ orderBy: [{ field: 's', order: 'desc' }] })).toBe('bacd')
    expect(await pids({ orderBy: [{ field: 's', order: 'asc' }, { field: 'pid', order: 'desc' }] })).toBe('cabd')
    expect(await pids({ orderBy: [{ field: 'n', order: 'desc' }], limit: 2 })).toBe('ba')
  })

  it('refuse other columns', async () => {
    expect(await codeOf(() => ask({ having: { x: 1 } }))).toBe('UNKNOWN_FIELD')
    expect(await codeOf(() => ask({ orderBy: [{ field: 'x', order: 'asc' }] }))).toBe('UNKNOWN_FIELD')
    expect(await codeOf(() => ask({ having: { s: 'x' } }))).toBe('TYPE_MISMATCH')
    expect(await codeOf(() => ask({ groupBy: ['pid', 'pid'] }))).toBe('INVALID_ARGUMENT')
  })

  it('take filters that select events, and nothing else of a query', async () => {
    expect(await pids({ filters: { where: { 'data.x': { lt: 5 } } } })).toBe('ac')
    for (const filters of [{ limit: 1 }, { offset: 1 }, { sortBy: 'pid' }, { projection: ['pid'] }]) {
      expect(await codeOf(() => ask({ filters })), JSON.stringify(filters)).toBe('INVALID_ARGUMENT')
    }
  })
})

describe('what is in a recording', () => {
  const events = [
    { pid: 'a', tags: { region: 'eu' }, data: { x: 1, 'a.b': { c: 's' }, list: [{ y: 1 }] } },
    { pid: 'b', eventType: 'error', data: { x: 2.5 } },
    { pid: 'b', data: { x: 's' } },
  ]

  it('is described by paths, types and counts', async () => {
    const { dataAccess } = await oracleWith(events)
    expect(await dataAccess.describe()).toMatchObject({
      paths: [
        { path: 'data.list', types: { array: 1 } },
        { path: 'data.x', types: { integer: 1, float: 1, string: 1 } },
        { path: 'data["a.b"].c', types: { string: 1 } },
      ],
      tags: [{ name: 'tags.region', count: 1 }],
      eventTypes: [{ eventType: 'log', count: 2 }, { eventType: 'error', count: 1 }],
      timeRange: { first: 0n, last: 2n },
      snapshot: 3n,
      evicted: 0,
    })
  })

  it('can be listed by value', async () => {
    const { dataAccess } = await oracleWith(events)
    expect(await dataAccess.fieldValues('pid')).toEqual([{ value: 'b', count: 2 }, { value: 'a', count: 1 }])
    expect(await dataAccess.fieldValues('data.x')).toEqual([{ value: 1, count: 1 }, { value: 2.5, count: 1 }, { value: 's', count: 1 }])
    expect(await dataAccess.fieldValues('data.x', { prefix: 's' })).toEqual([{ value: 's', count: 1 }])
    expect(await dataAccess.fieldValues('pid', { limit: 1, filters: { pid: 'a' } })).toEqual([{ value: 'a', count: 1 }])
    expect(await codeOf(() => dataAccess.fieldValues('x'))).toBe('UNKNOWN_FIELD')
  })
})
