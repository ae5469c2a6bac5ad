import * as fc from 'fast-check'
import { attach, KinescopeError, open, type Event, type Kinescope } from 'kinescope'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostileValues, userCodeRuns, type Recipe } from '../support/hostile.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)

/** The package as plain JavaScript sees it, which no type holds back. */
let scope: Kinescope
let untyped: any

beforeAll(async () => {
  scope = await open({ ring: { bytes: 2 ** 26, overflow: 'block' } })
  untyped = scope
})
afterAll(() => scope.close())

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** The error has the code, and names the field in its message and for programs. */
function expectInvalid(error: unknown, field: string) {
  expect(error).toBeInstanceOf(KinescopeError)
  const { code, message, details } = error as KinescopeError
  expect(code).toBe('INVALID_ARGUMENT')
  expect(message).toContain(field)
  expect(details['field']).toEqual(expect.stringContaining(field))
}

async function errorOf(use: () => unknown): Promise<unknown> {
  try {
    await use()
  } catch (error) {
    return error
  }
  return 'nothing was thrown'
}

describe('open refuses', () => {
  test.each<[string, unknown]>([
    ['options', null],
    ['options', 'a text'],
    ['options', []],
    ['nodes', { nodes: 'x' }],
    ['node', { node: '' }],
    ['node', { node: 'x'.repeat(256) }],
    ['node', { node: 7 }],
    ['segmentEvents', { segmentEvents: 0 }],
    ['segmentEvents', { segmentEvents: 2 ** 24 + 1 }],
    ['segmentEvents', { segmentEvents: Number.NaN }],
    ['segmentEvents', { segmentEvents: '1000' }],
    ['segmentEvents', { segmentEvents: 10n }],
    ['ring', { ring: 65_536 }],
    ['bytes', { ring: { bytes: 65_535 } }],
    ['bytes', { ring: { bytes: 2 ** 30 + 1 } }],
    ['bytes', { ring: { bytes: Infinity } }],
    ['overflow', { ring: { overflow: 'drop_oldest' } }],
    ['size', { ring: { size: 65_536 } }],
    ['retention', { retention: 1 }],
    ['maxBytes', { retention: { maxBytes: 0 } }],
    ['maxBytes', { retention: { maxBytes: -1 } }],
    ['maxAgeMs', { retention: { maxAgeMs: 1.5 } }],
    ['maxEvents', { retention: { maxEvents: 2 ** 60 } }],
    ['samplingRate', { samplingRate: 1.1 }],
    ['samplingRate', { samplingRate: Number.NaN }],
    ['limits', { limits: null }],
    ['maxDepth', { limits: { maxDepth: 65 } }],
    ['maxFields', { limits: { maxFields: 0 } }],
    ['maxItems', { limits: { maxItems: 65_537 } }],
    ['maxStringLength', { limits: { maxStringLength: {} } }],
    ['maxEventBytes', { limits: { maxEventBytes: 1023 } }],
    ['maxBreadth', { limits: { maxBreadth: 3 } }],
    ['redact', { redact: 'password' }],
    ['redact', { redact: [7] }],
    ['redact', { redact: Array.from({ length: 1025 }, (_, index) => `name-${index}`) }],
  ])('%s (%#)', async (field, options) => {
    expectInvalid(await errorOf(() => open(options as object)), field)
  })
})

describe('attach refuses', () => {
  test.each<[string, unknown]>([
    ['handle', undefined],
    ['handle', 'text'],
    ['registryId', {}],
    ['registryId', { registryId: -1, nonce: 'x', processId: 1 }],
    ['nonce', { registryId: 1, nonce: 7, processId: process.pid }],
    ['processId', { registryId: 1, nonce: 'x', processId: 2 ** 40 }],
    ['handle', { registryId: 1, nonce: 'x', processId: process.pid + 1 }],
  ])('%s (%#)', async (field, handle) => {
    expectInvalid(await errorOf(() => attach(handle as never)), field)
  })

  test('a handle of this process that names no open recording', async () => {
    for (const handle of [{ ...scope.handle, nonce: 'forged' }, { ...scope.handle, registryId: 4_000_000 }]) {
      expect(await errorOf(() => attach(handle))).toMatchObject({ name: 'KinescopeError', code: expect.stringMatching(/^(CLOSED|INVALID_ARGUMENT)$/) })
    }
  })
})

