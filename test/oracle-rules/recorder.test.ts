/** "Recording" and "The current call" of the semantics. */
import { describe, expect, it } from 'vitest'
import type { EventId } from '../../index.js'
import { codeOf, countingOracle } from './events.js'

const SITE = { module: 'm', function: 'f', arity: 0 }

/** Event types with their own and their parents' ids. */
function lineage(oracle: ReturnType<typeof countingOracle>) {
  return oracle.events.map((event) => `${event.eventType} ${event.eventId} < ${event.parentId}`)
}

describe('record', () => {
  it('fills in what is not given', () => {
    const oracle = countingOracle({ wallTimeOffset: 1000n })
    expect(oracle.recorder.record({ eventType: 'log' })).toBe('1-0')
    expect(oracle.events).toEqual([{
      seq: 0n, eventId: '1-0', timestamp: 0n, wallTime: 1000n, eventType: 'log', node: 'test', pid: 'main', correlationId: null,
      parentId: null, module: null, function: null, arity: null, file: null, line: null, tags: null, data: null,
    }])
  })

  it('takes every field as it is given', () => {
    const oracle = countingOracle()
    const given = {
      eventType: 'x', eventId: '40000-1', node: 'n', pid: 'p', correlationId: 'c', parentId: '1-7', module: 'm', function: 'f', arity: 2,
      file: 'a.js', line: 3, tags: { a: 1, b: true, c: 'x' }, data: { d: 1 }, timestamp: 5, wallTime: new Date(1),
    } as const
    expect(oracle.recorder.record(given)).toBe('40000-1')
    expect(oracle.events[0]).toMatchObject({ ...given, tags: { a: '1', b: 'true', c: 'x' }, timestamp: 5n, wallTime: 1_000_000n })
    expect(Object.getPrototypeOf(oracle.events[0]?.tags)).toBe(null)
    // The attempt took a number all the same.
    expect(oracle.recorder.record({ eventType: 'y' })).toBe('1-1')
  })

  it('takes empty tags for absent ones', () => {
    const oracle = countingOracle()
    oracle.recorder.record({ eventType: 'x', tags: {} })
    expect(oracle.events[0]?.tags).toBe(null)
  })

  it('throws for a malformed envelope, naming the field', async () => {
    const { recorder } = countingOracle()
    for (const event of [
      null, 'x', {}, { eventType: 1 }, { eventType: 'x', pid: null }, { eventType: 'x', arity: -1 }, { eventType: 'x', line: 0 },
      { eventType: 'x', parentId: '1' }, { eventType: 'x', eventId: '1-2' }, { eventType: 'x', tags: { a: {} } }, { eventType: 'x', timestamp: 1.5 },
      { eventType: 'x', wallTime: new Date(Number.NaN) }, { eventType: 'x', typ: 1 },
    ]) {
      expect(await codeOf(() => recorder.record(event as never)), JSON.stringify(event)).toBe('INVALID_ARGUMENT')
    }
    expect(() => recorder.record({ eventType: 'x', corelationId: 'c' } as never)).toThrow(expect.objectContaining({ details: expect.objectContaining({ nearest: expect.arrayContaining(['correlationId']) }) }))
  })

  it('records nothing when switched off or closed', async () => {
    const oracle = countingOracle()
    oracle.recorder.enabled = false
    const call = oracle.recorder.enter(oracle.recorder.site(SITE))
    oracle.recorder.exit(call)
    expect([oracle.recorder.record({ eventType: 'x' }), oracle.events, oracle.stats().unbalanced]).toEqual(['0-0', [], 0])
    oracle.recorder.enabled = true
    await oracle.close()
    expect(oracle.recorder.record({ eventType: 'x' })).toBe('0-0')
    expect(await codeOf(() => oracle.dataAccess.queryEvents())).toBe('CLOSED')
  })
})

