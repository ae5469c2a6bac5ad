/** `wrap`: what it records, and what it leaves as it was. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { countingOracle } from './events.js'

function wrapping() {
  const oracle = countingOracle()
  const { recorder } = oracle
  const exits = () => oracle.events.filter((event) => event.eventType === 'function_exit').map((event) => event.data)
  return { oracle, recorder, exits, wrap: recorder.wrap }
}

describe('a wrapped function', () => {
  it('records entry and exit around the call', () => {
    const { oracle, wrap } = wrapping()
    const add = wrap((a: number, b: number) => a + b, { module: 'm', function: 'add', file: 'a.js', line: 3, captureResult: true })
    expect(add(1, 2)).toBe(3)
    expect(oracle.events).toMatchObject([
      { eventType: 'function_entry', module: 'm', function: 'add', arity: 2, file: 'a.js', line: 3, data: { args: [1, 2] } },
      { eventType: 'function_exit', function: 'add', parentId: '1-0', data: { result: 3, exit_reason: 'normal' } },
    ])
  })

  it('restores the call before it, or the nearest that is still open', () => {
    const { oracle, recorder, wrap } = wrapping()
    const site = recorder.site({ module: 'm', function: 'outer', arity: 0 })
    const [outer, inner] = [recorder.enter(site), recorder.enter(site)]
    wrap(() => { recorder.enter(site) })()
    recorder.record({ eventType: 'in inner' })
    wrap(() => { recorder.exit(inner) })()
    recorder.record({ eventType: 'in outer' })
    recorder.exit(outer)
    const parents = Object.fromEntries(oracle.events.map((event) => [event.eventType, event.parentId]))
    expect(parents).toMatchObject({ 'in inner': '1-1', 'in outer': '1-0' })
    expect(oracle.stats().unbalanced).toBe(1)
  })

  it('captures arguments unless told not to, and results only when told', () => {
    const { oracle, wrap } = wrapping()
    wrap((x: number) => x, { captureArgs: false })(1)
    expect(oracle.events.map((event) => event.data)).toEqual([null, { duration_ns: 1, exit_reason: 'normal' }])
  })

  it('throws what the function throws', () => {
    const { wrap, exits } = wrapping()
    const error = new RangeError('far')
    const fail = wrap(() => { throw error })
    expect(fail).toThrow(error)
    expect(exits()).toEqual([{ duration_ns: 1, exception: { error_type: 'RangeError', message: 'far' }, exit_reason: 'throw' }])
  })

  it('keeps name, length, this, static properties and identity of instances', () => {
    const { wrap } = wrapping()
    class Point {
      static origin = 'zero'
      readonly x: number
      readonly y: number
      constructor(x: number, y: number) {
        this.x = x
        this.y = y
      }
      sum() { return this.x + this.y }
    }
    const Wrapped = wrap(Point)
    const point = new Wrapped(1, 2)
    expect([Wrapped.name, Wrapped.length, Wrapped.origin, point.sum(), point instanceof Wrapped, point instanceof Point]).toEqual(['Point', 2, 'zero', 3, true, true])
    expect(() => (Wrapped as unknown as () => void)()).toThrow(/class/i)
    class Derived extends Wrapped {}
    expect(new Derived(3, 4)).toBeInstanceOf(Derived)
    const holder = { base: 1, add: wrap(function (this: { base: number }, n: number) { return this.base + n }) }
    expect(holder.add(2)).toBe(3)
    const arrow = wrap((() => 1) as unknown as new () => object)
    expect(() => new arrow()).toThrow(TypeError)
    expect('prototype' in arrow).toBe(false)
  })

  it('returns what is no function as it is', () => {
    const { oracle, wrap } = wrapping()
    expect(wrap(5 as never)).toBe(5)
    expect(oracle.stats().mistyped).toBe(1)
  })
})

describe('promises', () => {
  it('are exited when they settle, for async functions and for plain ones', async () => {
    const { wrap, exits } = wrapping()
    const error = new Error('no')
    expect(await wrap(async () => { await sleep(1); return 5 }, { captureResult: true })()).toBe(5)
    expect(await wrap(() => Promise.resolve(6), { captureResult: true })()).toBe(6)
    await expect(wrap(async () => { throw error })()).rejects.toBe(error)
    await expect(wrap(() => Promise.reject(error))()).rejects.toBe(error)
    expect(exits().map((data) => data.result ?? data.exit_reason)).toEqual([5, 6, 'reject', 'reject'])
  })

  it('of other kinds are returned untouched', () => {
    const { wrap, exits } = wrapping()
    class Special<T> extends Promise<T> {}
    const special = Special.resolve(1)
    const marked = Object.assign(Promise.resolve(2), { cancel: () => {} })
    const explode = () => { throw new Error('touched') }
    // oxlint-disable-next-line unicorn/no-thenable -- what must not be touched has to be there
    const thenable = Object.defineProperty({}, 'then', { get: explode })
    for (const value of [special, marked, thenable]) expect(wrap(() => value)()).toBe(value)
    expect(exits().map((data) => data.exit_reason)).toEqual(['normal', 'normal', 'normal'])
  })

  it('make an async call the parent of what it starts, also after its end', async () => {
    const { oracle, recorder, wrap } = wrapping()
    let late: Promise<unknown> = Promise.resolve()
    const recordLate = async () => {
      await sleep(1)
      recorder.record({ eventType: 'late' })
    }
    const start = wrap(async () => {
      late = recordLate()
    })
    await start()
    recorder.record({ eventType: 'outside' })
    await late
    expect(oracle.events.map((event) => [event.eventType, event.parentId])).toEqual([['function_entry', null], ['function_exit', '1-0'], ['outside', null], ['late', '1-0']])
  })

  it('restore the current call when a plain function returns one', async () => {
    const { oracle, recorder, wrap } = wrapping()
    const promise = wrap(() => Promise.resolve())()
    recorder.record({ eventType: 'outside' })
    await promise
    expect(oracle.events.map((event) => [event.eventType, event.parentId])).toEqual([['function_entry', null], ['outside', null], ['function_exit', '1-0']])
  })

  it('keep parents apart under any interleaving', async () => {
    const { oracle, wrap } = wrapping()
    const leaf = wrap((name: string) => name, { function: 'leaf' })
    const node = wrap(async (name: string, depth: number): Promise<void> => {
      leaf(name)
      await sleep(Math.abs(name.length * 7919) % 3)
      if (depth > 0) await Promise.all([node(`${name}l`, depth - 1), node(`${name}r`, depth - 1)])
      leaf(name)
    }, { function: 'node' })
    await Promise.all(['a', 'b', 'c'].map((name) => node(name, 5)))
    const entries = oracle.events.filter((event) => event.eventType === 'function_entry')
    const nameOf = new Map(entries.map((event) => [event.eventId, event.data.args[0] as string]))
    for (const event of entries) {
      const expected = event.function === 'leaf' ? event.data.args[0] : event.data.args[0].slice(0, -1)
      expect(event.parentId === null ? '' : nameOf.get(event.parentId)).toBe(expected)
    }
    expect(entries).toHaveLength(3 * 63 * 3)
  })
})

describe('generators', () => {
  function* count(n: number) {
    try {
      for (let i = 0; i < n; i++) yield i
      return 'done'
    } finally {
      // Runs when abandoned, too.
    }
  }

  it('are entered at the call and exited when done, thrown or abandoned', () => {
    const { wrap, exits, oracle } = wrapping()
    const wrapped = wrap(count, { captureResult: true })
    expect([...wrapped(3)]).toEqual([0, 1, 2])
    for (const i of wrapped(3)) if (i === 1) break
    const thrown = wrapped(3)
    thrown.next()
    expect(() => thrown.throw(new Error('stop'))).toThrow('stop')
    wrapped(1).next()
    expect(exits().map((data) => [data.exit_reason, data.result])).toEqual([['normal', 'done'], ['abandoned', undefined], ['throw', undefined]])
    expect(oracle.events.filter((event) => event.eventType === 'function_entry')).toHaveLength(4)
    expect(Object.keys(wrapped(1))).toEqual([])
  })

  it('are the parents of what their bodies do, and of nothing between', () => {
    const { oracle, recorder, wrap } = wrapping()
    const generator = wrap(function* () {
      recorder.record({ eventType: 'first' })
      const call = recorder.enter(recorder.site({ module: 'm', function: 'inner', arity: 0 }))
      yield 1
      recorder.record({ eventType: 'second' })
      recorder.exit(call)
    })()
    generator.next()
    recorder.record({ eventType: 'between' })
    generator.next()
    const parents = Object.fromEntries(oracle.events.map((event) => [event.eventType, event.parentId]))
    expect(parents).toMatchObject({ first: '1-0', between: null, second: '1-2' })
    expect(oracle.stats().unbalanced).toBe(0)
  })

  it('may be asynchronous', async () => {
    const { oracle, recorder, wrap, exits } = wrapping()
    const wrapped = wrap(async function* (n: number) {
      for (let i = 0; i < n; i++) {
        await sleep(1)
        recorder.record({ eventType: 'step' })
        yield i
      }
      if (n > 2) throw new Error('too many')
    })
    const seen: number[] = []
    for await (const i of wrapped(2)) seen.push(i)
    for await (const i of wrapped(2)) if (i === 0) break
    await expect((async () => { for await (const _ of wrapped(3)); })()).rejects.toThrow('too many')
    expect(seen).toEqual([0, 1])
    expect(exits().map((data) => data.exit_reason)).toEqual(['normal', 'abandoned', 'reject'])
    const entries = new Set(oracle.events.filter((event) => event.eventType === 'function_entry').map((event) => event.eventId))
    expect(oracle.events.filter((event) => event.eventType === 'step').every((event) => entries.has(event.parentId as never))).toBe(true)
  })
})