describe('record refuses a malformed envelope and leaves no event', () => {
  test.each<[string, () => unknown]>([
    ['event', () => undefined],
    ['event', () => null],
    ['event', () => 'log'],
    ['event', () => []],
    ['event', revokedProxy],
    ['eventType', () => ({})],
    ['eventType', () => ({ eventType: 7 })],
    ['eventType', () => ({ eventType: Symbol('log') })],
    ['evenType', () => ({ evenType: 'log', eventType: 'log' })],
    ['eventId', () => ({ eventType: 'log', eventId: '1-1' })],
    ['eventId', () => ({ eventType: 'log', eventId: '65536-1' })],
    ['eventId', () => ({ eventType: 'log', eventId: `40000-${2n ** 48n}` })],
    ['eventId', () => ({ eventType: 'log', eventId: '40000--1' })],
    ['node', () => ({ eventType: 'log', node: 7 })],
    ['pid', () => ({ eventType: 'log', pid: {} })],
    ['correlationId', () => ({ eventType: 'log', correlationId: 1n })],
    ['parentId', () => ({ eventType: 'log', parentId: 'abc' })],
    ['parentId', () => ({ eventType: 'log', parentId: 12 })],
    ['module', () => ({ eventType: 'log', module: Symbol('m') })],
    ['function', () => ({ eventType: 'log', function: () => {} })],
    ['arity', () => ({ eventType: 'log', arity: -1 })],
    ['arity', () => ({ eventType: 'log', arity: 65_536 })],
    ['arity', () => ({ eventType: 'log', arity: Number.NaN })],
    ['file', () => ({ eventType: 'log', file: 1 })],
    ['line', () => ({ eventType: 'log', line: 0 })],
    ['line', () => ({ eventType: 'log', line: 2 ** 32 })],
    ['tags', () => ({ eventType: 'log', tags: 'a=b' })],
    ['tags', () => ({ eventType: 'log', tags: { a: {} } })],
    ['tags', () => ({ eventType: 'log', tags: { a: 1n } })],
    ['tags', () => ({ eventType: 'log', tags: new Proxy({}, {}) })],
    ['tags', () => ({ eventType: 'log', tags: revokedProxy() })],
    ['timestamp', () => ({ eventType: 'log', timestamp: 2n ** 63n })],
    ['timestamp', () => ({ eventType: 'log', timestamp: 0.5 })],
    ['timestamp', () => ({ eventType: 'log', timestamp: '5' })],
    ['timestamp', () => ({ eventType: 'log', timestamp: new Date() })],
    ['wallTime', () => ({ eventType: 'log', wallTime: new Date(Number.NaN) })],
    ['wallTime', () => ({ eventType: 'log', wallTime: new Date(8.64e15) })],
    ['wallTime', () => ({ eventType: 'log', wallTime: Infinity })],
  ])('%s (%#)', async (field, make) => {
    const before = scope.stats().recorded
    expectInvalid(await errorOf(() => untyped.recorder.record(make())), field)
    expect(scope.stats().recorded).toBe(before)
  })
})

test('a frame without tags has none, also when it was given an empty object of them', () => {
  expect(scope.recorder.run({ tags: {} }, () => scope.recorder.context().tags)).toBe(null)
})

describe('define and site refuse', () => {
  const tooMany = Object.fromEntries(Array.from({ length: 257 }, (_, index) => [`field_${index}`, 'i64']))
  test.each<[string, (recorder: any) => unknown]>([
    ['eventType', (recorder) => recorder.define(7, { a: 'i64' })],
    ['fields', (recorder) => recorder.define('t', null)],
    ['fields', (recorder) => recorder.define('t', {})],
    ['fields', (recorder) => recorder.define('t', tooMany)],
    ['a', (recorder) => recorder.define('t', { a: 'i32' })],
    ['time', (recorder) => recorder.define('t', { a: 'i64' }, { time: 'fast' })],
    ['site', (recorder) => recorder.define('t', { a: 'i64' }, { site: 123_456 })],
    ['speed', (recorder) => recorder.define('t', { a: 'i64' }, { speed: 1 })],
    ['site', (recorder) => recorder.site(null)],
    ['module', (recorder) => recorder.site({ function: 'f', arity: 0 })],
    ['function', (recorder) => recorder.site({ module: 'm', function: 7, arity: 0 })],
    ['arity', (recorder) => recorder.site({ module: 'm', function: 'f', arity: 1e9 })],
    ['line', (recorder) => recorder.site({ module: 'm', function: 'f', arity: 0, line: -1 })],
    ['column', (recorder) => recorder.site({ module: 'm', function: 'f', arity: 0, column: 1 })],
  ])('%s (%#)', async (field, use) => {
    expectInvalid(await errorOf(() => use(scope.recorder)), field)
  })
})

