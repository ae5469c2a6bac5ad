import { createContext, runInContext } from 'node:vm'
import { array, assert, bigInt, boolean, constant, dictionary, double, integer, letrec, oneof, property, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CaptureLimits } from '../../index.js'
import { setup } from './setup.js'

function capture(value: unknown, limits: Partial<CaptureLimits> = {}, redact: string[] = []): { data: unknown; cuts: Record<string, string> } {
  const { recorder, reader } = setup({ limits, redact, ringBytes: 1 << 20 })
  recorder.record({ eventType: 'x', data: value })
  const [event] = reader.events()
  return { data: event!.data, cuts: event!.cuts }
}

/** An object that fails the test when any of its code runs. */
function trap(): never {
  throw new Error('code of the user ran')
}
const ALL_TRAPS = new Proxy({}, { get: () => trap })

class Point {
  x = 1
  #hidden = 2
  get sum(): number {
    return trap()
  }
  hidden(): number {
    return this.#hidden
  }
}

describe('values', () => {
  test.each<[string, unknown, unknown]>([
    ['int32', -(2 ** 31), -(2 ** 31)],
    ['beyond int32', 2 ** 31, 2 ** 31],
    ['a fraction', 0.1, 0.1],
    ['minus zero', -0, -0],
    ['a small bigint', -5n, -5n],
    ['a big bigint', 2n ** 64n - 1n, 2n ** 64n - 1n],
    ['null', null, null],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['a function', function named() {}, '[Function named]'],
    ['a class', Point, '[Function Point]'],
    ['no name', (() => () => {})(), '[Function]'],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['a regular expression', /a\/b/giu, '/a\\/b/giu'],
    ['undefined in an object', { a: undefined, b: 1 }, { b: 1 }],
    // eslint-disable-next-line no-sparse-arrays -- the hole is what is tested
    ['undefined in an array', [undefined, , 1], [null, null, 1]],
    ['an error', Object.assign(new TypeError('no'), { extra: 1 }), { name: 'TypeError', message: 'no' }],
    ['a Map', new Map<unknown, unknown>([['a', 1], [{ k: 1 }, new Set([2])]]), [['a', 1], [{ k: 1 }, [2]]]],
    ['a typed array', new Float32Array([1, 0.5]), [1, 0.5]],
    ['bytes', Buffer.from([1, 255]), [1, 255]],
    ['64-bit items', new BigUint64Array([2n ** 64n - 1n]), [2n ** 64n - 1n]],
    ['an instance', new Point(), { x: 1 }],
    ['no prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ['symbols as keys', { [Symbol('s')]: 1, a: 2 }, { a: 2 }],
    ['what is not enumerable', Object.defineProperty({ a: 1 }, 'b', { value: 2 }), { a: 1 }],
    ['another realm', runInContext('({ a: [1, new Date(0), new Map([[1, 2]])] })', createContext()), { a: [1, '1970-01-01T00:00:00.000Z', [[1, 2]]] }],
  ])('%s', (_, value, expected) => {
    const { data, cuts } = capture(value)
    expect(data).toEqual(expected)
    expect(Object.is(data, -0)).toBe(Object.is(expected, -0))
    expect(cuts).toEqual({})
  })

  test('__proto__ is a plain key', () => {
    const { data } = capture(JSON.parse('{"__proto__": {"a": 1}}'))
    expect(Object.entries(data as object)).toEqual([['__proto__', Object.assign(Object.create(null), { a: 1 })]])
  })

  test('what is not captured says why', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const hostile = {
      nan: Number.NaN,
      infinite: -Infinity,
      badDate: new Date(Number.NaN),
      proxy: new Proxy({}, ALL_TRAPS),
      functionProxy: new Proxy(() => {}, ALL_TRAPS),
      arrayProxy: new Proxy([], ALL_TRAPS),
      revoked: proxy,
      get getter(): number {
        return trap()
      },
      set setter(_: number) {},
      inArray: Object.defineProperty([1], 0, { get: trap, enumerable: true }),
      big: 2n ** 70n,
      huge: 1n << 100_000n,
    }
    const { data, cuts } = capture(hostile)
    expect(cuts).toEqual({
      nan: 'non_finite',
      infinite: 'non_finite',
      badDate: 'non_finite',
      proxy: 'proxy',
      functionProxy: 'proxy',
      arrayProxy: 'proxy',
      revoked: 'proxy',
      getter: 'getter',
      setter: 'getter',
      'inArray.0': 'getter',
      big: 'bigint',
      huge: 'bigint',
    })
    expect(data).toMatchObject({ nan: null, big: String(2n ** 70n), huge: null, getter: null })
  })

  test('no code of the user runs', () => {
    const poisoned = { toJSON: trap, toString: trap, valueOf: trap, [Symbol.iterator]: trap, [Symbol.toPrimitive]: trap, [Symbol.for('nodejs.util.inspect.custom')]: trap }
    const error = Object.defineProperties(new Error('m'), { stack: { get: trap }, name: { get: trap } })
    const proxied = Object.setPrototypeOf({ a: 1 }, new Proxy({}, ALL_TRAPS)) as object
    const values = [
      poisoned,
      error,
      proxied,
      Object.setPrototypeOf(new Map([[1, 2]]), { entries: trap, [Symbol.iterator]: trap, get size() { return trap() } }),
      Object.setPrototypeOf(new Set([1]), { values: trap }),
      Object.defineProperties(new Date(0), { getTime: { get: trap }, toISOString: { value: trap } }),
      Object.defineProperties(/a/u, { source: { get: trap }, flags: { get: trap }, global: { get: trap }, toString: { value: trap } }),
      Object.setPrototypeOf(new Uint8Array([1]), { get length() { return trap() } }),
      Object.defineProperty(() => {}, 'name', { get: trap }),
      Object.setPrototypeOf(new Error('m'), new Proxy(Error.prototype, ALL_TRAPS)),
    ]
    const previous = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace')
    Error.prepareStackTrace = trap
    try {
      const { data, cuts } = capture(values)
      expect(cuts).toEqual({})
      const expected: unknown[] = [
        { toJSON: '[Function trap]', toString: '[Function trap]', valueOf: '[Function trap]' },
        { name: 'Error', message: 'm' },
        { a: 1 },
        [[1, 2]],
        [1],
        '1970-01-01T00:00:00.000Z',
        '/a/u',
        [1],
        '[Function]',
        { name: 'Error', message: 'm' },
      ]
      expect(data).toEqual(expected)
    } finally {
      if (previous) Object.defineProperty(Error, 'prepareStackTrace', previous)
      else delete (Error as { prepareStackTrace?: unknown }).prepareStackTrace
    }
  })
})

