/** What is in an answer: columns of a projection, page tokens, and the errors of a query that is well-formed. */
import { Bool, Dictionary, Float64, Int64, tableFromIPC, Utf8 } from 'apache-arrow'
import { open, type Kinescope, type QueryOptions } from 'kinescope'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exact } from './exact.js'

let scope: Kinescope

beforeEach(async () => {
  scope = await open({ node: 'test', segmentEvents: 7 })
})
afterEach(() => scope.close())

const queryEvents = (query: QueryOptions) => scope.dataAccess.queryEvents(query)

async function codeOf(query: QueryOptions, of = scope): Promise<string> {
  try {
    await of.dataAccess.queryEvents(query)
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'no error'
}

describe('a projection', () => {
  const values = [1, 2 ** 53 + 2, null, 0.5, -0, true, 'text', { a: [1] }]
  const record = (given: readonly unknown[]) => {
    given.forEach((x, timestamp) => scope.recorder.record({ eventType: 'log', timestamp, tags: { n: timestamp, yes: timestamp % 2 === 0 }, data: { x, n: timestamp, big: 2n ** 60n + BigInt(timestamp) } }))
  }

  it('has the columns that it names, in its order, of the types that it names', async () => {
    record(values)
    const projection = [{ field: 'data.x', as: 'i64' }, 'event_type', { field: 'data["x"]', as: 'f64' }, { field: 'data.x ', as: 'utf8' }, { field: 'tags.yes', as: 'bool' }, { field: 'data', as: 'json' }, 'tags.n', 'seq'] as const
    const result = await queryEvents({ projection, sortBy: 'data.n', sortOrder: 'desc', limit: 3 })
    const { fields } = result.table.schema
    expect(fields.map(({ name }) => name)).toEqual(['data.x', 'event_type', 'data["x"]', 'data.x ', 'tags.yes', 'data', 'tags.n', 'seq'])
    expect(fields.map(({ type }) => type.constructor)).toEqual([Int64, Dictionary, Float64, Utf8, Bool, Utf8, Utf8, fields[7]!.type.constructor])
    expect(result.toArray()[0]).toEqual({ 'data.x': null, eventType: 'log', 'data["x"]': null, 'data.x ': null, 'tags.yes': false, data: '{"x":{"a":[1]},"n":7,"big":1152921504606846983}', 'tags.n': '7', seq: 7n })
    expect(result.table.getChild('tags.yes')!.toJSON()).toEqual([false, true, false])
    expect(result.table.getChild('event_type')!.get(0)).toBe('log')
  })

  it.each<[readonly unknown[], unknown, unknown[]]>([
    [[1, -3, null], Int64, [1, -3, null]],
    [[1, 2n ** 62n], Int64, [1, 2n ** 62n]],
    [[1, 0.5], Float64, [1, 0.5]],
    [[true, null, false], Bool, [true, null, false]],
    [['a', undefined, ''], Utf8, ['a', null, '']],
    [[1, 'a', [1, { b: null }], null], Utf8, ['1', '"a"', '[1,{"b":null}]', null]],
    [[null], Utf8, [null]],
  ])('gives a path of %o its type', async (given, type, expected) => {
    record(given)
    const result = await queryEvents({ projection: ['data.x'] })
    expect(result.table.schema.fields[0]!.type).toBeInstanceOf(type)
    expect(result.toArray().map((row) => (row as unknown as Record<string, unknown>)['data.x'])).toEqual(expected)
    const inTable = result.table.getChild('data.x')!.toJSON() as unknown[]
    expect(inTable.map((value) => (type === Int64 && value !== null ? Number(value) : value))).toEqual(expected.map((value) => (typeof value === 'bigint' ? Number(value) : value)))
  })

  it('keeps its types for all pages, whatever is recorded meanwhile', async () => {
    record([1, 2, 3])
    const query = { projection: ['data.x'], limit: 2 }
    const first = await queryEvents(query)
    record(['text'])
    const second = await queryEvents({ ...query, offset: { pageToken: first.nextPageToken! } })
    expect([...first, ...second]).toEqual([{ 'data.x': 1 }, { 'data.x': 2 }, { 'data.x': 3 }])
    expect(second.table.schema.fields[0]!.type).toBeInstanceOf(Int64)
    const [text] = await queryEvents({ ...query, sortBy: 'seq', sortOrder: 'desc' })
    expect(text).toEqual({ 'data.x': '"text"' })
  })

  it.each(['stream', 'file'] as const)('goes out as an IPC %s with the same names and values', async (format) => {
    // In several segments, each with a dictionary of its own.
    record(values)
    scope.recorder.record({ eventType: 'other', timestamp: 100, tags: { n: 'x' }, data: { n: 100 } })
    record(values)
    for (const sortBy of ['seq', 'data.n']) {
      const projection = ['data.n', 'eventType', 'tags', 'wall_time', 'eventId', { field: 'tags.yes', as: 'bool' }, { field: 'data.x', as: 'f64' }] as const
      const result = await queryEvents({ projection, sortBy })
      const table = tableFromIPC(result.toIPC(format))
      expect(table.schema.fields.map(({ name }) => name)).toEqual(['data.n', 'event_type', 'tags', 'wall_time', 'event_id', 'tags.yes', 'data.x'])
      expect(table.schema.fields.map(({ type }) => `${type}`)).toEqual(result.table.schema.fields.map(({ type }) => `${type}`))
      const rows = (of: typeof table) => of.toArray().map((row) => exact(row.toJSON()))
      expect(rows(table)).toEqual(rows(result.table))
      expect(table.numRows).toBe(17)
    }
    const none = tableFromIPC((await queryEvents({ projection: ['pid', 'data.n'], pid: 'nobody' })).toIPC(format))
    expect(none.schema.fields.map(({ name }) => name)).toEqual(['pid', 'data.n'])
  })

  it('has its columns also without rows', async () => {
    const result = await queryEvents({ projection: ['pid', { field: 'data.x', as: 'bool' }] })
    expect([result.table.numRows, result.toArray()]).toEqual([0, []])
    expect(result.table.schema.fields.map(({ name }) => name)).toEqual(['pid', 'data.x'])
  })

  it('is gone with its result', async () => {
    record(values)
    const result = await queryEvents({ projection: ['data.n', 'pid', { field: 'tags.yes', as: 'bool' }] })
    const columns = [0, 1, 2].map((index) => result.table.getChildAt(index)!)
    result.release()
    expect(result.nextPageToken).toBeNull()
    for (const column of columns) expect(() => column.get(0)).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    expect(() => result.toArray()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })
})

describe('a page token', () => {
  const record = (count: number) => {
    for (let n = 0; n < count; n++) scope.recorder.record({ eventType: 'log', timestamp: n, data: { n } })
  }
  const firstPage = async (query: QueryOptions) => ({ pageToken: (await queryEvents(query)).nextPageToken! })

  it('belongs to its query: limit may change, the rest may not', async () => {
    record(20)
    const query: QueryOptions = { pid: 'main', where: { 'data.n': { gte: 0 }, eventType: 'log' }, limit: 3 }
    const offset = await firstPage(query)
    expect(await codeOf({ ...query, limit: 5, offset })).toBe('no error')
    expect(await codeOf({ ...query, offset, signal: new AbortController().signal })).toBe('no error')
    expect(await codeOf({ ...query, where: { event_type: 'log', 'data["n"]': { gte: 0n } }, offset })).toBe('no error')
    const others: QueryOptions[] = [{ pid: 'other' }, { pid: ['main', 'x'] }, { where: {} }, { sortOrder: 'desc' }, { sortBy: 'seq' }, { projection: ['pid'] }, { endTimeMonotonic: 100 }, { tags: { a: 1 } }]
    for (const other of others) expect(await codeOf({ ...query, ...other, offset }), JSON.stringify(other)).toBe('PAGE_TOKEN_INVALID')
    const plain = await firstPage({ limit: 3 })
    expect(await codeOf({ limit: 4, offset: plain })).toBe('no error')
    expect(await codeOf({ eventTypes: ['log'], offset: plain })).toBe('PAGE_TOKEN_INVALID')
  })

  it('is not there for the first page', async () => {
    record(20)
    const found: number[] = []
    let pageToken: string | undefined
    do {
      const page = await queryEvents({ limit: 7, offset: { pageToken } })
      found.push(...page.toArray().map(({ data }) => data.n as number))
      pageToken = page.nextPageToken ?? undefined
    } while (pageToken !== undefined)
    expect(found).toEqual(Array.from({ length: 20 }, (_, n) => n))
  })

  it('is refused when it is damaged, or of another recording', async () => {
    record(20)
    const { pageToken } = await firstPage({ limit: 3 })
    const damaged = ['', 'x', pageToken.slice(1), `${pageToken}A`, pageToken.replace(/^../, 'zz'), '\u{1F600}', 'A'.repeat(100_000)]
    for (const token of damaged) expect(await codeOf({ limit: 3, offset: { pageToken: token } })).toBe('PAGE_TOKEN_INVALID')
    await using other = await open({ node: 'test', segmentEvents: 7 })
    for (let n = 0; n < 20; n++) other.recorder.record({ eventType: 'log', timestamp: n, data: { n } })
    expect(await codeOf({ limit: 3, offset: { pageToken } }, other)).toBe('PAGE_TOKEN_INVALID')
  })

  it('expires when retention has evicted a row that it would deliver, not before', async () => {
    await scope.close()
    scope = await open({ node: 'test', segmentEvents: 7, retention: { maxEvents: 64 } })
    record(56)
    const query = { limit: 40 }
    const [later, earlier] = [await firstPage(query), await firstPage({ ...query, sortOrder: 'desc' })]
    for (let n = 0; n < 40; n++) scope.recorder.record({ eventType: 'log', timestamp: 100 + n, data: { n } })
    await scope.flush()
    const { evicted } = scope.stats()
    expect(evicted).toBeGreaterThan(0)
    expect(evicted).toBeLessThan(40)
    const rest = await queryEvents({ ...query, offset: later })
    expect(rest.toArray().map(({ data }) => data.n)).toEqual(Array.from({ length: 16 }, (_, index) => 40 + index))
    expect(rest.totalMatches).toBe(56)
    expect(await codeOf({ ...query, sortOrder: 'desc', offset: earlier })).toBe('PAGE_TOKEN_EXPIRED')
  })
})

describe('a query', () => {
  it.each<[QueryOptions, string]>([
    [{ where: { pid: { matches: '(' } } }, 'INVALID_ARGUMENT'],
    [{ where: { pid: { matches: '(?=a)' } } }, 'INVALID_ARGUMENT'],
    [{ where: { 'data.x': { matches: '(\\w{1000}){1000}' } } }, 'INVALID_ARGUMENT'],
    [{ where: { nothing: 1 } }, 'UNKNOWN_FIELD'],
    [{ where: { line: 'a' } }, 'TYPE_MISMATCH'],
    [{ where: { 'data.x': 10n ** 60n, 'data.y': { lt: -(10n ** 400n) }, 'data.z': { gt: 1e300 } } }, 'no error'],
    [{ where: { 'data.x': { in: Array.from({ length: 20_000 }, (_, index) => index) } } }, 'no error'],
  ])('%# has the right code', async (query, code) => {
    scope.recorder.record({ eventType: 'log', data: { x: 'a', y: 1, z: 1e301 } })
    expect(await codeOf(query)).toBe(code)
  })

  it('says which of its regular expressions is wrong, wherever it is asked', async () => {
    const where = { or: [{ pid: { matches: 'a' } }, { not: { 'data.x': { matches: 'a(b' } } }] }
    const wrong = (place: string) => expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: place }, message: expect.stringMatching(new RegExp(`^${place.replace(/[[\].]/g, '\\$&')}: expected a regular expression`)) })
    const inWhere = wrong('where.or[1].not.data.x.matches')
    const { dataAccess, eventStreamer } = scope
    const aggregations = { n: { count: '*' } }
    const having = { pid: { matches: '[' } }
    await expect(dataAccess.queryEvents({ where })).rejects.toEqual(inWhere)
    await expect(dataAccess.getStateSnapshots('main', { where })).rejects.toEqual(inWhere)
    await expect(dataAccess.aggregateEvents({ aggregations, filters: { where } })).rejects.toEqual(inWhere)
    await expect(dataAccess.aggregateEvents({ groupBy: ['pid'], aggregations, filters: { where: { pid: { matches: 'b' } } }, having })).rejects.toEqual(wrong('having.pid.matches'))
    expect(() => dataAccess.queryEventsSync({ where })).toThrow(inWhere)
    expect(() => dataAccess.aggregateEventsSync({ aggregations, filters: { where } })).toThrow(inWhere)
    expect(() => eventStreamer.subscribe({ where })).toThrow(inWhere)
    const subscription = eventStreamer.subscribe()
    await expect(subscription.update({ where })).rejects.toEqual(inWhere)
    await subscription.unsubscribe()
    await expect(queryEvents({ where: { pid: { matches: '(\\w{1000}){1000}' } } })).rejects.toEqual(wrong('where.pid.matches'))
  })

  it('takes conditions 28 levels deep', async () => {
    scope.recorder.record({ eventType: 'log' })
    let where: NonNullable<QueryOptions['where']> = { pid: { notIn: ['a', null] } }
    for (let level = 1; level < 28; level++) where = { pid: 'main', or: [{ arity: 1 }, where] }
    expect((await queryEvents({ where })).totalMatches).toBe(1)
  })

  it('compares floats of every size', async () => {
    const values = [0.1, 1 / 3, 2.2250738585072014e-308, 1.7976931348623157e308, 5e-324, 1e23, 123456789.12345679]
    for (const x of values) scope.recorder.record({ eventType: 'log', data: { x } })
    for (const x of values) expect((await queryEvents({ where: { 'data.x': x } })).totalMatches).toBe(1)
    expect((await queryEvents({ where: { 'data.x': { in: values } } })).totalMatches).toBe(values.length)
  })
})
