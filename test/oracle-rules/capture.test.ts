/** What is captured of values, and what is said of the rest. */
import { describe, expect, it } from 'vitest'
import { countingOracle } from './events.js'

/** `data` as it is stored. */
function stored(data: unknown, options: Parameters<typeof countingOracle>[0] = {}) {
  const oracle = countingOracle(options)
  oracle.recorder.record({ eventType: 'log', data })
  return oracle.events[0]?.data
}

const limits = (given: object) => ({ limits: given })

describe('scalars', () => {
  it('are kept', () => {
    const values = { i: 1, f: 1.5, s: 'x', t: true, n: null }
    expect(stored(values)).toEqual(values)
    expect(Object.is(stored({ z: -0 }).z, -0)).toBe(true)
    expect(stored('text')).toBe('text')
    expect(stored(undefined)).toBe(null)
  })

  it('say when a number is not finite', () => {
    expect(stored({ a: [Number.NaN, 1], b: -Infinity })).toEqual({ a: [null, 1], b: null, $cut: { 'a.0': 'non_finite', b: 'non_finite' } })
    expect(stored(Number.NaN)).toEqual({ $value: null, $cut: { '': 'non_finite' } })
  })

  it('keep bigints of 64 bits, and others as text', () => {
    expect(stored([5n, 2n ** 53n, -(2n ** 63n), 2n ** 64n - 1n])).toEqual([5, 2n ** 53n, -(2n ** 63n), 2n ** 64n - 1n])
    expect(stored({ a: 2n ** 64n, b: -(2n ** 63n) - 1n })).toEqual({ a: '18446744073709551616', b: '-9223372036854775809', $cut: { a: 'bigint', b: 'bigint' } })
  })

  it('are text for symbols and functions, and nothing for undefined', () => {
    const anonymous = (() => () => 0)()
    expect(stored([Symbol('x'), function named() {}, anonymous, undefined])).toEqual(['Symbol(x)', '[Function named]', '[Function]', null])
    expect(stored({ a: undefined, b: 1, [Symbol('s')]: 2 })).toEqual({ b: 1 })
  })

  it('are well-formed text, cut between characters', () => {
    expect(stored('a\uD800b')).toBe('a\uFFFDb')
    expect(stored({ s: 'abcd' }, limits({ maxStringLength: 3 }))).toEqual({ s: 'abc', $cut: { s: 'length' } })
    expect(stored({ s: 'ab\u{1F600}' }, limits({ maxStringLength: 3 }))).toEqual({ s: 'ab', $cut: { s: 'length' } })
  })
})

describe('built-ins', () => {
  it('are shown as JSON', () => {
    expect(stored({
      date: new Date(0),
      regexp: /a\/b/gi,
      map: new Map<unknown, unknown>([['k', { v: 1 }], [2, 'two']]),
      set: new Set([1, 'x']),
      bytes: new Uint8Array([1, 2]),
      longs: new BigInt64Array([-1n]),
      error: new TypeError('bad'),
    })).toEqual({
      date: '1970-01-01T00:00:00.000Z',
      regexp: '/a\\/b/gi',
      map: [['k', { v: 1 }], [2, 'two']],
      set: [1, 'x'],
      bytes: [1, 2],
      longs: [-1],
      error: { name: 'TypeError', message: 'bad' },
    })
    expect(stored({ date: new Date(Number.NaN) })).toEqual({ date: null, $cut: { date: 'non_finite' } })
  })

  it('are read through the language, not through what a user has put over it', () => {
    const date = Object.assign(new Date(0), { toISOString: () => { throw new Error('called') } })
    const map = Object.assign(new Map([[1, 2]]), { forEach: () => { throw new Error('called') } })
    const regexp = Object.defineProperty(/x/, 'source', { get: () => { throw new Error('called') } })
    expect(stored([date, map, regexp])).toEqual(['1970-01-01T00:00:00.000Z', [[1, 2]], '/x/'])
  })

  it('are class instances by their own fields', () => {
    class Base { a = 1; get computed() { return 2 } }
    expect(stored(Object.assign(new Base(), { b: Object.assign([1], { 2: 3 }) }))).toEqual({ a: 1, b: [1, null, 3] })
    expect(stored(JSON.parse('{"__proto__": 1}'))).toEqual(JSON.parse('{"__proto__": 1}'))
  })
})

