import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Call } from '../../index.js'
import type { EventRecord } from './decode.js'
import { setup } from './setup.js'

const SITE = { module: 'm', function: 'f', arity: 0 }

/** What an event's parent is called: the data of the entry, or of the event, that has this number. */
function parentOf(event: EventRecord, events: EventRecord[]): unknown {
  return event.parent < 0 ? null : events.find((other) => other.sequence === event.parent)!.data
}

describe('enter and exit', () => {
  test('calls nest, and exits name their entry', () => {
    const { recorder, reader, counters } = setup()
    const site = recorder.site(SITE)
    const outer = recorder.enter(site)
    const inner = recorder.enter(site, 'inner')
    expect(recorder.idOf(inner)).toBe('1-1')
    recorder.record({ eventType: 'log' })
    recorder.exit(inner, { result: 7 })
    recorder.record({ eventType: 'log' })
    recorder.exit(outer)
    recorder.record({ eventType: 'log' })
    expect(recorder.idOf(inner)).toBe('0-0')
    const events = reader.events()
    expect(events.map((event) => [event.kind, event.parent])).toEqual([
      ['enter', -1],
      ['enter', 0],
      ['event', 1],
      ['exit', 1],
      ['event', 0],
      ['exit', 0],
      ['event', -1],
    ])
    expect(events[3]).toMatchObject({ data: { result: 7 }, reason: 0, entryTime: events[1]!.time })
    expect(events[5]!.entryTime).toBe(events[0]!.time)
    expect(counters().unbalanced).toBe(0)
  })

  test('out of order, the nearest open ancestor becomes current', () => {
    const { recorder, reader, counters } = setup()
    const site = recorder.site(SITE)
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => recorder.enter(site, name)) as [Call, Call, Call, Call]
    const current = (): unknown => {
      recorder.record({ eventType: 'log' })
      events.push(...reader.events())
      return parentOf(events.at(-1)!, events)
    }
    const events: EventRecord[] = []
    recorder.exit(b)
    expect(current()).toBe('d')
    recorder.exit(d)
    expect(current()).toBe('c')
    recorder.exit(c)
    expect(current()).toBe('a')
    const e = recorder.enter(site, 'e')
    recorder.exit(a)
    expect(current()).toBe('e')
    recorder.exit(e)
    expect(current()).toBe(null)
    expect(counters().unbalanced).toBe(2)
  })

  test('what is no open call leaves nothing but a count', () => {
    const { recorder, reader, counters } = setup()
    const call = recorder.enter(recorder.site(SITE))
    recorder.exit(call)
    for (const wrong of [call, 1, 5e8, -7, 1.5, Number.NaN, '1', null, {}, 1n]) recorder.exit(wrong as Call)
    recorder.fail(call, new Error('late'))
    expect(reader.events()).toHaveLength(2)
    expect(counters().unbalanced).toBe(11)
  })

  test('a stale handle does not name the call that took its place', () => {
    const { recorder, counters } = setup({ ringBytes: 1 << 20 })
    const site = recorder.site(SITE)
    const stale = recorder.enter(site)
    recorder.exit(stale)
    for (let n = 0; n < 500; n++) {
      const call = recorder.enter(site)
      recorder.exit(stale)
      expect(recorder.idOf(call)).not.toBe('0-0')
      recorder.exit(call)
    }
    expect(counters().unbalanced).toBe(500)
  })

  test('many calls are open at once, in any order of exit', () => {
    const { recorder, reader, counters } = setup({ ringBytes: 1 << 23 })
    const site = recorder.site(SITE)
    const calls = Array.from({ length: 20_000 }, () => recorder.enter(site))
    expect(new Set(calls).size).toBe(20_000)
    expect(calls.every((call) => Number.isInteger(call) && call > 0 && call < 2 ** 30)).toBe(true)
    for (const call of calls) recorder.exit(call)
    const exits = reader.events().filter((event) => event.kind === 'exit')
    expect(exits.map((event) => event.parent)).toEqual(calls.map((_, n) => n))
    // Each but the last was not current.
    expect(counters().unbalanced).toBe(19_999)
  })

  test('an exit takes an object only', () => {
    const { recorder, reader, counters } = setup()
    const site = recorder.site(SITE)
    for (const data of [5, 'x', [1], null, new Proxy({}, {})]) recorder.exit(recorder.enter(site), data)
    expect(reader.events().filter((event) => event.kind === 'exit').map((event) => event.data)).toEqual(Array(5).fill(undefined))
    expect(counters().mistyped).toBe(5)
  })

  test('a call that is switched off in between is closed all the same', () => {
    const { recorder, reader } = setup()
    const site = recorder.site(SITE)
    const outer = recorder.enter(site, 'outer')
    const inner = recorder.enter(site, 'inner')
    recorder.enabled = false
    recorder.exit(inner)
    recorder.enabled = true
    recorder.record({ eventType: 'log' })
    recorder.exit(outer)
    const events = reader.events()
    expect(parentOf(events[2]!, events)).toBe('outer')
  })
})

