/** Options of aggregates: what is refused and how, and what the rest becomes. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AggregateOptions } from '../../index.js'
import { resolveAggregate } from '../../src/aggregate-options.js'
import { KinescopeError } from '../../src/errors.js'
import { hostileValues } from '../support/hostile.js'

const n = { count: '*' }
const resolved = (options: unknown) => resolveAggregate(options as AggregateOptions, 'signal')
const planOf = (options: object) => JSON.parse(resolved({ aggregations: { n }, ...options }).plan) as Record<string, unknown>

function errorOf(ask: () => unknown): KinescopeError {
  try {
    ask()
  } catch (error) {
    if (error instanceof KinescopeError) return error
    throw error
  }
  throw new Error('expected an error')
}

describe('a plan', () => {
  it('has the keys, the functions and the order by their columns', () => {
    const options = {
      groupBy: ['eventType', 'mfa', { timeBucketNs: 5 }, 'data.x', 'tags.y'],
      aggregations: { n, some: { count: 'data' }, p95: { quantile: 'data.ms', q: 0.95 }, p5: { quantile: 'wallTime', q: 0, exact: true } },
      orderBy: [{ field: 'p95', order: 'desc' }, { field: 'eventType' }],
      limit: 3,
    }
    expect(resolved(options).names).toEqual(['eventType', 'module', 'function', 'arity', 'time_bucket', 'data.x', 'tags.y', 'n', 'some', 'p95', 'p5'])
    expect(planOf(options)).toEqual({
      keys: [
        { name: 'eventType', field: { column: 'event_type' } },
        ...['module', 'function', 'arity'].map((name) => ({ name, field: { column: name } })),
        { name: 'time_bucket', timeBucketNs: '5' },
        { name: 'data.x', field: { path: ['x'] } },
        { name: 'tags.y', field: { tag: 'y' } },
      ],
      aggregations: [
        { name: 'n', function: 'count' },
        { name: 'some', function: 'count', field: { column: 'data' } },
        { name: 'p95', function: 'quantile', field: { path: ['ms'] }, q: 0.95, exact: false },
        { name: 'p5', function: 'quantile', field: { column: 'wall_time' }, q: 0, exact: true },
      ],
      order: [{ column: 9, descending: true }, { column: 0, descending: false }],
      limit: 3,
    })
  })

  it('names columns of the answer in `having` by their index', () => {
    expect(planOf({ groupBy: ['pid'], having: { n: { gt: 1 }, not: { pid: 'main' } } })['having']).toEqual({
      and: [
        { test: { field: { column: '1' }, op: 'gt', value: { int: '1' } } },
        { not: { test: { field: { column: '0' }, op: 'eq', value: { text: 'main' } } } },
      ],
    })
  })

  it('takes both spellings of a column for it, and a name of the answer for what has just that name', () => {
    const keys = { groupBy: ['eventType', 'wall_time'], aggregations: { wallTime: n } }
    const named = (field: string) => planOf({ ...keys, orderBy: [{ field }] })['order']
    expect(['eventType', 'event_type', 'wall_time', 'wallTime'].map(named)).toEqual([0, 0, 1, 2].map((column) => [{ column, descending: false }]))
    expect(planOf({ ...keys, having: { event_type: 'log' } })).toEqual(planOf({ ...keys, having: { eventType: 'log' } }))
    expect(resolved(keys).names).toEqual(['eventType', 'wall_time', 'wallTime'])
  })

  it('takes the filters of a query', () => {
    expect(resolved({ aggregations: {}, filters: { pid: 'a', where: { line: 1 }, limit: undefined } }).filters).toMatchObject({ pids: ['a'] })
  })
})

describe('options', () => {
  const many = (count: number): object => (count === 0 ? { n: 1 } : { not: { or: [many(count - 1)] } })

  it.each<[unknown, string, string]>([
    [undefined, 'INVALID_ARGUMENT', 'aggregate'],
    [[], 'INVALID_ARGUMENT', 'aggregate'],
    [{}, 'INVALID_ARGUMENT', 'aggregations'],
    [{ aggregations: [] }, 'INVALID_ARGUMENT', 'aggregations'],
    [{ aggregations: { n }, groupby: [] }, 'INVALID_ARGUMENT', 'groupby'],
    [{ aggregations: { n }, timeoutMs: 5 }, 'INVALID_ARGUMENT', 'timeoutMs'],
    [{ aggregations: { n: {} } }, 'INVALID_ARGUMENT', 'aggregations.n'],
    [{ aggregations: { n: 'count' } }, 'INVALID_ARGUMENT', 'aggregations.n'],
    [{ aggregations: { n: { total: 'line' } } }, 'INVALID_ARGUMENT', 'total'],
    [{ aggregations: { n: { sum: 'line', avg: 'line' } } }, 'INVALID_ARGUMENT', 'aggregations.n'],
    [{ aggregations: { n: { sum: 'line', q: 1 } } }, 'INVALID_ARGUMENT', 'q'],
    [{ aggregations: { n: { sum: '*' } } }, 'UNKNOWN_FIELD', '*'],
    [{ aggregations: { n: { sum: 'lines' } } }, 'UNKNOWN_FIELD', 'lines'],
    [{ aggregations: { n: { sum: 'pid' } } }, 'TYPE_MISMATCH', 'pid'],
    [{ aggregations: { n: { max: 'event_id' } } }, 'TYPE_MISMATCH', 'event_id'],
    [{ aggregations: { n: { avg: 'tags' } } }, 'TYPE_MISMATCH', 'tags'],
    [{ aggregations: { n: { sum: 7 } } }, 'INVALID_ARGUMENT', 'aggregations.n.sum'],
    [{ aggregations: { n: { quantile: 'line' } } }, 'INVALID_ARGUMENT', 'aggregations.n.q'],
    [{ aggregations: { n: { quantile: 'line', q: 1.01 } } }, 'INVALID_ARGUMENT', 'aggregations.n.q'],
    [{ aggregations: { n: { quantile: 'line', q: Number.NaN } } }, 'INVALID_ARGUMENT', 'aggregations.n.q'],
    [{ aggregations: { n: { quantile: 'line', q: 1, exact: 1 } } }, 'INVALID_ARGUMENT', 'aggregations.n.exact'],
    [{ aggregations: { not: n } }, 'INVALID_ARGUMENT', 'aggregations.not'],
    [{ aggregations: { ['__proto__']: n } }, 'INVALID_ARGUMENT', 'aggregations.__proto__'],
    [{ aggregations: { pid: n }, groupBy: ['pid'] }, 'INVALID_ARGUMENT', 'aggregations.pid'],
    [{ aggregations: { n }, groupBy: ['pid', 'pid'] }, 'INVALID_ARGUMENT', 'groupBy'],
    [{ aggregations: { n }, groupBy: ['arity', 'mfa'] }, 'INVALID_ARGUMENT', 'groupBy'],
    [{ aggregations: { n }, groupBy: ['eventType', 'event_type'] }, 'INVALID_ARGUMENT', 'groupBy'],
    [{ aggregations: { n }, groupBy: ['wall_time', 'pid', 'wallTime'] }, 'INVALID_ARGUMENT', 'groupBy'],
    [{ aggregations: { eventType: n }, having: { event_type: 1 } }, 'UNKNOWN_FIELD', 'event_type'],
    [{ aggregations: { n }, groupBy: 'pid' }, 'INVALID_ARGUMENT', 'groupBy'],
    [{ aggregations: { n }, groupBy: ['pidd'] }, 'UNKNOWN_FIELD', 'pidd'],
    [{ aggregations: { n }, groupBy: [null] }, 'INVALID_ARGUMENT', 'groupBy[0]'],
    [{ aggregations: { n }, groupBy: [{ timeBucketNs: 0 }] }, 'INVALID_ARGUMENT', 'groupBy[0].timeBucketNs'],
    [{ aggregations: { n }, groupBy: [{ timeBucketNs: 1.5 }] }, 'INVALID_ARGUMENT', 'groupBy[0].timeBucketNs'],
    [{ aggregations: { n }, groupBy: [{ timeBucketNs: 2n ** 63n }] }, 'INVALID_ARGUMENT', 'groupBy[0].timeBucketNs'],
    [{ aggregations: { n }, groupBy: [{ timeBucketMs: 1 }] }, 'INVALID_ARGUMENT', 'timeBucketMs'],
    [{ aggregations: { n }, filters: null }, 'INVALID_ARGUMENT', 'filters'],
    [{ aggregations: { n }, filters: { limit: 1 } }, 'INVALID_ARGUMENT', 'filters.limit'],
    [{ aggregations: { n }, filters: { offset: 1 } }, 'INVALID_ARGUMENT', 'filters.offset'],
    [{ aggregations: { n }, filters: { sortBy: 'pid' } }, 'INVALID_ARGUMENT', 'filters.sortBy'],
    [{ aggregations: { n }, filters: { sortOrder: 'asc' } }, 'INVALID_ARGUMENT', 'filters.sortOrder'],
    [{ aggregations: { n }, filters: { projection: ['pid'] } }, 'INVALID_ARGUMENT', 'filters.projection'],
    [{ aggregations: { n }, filters: { where: { pidd: 1 } } }, 'UNKNOWN_FIELD', 'pidd'],
    [{ aggregations: { n }, having: { pid: 'a' } }, 'UNKNOWN_FIELD', 'pid'],
    [{ aggregations: { n }, having: { n: 'a' } }, 'TYPE_MISMATCH', 'n'],
    [{ aggregations: { n }, having: { n: { contains: 'a' } } }, 'TYPE_MISMATCH', 'n'],
    [{ aggregations: { n }, having: many(20) }, 'INVALID_ARGUMENT', 'having'],
    [{ aggregations: { n }, orderBy: 'n' }, 'INVALID_ARGUMENT', 'orderBy'],
    [{ aggregations: { n }, orderBy: ['n'] }, 'INVALID_ARGUMENT', 'orderBy[0]'],
    [{ aggregations: { n }, orderBy: [{ field: 'm' }] }, 'UNKNOWN_FIELD', 'm'],
    [{ aggregations: { n }, orderBy: [{ field: 'n', order: 'up' }] }, 'INVALID_ARGUMENT', 'orderBy[0].order'],
    [{ aggregations: { n }, orderBy: [{ order: 'asc' }] }, 'INVALID_ARGUMENT', 'orderBy[0].field'],
    [{ aggregations: { n }, limit: -1 }, 'INVALID_ARGUMENT', 'limit'],
    [{ aggregations: { n }, limit: '1' }, 'INVALID_ARGUMENT', 'limit'],
  ])('%O are refused', (options, code, field) => {
    expect(errorOf(() => resolved(options))).toMatchObject({ code, details: { field } })
  })

  it('of the blocking form have a time-out, and no signal', () => {
    const sync = (options: object) => () => resolveAggregate({ aggregations: { n }, ...options } as AggregateOptions, 'timeoutMs')
    expect(sync({ timeoutMs: 5 })).not.toThrow()
    expect(errorOf(sync({ filters: { signal: AbortSignal.timeout(1) } }))).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'signal' } })
    expect(errorOf(sync({ filters: { timeoutMs: 5 } }))).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'timeoutMs' } })
  })

  it('name the nearest column', () => {
    expect(errorOf(() => resolved({ groupBy: ['pid'], aggregations: { total: n }, having: { totl: 1 } })).details['nearest']).toEqual(['total', 'pid'])
  })
})

describe('hostile values', () => {
  const places: ((value: unknown) => unknown)[] = [
    (value) => value,
    ...['groupBy', 'aggregations', 'filters', 'having', 'orderBy', 'limit'].map((name) => (value: unknown) => ({ aggregations: { n }, [name]: value })),
    (value) => ({ aggregations: { n: value } }),
    (value) => ({ aggregations: { n: { count: value } } }),
    (value) => ({ aggregations: { n: { quantile: 'data.x', q: value } } }),
    (value) => ({ aggregations: { n }, groupBy: [value] }),
    (value) => ({ aggregations: { n }, groupBy: [{ timeBucketNs: value }] }),
    (value) => ({ aggregations: { n }, having: { n: value } }),
    (value) => ({ aggregations: { n }, orderBy: [{ field: value }] }),
  ]

  it('are refused with a code, or are valid', () => {
    fc.assert(
      fc.property(hostileValues(), fc.constantFrom(...places), (make, place) => {
        try {
          resolved(place(make()))
        } catch (error) {
          // Options are ordinary reads: what they throw by themselves passes through.
          const isOwn = /user code ran|proxy that has been revoked/.test((error as Error).message)
          if (!isOwn) expect(error).toBeInstanceOf(KinescopeError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
