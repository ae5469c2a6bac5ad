import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { anything, array, assert, constant, constantFrom, double, integer, oneof, property, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EventRecord } from './decode.js'
import { setup, type Setup } from './setup.js'

const REASONS = ['normal', 'throw', 'reject', 'abandoned']

/** Events in short: kind, function or type, the function whose entry is the parent, and how it ended. */
function summary(events: EventRecord[]): string[] {
  const nameOf = (event: EventRecord): string => event.eventType ?? String((event.site as { fn: unknown }).fn)
  return events.map((event) => {
    const parent = event.parent < 0 ? '-' : nameOf(events.find((other) => other.sequence === event.parent)!)
    return `${event.kind} ${nameOf(event)} ${event.kind === 'exit' ? REASONS[event.reason!] : `in ${parent}`}`
  })
}

function note({ recorder }: Setup): void {
  recorder.record({ eventType: 'note' })
}

describe('synchronous functions', () => {
  test('arguments, result, this, nesting', () => {
    const scope = setup()
    const { recorder, reader } = scope
    const inner = recorder.wrap(function inner(this: { n: number }, a: number) { note(scope); return this.n + a }, { captureResult: true, module: 'm', line: 3 })
    const outer = recorder.wrap(function outer(a: number) { const result = inner.call({ n: 1 }, a); note(scope); return result }, { captureArgs: false })
    expect(outer(2)).toBe(3)
    note(scope)
    const events = reader.events()
    expect(summary(events)).toEqual(['enter outer in -', 'enter inner in outer', 'event note in inner', 'exit inner normal', 'event note in outer', 'exit outer normal', 'event note in -'])
    expect(events.map((event) => event.data)).toEqual([undefined, { args: [2] }, undefined, { result: 3 }, undefined, undefined, undefined])
    expect(events[1]!.site).toEqual({ module: 'm', fn: 'inner', arity: 1, file: null, line: 3 })
  })

  test('errors pass through and are told', () => {
    const scope = setup()
    const error = new TypeError('bad')
    const fails = scope.recorder.wrap(function fails() { throw error })
    expect(() => fails()).toThrow(error)
    note(scope)
    const events = scope.reader.events()
    expect(summary(events)).toEqual(['enter fails in -', 'exit fails throw', 'event note in -'])
    expect(events[1]!.data).toEqual({ exception: { error_type: 'TypeError', message: 'bad' } })
  })

  test('a call left open inside does not stay current', () => {
    const scope = setup()
    const { recorder, reader, counters } = scope
    const site = recorder.site({ module: 'm', function: 'left', arity: 0 })
    const wrapped = recorder.wrap(function wrapped() { return recorder.enter(site) })
    const left = wrapped()
    note(scope)
    recorder.exit(left)
    note(scope)
    expect(summary(reader.events())).toEqual(['enter wrapped in -', 'enter left in wrapped', 'exit wrapped normal', 'event note in -', 'exit left normal', 'event note in -'])
    expect(counters().unbalanced).toBe(1)
  })

  test('an outer call may exit inside', () => {
    const scope = setup()
    const { recorder, reader } = scope
    const base = recorder.enter(recorder.site({ module: 'm', function: 'base', arity: 0 }))
    const middle = recorder.enter(recorder.site({ module: 'm', function: 'middle', arity: 0 }))
    recorder.wrap(function wrapped() { recorder.exit(middle) })()
    note(scope)
    recorder.exit(base)
    expect(summary(reader.events()).at(-2)).toBe('event note in base')
  })

  test('more arguments than are captured', () => {
    const { recorder, reader } = setup({ limits: { maxItems: 2, maxStringLength: 1 } })
    recorder.wrap((...all: unknown[]) => all.length)(1, 'ab', 3)
    expect(reader.events()[0]).toMatchObject({ data: { args: [1, 'a'] }, cuts: { args: 'length', 'args.1': 'length' } })
  })
})