describe('fail', () => {
  test.each<[unknown, string, string]>([
    [new RangeError('too far'), 'RangeError', 'too far'],
    ['text', 'string', 'text'],
    [null, 'null', 'null'],
    [undefined, 'undefined', 'undefined'],
    [7n, 'bigint', '7'],
    [{ name: 'Custom', message: 'm' }, 'Custom', 'm'],
    [new DOMException('stopped', 'AbortError'), 'AbortError', 'stopped'],
    [Object.create(DOMException.prototype), 'object', ''],
    [Object.setPrototypeOf(new Error('m'), Object.create(DOMException.prototype, { name: { get: () => expect.unreachable() } }) as object), 'object', 'm'],
    [new Proxy(new Error('x'), { get: () => expect.unreachable() }), 'object', ''],
    [{ get name() { return expect.unreachable() }, get message() { return expect.unreachable() }, get stack() { throw new Error('no') } }, 'object', ''],
  ])('%#', (error, errorType, message) => {
    const { recorder, reader } = setup()
    const call = recorder.enter(recorder.site(SITE))
    recorder.fail(call, error)
    const [, exit, failure] = reader.events()
    expect(exit).toMatchObject({ kind: 'exit', reason: 1, data: { exception: { error_type: errorType, message } } })
    expect(failure).toMatchObject({ kind: 'event', eventType: 'error', parent: 0, data: { error_type: errorType, message } })
    expect(failure!.site).toEqual(exit!.site)
  })

  test('reads the stack once, before anything is written', () => {
    const { recorder, reader } = setup()
    const call = recorder.enter(recorder.site(SITE))
    let reads = 0
    const error = Object.defineProperty(new Error('x'), 'stack', {
      get() {
        reads++
        recorder.record({ eventType: 'from the getter' })
        return 'the stack'
      },
    })
    recorder.fail(call, error)
    expect(reads).toBe(1)
    expect(reader.events().map((event) => event.eventType ?? event.kind)).toEqual(['enter', 'from the getter', 'exit', 'error'])
  })
})

describe('snapshot', () => {
  test('belongs to the current call, or the one given', () => {
    const { recorder, reader, counters } = setup()
    const outer = recorder.enter(recorder.site({ ...SITE, function: 'outer' }))
    const inner = recorder.enter(recorder.site({ ...SITE, function: 'inner' }))
    expect(recorder.snapshot({ x: 1 }, { line: 3 })).toBe('1-2')
    recorder.snapshot({ x: 2 }, { call: outer })
    recorder.exit(inner)
    recorder.snapshot({ x: 3 }, { call: inner, line: -1 })
    recorder.snapshot('x' as never)
    const events = reader.events().filter((event) => event.eventType === 'local_variable_snapshot')
    expect(events.map((event) => [(event.site as { fn: string }).fn, event.parent, event.data, event.fields])).toEqual([
      ['inner', 1, { variables: { x: 1 } }, { line: 3 }],
      ['outer', 0, { variables: { x: 2 } }, {}],
      ['outer', 0, { variables: { x: 3 } }, {}],
      ['outer', 0, undefined, {}],
    ])
    expect(counters().mistyped).toBe(3)
  })
})