describe('queries refuse', () => {
  test.each<[string, unknown]>([
    ['query', null],
    ['query', []],
    ['query', 'pid'],
    ['wher', { wher: {} }],
    ['limit', { limit: -1 }],
    ['limit', { limit: 1.5 }],
    ['limit', { limit: '10' }],
    ['limit', { limit: 2 ** 60 }],
    ['startTimeMonotonic', { startTimeMonotonic: '0' }],
    ['startTimeMonotonic', { startTimeMonotonic: Number.NaN }],
    ['endTimeMonotonic', { startTimeMonotonic: 2, endTimeMonotonic: 1n }],
    ['startTimeWall', { startTimeWall: new Date(Number.NaN) }],
    ['endTimeWall', { startTimeWall: 10n ** 30n, endTimeWall: 0 }],
    ['pid', { pid: 7 }],
    ['pid', { pid: ['a', null] }],
    ['correlationId', { correlationId: {} }],
    ['eventTypes', { eventTypes: 'log' }],
    ['eventTypes', { eventTypes: [Symbol('log')] }],
  ])('%s (%#)', async (field, query) => {
    expectInvalid(await errorOf(() => untyped.dataAccess.queryEvents(query)), field)
    expectInvalid(await errorOf(() => untyped.dataAccess.queryEventsSync(query)), field)
  })

  test('what only one kind of call takes, ids that are none, formats that are none', async () => {
    const { dataAccess } = untyped
    expectInvalid(await errorOf(() => dataAccess.queryEvents({ timeoutMs: 5 })), 'timeoutMs')
    expectInvalid(await errorOf(() => dataAccess.queryEvents({ signal: {} })), 'signal')
    expectInvalid(await errorOf(() => dataAccess.queryEventsSync({ signal: AbortSignal.timeout(1000) })), 'signal')
    for (const timeoutMs of [0, 60_001, '5', Number.NaN]) expectInvalid(await errorOf(() => dataAccess.queryEventsSync({ timeoutMs })), 'timeoutMs')
    for (const id of ['', '1', '1-', '-1-1', '1-1-1', '99999-1', `1-${2n ** 48n}`, 7, null, {}]) expectInvalid(await errorOf(() => dataAccess.getEvent(id)), 'id')
    expectInvalid(await errorOf(() => scope.dataAccess.queryEventsSync().toIPC('parquet' as 'file')), 'format')
    expect(await errorOf(() => dataAccess.queryEvents({ signal: AbortSignal.abort('reason') }))).toBe('reason')
  })

  test('texts that no event has, absurd but valid ones too, match nothing', async () => {
    for (const text of ['', '\0', '__proto__', '\uD800', 'x'.repeat(2 ** 20)]) {
      for (const query of [{ pid: text }, { correlationId: [text] }, { eventTypes: [text] }]) {
        expect((await scope.dataAccess.queryEvents(query)).totalMatches).toBe(0)
      }
    }
    expect((await scope.dataAccess.queryEvents({ pid: Array.from({ length: 100_000 }, (_, index) => `pid-${index}`) })).totalMatches).toBe(0)
  })
})