describe('limits', () => {
  test('depth: the outermost container is 1', () => {
    const circular: Record<string, unknown> = { n: 1 }
    circular['self'] = circular
    const { data, cuts } = capture(circular, { maxDepth: 3 })
    expect(data).toEqual({ n: 1, self: { n: 1, self: { n: 1, self: null } } })
    expect(cuts).toEqual({ 'self.self.self': 'depth' })
  })

  test('fields, items and characters are what was captured in part', () => {
    const limits = { maxFields: 2, maxItems: 2, maxStringLength: 3 }
    const value = { a: [1, 2, 3], b: 'a😀b😀', c: 1, d: undefined }
    expect(capture(value, limits)).toEqual({ data: { a: [1, 2], b: 'a😀' }, cuts: { '': 'fields', a: 'length', b: 'length' } })
    expect(capture([new Set([1, 2, 3]), new Map([[1, 1], [2, 2], [3, 3]])], limits)).toEqual({
      data: [[1, 2], [[1, 1], [2, 2]]],
      cuts: { 0: 'length', 1: 'length' },
    })
    expect(capture(new Uint8Array(5), limits)).toEqual({ data: [0, 0], cuts: { '': 'length' } })
    expect(capture({ a: 1, b: 2, c: undefined }, limits).cuts).toEqual({})
    expect(capture('😀😀', { maxStringLength: 1 })).toEqual({ data: '', cuts: { '': 'length' } })
  })

  test('the recorder\'s own field names are exempt', () => {
    const { recorder, reader } = setup({ limits: { maxStringLength: 3 } })
    const site = recorder.site({ module: 'm', function: 'f', arity: 0 })
    recorder.snapshot({ x: 'abcd' })
    recorder.fail(recorder.enter(site), new TypeError('broken'))
    recorder.wrap((text: string) => text, { captureResult: true })('result')
    recorder.record({ eventType: 'x', data: new RangeError('no way') })
    const recorded = reader.read().map((record) => (record.kind === 'loss' ? record : [record.data, record.cuts]))
    expect(recorded).toEqual([
      [{ variables: { x: 'abc' } }, { 'variables.x': 'length' }],
      [undefined, {}],
      [{ exception: { error_type: 'Typ', message: 'bro' } }, { 'exception.error_type': 'length', 'exception.message': 'length' }],
      [{ error_type: 'Typ', message: 'bro', stack: 'Typ' }, { error_type: 'length', message: 'length', stack: 'length' }],
      [{ args: ['res'] }, { 'args.0': 'length' }],
      [{ result: 'res' }, { result: 'length' }],
      [{ name: 'Ran', message: 'no ' }, { name: 'length', message: 'length' }],
    ])
  })

  test('a bigint whose text is too long has one reason', () => {
    expect(capture({ big: 10n ** 30n }, { maxStringLength: 5 })).toEqual({ data: { big: '10000' }, cuts: { big: 'bigint' } })
    const filled = capture(['x'.repeat(1000), 10n ** 30n], { maxEventBytes: 1024 })
    expect(filled).toEqual({ data: ['x'.repeat(1000), null], cuts: { 1: 'size' } })
  })

  test('redacted names at any depth', () => {
    const value = { password: 'p', deep: [{ password: { a: 1 }, Password: 1 }], map: new Map([['password', 'x']]) }
    const { data, cuts } = capture(value, {}, ['password'])
    expect(data).toEqual({ password: null, deep: [{ password: null, Password: 1 }], map: [['password', null]] })
    expect(cuts).toEqual({ password: 'redacted', 'deep.0.password': 'redacted', 'map.0.1': 'redacted' })
  })

  test('the size of one event is bounded', () => {
    const limits = { maxEventBytes: 2000, maxFields: 10_000, maxItems: 10_000, maxDepth: 64 }
    const nested = (depth: number): unknown => (depth === 0 ? 'x'.repeat(300) : { a: 'y'.repeat(30), b: nested(depth - 1), c: 1 })
    for (const value of ['x'.repeat(3000), { a: 'x'.repeat(1990), b: 1, c: {} }, Array.from({ length: 5000 }, (_, i) => i / 7), nested(60), { ['k'.repeat(3000)]: 1 }]) {
      const { recorder, reader, native } = setup({ limits })
      recorder.record({ eventType: 'x', data: value })
      const bytes = native.producer.i32[(4096 + 28) / 4]!
      expect(bytes).toBeLessThanOrEqual(2000 + 64 * 5 + 16)
      const [event] = reader.events()
      expect(Object.values(event!.cuts)).toContain('size')
    }
  })

  test('strings of every length and width, around every head', () => {
    for (const unit of ['a', 'é', '€', '😀']) {
      for (const length of [0, 1, 19, 39, 40, 41, 42, 63, 64, 84, 85, 86, 127, 128, 255, 256, 300]) {
        const text = unit.repeat(length)
        expect(capture({ [`k${text}`]: text })).toEqual({ data: { [`k${text}`]: text }, cuts: {} })
      }
    }
  })
})

test('any plain value comes back as it was', () => {
  const { value } = letrec((tie) => ({
    value: oneof(
      { depthSize: 'small', withCrossShrink: true },
      constant(null),
      boolean(),
      integer(),
      double({ noNaN: true, noDefaultInfinity: true }),
      bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
      string({ unit: 'grapheme', maxLength: 100 }),
      array(tie('value'), { maxLength: 6 }),
      dictionary(string({ unit: 'grapheme', maxLength: 50 }), tie('value'), { maxKeys: 6, noNullPrototype: false }),
    ),
  }))
  const seed = Date.now() ^ process.pid
  console.log(`seed ${seed}`)
  assert(
    property(value, (given) => {
      const { data, cuts } = capture(given, { maxDepth: 64 })
      expect(cuts).toEqual({})
      expect(withoutPrototypes(data)).toStrictEqual(withoutPrototypes(given))
    }),
    { seed, numRuns: 300 },
  )
})

/** The same value with every object rebuilt from its own entries. */
function withoutPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPrototypes)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).map(([key, field]) => [key, withoutPrototypes(field)])
}
