/** Options of queries: what is refused and how, and what the rest becomes. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { QueryOptions } from '../../index.js'
import { KinescopeError } from '../../src/errors.js'
import type { Plan } from '../../src/plan.js'
import { resolveQuery } from '../../src/query-options.js'
import { oracleWith } from '../oracle-rules/events.js'
import { filters, logs, queries, type Query } from '../support/arbitraries.js'
import { hostileValues } from '../support/hostile.js'
import { holds } from './evaluate.js'

const resolved = (query: Query) => resolveQuery(query as QueryOptions, 'signal')
const planOf = (query: Query): Plan | undefined => {
  const { plan } = resolved(query).native
  return plan === undefined ? undefined : (JSON.parse(plan) as Plan)
}
const conditionOf = (where: unknown) => planOf({ where })?.condition

function errorOf(query: Query): KinescopeError {
  try {
    resolved(query)
  } catch (error) {
    if (error instanceof KinescopeError) return error
    throw error
  }
  throw new Error('expected an error')
}

describe('fields', () => {
  it.each([
    ['event_type', { column: 'event_type' }],
    ['eventType', { column: 'event_type' }],
    ['data', { column: 'data' }],
    ['data.a.b', { path: ['a', 'b'] }],
    ['data.args.0', { path: ['args', '0'] }],
    ['data.a["http.method"]', { path: ['a', 'http.method'] }],
    ['data["a"].b', { path: ['a', 'b'] }],
    ['data[""]["\\"]"]', { path: ['', '"]'] }],
    ['data.größe', { path: ['größe'] }],
    ['data.a\nb', { path: ['a\nb'] }],
    ['tags.http.method', { tag: 'http.method' }],
    ['tags.', { tag: '' }],
    ['tags.["x"]', { tag: '["x"]' }],
    ['tags.\ud800', { tag: '\ufffd' }],
  ])('%s', (name, ref) => {
    expect(planOf({ sortBy: name, sortOrder: 'desc' })?.order).toEqual({ field: ref, descending: true })
  })

  it.each(['data.', 'data..a', 'data.a.', 'data[0]', 'data["a"', 'data["a"]b', 'data["\\x"]', 'data.a]', 'data.a"b'])('%s cannot be read', (name) => {
    expect(errorOf({ sortBy: name })).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'sortBy' } })
  })

  it('that do not exist are named with their nearest', () => {
    expect(errorOf({ where: { evnt_type: 'log' } })).toMatchObject({ code: 'UNKNOWN_FIELD', details: { field: 'evnt_type', nearest: ['event_type', 'eventType', expect.any(String)] } })
    for (const query of [{ sortBy: 'pidd' }, { projection: ['pidd'] }, { projection: [{ field: 'pidd', as: 'utf8' }] }, { where: { not: { pidd: 1 } } }]) {
      const error = errorOf(query)
      expect(error.code).toBe('UNKNOWN_FIELD')
      expect(error.details['nearest']).toContain('pid')
    }
    expect(errorOf({ where: { constructor: 1 } }).code).toBe('UNKNOWN_FIELD')
  })
})

describe('conditions', () => {
  const test = (op: string, rest: object, field: object = { column: 'pid' }) => ({ test: { field, op, ...rest } })
  const main = { value: { text: 'main' } }

  it.each<[unknown, unknown]>([
    [{ pid: 'main' }, test('eq', main)],
    [{ pid: { ne: 'main' } }, { not: test('eq', main) }],
    [{ pid: { in: ['main', 'x'] } }, test('in', { values: [{ text: 'main' }, { text: 'x' }] })],
    [{ pid: { notIn: ['main'] } }, { not: test('in', { values: [{ text: 'main' }] }) }],
    [{ pid: { in: [] } }, { or: [] }],
    [{ pid: { in: [null, 'main'] } }, { or: [test('in', { values: [{ text: 'main' }] }), { not: test('exists', {}) }] }],
    [{ pid: null }, { not: test('exists', {}) }],
    [{ pid: { ne: null } }, test('exists', {})],
    [{ pid: { exists: false } }, { not: test('exists', {}) }],
    [{ pid: { startsWith: 'm\ud800' } }, test('startsWith', { text: 'm\ufffd' })],
    [{ pid: { gt: 'a', lt: 'b' } }, { and: [test('gt', { value: { text: 'a' } }), test('lt', { value: { text: 'b' } })] }],
    [{ eventId: '1-42' }, test('eq', { value: { int: String((1n << 48n) + 42n) } }, { column: 'event_id' })],
    [{ parent_id: { in: ['65535-281474976710655'] } }, test('in', { values: [{ int: String(2n ** 64n - 1n) }] }, { column: 'parent_id' })],
    [{ wallTime: new Date(3) }, test('eq', { value: { int: '3000000' } }, { column: 'wall_time' })],
    [{ timestamp: 2n ** 70n }, test('eq', { value: { int: String(2n ** 70n) } }, { column: 'timestamp' })],
    [{ 'data.x': 1e21 }, test('eq', { value: { int: String(10n ** 21n) } }, { path: ['x'] })],
    [{ 'data.x': -0 }, test('eq', { value: { int: '0' } }, { path: ['x'] })],
    [{ 'data.x': 1.5 }, test('eq', { value: { float: 1.5 } }, { path: ['x'] })],
    [{ 'tags.n': true }, test('eq', { value: { bool: true } }, { tag: 'n' })],
    [{ not: { not: { pid: 'main' } } }, test('eq', main)],
    [{ and: [{ pid: 'main' }, { and: [{ pid: 'x' }] }] }, { and: [test('eq', main), test('eq', { value: { text: 'x' } })] }],
    [{ or: [] }, { or: [] }],
    [{ and: [] }, undefined],
    [{}, undefined],
    [{ pid: { gt: 'a', lt: undefined } }, test('gt', { value: { text: 'a' } })],
    [{ and: undefined, or: undefined, not: undefined }, undefined],
  ])('%O', (where, node) => {
    expect(conditionOf(where)).toEqual(node)
  })

  it.each<[unknown, string, string]>([
    [[], 'INVALID_ARGUMENT', 'where'],
    [null, 'INVALID_ARGUMENT', 'where'],
    [new Map(), 'INVALID_ARGUMENT', 'where'],
    [{ pid: {} }, 'INVALID_ARGUMENT', 'where.pid'],
    [{ pid: undefined }, 'INVALID_ARGUMENT', 'where.pid'],
    [{ pid: { eq: undefined } }, 'INVALID_ARGUMENT', 'where.pid'],
    [{ pid: { equals: undefined } }, 'INVALID_ARGUMENT', 'equals'],
    [{ pid: /a/ }, 'INVALID_ARGUMENT', 'where.pid'],
    [{ pid: { equals: 'a' } }, 'INVALID_ARGUMENT', 'equals'],
    [{ pid: { toString: 'a' } }, 'INVALID_ARGUMENT', 'toString'],
    [{ pid: { in: 'a' } }, 'INVALID_ARGUMENT', 'where.pid.in'],
    // oxlint-disable-next-line no-sparse-arrays -- a hole is what is tested
    [{ pid: { in: [, 'a'] } }, 'INVALID_ARGUMENT', 'where.pid.in[0]'],
    [{ pid: { exists: 1 } }, 'INVALID_ARGUMENT', 'where.pid.exists'],
    [{ pid: { lt: null } }, 'INVALID_ARGUMENT', 'where.pid.lt'],
    [{ pid: { matches: /a/ } }, 'INVALID_ARGUMENT', 'where.pid.matches'],
    [{ and: { pid: 'a' } }, 'INVALID_ARGUMENT', 'where.and'],
    [{ or: [1] }, 'INVALID_ARGUMENT', 'where.or[0]'],
    [{ 'data.x': Number.NaN }, 'INVALID_ARGUMENT', 'where.data.x'],
    [{ 'data.x': Infinity }, 'INVALID_ARGUMENT', 'where.data.x'],
    [{ 'data.x': new Date(0) }, 'INVALID_ARGUMENT', 'where.data.x'],
    [{ 'data.x': Symbol('x') }, 'INVALID_ARGUMENT', 'where.data.x'],
    [{ wall_time: new Date(Number.NaN) }, 'INVALID_ARGUMENT', 'where.wall_time'],
    [{ pid: 7 }, 'TYPE_MISMATCH', 'pid'],
    [{ pid: { in: ['a', 7] } }, 'TYPE_MISMATCH', 'pid'],
    [{ eventType: true }, 'TYPE_MISMATCH', 'event_type'],
    [{ line: '7' }, 'TYPE_MISMATCH', 'line'],
    [{ line: { contains: '7' } }, 'TYPE_MISMATCH', 'line'],
    [{ timestamp: new Date(0) }, 'TYPE_MISMATCH', 'timestamp'],
    [{ wall_time: '1970' }, 'TYPE_MISMATCH', 'wall_time'],
    [{ event_id: 42n }, 'TYPE_MISMATCH', 'event_id'],
    [{ event_id: '65536-0' }, 'TYPE_MISMATCH', 'event_id'],
    [{ event_id: '1-281474976710656' }, 'TYPE_MISMATCH', 'event_id'],
    [{ event_id: { startsWith: '1' } }, 'TYPE_MISMATCH', 'event_id'],
    [{ tags: 'a' }, 'TYPE_MISMATCH', 'tags'],
    [{ tags: { contains: 'a' } }, 'TYPE_MISMATCH', 'tags'],
  ])('%O is refused with %s', (where, code, field) => {
    expect(errorOf({ where })).toMatchObject({ code, details: { field } })
  })

  it('look for text in text only, and say so', () => {
    for (const operator of ['contains', 'startsWith', 'matches']) {
      const error = errorOf({ where: { line: { [operator]: '7' } } })
      expect(error.details).toEqual({ field: 'line', expected: 'text' })
      expect(error.message).toBe(`where.line.${operator}: expected a field of text, but line is an integer`)
    }
    expect(errorOf({ where: { tags: { contains: '7' } } }).message).toContain('tags is a map, of which tags.<key> is one value')
  })

  it('of any depth are refused or become JSON that every reader reads', () => {
    const nested = (levels: number) => {
      let where: object = { pid: { notIn: ['a', null] } }
      for (let level = 1; level < levels; level++) where = { pid: 'a', or: [{ arity: 1 }, where] }
      return where
    }
    const { plan } = resolved({ where: nested(28) }).native
    let [depth, deepest] = [0, 0]
    for (const mark of plan!.match(/[[\]{}]/g)!) {
      depth += mark === '[' || mark === '{' ? 1 : -1
      deepest = Math.max(deepest, depth)
    }
    expect(deepest).toBeGreaterThan(100)
    expect(deepest).toBeLessThan(128)
    for (const levels of [29, 20_000]) expect(errorOf({ where: nested(levels) }).code).toBe('INVALID_ARGUMENT')
  })

  it('and all other filters mean what the oracle says', async () => {
    await fc.assert(
      fc.asyncProperty(logs(), filters(), async (events, query) => {
        const { dataAccess } = await oracleWith(events)
        const { startTimeMonotonic, endTimeMonotonic, startTimeWall, endTimeWall, pid, correlationId, eventTypes, ...rest } = query
        const ranges = { startTimeMonotonic, endTimeMonotonic, startTimeWall, endTimeWall, pid, correlationId, eventTypes }
        const condition = planOf(rest)?.condition ?? { and: [] }
        const found = dataAccess.queryEventsSync(ranges).toArray().filter((event) => holds(condition, event))
        expect(found).toEqual(dataAccess.queryEventsSync(query).toArray())
      }),
      { numRuns: 500 },
    )
  })
})

describe('the other filters', () => {
  const eq = (field: object, value: object) => ({ test: { field, op: 'eq', value } })

  it.each<[Query, unknown]>([
    [{ mfa: { function: 'f' } }, eq({ column: 'function' }, { text: 'f' })],
    [{ mfa: ['m', 'f', 2] }, { and: [eq({ column: 'module' }, { text: 'm' }), eq({ column: 'function' }, { text: 'f' }), eq({ column: 'arity' }, { int: '2' })] }],
    [{ mfa: { module: undefined } }, undefined],
    [{ tags: { n: 1, 'a.b': 'x' } }, { and: [eq({ tag: 'n' }, { int: '1' }), eq({ tag: 'a.b' }, { text: 'x' })] }],
    [{ tags: {} }, undefined],
    [{ textSearch: ' Cart "Not  FOUND" a"b c" "open ÄΣ' }, { text: ['cart', 'not  found', 'a"b', 'c"', '"open', 'äς'] }],
    [{ textSearch: '"a"b""\u00a0\u3000c\u200b' }, { text: ['a', 'b""', 'c\u200b'] }],
    [{ textSearch: ' ""\n' }, undefined],
    [{ textSearch: '\ud800' }, { text: ['\ufffd'] }],
  ])('%O', (query, condition) => {
    expect(planOf(query)?.condition).toEqual(condition)
  })

  it.each<[Query, string, string]>([
    [{ mfa: ['m', 'f'] }, 'INVALID_ARGUMENT', 'mfa'],
    // oxlint-disable-next-line no-sparse-arrays -- a hole is what is tested
    [{ mfa: [, 'f', 1] }, 'INVALID_ARGUMENT', 'mfa.module'],
    [{ mfa: ['m', 'f', Number.NaN] }, 'INVALID_ARGUMENT', 'mfa.arity'],
    [{ mfa: { fn: 'f' } }, 'INVALID_ARGUMENT', 'fn'],
    [{ mfa: { arity: '2' } }, 'INVALID_ARGUMENT', 'mfa.arity'],
    [{ tags: { n: null } }, 'INVALID_ARGUMENT', 'tags.n'],
    [{ tags: [] }, 'INVALID_ARGUMENT', 'tags'],
    [{ textSearch: 1 }, 'INVALID_ARGUMENT', 'textSearch'],
    [{ pid: ['a', 1] }, 'INVALID_ARGUMENT', 'pid[1]'],
    [{ eventTypes: 'log' }, 'INVALID_ARGUMENT', 'eventTypes'],
    [{ startTimeWall: new Date(1), endTimeWall: 0 }, 'INVALID_ARGUMENT', 'endTimeWall'],
    [{ startTimeWall: '2026-11-27' }, 'INVALID_ARGUMENT', 'startTimeWall'],
    [{ endTimeWall: new Date(Number.NaN) }, 'INVALID_ARGUMENT', 'endTimeWall'],
    [{ startTimeMonotonic: new Date(0) }, 'INVALID_ARGUMENT', 'startTimeMonotonic'],
    [{ filter: {} }, 'INVALID_ARGUMENT', 'filter'],
    [{ timeoutMs: 1 }, 'INVALID_ARGUMENT', 'timeoutMs'],
  ])('%O is refused', (query, code, field) => {
    expect(errorOf(query)).toMatchObject({ code, details: { field } })
  })
})

it('a time by the wall clock that is a text is told of Dates', () => {
  expect(errorOf({ endTimeWall: '2026-11-27' }).message).toBe('endTimeWall: expected a Date, or nanoseconds since 1970 as a bigint or a safe integer, got the string "2026-11-27"')
})

describe('order, pages and projection', () => {
  it.each<[Query, Partial<Plan>]>([
    [{ sortBy: 'timestamp', sortOrder: 'asc' }, {}],
    [{ sortOrder: 'desc' }, { order: { field: { column: 'timestamp' }, descending: true } }],
    [{ sortBy: 'seq' }, { order: { field: { column: 'seq' }, descending: false } }],
    [{ offset: 0 }, {}],
    [{ offset: 7 }, { skip: 7 }],
    [{ offset: { pageToken: 't' } }, { token: 't' }],
    [{ offset: { pageToken: undefined } }, {}],
    [{ offset: {} }, {}],
    [{ projection: ['eventType', { field: 'data["x"]', as: 'f64' }] }, {
      projection: [
        { field: { column: 'event_type' }, as: null },
        { field: { path: ['x'] }, as: 'f64' },
      ],
    }],
  ])('%O', (query, plan) => {
    const { identity: _identity, ...resolvedPlan } = planOf(query) ?? {}
    expect(resolvedPlan).toEqual(plan)
  })

  it.each<[Query, string]>([
    [{ limit: -1 }, 'limit'],
    [{ limit: 1.5 }, 'limit'],
    [{ offset: -1 }, 'offset'],
    [{ offset: 2 ** 53 }, 'offset'],
    [{ offset: '5' }, 'offset'],
    [{ offset: null }, 'offset'],
    [{ offset: { pageToken: null } }, 'offset.pageToken'],
    [{ offset: { token: 't' } }, 'token'],
    [{ sortOrder: 'down' }, 'sortOrder'],
    [{ sortBy: null }, 'sortBy'],
    [{ projection: [] }, 'projection'],
    [{ projection: 'pid' }, 'projection'],
    [{ projection: ['pid', 'pid'] }, 'projection[1]'],
    [{ projection: ['event_type', { field: 'eventType', as: 'utf8' }] }, 'projection[1]'],
    [{ projection: [{ field: 'pid', as: 'text' }] }, 'projection[0].as'],
    [{ projection: [{ field: 'pid', as: 'utf8', alias: 'p' }] }, 'alias'],
    [{ projection: [7] }, 'projection[0]'],
  ])('%O is refused', (query, field) => {
    expect(errorOf(query)).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field } })
  })

  it('need no plan for what the native filters say', () => {
    const { native } = resolved({ limit: 0, pid: 'a', correlationId: ['b\ud800'], eventTypes: [], startTimeMonotonic: -1, startTimeWall: new Date(1), endTimeWall: 2n ** 70n })
    expect(native).toEqual({ limit: 0, pids: ['a'], correlationIds: ['b\ufffd'], eventTypes: [], startTime: -1n, startWallTime: 1_000_000n, endWallTime: 2n ** 63n - 1n })
    expect(resolved({}).native).toEqual({ limit: 1000 })
    expect(planOf({ pid: 'a', offset: { pageToken: 't' } })).toEqual({ token: 't', identity: '' })
  })
})

describe('the identity of a query', () => {
  // The addon compares the native filters by themselves.
  const identity = (query: Query) => {
    const { plan, limit: _limit, ...native } = resolved({ ...query, offset: 1 }).native
    return [(JSON.parse(plan!) as Plan).identity, native]
  }

  it.each<[Query, Query]>([
    [{ pid: 'a' }, { pid: ['a'], limit: 5, offset: 3 }],
    [{ where: { pid: 'a', line: 1 } }, { where: { line: 1n, pid: { eq: 'a' } }, offset: { pageToken: 'x' } }],
    [{ where: { eventType: 'a' } }, { where: { event_type: 'a' } }],
    [{ where: { 'data.a': 1 } }, { where: { 'data["a"]': 1n } }],
    [{ tags: { a: 1, b: 2 } }, { tags: { b: 2, a: 1 } }],
    [{ startTimeWall: new Date(1) }, { startTimeWall: 1_000_000n }],
    [{ sortBy: 'timestamp' }, {}],
  ])('%O is that of %O', (a, b) => {
    expect(identity(a)).toEqual(identity(b))
  })

  it.each<[Query, Query]>([
    [{ pid: 'a' }, { pid: 'b' }],
    [{ pid: 'a' }, { correlationId: 'a' }],
    [{ startTimeMonotonic: 1 }, { endTimeMonotonic: 1 }],
    [{ startTimeMonotonic: 1 }, { startTimeWall: 1 }],
    [{ where: { pid: 'a' } }, { where: { not: { pid: 'a' } } }],
    [{ where: { and: [{ pid: 'a' }, { line: 1 }] } }, { where: { or: [{ pid: 'a' }, { line: 1 }] } }],
    [{ where: { 'data.a': 1 } }, { where: { 'data.a': '1' } }],
    [{ where: { 'data.a.b': 1 } }, { where: { 'data["a.b"]': 1 } }],
    [{ textSearch: 'a b' }, { textSearch: '"a b"' }],
    [{ sortOrder: 'asc' }, { sortOrder: 'desc' }],
    [{ projection: ['pid', 'seq'] }, { projection: ['seq', 'pid'] }],
    [{ projection: ['data.x'] }, { projection: [{ field: 'data.x', as: 'i64' }] }],
    [{ projection: ['pid'] }, {}],
  ])('%O is not that of %O', (a, b) => {
    expect(identity(a)).not.toEqual(identity(b))
  })

  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(queries(), (query) => {
        expect(identity(reversed(query) as Query)).toEqual(identity({ ...query, limit: 7 }))
      }),
    )
  })
})

describe('hostile values', () => {
  const options = ['startTimeMonotonic', 'endTimeWall', 'pid', 'eventTypes', 'mfa', 'tags', 'textSearch', 'where', 'limit', 'offset', 'sortBy', 'sortOrder', 'projection']
  const places: ((value: unknown) => Query)[] = [
    ...options.map((name) => (value: unknown) => ({ [name]: value })),
    (value) => ({ where: { 'data.x': value } }),
    (value) => ({ where: { pid: { eq: value } } }),
    (value) => ({ where: { or: [value] } }),
    (value) => ({ tags: { x: value } }),
    (value) => ({ projection: [value] }),
    (value) => ({ offset: { pageToken: value } }),
  ]

  it('are refused with a code, or are valid', () => {
    fc.assert(
      fc.property(hostileValues(), fc.constantFrom(...places), (make, place) => {
        try {
          planOf(place(make()))
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

/** Every object's keys the other way round, but for those of dates and within arrays. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).toReversed().map(([key, item]) => [key, reversed(item)]))
}