describe('user code that records while it is read leaves all events whole', () => {
  let inner = 0
  const recordInside = () => {
    inner += 1
    scope.recorder.record({ eventType: 'reentrant inner', data: { inner } })
    return 0
  }
  const withGetters = (...names: string[]) => Object.defineProperties({}, Object.fromEntries(names.map((name) => [name, { get: recordInside, enumerable: true }])))
  const doors: Record<string, (recorder: any, number: number) => void> = {
    'an emitter': (recorder, number) => {
      const emit = recorder.define('reentrant', { number: 'i64', a: 'i64', b: 'utf8', c: 'symbol' })
      emit(Object.assign(withGetters('a', 'b', 'c'), { number }))
    },
    'a coarse emitter': (recorder, number) => {
      const emit = recorder.define('reentrant', { number: 'i64', a: 'i64' }, { time: 'coarse' })
      emit(Object.assign(withGetters('a'), { number }))
    },
    record: (recorder, number) => recorder.record(Object.defineProperty({ eventType: 'reentrant', data: { number } }, 'line', { get: () => recordInside() + 1, enumerable: true })),
    'a site': (recorder, number) => {
      recorder.exit(recorder.enter(recorder.site({ module: 'm', function: 'f', arity: 0 })))
      recorder.enter({ toString: recordInside, valueOf: recordInside, [Symbol.toPrimitive]: recordInside })
      recorder.record({ eventType: 'reentrant', parentId: null, data: { number } })
    },
    'an error': (recorder, number) => {
      const call = recorder.enter(recorder.site({ module: 'm', function: 'f', arity: 0 }))
      recorder.fail(call, Object.defineProperty(new Error('x'), 'stack', { get: recordInside }))
      recorder.record({ eventType: 'reentrant', data: { number } })
    },
    'a context': (recorder, number) => recorder.run(withGetters('pid', 'correlationId', 'tags'), () => recorder.record({ eventType: 'reentrant', data: { number } })),
  }

  test.each(Object.entries(doors))('%s', async (_, door) => {
    // A recording of its own: what goes wrong here must not disturb the other tests.
    const shared = scope
    scope = await open({ ring: { bytes: 65_536 } })
    try {
      inner = 0
      for (let number = 0; number < 20; number += 1) door(scope.recorder, number)
      const events = (await scope.dataAccess.queryEvents()).toArray()
      const numbersOf = (eventType: string, field: string) => events.filter((event) => event.eventType === eventType).map(({ data }) => data[field])
      expect(numbersOf('reentrant', 'number')).toEqual(Array.from({ length: 20 }, (_unused, number) => number))
      expect(numbersOf('reentrant inner', 'inner')).toEqual(Array.from({ length: inner }, (_unused, index) => index + 1))
      expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length)
      expect(Object.values(scope.stats().lost)).toEqual([0, 0, 0, 0, 0])
    } finally {
      await scope.close()
      scope = shared
    }
  })
})

/** The event that a call leaves, found by its type. */
async function recorded(data: unknown, eventType: string): Promise<Event> {
  scope.recorder.record({ eventType, data })
  const events = (await scope.dataAccess.queryEvents({ eventTypes: [eventType] })).toArray()
  expect(events).toHaveLength(1)
  return events[0]!
}