describe('promises', () => {
  test('an asynchronous call is the parent of all that it starts, also when it has ended', async () => {
    const scope = setup()
    const { recorder, reader } = scope
    let late: Promise<void> | undefined
    const work = recorder.wrap(async function work() {
      note(scope)
      await turn()
      late = sleep(5).then(() => note(scope))
      return 7
    }, { captureResult: true })
    const outer = recorder.wrap(async function outer() { const both = await Promise.all([work(), work()]); note(scope); return both })
    expect(await outer()).toEqual([7, 7])
    await late
    const events = reader.events()
    expect(summary(events).filter((line) => !line.startsWith('event'))).toEqual(['enter outer in -', 'enter work in outer', 'enter work in outer', 'exit work normal', 'exit work normal', 'exit outer normal'])
    expect(summary(events).slice(-1)).toEqual(['event note in work'])
    expect(summary(events)).toContain('event note in outer')
    expect(events.findLast((event) => event.kind === 'exit' && event.data)!.data).toEqual({ result: 7 })
  })

  test('a rejection passes through, once', async () => {
    const { recorder, reader } = setup()
    const error = new Error('later')
    const unhandled: unknown[] = []
    const listener = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', listener)
    try {
      const fails = recorder.wrap(async function fails() { await Promise.resolve(); throw error })
      await expect(fails()).rejects.toBe(error)
      await turn()
      expect(unhandled).toEqual([])
      void fails()
      await turn()
      await turn()
      expect(unhandled).toEqual([error])
    } finally {
      process.off('unhandledRejection', listener)
    }
    expect(summary(reader.events())).toEqual(['enter fails in -', 'exit fails reject', 'enter fails in -', 'exit fails reject'])
  })

  test('a plain function that returns a promise: current until it returns, open until it is settled', async () => {
    const scope = setup()
    const plain = scope.recorder.wrap(function plain() { note(scope); return sleep(1, 'value') })
    const promise = plain()
    note(scope)
    expect(await promise).toBe('value')
    expect(summary(scope.reader.events())).toEqual(['enter plain in -', 'event note in plain', 'event note in -', 'exit plain normal'])
  })

  test('other thenables and special promises are not touched', () => {
    const { recorder, reader } = setup()
    class Special extends Promise<number> {}
    const values = [
      Special.resolve(1),
      Object.assign(Promise.resolve(1), { cancel: () => {} }),
      // eslint-disable-next-line unicorn/no-thenable -- such query builders exist
      { then: () => expect.unreachable() },
      Object.create(Promise.prototype),
    ]
    for (const value of values) expect(recorder.wrap(() => value)()).toBe(value)
    expect(reader.events().filter((event) => event.kind === 'exit').map((event) => event.reason)).toEqual([0, 0, 0, 0])
  })

  test('`async: true` gives a plain function a frame', async () => {
    const scope = setup()
    const plain = scope.recorder.wrap(function plain() { return sleep(1).then(() => note(scope)) }, { async: true })
    await plain()
    expect(summary(scope.reader.events())).toEqual(['enter plain in -', 'event note in plain', 'exit plain normal'])
    expect(() => scope.recorder.wrap(() => { throw new Error('now') }, { async: true })()).toThrow('now')
    expect(scope.recorder.wrap(() => 5, { async: true })()).toBe(5)
  })

  test('15,000 interleaved calls have the right parents', async () => {
    const scope = setup({ ringBytes: 1 << 24 })
    const { recorder, reader } = scope
    const site = recorder.site({ module: 'm', function: 'entered', arity: 1 })
    const sync = recorder.wrap(function sync(label: string) { recorder.record({ eventType: 'in sync', data: `sync ${label}` }) })
    const leaf = recorder.wrap(async function leaf(label: string, n: number) {
      recorder.record({ eventType: 'before', data: `leaf ${label}` })
      await [() => null, () => turn(), () => sleep(n % 3), () => new Promise<void>((resolve) => void process.nextTick(resolve))][n % 4]!()
      sync(label)
      recorder.record({ eventType: 'after', data: `leaf ${label}` })
      await recorder.run({ pid: `nested ${label}` }, async () => {
        const call = recorder.enter(site, { args: [label] })
        await Promise.resolve()
        recorder.record({ eventType: 'in entered', data: `entered ${label}` })
        recorder.exit(call)
        recorder.record({ eventType: 'after exit', data: `leaf ${label}` })
      })
    })
    const request = recorder.wrap(async function request(label: string) {
      await Promise.all([0, 1, 2].map((n) => leaf(`${label}.${n}`, Number(label) + n)))
      recorder.record({ eventType: 'done', data: `request ${label}` })
    })
    await Promise.all(Array.from({ length: 5000 }, (_, n) => recorder.run({ pid: `p${n}`, correlationId: `c${n}` }, () => request(`${n}`))))
    const events = reader.events()
    const entries = new Map(events.filter((event) => event.kind === 'enter').map((event) => [event.sequence, event]))
    expect([...entries.values()].filter((event) => (event.site as { fn: string }).fn === 'leaf')).toHaveLength(15_000)
    let checked = 0
    for (const event of events) {
      if (event.kind === 'exit') continue
      const parent = entries.get(event.parent)
      const [root] = (event.kind === 'enter' ? (event.data as { args: string[] }).args[0]! : String(event.data).split(' ')[1]!).split('.')
      if (event.context.correlationId !== `c${root}`) throw new Error(`context of ${event.sequence}`)
      if (event.kind === 'event') {
        const name = `${(parent!.site as { fn: string }).fn} ${(parent!.data as { args: string[] }).args[0]}`
        if (name !== event.data) throw new Error(`${event.eventType} of ${event.data} has the parent ${name}`)
        checked++
      }
    }
    expect(checked).toBe(15_000 * 5 + 5000)
    expect(scope.counters()).toMatchObject({ lost: 0, unbalanced: 0 })
  })

  test('other users of AsyncLocalStorage are not disturbed', async () => {
    const { recorder } = setup()
    const storage = new AsyncLocalStorage<number>()
    const read = recorder.wrap(async () => { await turn(); return storage.getStore() })
    expect(await storage.run(5, () => recorder.run({}, () => read()))).toBe(5)
  })
})