describe('user code', () => {
  const explode = () => { throw new Error('user code ran') }
  const trap = new Proxy({}, { get: explode, has: explode, ownKeys: explode, getPrototypeOf: explode, getOwnPropertyDescriptor: explode })

  it('never runs', () => {
    expect(stored({ get a() { return explode() }, toJSON: explode, b: trap })).toEqual({ a: null, toJSON: '[Function explode]', b: null, $cut: { a: 'getter', b: 'proxy' } })
    expect(stored(Object.create(trap, { x: { value: 1, enumerable: true } }))).toEqual({ x: 1 })
    expect(stored(trap)).toEqual({ $value: null, $cut: { '': 'proxy' } })
    expect(stored(Object.defineProperty([1, 2], 0, { get: explode }))).toEqual({ $value: [null, 2], $cut: { 0: 'getter' } })
    expect(stored({ [Symbol.iterator]: explode, [Symbol.toPrimitive]: explode })).toEqual({})
  })
})

describe('limits', () => {
  it('count containers from the outermost', () => {
    expect(stored({ a: { b: { c: 1 } } }, limits({ maxDepth: 2 }))).toEqual({ a: { b: null }, $cut: { 'a.b': 'depth' } })
    const circular: Record<string, unknown> = {}
    circular.self = circular
    expect(stored(circular, limits({ maxDepth: 3 }))).toEqual({ self: { self: { self: null } }, $cut: { 'self.self.self': 'depth' } })
  })

  it('count fields and items', () => {
    expect(stored({ a: 1, b: undefined, c: 2, d: 3 }, limits({ maxFields: 2 }))).toEqual({ a: 1, c: 2, $cut: { '': 'fields' } })
    expect(stored({ a: [1, 2, 3], s: new Set([1, 2, 3]), t: new Uint8Array(3) }, limits({ maxItems: 2 }))).toEqual({ a: [1, 2], s: [1, 2], t: [0, 0], $cut: { a: 'length', s: 'length', t: 'length' } })
  })

  it('name places as paths', () => {
    const $cut = { 'a["b.c"].0["0"]': 'non_finite' }
    expect(stored({ a: { 'b.c': [{ 0: Number.NaN }] } })).toEqual({ a: { 'b.c': [{ 0: null }] }, $cut })
  })

  it('name fields of any name', () => {
    const data = stored(Object.fromEntries([['__proto__', Number.NaN]]))
    expect(Object.entries(data.$cut)).toEqual([['__proto__', 'non_finite']])
    expect(Object.entries(data)[0]).toEqual(['__proto__', null])
  })

  it('let a field called $cut give way only where something was cut', () => {
    expect(stored({ $cut: 'mine' })).toEqual({ $cut: 'mine' })
    expect(Object.keys(stored({ $cut: 'mine', x: Number.NaN }))).toEqual(['x', '$cut'])
    expect(stored({ $cut: 'mine', x: Number.NaN })).toEqual({ x: null, $cut: { x: 'non_finite' } })
    expect(stored({ a: { $cut: 'mine' }, x: Number.NaN })).toEqual({ a: { $cut: 'mine' }, x: null, $cut: { x: 'non_finite' } })
  })

  it('leave out what is redacted, at any depth, without reading it', () => {
    const value = { password: 'p', a: [{ password: new Proxy({}, {}) }], m: new Map([['password', 'p']]) }
    expect(stored(value, { redact: ['password'] })).toEqual({
      password: null,
      a: [{ password: null }],
      m: [['password', null]],
      $cut: { password: 'redacted', 'a.0.password': 'redacted', 'm.0.1': 'redacted' },
    })
  })
})
