import { describe, expect, test } from 'vitest'
import { KinescopeError } from '../../src/errors.js'
import type { EventInput, FieldType, Site } from '../../index.js'
import { setup } from './setup.js'

const SITE = { module: 'cart', function: 'total', arity: 1, file: 'cart.js', line: 7 }

describe('record', () => {
  test('writes every documented field', () => {
    const { recorder, reader } = setup()
    const id = recorder.record({
      eventType: 'message_send',
      eventId: '32768-5',
      node: 'n',
      pid: 'p',
      correlationId: 'c',
      parentId: '3-4',
      module: 'm',
      function: 'f',
      arity: 2,
      file: 'a.js',
      line: 4_294_967_295,
      tags: { text: 'ü', number: 1.5, yes: true },
      data: { x: [1, 'two', null] },
      timestamp: 123n,
      wallTime: new Date(5),
    })
    expect(id).toBe('32768-5')
    const [event] = reader.events()
    expect(event).toMatchObject({ kind: 'event', eventType: 'message_send', sequence: 0, flags: 2, time: 123n })
    expect(event!.fields).toEqual({
      eventId: (32768n << 48n) | 5n,
      node: 'n',
      pid: 'p',
      correlationId: 'c',
      parentId: (3n << 48n) | 4n,
      module: 'm',
      function: 'f',
      arity: 2,
      file: 'a.js',
      line: 4_294_967_295,
      tags: { text: 'ü', number: '1.5', yes: 'true' },
      wallTime: 5_000_000n,
    })
    expect(event!.data).toEqual({ x: [1, 'two', null] })
  })

  test('takes numbers in order and returns them as ids', () => {
    const { recorder, reader } = setup({ producer: 7, attempts: 40, position: 2 ** 32 - 3 })
    expect([1, 2, 3].map((n) => recorder.record({ eventType: 'n', data: n }))).toEqual(['7-40', '7-41', '7-42'])
    expect(reader.events().map((event) => [event.sequence, event.data])).toEqual([
      [40, 1],
      [41, 2],
      [42, 3],
    ])
  })

  test('null takes away what the context would give', () => {
    const { recorder, reader } = setup()
    recorder.record({ eventType: 'x', correlationId: null, parentId: null })
    expect(reader.events()[0]!.fields).toEqual({ correlationId: null, parentId: null })
  })

  test('the id of what was not recorded is no parent', () => {
    const { recorder, reader, counters } = setup()
    recorder.enabled = false
    const parentId = recorder.record({ eventType: 'x' })
    recorder.enabled = true
    recorder.record({ eventType: 'x', parentId })
    recorder.enter(recorder.site(SITE))
    recorder.record({ eventType: 'x', parentId })
    recorder.run({ parentId }, () => recorder.record({ eventType: 'x' }))
    const parents = reader.events().map((event) => [event.parent, event.fields, event.context.parent])
    expect(parents).toEqual([
      [-1, {}, null],
      [-1, {}, null],
      [1, {}, null],
      [1, {}, null],
    ])
    expect(counters().mistyped).toBe(0)
  })

  test.each([
    ['event', 7],
    ['event.eventType', {}],
    ['event.eventType', { eventType: 1 }],
    ['event.pid', { eventType: 'x', pid: 1 }],
    ['event.eventId', { eventType: 'x', eventId: '1-1' }],
    ['event.parentId', { eventType: 'x', parentId: '01-1' }],
    ['event.parentId', { eventType: 'x', parentId: '65536-1' }],
    ['event.arity', { eventType: 'x', arity: 65_536 }],
    ['event.line', { eventType: 'x', line: 0 }],
    ['event.tags', { eventType: 'x', tags: [] }],
    ['event.tags["a"]', { eventType: 'x', tags: { a: {} } }],
    ['event.timestamp', { eventType: 'x', timestamp: 1.5 }],
    ['event.timestamp', { eventType: 'x', timestamp: 2n ** 63n }],
    ['event.wallTime', { eventType: 'x', wallTime: new Date(Number.NaN) }],
  ])('refuses a wrong %s', (field, event) => {
    const { recorder, reader } = setup()
    const error = catchError(() => recorder.record(event as unknown as EventInput))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.details['field']).toBe(field)
    expect(error.message).toMatch(/expected .*, got /u)
    expect(reader.read()).toEqual([])
  })

  test('names the nearest field when one is unknown', () => {
    const { recorder } = setup()
    const error = catchError(() => recorder.record({ eventType: 'x', correlationID: 'c' } as unknown as EventInput))
    expect(error.message).toContain('"correlationId"')
  })

  test('leaves nothing when switched off, and counts what comes after close', () => {
    const { recorder, reader, native, counters } = setup()
    const emit = recorder.define('e', { a: 'i64' })
    recorder.enabled = false
    expect(recorder.enabled).toBe(false)
    expect(recorder.record({ eventType: 'x' })).toBe('0-0')
    emit({ a: 1 })
    expect(counters().afterClose).toBe(0)
    native.close()
    expect(recorder.record({ eventType: 'x' })).toBe('0-0')
    emit({ a: 1 })
    recorder.exit(recorder.enter(recorder.site(SITE)))
    expect(counters().afterClose).toBe(4)
    expect(reader.read()).toEqual([])
    expect(counters().attempts).toBe(0)
  })

  test('does not touch the ring once it has been given back', () => {
    const { recorder, handle, native } = setup({ publication: 1 })
    const emit = recorder.define('e', { a: 'i64', s: 'utf8' })
    const site = recorder.site(SITE)
    const call = recorder.enter(site)
    handle.detach()
    const before = Buffer.from(native.producer.buffer).toString('base64')
    emit({ a: 1, s: 'x' })
    recorder.record({ eventType: 'x' })
    recorder.exit(call)
    recorder.exit(recorder.enter(site))
    recorder.run({ pid: 'p' }, () => recorder.snapshot({ x: 1 }))
    recorder.wrap(() => 1)()
    expect(Buffer.from(native.producer.buffer).toString('base64') === before).toBe(true)
    expect(handle.lateCalls()).toBeGreaterThan(4)
  })
})