describe('run', () => {
  test('needs a function, behind a context', () => {
    const { recorder } = setup()
    for (const args of [[() => 1], [{}], [{}, 7], []] as unknown[][]) {
      const call = () => (recorder.run as (...args: unknown[]) => unknown)(...args)
      expect(call).toThrow(expect.objectContaining({ name: 'KinescopeError', code: 'INVALID_ARGUMENT', details: expect.objectContaining({ field: 'fn' }) }))
    }
    expect(recorder.context().parentId).toBeNull()
  })

  test('carries its context across awaits, and inherits what is not given', async () => {
    const { recorder, reader } = setup()
    expect(recorder.context()).toEqual({ pid: null, correlationId: null, parentId: null, tags: null })
    const result = await recorder.run({ pid: 'p', correlationId: 'c', parentId: '9-8', tags: { a: 1, b: 'x' } }, async () => {
      await sleep(1)
      recorder.record({ eventType: 'outer' })
      await recorder.run({ pid: 'q', tags: { b: true } }, async () => {
        await turn()
        expect(recorder.context()).toEqual({ pid: 'q', correlationId: 'c', parentId: '9-8', tags: { a: '1', b: 'true' } })
        recorder.record({ eventType: 'inner' })
      })
      recorder.record({ eventType: 'outer' })
      return 5
    })
    expect(result).toBe(5)
    recorder.record({ eventType: 'outside' })
    const parent = (9n << 48n) | 8n
    const outer = { parent, pid: 'p', correlationId: 'c', tags: { a: '1', b: 'x' } }
    expect(reader.events().map((event) => event.context)).toEqual([
      outer,
      { ...outer, pid: 'q', tags: { a: '1', b: 'true' } },
      outer,
      { parent: null, pid: null, correlationId: null, tags: null },
    ])
  })

  test('hands itself to another process as plain data', () => {
    const { recorder, reader } = setup()
    const call = recorder.enter(recorder.site(SITE))
    const context = recorder.run({ correlationId: 'c' }, () => recorder.context())
    expect(context).toEqual({ pid: null, correlationId: 'c', parentId: recorder.idOf(call), tags: null })
    recorder.exit(call)
    recorder.run(structuredClone(context), () => recorder.record({ eventType: 'x' }))
    expect(reader.events().at(-1)).toMatchObject({ parent: -1, context: { parent: 1n << 48n, correlationId: 'c' } })
  })

  test('passes on what fn throws, and counts what is no context', () => {
    const { recorder, counters } = setup()
    const error = new Error('mine')
    expect(() => recorder.run({}, () => { throw error })).toThrow(error)
    const wrong = { pid: 1, correlationId: {}, parentId: 'x', tags: 5 } as never
    expect(recorder.run(wrong, () => recorder.context())).toEqual({ pid: null, correlationId: null, parentId: null, tags: null })
    expect(counters().mistyped).toBe(4)
    for (const context of [null, 5, new Proxy({}, { get() { throw error } })]) recorder.run(context as never, () => 1)
    expect(counters().mistyped).toBe(7)
  })

  test('more contexts than slots', () => {
    const { recorder, reader } = setup({ ringBytes: 1 << 23 })
    const resumes: (() => void)[] = []
    for (let n = 0; n < 6000; n++) {
      recorder.run({ pid: `p${n}` }, () => {
        recorder.record({ eventType: 'x', data: n })
        const again = recorder.wrap(() => recorder.record({ eventType: 'x', data: n }))
        const context = recorder.context()
        resumes.push(() => void recorder.run(context, again))
      })
    }
    for (const resume of resumes) resume()
    const events = reader.events().filter((event) => event.kind === 'event')
    expect(events).toHaveLength(12_000)
    for (const event of events) expect(event.context.pid).toBe(`p${event.data}`)
  })

  test('a slot that another context took is named again', async () => {
    const { recorder, reader } = setup({ ringBytes: 1 << 23 })
    await recorder.run({ pid: 'first' }, async () => {
      recorder.record({ eventType: 'a' })
      for (let n = 0; n < 4095; n++) recorder.run({ pid: `p${n}` }, () => recorder.record({ eventType: 'other' }))
      recorder.record({ eventType: 'b' })
    })
    const events = reader.events()
    expect([events[0]!.context.pid, events.at(-1)!.context.pid]).toEqual(['first', 'first'])
  })

  test('sampling is decided once per root, and counts what it leaves out', async () => {
    const { recorder, reader, counters } = setup({ samplingRate: 0 })
    const emit = recorder.define('e', { a: 'i64' })
    const site = recorder.site(SITE)
    recorder.record({ eventType: 'outside' })
    await recorder.run({ pid: 'p' }, async () => {
      emit({ a: 1 })
      await Promise.resolve()
      recorder.exit(recorder.enter(site))
      expect(recorder.run({ pid: 'q' }, () => recorder.record({ eventType: 'x' }))).toBe('0-0')
      expect(recorder.snapshot({ a: 1 })).toBe('0-0')
      expect(recorder.wrap((n: number) => n + 1)(1)).toBe(2)
      await recorder.wrap(async () => 1)()
      expect([...recorder.wrap(function* () { yield 1 })()]).toEqual([1])
    })
    expect(reader.events().map((event) => event.eventType)).toEqual(['outside'])
    expect(counters()).toMatchObject({ sampledOut: 11, attempts: 1, unbalanced: 0 })
  })

  test('a trace is sampled alike in every thread and process', () => {
    const sampled = (samplingRate: number): string[] => {
      const { recorder, reader } = setup({ samplingRate, ringBytes: 1 << 20 })
      for (let n = 0; n < 4000; n++) recorder.run({ correlationId: `order-${n}` }, () => recorder.record({ eventType: 'x', data: `order-${n}` }))
      return reader.events().map((event) => event.data as string)
    }
    const half = sampled(0.5)
    expect(sampled(0.5)).toEqual(half)
    // From another implementation of the hash.
    expect(half.slice(0, 4)).toEqual(['order-0', 'order-3', 'order-5', 'order-11'])
    const quarter = sampled(0.25)
    expect(quarter).toHaveLength(1036)
    expect(quarter.filter((id) => !half.includes(id))).toEqual([])
  })

  test('a rate in between leaves whole roots out', () => {
    const { recorder, reader } = setup({ samplingRate: 0.5, ringBytes: 1 << 20 })
    for (let n = 0; n < 400; n++) {
      recorder.run({ pid: `p${n}` }, () => {
        for (let i = 0; i < 3; i++) recorder.run({}, () => recorder.record({ eventType: 'x' }))
      })
    }
    const perRoot = new Map<unknown, number>()
    for (const { context } of reader.events()) perRoot.set(context.pid, (perRoot.get(context.pid) ?? 0) + 1)
    expect(new Set(perRoot.values())).toEqual(new Set([3]))
    // Ten standard deviations of a fair coin.
    expect(Math.abs(perRoot.size - 200)).toBeLessThan(100)
  })
})