describe('generators', () => {
  test('entered at the call, exited when done', () => {
    const scope = setup()
    const { recorder, reader } = scope
    const site = recorder.site({ module: 'm', function: 'kept', arity: 0 })
    const count = recorder.wrap(function* count(to: number): Generator<number, string, string> {
      const kept = recorder.enter(site)
      for (let n = 0; n < to; n++) { note(scope); yield n }
      recorder.exit(kept)
      return 'end'
    }, { captureResult: true })
    const generator = count(1)
    note(scope)
    expect(generator.next()).toEqual({ value: 0, done: false })
    note(scope)
    expect(generator.next()).toEqual({ value: 'end', done: true })
    expect(generator.next()).toEqual({ value: undefined, done: true })
    const events = reader.events()
    expect(summary(events)).toEqual(['enter count in -', 'event note in -', 'enter kept in count', 'event note in kept', 'event note in -', 'exit kept normal', 'exit count normal'])
    expect(events[6]!.data).toEqual({ result: 'end' })
    expect(Object.keys(generator)).toEqual([])
    expect((generator as unknown as Record<symbol, unknown>)[Symbol.toStringTag]).toBe('Generator')
  })

  test('abandoned, thrown into, throwing, never finished', () => {
    const { recorder, reader } = setup()
    const make = recorder.wrap(function* g(): Generator<number, void> {
      try { yield 1; yield 2 } catch (error) { if (error === 'rethrow') throw error }
    })
    for (const n of make()) if (n === 1) break
    const caught = make()
    caught.next()
    expect(caught.throw('swallow')).toEqual({ value: undefined, done: true })
    const thrown = make()
    thrown.next()
    expect(() => thrown.throw('rethrow')).toThrow('rethrow')
    make().return()
    make().next()
    const self: { generator?: Generator } = {}
    self.generator = recorder.wrap(function* again(): Generator<unknown> { expect(() => self.generator!.next()).toThrow(TypeError); yield 1 })()
    expect([...self.generator]).toEqual([1])
    const exits = reader.events().filter((event) => event.kind === 'exit')
    expect(exits.map((event) => REASONS[event.reason!])).toEqual(['abandoned', 'normal', 'throw', 'abandoned', 'normal'])
  })

  test('asynchronous ones keep their frame across awaits', async () => {
    const scope = setup()
    const { recorder, reader } = scope
    const pages = recorder.wrap(async function* pages(to: number): AsyncGenerator<number> {
      for (let n = 0; n < to; n++) { await turn(); note(scope); yield n }
    })
    const seen: number[] = []
    for await (const n of pages(2)) { seen.push(n); note(scope) }
    for await (const n of pages(2)) if (n === 0) break
    const fails = recorder.wrap(async function* fails(): AsyncGenerator<number> { yield await Promise.reject(new Error('x')) })
    await expect(fails().next()).rejects.toThrow('x')
    expect(seen).toEqual([0, 1])
    expect(summary(reader.events())).toEqual([
      'enter pages in -', 'event note in pages', 'event note in -', 'event note in pages', 'event note in -', 'exit pages normal',
      'enter pages in -', 'event note in pages', 'exit pages abandoned',
      'enter fails in -', 'exit fails reject',
    ])
  })
})