describe('what cannot be captured is cut, with its reason', () => {
  const circular: Record<string, unknown> = { name: 'loop' }
  circular['self'] = circular
  let ran = 0
  const run = () => {
    ran += 1
    throw new Error('user code ran')
  }
  test.each<[string, () => unknown, unknown, Record<string, string> | undefined]>([
    ['a circular object', () => circular, undefined, { 'self.self.self.self.self.self.self.self': 'depth' }],
    ['a getter', () => Object.defineProperty({ a: 1 }, 'b', { get: run, enumerable: true }), { a: 1, b: null }, { b: 'getter' }],
    ['a proxy', () => ({ p: new Proxy({}, { get: run, ownKeys: run, getPrototypeOf: run }) }), { p: null }, { p: 'proxy' }],
    ['a revoked proxy', () => ({ p: [revokedProxy()] }), { p: [null] }, { 'p.0': 'proxy' }],
    ['toJSON', () => ({ a: 1, toJSON: run }), { a: 1, toJSON: '[Function run]' }, undefined],
    ['conversions', () => ({ toString: run, valueOf: run, [Symbol.toPrimitive]: run }), { toString: '[Function run]', valueOf: '[Function run]' }, undefined],
    ['NaN and infinities', () => ({ a: Number.NaN, b: [Infinity, -Infinity] }), { a: null, b: [null, null] }, { a: 'non_finite', 'b.0': 'non_finite', 'b.1': 'non_finite' }],
    ['a small bigint', () => ({ n: 5n, big: 2n ** 63n }), { n: 5, big: 2n ** 63n }, undefined],
    ['a bigint beyond 64 bits', () => ({ n: 2n ** 64n }), { n: String(2n ** 64n) }, { n: 'bigint' }],
    ['symbols', () => ({ s: Symbol('x'), [Symbol('key')]: 1 }), { s: 'Symbol(x)' }, undefined],
    ['lone surrogates', () => ({ 'k\uDC00': 'a\uD800b' }), { 'k\uFFFD': 'a\uFFFDb' }, undefined],
    ['a long text', () => ({ t: 'x'.repeat(8193) }), { t: 'x'.repeat(8192) }, { t: 'length' }],
    ['a long array', () => ({ a: Array.from({ length: 129 }, (_, index) => index) }), { a: Array.from({ length: 128 }, (_, index) => index) }, { a: 'length' }],
    ['an absurd array', () => ({ a: Object.assign([], { length: 2 ** 32 - 1 }) }), { a: Array.from({ length: 128 }, () => null) }, { a: 'length' }],
    ['a proxy at the root', () => new Proxy({}, { get: run }), null, { '': 'proxy' }],
    ['NaN at the root', () => Number.NaN, null, { '': 'non_finite' }],
  ])('%s', async (name, make, expected, cuts) => {
    const { data } = await recorded(make(), `hostile: ${name}`)
    const { $cut, ...rest } = data
    expect($cut).toEqual(cuts)
    if (expected !== undefined) expect('$value' in rest ? rest.$value : rest).toEqual(expected)
    expect(ran).toBe(0)
  })

  test('too many fields', async () => {
    const wide = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`f${index}`, index]))
    const { data } = await recorded({ wide }, 'hostile: wide')
    expect(Object.keys(data.wide)).toHaveLength(128)
    expect(data.$cut).toEqual({ wide: 'fields' })
  })

  test('too many bytes', async () => {
    const { data } = await recorded(Array.from({ length: 100 }, () => 'x'.repeat(8000)), 'hostile: bytes')
    const { $value, $cut } = data
    expect(JSON.stringify($value).length).toBeLessThanOrEqual(65_536)
    expect(Object.values($cut)).toContain('size')
  })

  test('a key __proto__ is a key like any other, and harms no prototype', async () => {
    const data = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}')
    const event = await recorded(data, 'hostile: __proto__')
    expect(Object.getOwnPropertyDescriptor(event.data, '__proto__')!.value).toEqual({ polluted: true })
    expect(Object.hasOwn(event.data, 'constructor')).toBe(true)
    const tags = JSON.parse('{"__proto__":"tag","hasOwnProperty":"tag"}')
    const id = scope.recorder.record({ eventType: 'hostile: tags', tags })
    const tagged = (await scope.dataAccess.getEvent(id))!
    expect(Object.entries(tagged.tags!)).toEqual([['__proto__', 'tag'], ['hasOwnProperty', 'tag']])
    expect(Object.getPrototypeOf(tagged.tags)).toBe(null)
    expect(({} as any).polluted).toBeUndefined()
  })
})

