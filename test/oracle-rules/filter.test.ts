/** "Filters" of the semantics, rule by rule. */
import { describe, expect, it } from 'vitest'
import { codeOf, oracleWith, seqs } from './events.js'

async function matching(events: Record<string, unknown>[], query: Record<string, unknown>) {
  const oracle = await oracleWith(events)
  return seqs(oracle.dataAccess.queryEventsSync(query))
}

const where = (events: unknown[], condition: unknown) => matching(events.map((data) => ({ data })), { where: condition })

describe('conditions', () => {
  it('ands several fields and several operators', async () => {
    const events = [{ a: 1, b: 1 }, { a: 1, b: 2 }, { a: 2, b: 2 }]
    expect(await where(events, { 'data.a': 1, 'data.b': 2 })).toEqual([1])
    expect(await where(events, { 'data.b': { gt: 1, lte: 2 }, 'data.a': { lt: 2 } })).toEqual([1])
  })

  it('holds for an empty and, not for an empty or', async () => {
    expect(await where([{}], { and: [] })).toEqual([0])
    expect(await where([{}], { or: [] })).toEqual([])
    expect(await where([{}], { or: [{ 'data.a': 1 }, { and: [] }] })).toEqual([0])
  })

  it('refuses a field without operators, unknown operators and wrong operands', async () => {
    expect(await codeOf(() => where([], { 'data.a': {} }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => where([], { 'data.a': { equals: 1 } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => where([], { 'data.a': { in: 1 } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => where([], { 'data.a': { exists: 1 } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => where([], { 'data.a': { gt: null } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => where([], { 'data.a': undefined }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => where([], { 'data.a': Number.NaN }))).toBe('INVALID_ARGUMENT')
  })

  it('complements exactly: ne, notIn and not match events that lack the field', async () => {
    const events = [{ a: 1 }, { a: 'x' }, {}]
    expect(await where(events, { 'data.a': { ne: 1 } })).toEqual([1, 2])
    expect(await where(events, { 'data.a': { notIn: [1, 'x'] } })).toEqual([2])
    expect(await where(events, { not: { 'data.a': { gt: 0 } } })).toEqual([1, 2])
    expect(await where(events, { 'data.a': { in: [] } })).toEqual([])
    expect(await where(events, { 'data.a': { notIn: [] } })).toEqual([0, 1, 2])
  })

  it('takes null and absent for one thing', async () => {
    const events = [{ a: null }, {}, { a: 0 }]
    expect(await where(events, { 'data.a': null })).toEqual([0, 1])
    expect(await where(events, { 'data.a': { ne: null } })).toEqual([2])
    expect(await where(events, { 'data.a': { in: [null, 0] } })).toEqual([0, 1, 2])
    expect(await where(events, { 'data.a': { exists: true } })).toEqual([2])
    expect(await where(events, { 'data.a': { exists: false } })).toEqual([0, 1])
  })
})

describe('values', () => {
  it('compares numbers by exact value, int against float, beyond 2^53', async () => {
    const events = [{ a: 1 }, { a: 1.5 }, { a: 2n ** 53n + 1n }, { a: 2 ** 53 }, { a: 2n ** 53n }]
    expect(await where(events, { 'data.a': 1n })).toEqual([0])
    expect(await where(events, { 'data.a': { gt: 1, lt: 2 } })).toEqual([1])
    expect(await where(events, { 'data.a': { gt: 1, lt: 2, eq: undefined }, and: undefined })).toEqual([1])
    expect(await where(events, { 'data.a': 2 ** 53 })).toEqual([3, 4])
    expect(await where(events, { 'data.a': { gt: 2 ** 53 } })).toEqual([2])
    expect(await where([{ a: -0 }], { 'data.a': 0 })).toEqual([0])
  })

  it('compares within the type of the given value', async () => {
    const events = [{ a: 1 }, { a: '1' }, { a: true }, { a: [1] }]
    expect(await where(events, { 'data.a': 1 })).toEqual([0])
    expect(await where(events, { 'data.a': '1' })).toEqual([1])
    expect(await where(events, { 'data.a': true })).toEqual([2])
    expect(await where(events, { 'data.a': { gte: '0' } })).toEqual([1])
  })

  it('orders strings by UTF-8 bytes', async () => {
    // In UTF-16 the surrogates of U+1F600 come before U+FF5E; in UTF-8 they come after.
    const events = [{ a: '\u{1F600}' }, { a: '\uFF5E' }]
    expect(await where(events, { 'data.a': { gt: '\uFF5E' } })).toEqual([0])
  })

  it('finds text exactly, and by regular expressions of the Rust dialect', async () => {
    const events = [{ a: 'GET /cart' }, { a: 'get /cart\u2028x' }, { a: 'Straße ٣' }, { a: 7 }]
    expect(await where(events, { 'data.a': { contains: '/cart' } })).toEqual([0, 1])
    expect(await where(events, { 'data.a': { startsWith: 'GET' } })).toEqual([0])
    expect(await where(events, { 'data.a': { matches: '(?i)^get' } })).toEqual([0, 1])
    expect(await where(events, { 'data.a': { matches: 'cart.x' } })).toEqual([1])
    expect(await where(events, { 'data.a': { matches: '^\\w+ \\d$' } })).toEqual([2])
    expect(await codeOf(() => where([], { 'data.a': { matches: '(?=x)' } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => where([], { 'data.a': { matches: '(a)\\1' } }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => where([], { 'data.a': { matches: '(' } }))).toBe('INVALID_ARGUMENT')
  })

  it('never answers a comparison of a column with another type', async () => {
    for (const condition of [{ pid: 1 }, { arity: '1' }, { line: true }, { event_id: 'x' }, { eventType: { in: ['a', 2] } }, { seq: { contains: '1' } }, { tags: 'x' }]) {
      expect(await codeOf(() => where([], condition)), JSON.stringify(condition)).toBe('TYPE_MISMATCH')
    }
  })
})

describe('columns', () => {
  it('knows both spellings and every kind', async () => {
    const events = [
      { eventType: 'a', pid: 'p', arity: 2, line: 7, eventId: '40000-5', timestamp: 10, wallTime: new Date(1) },
      { eventType: 'b', pid: 'q', parentId: '40000-5', timestamp: 20, wallTime: 2_000_000n },
    ]
    expect(await matching(events, { where: { event_type: 'a' } })).toEqual([0])
    expect(await matching(events, { where: { eventType: { gt: 'a' } } })).toEqual([1])
    expect(await matching(events, { where: { eventId: { lte: '40000-5' } } })).toEqual([0, 1])
    expect(await matching(events, { where: { parent_id: '40000-5' } })).toEqual([1])
    expect(await matching(events, { where: { wallTime: { gt: new Date(1) } } })).toEqual([1])
    expect(await matching(events, { where: { timestamp: { lt: 10.5 } } })).toEqual([0])
    expect(await matching(events, { where: { arity: null } })).toEqual([1])
    expect(await matching(events, { where: { tags: { exists: false } } })).toEqual([0, 1])
  })

  it('knows no other names, and says the nearest', async () => {
    const oracle = await oracleWith([])
    await expect(oracle.dataAccess.queryEvents({ where: { eventTpye: 'a' } })).rejects.toMatchObject({
      code: 'UNKNOWN_FIELD',
      details: { field: 'eventTpye', nearest: expect.arrayContaining(['event_type']) },
    })
  })
})

describe('paths', () => {
  const events = [{ a: { b: 1 }, 'http.method': 'GET', args: ['x', { y: 2 }], '0': 'zero' }]

  it('reaches keys, quoted keys and items', async () => {
    for (const [path, value] of [
      ['data.a.b', 1],
      ['data["http.method"]', 'GET'],
      ['data.["http.method"]', 'GET'],
      ['data["a"].b', 1],
      ['data.args.0', 'x'],
      ['data.args.1.y', 2],
      ['data.0', 'zero'],
    ] as const) {
      expect(await where(events, { [path]: value }), path).toEqual([0])
    }
  })

  it('matches nothing where no event has the path', async () => {
    for (const path of ['data.http.method', 'data.args.length', 'data.args.01', 'data.a.b.c', 'data.toString', 'data.__proto__']) {
      expect(await where(events, { [path]: { exists: true } }), path).toEqual([])
    }
  })

  it('refuses what is no path', async () => {
    for (const path of ['data.', 'data..a', 'data.a[0]', 'data["a', 'data["\\x"]']) {
      expect(await codeOf(() => where(events, { [path]: 1 })), path).toBe('INVALID_ARGUMENT')
    }
  })
})

describe('tags', () => {
  const events = [{ tags: { status: 200, 'http.ok': true } }, { tags: { status: '2e2' } }, { tags: { status: 'ok' } }, {}]

  it('are text that compares as the number or boolean that it is', async () => {
    expect(await matching(events, { tags: { status: 200 } })).toEqual([0, 1])
    expect(await matching(events, { tags: { status: '200' } })).toEqual([0])
    expect(await matching(events, { where: { 'tags.status': { in: [200n, 'ok'] } } })).toEqual([0, 1, 2])
    expect(await matching(events, { where: { 'tags.status': { notIn: [200] } } })).toEqual([2, 3])
    expect(await matching(events, { where: { 'tags.status': { lt: 300 } } })).toEqual([0, 1])
  })

  it('take the rest of the name verbatim', async () => {
    expect(await matching(events, { where: { 'tags.http.ok': true } })).toEqual([0])
    expect(await matching(events, { where: { 'tags.http.ok': 'true' } })).toEqual([0])
    expect(await matching(events, { where: { 'tags.http': { exists: true } } })).toEqual([])
  })
})

describe('text search', () => {
  const events = [
    { data: { message: 'Payment FAILED for Müller', nested: [{ code: 'E-7' }], amount: 42 } },
    { function: 'pay', tags: { region: 'EU-West' }, data: { message: 'payment ok' } },
  ]
  const search = (textSearch: string) => matching(events, { textSearch })

  it('wants every part somewhere, in lower case', async () => {
    expect(await search('payment')).toEqual([0, 1])
    expect(await search('MÜLLER e-7')).toEqual([0])
    expect(await search('pay eu-west')).toEqual([1])
    expect(await search('region NESTED')).toEqual([])
    expect(await search('nested CODE')).toEqual([0])
    expect(await search('  ')).toEqual([0, 1])
  })

  it('keeps phrases whole and takes an unclosed quote literally', async () => {
    expect(await search('"payment failed"')).toEqual([0])
    expect(await search('"failed payment"')).toEqual([])
    expect(await search('"payment')).toEqual([])
  })

  it('does not look into numbers, nor at positions in arrays', async () => {
    expect(await search('42')).toEqual([])
    expect(await search('0')).toEqual([])
  })
})

describe('the other options', () => {
  const events = [
    { pid: 'a', correlationId: 'x', module: 'm', function: 'f', arity: 1, timestamp: 10 },
    { pid: 'b', module: 'm', function: 'f', arity: 2, timestamp: 20 },
    { pid: 'c', correlationId: 'y', eventType: 'error', timestamp: 30 },
  ]

  it('take one or several', async () => {
    expect(await matching(events, { pid: 'b' })).toEqual([1])
    expect(await matching(events, { pid: ['b', 'c'] })).toEqual([1, 2])
    expect(await matching(events, { pid: [] })).toEqual([])
    expect(await matching(events, { correlationId: ['x', 'y'] })).toEqual([0, 2])
    expect(await matching(events, { eventTypes: ['error'] })).toEqual([2])
    expect(await matching(events, { eventTypes: [] })).toEqual([])
    expect(await matching(events, { mfa: { module: 'm', arity: 2 } })).toEqual([1])
    expect(await matching(events, { mfa: ['m', 'f', 1] })).toEqual([0])
    expect(await matching(events, { pid: 'a', eventTypes: ['error'] })).toEqual([])
  })

  it('have half-open ranges of both clocks', async () => {
    expect(await matching(events, { startTimeMonotonic: 10, endTimeMonotonic: 30n })).toEqual([0, 1])
    expect(await matching(events, { startTimeMonotonic: 10, endTimeMonotonic: 10 })).toEqual([])
    expect(await matching(events, { startTimeWall: 20n })).toEqual([1, 2])
    expect(await matching(events, { endTimeWall: new Date(0) })).toEqual([])
    expect(await codeOf(() => matching(events, { startTimeMonotonic: 2, endTimeMonotonic: 1 }))).toBe('INVALID_ARGUMENT')
  })

  it('are refused when unknown or of the wrong type', async () => {
    for (const query of [{ pids: 'a' }, { limit: -1 }, { limit: 1.5 }, { pid: 1 }, { startTimeMonotonic: new Date() }, { sortOrder: 'up' }, { mfa: ['m', 'f'] }, { textSearch: 1 }]) {
      expect(await codeOf(() => matching([], query)), JSON.stringify(query)).toBe('INVALID_ARGUMENT')
    }
  })
})