describe('short calls', () => {
  test('arguments are captured as anything else is, whatever they are and wherever the ring ends', () => {
    const primitive = oneof(integer(), double(), constantFrom(-0, undefined, null, true, false), string({ maxLength: 50 }), string({ unit: 'grapheme', maxLength: 4 }))
    const args = array(oneof({ weight: 5, arbitrary: primitive }, { weight: 1, arbitrary: anything() }), { maxLength: 5 })
    const limits = oneof(constant({}), constantFrom({ maxStringLength: 4 }, { maxItems: 1 }, { maxItems: 2 }, { maxDepth: 1 }))
    const seed = Date.now() ^ process.pid
    console.log(`seed ${seed}`)
    assert(
      property(limits, integer({ min: 0, max: 8191 }), array(args, { maxLength: 30 }), (given, position, calls) => {
        const { recorder, reader, counters } = setup({ limits: given, position })
        const seen: unknown[][] = []
        const wrapped = recorder.wrap(function (...received: unknown[]) { seen.push(received) })
        const arrow = recorder.wrap(async (...received: unknown[]) => { seen.push(received) })
        for (const values of calls) {
          seen.length = 0
          wrapped(...values)
          void arrow(...values)
          expect(seen).toStrictEqual([values, values])
          recorder.record({ eventType: 'oracle', data: { args: values } })
          const events = reader.events().filter((event) => event.kind !== 'exit')
          expect(events.map((event) => event.kind)).toEqual(['enter', 'enter', 'event'])
          const [first, second, oracle] = events.map((event) => [event.data, event.cuts])
          expect(first).toStrictEqual(oracle)
          expect(second).toStrictEqual(oracle)
        }
        expect(counters().lost).toBe(0)
      }),
      { seed, numRuns: 150 },
    )
  })

  test('switched off, a wrapper only passes on', () => {
    const { recorder, reader, counters } = setup()
    const holder = { n: 1, sum: recorder.wrap(function (this: { n: number }, ...values: number[]) { return values.reduce((sum, value) => sum + value, this.n) }) }
    class Point { readonly x: number; constructor(x: number) { this.x = x } }
    const Wrapped = recorder.wrap(Point)
    recorder.enabled = false
    expect([holder.sum(), holder.sum(1), holder.sum(1, 2, 3), holder.sum(1, 2, 3, 4)]).toEqual([1, 2, 7, 11])
    expect(new Wrapped(3).x).toBe(3)
    expect(recorder.wrap(() => 'arrow')()).toBe('arrow')
    expect(reader.read()).toEqual([])
    expect(counters()).toMatchObject({ attempts: 0, afterClose: 0 })
  })

  test('a call that was entered fast is exited although the ring has filled up since', () => {
    const { recorder, reader, counters } = setup()
    const fill = recorder.wrap((n: number) => {
      while (counters().lost === 0) recorder.record({ eventType: 'log' })
      return n
    })
    expect(fill(7)).toBe(7)
    const kinds = reader.events().map((event) => event.kind)
    expect([kinds[0], kinds.at(-1)]).toEqual(['enter', 'exit'])
  })
})