describe('any value at any door', () => {
  let sentinels = 0

  /** Leaves an event whose content shows afterwards whether anything has touched it. */
  function sentinel() {
    scope.recorder.record({ eventType: 'sentinel', correlationId: 'intact', tags: { number: sentinels }, data: { number: sentinels, text: 'é'.repeat(sentinels % 50) } })
    sentinels += 1
  }

  const emitters = (recorder: any) => ({ text: recorder.define('hostile_fields', { i: 'i64', f: 'f64', b: 'bool', u: 'utf8', s: 'symbol' }), site: recorder.site({ module: 'm', function: 'f', arity: 0 }) })
  /** No door may throw, nor run code of the value. */
  const doors: Record<string, (recorder: any, value: unknown) => void> = {
    'record data': (recorder, value) => recorder.record({ eventType: 'hostile', data: value }),
    'emitter field': (recorder, value) => emitters(recorder).text({ i: value, f: value, b: value, u: value, s: value }),
    'enter data': (recorder, value) => recorder.exit(recorder.enter(emitters(recorder).site, value)),
    'enter site': (recorder, value) => recorder.exit(recorder.enter(value)),
    'exit data': (recorder, value) => recorder.exit(recorder.enter(emitters(recorder).site), value),
    'exit call': (recorder, value) => recorder.exit(value),
    'fail call': (recorder, value) => recorder.fail(value, new Error('x')),
    'idOf call': (recorder, value) => recorder.idOf(value),
    'snapshot variables': (recorder, value) => recorder.snapshot(value),
    'snapshot nested': (recorder, value) => recorder.snapshot({ value }, { line: value, call: value }),
    'wrap argument': (recorder, value) => recorder.wrap(function callee() {}, { captureResult: true })(value),
    'wrap result': (recorder, value) => recorder.wrap(() => value, { captureResult: true })(),
    'wrap this': (recorder, value) => recorder.wrap(function callee() {}).call(value),
    'run correlationId': (recorder, value) => recorder.run({ correlationId: value, pid: value, parentId: value }, () => recorder.record({ eventType: 'hostile' })),
    'run tag': (recorder, value) => recorder.run({ tags: { tag: value } }, () => recorder.record({ eventType: 'hostile' })),
    'run tags': (recorder, value) => recorder.run({ tags: value }, () => recorder.record({ eventType: 'hostile' })),
  }

  test.each(Object.entries(doors))(`%s: nothing throws, no user code runs, other events are intact (KINESCOPE_SEED=${SEED})`, async (_, door) => {
    fc.assert(
      fc.property(hostileValues(), (make) => {
        const value = make()
        const before = userCodeRuns()
        sentinel()
        door(scope.recorder, value)
        sentinel()
        expect(userCodeRuns()).toBe(before)
      }),
      { seed: SEED, numRuns: 150 },
    )
    await expectSentinels()
  })

  /** These read what is documented as an ordinary read, and still may not throw. */
  const reading: Record<string, (recorder: any, value: unknown) => void> = {
    'emitter fields': (recorder, value) => emitters(recorder).text(value),
    'run context': (recorder, value) => recorder.run(value, () => recorder.record({ eventType: 'hostile' })),
    'fail error': (recorder, value) => recorder.fail(recorder.enter(emitters(recorder).site), value),
    'wrap options': (recorder, value) => recorder.wrap(() => 1, value)(),
    'wrap function': (recorder, value) => recorder.wrap(value),
    'snapshot options': (recorder, value) => recorder.snapshot({}, value),
  }

  test.each(Object.entries(reading))(`%s: nothing throws, other events are intact (KINESCOPE_SEED=${SEED})`, async (_, door) => {
    fc.assert(
      fc.property(hostileValues(), (make) => {
        const value = make()
        sentinel()
        door(scope.recorder, value)
        sentinel()
      }),
      { seed: SEED, numRuns: 150 },
    )
    await expectSentinels()
  })

  test(`what a wrapped function throws passes through as it is (KINESCOPE_SEED=${SEED})`, async () => {
    const property = fc.asyncProperty(hostileValues(), async (make: Recipe) => {
      const value = make()
      const before = userCodeRuns()
      const caught = (use: () => void) => {
        try {
          use()
        } catch (error) {
          return { error }
        }
        return null
      }
      const thrower = () => {
        throw value
      }
      sentinel()
      expect(Object.is(caught(scope.recorder.wrap(thrower))?.error, value)).toBe(true)
      const reason = await scope.recorder.wrap(async () => thrower())().then(() => null, (error: unknown) => ({ error }))
      expect(Object.is(reason?.error, value)).toBe(true)
      sentinel()
      expect(userCodeRuns()).toBe(before)
    })
    await fc.assert(property, { seed: SEED, numRuns: 100 })
    await expectSentinels()
  })

  async function expectSentinels() {
    const events = (await scope.dataAccess.queryEvents({ eventTypes: ['sentinel'], correlationId: 'intact', limit: 10 ** 6 })).toArray()
    expect(events).toHaveLength(sentinels)
    for (const [number, { data, tags, parentId, pid }] of events.entries()) {
      const expected = { data: { number, text: 'é'.repeat(number % 50) }, tags: { number: String(number) }, parentId: null, pid: 'main' }
      if (JSON.stringify({ data, tags, parentId, pid }) !== JSON.stringify(expected)) expect({ data, tags, parentId, pid }).toEqual(expected)
    }
    expect(Object.values(scope.stats().lost)).toEqual([0, 0, 0, 0, 0])
  }
})