describe('emitters', () => {
  it('store fields of their types, in order, and count others', () => {
    const oracle = countingOracle()
    const site = oracle.recorder.site(SITE)
    const emit = oracle.recorder.define('tick', { i: 'i64', f: 'f64', b: 'bool', u: 'utf8', s: 'symbol' }, { site })
    emit({ s: 's', i: 1, f: 0.5, b: true, u: 'u' })
    emit({ i: 2n ** 60n, f: Number.NaN, u: null })
    emit({ i: 1.5, f: '1', b: 0, u: 7, s: Symbol('s') } as never)
    emit({ i: 2n ** 63n } as never)
    emit({ i: Number.NaN } as never)
    expect(oracle.events.map((event) => event.data)).toEqual([{ i: 1, f: 0.5, b: true, u: 'u', s: 's' }, { i: 2n ** 60n, f: null, $cut: { f: 'non_finite' } }, {}, {}, {}])
    expect(Object.keys(oracle.events[0]?.data)).toEqual(['i', 'f', 'b', 'u', 's'])
    expect(oracle.events[0]).toMatchObject({ eventType: 'tick', function: 'f', module: 'm' })
    expect(oracle.stats().mistyped).toBe(7)
  })

  it('never throw', () => {
    const oracle = countingOracle()
    const emit = oracle.recorder.define('tick', { a: 'i64' }) as (fields: unknown) => void
    for (const fields of [null, undefined, 5, { get a() { throw new Error('getter') } }]) emit(fields)
    expect(oracle.events.map((event) => event.data)).toEqual([{}, {}, {}, {}])
    expect(oracle.stats().mistyped).toBe(3)
  })

  it('do not read what is redacted', () => {
    const oracle = countingOracle({ redact: ['password'] })
    const emit = oracle.recorder.define('login', { password: 'utf8', user: 'utf8' }) as (fields: object) => void
    emit({ get password() { throw new Error('read') }, user: 'u' })
    oracle.recorder.record({ eventType: 'x', tags: { password: 'p', user: 'u' } })
    expect(oracle.events[0]?.data).toEqual({ user: 'u' })
    expect({ ...oracle.events[1]?.tags }).toEqual({ user: 'u' })
    expect(oracle.stats().mistyped).toBe(0)
  })

  it('are defined with known types only', async () => {
    const { recorder } = countingOracle()
    for (const [type, fields, options] of [[1, { a: 'i64' }], ['x', {}], ['x', { a: 'i32' }], ['x', { a: 'i64' }, { site: 99 }], ['x', { a: 'i64' }, { time: 'fast' }]]) {
      expect(await codeOf(() => recorder.define(type as string, fields as never, options as never))).toBe('INVALID_ARGUMENT')
    }
  })
})

describe('calls', () => {
  it('are the parents of what happens in them', () => {
    const oracle = countingOracle()
    const { recorder } = oracle
    const site = recorder.site(SITE)
    const outer = recorder.enter(site, { args: [1] })
    const inner = recorder.enter(site)
    recorder.record({ eventType: 'log' })
    recorder.exit(inner, { result: 2 })
    recorder.exit(outer)
    recorder.record({ eventType: 'after' })
    expect(lineage(oracle)).toEqual([
      'function_entry 1-0 < null', 'function_entry 1-1 < 1-0', 'log 1-2 < 1-1', 'function_exit 1-3 < 1-1', 'function_exit 1-4 < 1-0', 'after 1-5 < null',
    ])
    expect(oracle.events[3]?.data).toEqual({ duration_ns: 2, result: 2, exit_reason: 'normal' })
    expect(oracle.events[4]).toMatchObject({ function: 'f', data: { duration_ns: 4, exit_reason: 'normal' } })
  })

  it('may exit out of order, or twice, and are counted then', () => {
    const oracle = countingOracle()
    const { recorder } = oracle
    const [a, b] = [recorder.enter(recorder.site(SITE)), recorder.enter(recorder.site(SITE))]
    recorder.exit(a)
    recorder.record({ eventType: 'in b' })
    recorder.exit(b)
    recorder.record({ eventType: 'in nothing' })
    recorder.exit(b)
    expect(lineage(oracle).slice(3)).toEqual(['in b 1-3 < 1-1', 'function_exit 1-4 < 1-1', 'in nothing 1-5 < null'])
    expect(oracle.stats().unbalanced).toBe(2)
  })

  it('keep the recorder\'s own fields of an exit', () => {
    const oracle = countingOracle()
    oracle.recorder.exit(oracle.recorder.enter(oracle.recorder.site(SITE)), { duration_ns: 'mine', exit_reason: 'mine', result: 1 })
    oracle.recorder.exit(oracle.recorder.enter(oracle.recorder.site(SITE)), 'no object')
    expect(oracle.events[1]?.data).toEqual({ duration_ns: 1, result: 1, exit_reason: 'normal' })
    expect(oracle.events[3]?.data).toEqual({ duration_ns: 1, exit_reason: 'normal' })
    expect(oracle.stats().mistyped).toBe(1)
  })

  it('fail with an exit and an error, whatever was thrown', () => {
    const oracle = countingOracle()
    const { recorder } = oracle
    const error = new RangeError('too far')
    const thrown = [error, 'text', null, undefined, new Proxy({}, {}), { get message() { throw new Error('getter') } }, { get stack() { throw new Error('getter') } }]
    for (const value of thrown) recorder.fail(recorder.enter(recorder.site(SITE)), value)
    const exits = oracle.events.filter((event) => event.eventType === 'function_exit').map((event) => event.data.exception)
    expect(exits).toEqual([
      { error_type: 'RangeError', message: 'too far' }, { error_type: 'string', message: 'text' }, { error_type: 'null', message: 'null' },
      { error_type: 'undefined', message: 'undefined' }, { error_type: 'object', message: '' }, { error_type: 'object', message: '' }, { error_type: 'object', message: '' },
    ])
    expect(oracle.events[2]).toMatchObject({ eventType: 'error', parentId: '1-0', function: 'f', data: { error_type: 'RangeError', message: 'too far', stack: error.stack } })
    expect(oracle.events[1]?.data.exit_reason).toBe('throw')
  })

  it('have ids while they are open', () => {
    const { recorder } = countingOracle()
    const call = recorder.enter(recorder.site(SITE))
    expect(recorder.idOf(call)).toBe('1-0')
    recorder.exit(call)
    expect(recorder.idOf(call)).toBe('0-0')
  })

  it('hold snapshots of variables', () => {
    const oracle = countingOracle()
    const { recorder } = oracle
    const [outer, inner] = [recorder.enter(recorder.site(SITE)), recorder.enter(recorder.site({ ...SITE, function: 'g' }))]
    recorder.snapshot({ x: 1 }, { line: 12 })
    recorder.snapshot({ y: Number.NaN }, { call: outer })
    recorder.snapshot('no object' as never)
    recorder.exit(inner)
    expect(oracle.events.slice(2, 5)).toMatchObject([
      { eventType: 'local_variable_snapshot', parentId: '1-1', function: 'g', line: 12, data: { variables: { x: 1 } } },
      { parentId: '1-0', function: 'f', line: null, data: { variables: { y: null }, $cut: { 'variables.y': 'non_finite' } } },
      { parentId: '1-1', data: null },
    ])
    expect(oracle.stats().mistyped).toBe(1)
  })
})