describe('what a wrapper looks like', () => {
  test('name, length, statics, prototype', () => {
    const { recorder } = setup()
    const symbol = Symbol('s')
    const original: ((a: number, b: number) => number) & { state: number; [symbol]: number; prototype?: unknown } = Object.assign(function (this: { state: number } | void, _a: number, _b: number): number { return original.state }, { state: 1, [symbol]: 2 })
    Object.defineProperty(original, 'fixed', { value: 3 })
    const wrapped = recorder.wrap(original)
    expect([wrapped.name, wrapped.length, wrapped.state, wrapped[symbol]]).toEqual(['', 2, 1, 2])
    expect(Object.getOwnPropertyDescriptor(wrapped, 'fixed')).toEqual(Object.getOwnPropertyDescriptor(original, 'fixed'))
    wrapped.state = 5
    expect(wrapped(1, 2)).toBe(5)
    original.state = 6
    expect(wrapped.state).toBe(6)
    expect(Object.keys(wrapped)).toEqual(['state'])
    expect(wrapped.prototype).toBe(original.prototype)
    for (const fn of [() => 1, async () => 1, { m() {} }.m]) {
      const method = recorder.wrap(fn) as unknown as new () => unknown
      expect('prototype' in method).toBe(false)
      expect(() => new method()).toThrow(TypeError)
    }
  })

  test('classes', () => {
    const scope = setup()
    const { recorder, reader } = scope
    class Base { static made = 0; readonly kind: string; readonly n: number; constructor(n: number) { this.n = n; this.kind = new.target.name; Base.made++ } static create(n: number): Base { return new this(n) } }
    const Wrapped = recorder.wrap(Base)
    class Derived extends Wrapped { twice = this.n * 2 }
    const base = new Wrapped(1)
    expect([base instanceof Wrapped, base instanceof Base, base.kind, Object.getPrototypeOf(base) === Base.prototype]).toEqual([true, true, 'Base', true])
    const derived = new Derived(2)
    expect([derived instanceof Derived, derived instanceof Base, derived.kind, derived.twice]).toEqual([true, true, 'Derived', 4])
    expect(Wrapped.create(3)).toBeInstanceOf(Base)
    expect(Wrapped.made).toBe(3)
    expect(() => (Wrapped as unknown as () => void)()).toThrow(TypeError)
    class Child extends Base {}
    expect(Object.getPrototypeOf(recorder.wrap(Child))).toBe(Base)
    expect(reader.events().filter((event) => event.kind === 'enter').map((event) => event.data)).toEqual([{ args: [1] }, { args: [2] }, { args: [3] }, { args: [] }])
  })

  test('proxies and wrong arguments', () => {
    const { recorder, counters } = setup()
    const proxy = new Proxy(Object.assign(() => 1, { extra: 2 }), { getOwnPropertyDescriptor: () => expect.unreachable(), ownKeys: () => expect.unreachable() })
    const wrapped = recorder.wrap(proxy)
    expect([wrapped(), wrapped.extra]).toEqual([1, 2])
    expect(recorder.wrap(5 as never)).toBe(5)
    expect(recorder.wrap(() => 2, { module: 1, line: 0 } as never)()).toBe(2)
    expect(counters().mistyped).toBe(3)
  })
})