describe('define', () => {
  const values = { n: 2 ** 40, big: -(2n ** 63n), f: -0, b: true, s: 'naïve 😀', y: 'red' }
  const fields = { n: 'i64', big: 'i64', f: 'f64', b: 'bool', s: 'utf8', y: 'symbol' } as const

  test('round trip of every type, plain and alternative', () => {
    const { recorder, reader } = setup()
    const emit = recorder.define('e', fields, { site: recorder.site(SITE) })
    emit(values)
    emit({ n: 1, big: 2, f: 0.5, b: false, s: '', y: 'red' })
    const [first, second] = reader.events()
    expect(first).toMatchObject({ kind: 'emit', eventType: 'e', fields: values, states: [1, 2, 1, 1, 1, 1] })
    expect(first!.site).toEqual({ module: 'cart', fn: 'total', arity: 1, file: 'cart.js', line: 7 })
    expect(Object.is(first!.fields['f'], -0)).toBe(true)
    expect(second).toMatchObject({ fields: { n: 1, big: 2, f: 0.5, b: false, s: '', y: 'red' }, states: [1, 1, 1, 1, 1, 1] })
    expect(second!.time).toBeGreaterThanOrEqual(first!.time)
  })

  test('a wrong type is absent and counted, null is absent', () => {
    const { recorder, reader, counters } = setup()
    const emit = recorder.define('e', fields)
    const wrong = { valueOf: () => expect.unreachable() }
    emit({ n: wrong, big: 2n ** 63n, f: '1', b: 1, s: 7, y: null } as never)
    emit({} as never)
    emit(undefined as never)
    emit({ get n(): number {
      throw new Error('no')
    } } as never)
    for (const event of reader.events()) expect(event).toMatchObject({ fields: {}, states: [0, 0, 0, 0, 0, 0] })
    expect(counters()).toMatchObject({ attempts: 4, mistyped: 7 })
  })

  test.each([1, 15, 16, 17, 32, 33, 48, 49, 256])('%i fields', (count) => {
    const { recorder, reader } = setup()
    const types = ['i64', 'bool', 'utf8', 'symbol', 'f64'] as const
    const names = Array.from({ length: count }, (_, i) => `f${i}`)
    const emit = recorder.define('e', Object.fromEntries(names.map((name, i) => [name, types[i % 5]!])) as Record<string, FieldType>)
    const given = Object.fromEntries(names.map((name, i) => [name, [i, i % 2 === 0, `text ${i}`, `symbol ${i}`, i / 7][i % 5]!]))
    emit(given)
    emit(given)
    const holes = Object.fromEntries(Object.entries(given).filter((_, i) => i % 3 !== 0))
    emit(holes)
    const events = reader.events()
    expect(events.map((event) => event.fields)).toEqual([given, given, holes])
  })

  test('field names are data', () => {
    const { recorder, reader } = setup()
    const names = ['a b', '"];throw 1;["', "'", '`${1}`', '\u2028', '__proto__', 'constructor', 'fields']
    const emit = recorder.define('e', Object.fromEntries(names.map((name) => [name, 'i64'])) as Record<string, FieldType>)
    emit(Object.fromEntries(names.map((name, i) => [name, i])))
    expect(Object.entries(reader.events()[0]!.fields)).toEqual(names.filter((name) => name !== '__proto__').map((name) => [name, names.indexOf(name)]))
  })

  test('strings are cut to the limits, between characters', () => {
    const { recorder, reader } = setup({ limits: { maxStringLength: 2000, maxEventBytes: 3000 } })
    const emit = recorder.define('e', { a: 'utf8', b: 'utf8' })
    emit({ a: '😀'.repeat(1001), b: 'ab' })
    emit({ a: `a${'😀'.repeat(1000)}`, b: '😀'.repeat(999) })
    const [first, second] = reader.events()
    expect(first).toMatchObject({ fields: { a: '😀'.repeat(500), b: 'ab' }, states: [2, 1] })
    const bytes = Buffer.byteLength(second!.fields['a'] as string) + Buffer.byteLength(second!.fields['b'] as string)
    expect(bytes).toBeLessThanOrEqual(3000)
    expect(second!.states).toEqual([2, 2])
  })

  test('lone surrogates become U+FFFD', () => {
    const { recorder, reader } = setup()
    const emit = recorder.define('e', { a: 'utf8' })
    emit({ a: 'x\ud800y' })
    emit({ a: `${'x'.repeat(100)}\udc00` })
    expect(reader.events().map((event) => event.fields['a'])).toEqual(['x\ufffdy', `${'x'.repeat(100)}\ufffd`])
  })

  test('coarse time is the tick, after waking the writer', () => {
    const { recorder, reader, native } = setup()
    const emit = recorder.define('e', { a: 'i64' }, { time: 'coarse' })
    native.producer.f64[18] = 12_345
    native.producer.i32[33] = 1
    native.producer.wake = () => {
      native.producer.i32[33] = 0
      native.producer.f64[18] = 67_890
    }
    emit({ a: 1 })
    expect(reader.events()[0]).toMatchObject({ flags: 1, tick: 67_890 })
  })

  test('symbols above the cap travel inline', () => {
    const { recorder, reader, native } = setup({ definitionCap: 1 })
    const emit = recorder.define('e', { y: 'symbol' })
    for (const y of ['red', 'green', 'red']) emit({ y })
    expect(reader.events().map((event) => [event.fields['y'], event.states[0]])).toEqual([
      ['red', 1],
      ['green', 2],
      ['red', 1],
    ])
    native.definitionCap = 0
    expect(catchError(() => recorder.define('f', { a: 'i64' })).code).toBe('RESOURCE_EXHAUSTED')
  })

  test('symbols are cut as other strings are, and say so', () => {
    const { recorder, reader } = setup({ limits: { maxStringLength: 4 } })
    recorder.record({ eventType: 'interned as an event type' })
    const emit = recorder.define('e', { y: 'symbol', n: 'i64' })
    for (const y of ['red', 'turquoise', 'tur\u{1f600}', 'interned as an event type', 'red']) emit({ y, n: 1 })
    const [, ...events] = reader.events()
    expect(events.map((event) => [event.fields['y'], event.states[0], event.cuts])).toEqual([
      ['red', 1, {}],
      ['turq', 3, { y: 'length' }],
      ['tur', 3, { y: 'length' }],
      ['inte', 3, { y: 'length' }],
      ['red', 1, {}],
    ])
  })

  test('redacted fields are not stored, nor read', () => {
    const { recorder, reader } = setup({ redact: ['secret'] })
    const emit = recorder.define('e', { a: 'i64', secret: 'utf8' })
    emit({ a: 1, get secret(): string {
      return expect.unreachable()
    } })
    expect(reader.events()[0]!.fields).toEqual({ a: 1 })
  })

  test.each([
    ['eventType', [1, { a: 'i64' }]],
    ['fields', ['e', null]],
    ['fields', ['e', {}]],
    ['fields["a"]', ['e', { a: 'int' }]],
    ['options.time', ['e', { a: 'i64' }, { time: 'never' }]],
    ['options.site', ['e', { a: 'i64' }, { site: 5 }]],
  ])('refuses a wrong %s', (field, args) => {
    const { recorder } = setup()
    const error = catchError(() => (recorder.define as (...args: unknown[]) => unknown)(...(args as unknown[])))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field } })
  })
})

describe('sites', () => {
  test('a site above the cap travels inline', () => {
    const { recorder, reader } = setup({ definitionCap: 0 })
    const site = recorder.site(SITE)
    const call = recorder.enter(site, { args: [1] })
    recorder.snapshot({ x: 1 }, { line: 9 })
    recorder.exit(call, { result: 2 })
    const inline = { module: 'cart', fn: 'total', arity: 1, file: 'cart.js', line: 7 }
    const events = reader.events()
    expect(events.map((event) => event.site)).toEqual([inline, inline, inline])
    expect(events.map((event) => event.data)).toEqual([{ args: [1] }, { variables: { x: 1 } }, { result: 2 }])
    expect(events[1]).toMatchObject({ eventType: 'local_variable_snapshot', fields: { line: 9 } })
  })

  test('what is no site is none, and counted', () => {
    const { recorder, reader, counters } = setup()
    recorder.exit(recorder.enter('x' as unknown as Site))
    expect(reader.events().map((event) => event.site)).toEqual([undefined, undefined])
    expect(counters().mistyped).toBe(1)
  })
})

function catchError(action: () => unknown): KinescopeError {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(KinescopeError)
    return error as KinescopeError
  }
  return expect.unreachable('nothing was thrown')
}