describe('run', () => {
  it('needs a function', () => {
    const { recorder } = countingOracle()
    expect(() => recorder.run({}, undefined as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('carries its context across awaits, and gives it back', async () => {
    const oracle = countingOracle()
    const { recorder } = oracle
    await recorder.run({ pid: 'r', correlationId: 'c', parentId: '1-99', tags: { a: 1 } }, async () => {
      await Promise.resolve()
      recorder.record({ eventType: 'inside', tags: { b: 2 } })
      await recorder.run({ pid: 'nested', tags: { a: 2 } }, async () => {
        await Promise.resolve()
        recorder.record({ eventType: 'nested', correlationId: null })
      })
    })
    recorder.record({ eventType: 'outside' })
    expect(oracle.events).toMatchObject([
      { pid: 'r', correlationId: 'c', parentId: '1-99', tags: { a: '1', b: '2' } },
      { pid: 'nested', correlationId: null, parentId: '1-99', tags: { a: '2' } },
      { pid: 'main', correlationId: null, parentId: null, tags: null },
    ])
  })

  it('adds its tags to those around it', () => {
    const { recorder } = countingOracle()
    recorder.run({ tags: { a: 1, b: 1 } }, () => {
      expect(recorder.run({ tags: { b: 2, c: 3 } }, () => recorder.context().tags)).toEqual({ a: '1', b: '2', c: '3' })
      expect(recorder.run({}, () => recorder.context().tags)).toEqual({ a: '1', b: '1' })
    })
  })

  it('leaves snapshots in the call around it, unless told of another parent', () => {
    const oracle = countingOracle()
    const { recorder } = oracle
    recorder.enter(recorder.site(SITE))
    recorder.run({ pid: 'r' }, () => recorder.snapshot({ x: 1 }))
    recorder.run({ parentId: '1-99' }, () => recorder.snapshot({ x: 2 }))
    expect(oracle.events.slice(1).map((event) => [event.parentId, event.function])).toEqual([['1-0', 'f'], ['1-99', null]])
  })

  it('makes the call around it the parent', () => {
    const { recorder } = countingOracle()
    recorder.enter(recorder.site(SITE))
    recorder.run({ pid: 'r' }, () => {
      expect(recorder.context()).toEqual({ pid: 'r', correlationId: null, parentId: '1-0', tags: null })
      expect(recorder.run(recorder.context(), () => recorder.context())).toEqual(recorder.context())
    })
  })

  it('passes results and errors through and counts a context of the wrong type', () => {
    const oracle = countingOracle()
    const { recorder } = oracle
    expect(recorder.run({ pid: 1, correlationId: {}, parentId: 'x', tags: { a: 1, b: {} } } as never, () => recorder.context())).toEqual({ pid: null, correlationId: null, parentId: null, tags: { a: '1' } })
    expect(oracle.stats().mistyped).toBe(4)
    expect(recorder.run(null as never, () => 7)).toBe(7)
    expect(() => recorder.run({}, () => { throw new TypeError('mine') })).toThrow('mine')
  })

  it('is of one producer: others have numbers and frames of their own', () => {
    const oracle = countingOracle()
    const worker = oracle.addProducer('worker-1')
    oracle.recorder.run({ pid: 'r' }, () => {
      expect(worker.record({ eventType: 'x' })).toBe('2-0' satisfies EventId)
    })
    expect(oracle.events[0]?.pid).toBe('worker-1')
  })
})
