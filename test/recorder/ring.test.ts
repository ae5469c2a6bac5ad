import { array, assert, constant, constantFrom, integer, type IProperty, nat, oneof, property, record as object } from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Decoded } from './decode.js'
import { setup, type Setup, type SetupOptions } from './setup.js'

const SITE = { module: 'm', function: 'f', arity: 0 }

/** Checks that stored and lost attempts are all attempts, each once and in order. */
function expectAccountedFor(scope: Setup, records: Decoded[], firstSequence = 0): void {
  let next = firstSequence
  for (const record of records) {
    expect(record.kind === 'loss' ? record.first : record.sequence).toBe(next)
    next += record.kind === 'loss' ? record.count : 1
  }
  expect(next).toBe(scope.counters().attempts)
}

describe('a full ring', () => {
  test('loses the newest, counts every one, and tells it before the next record', () => {
    const scope = setup({ ringBytes: 65_536 })
    const { recorder, reader, counters } = scope
    const emit = recorder.define('e', { n: 'i64' })
    for (let n = 0; n < 3000; n++) emit({ n })
    expect(counters().lost).toBeGreaterThan(1000)
    const stored = reader.read()
    const before = counters().lost
    emit({ n: 3000 })
    const rest = reader.read()
    expect(rest).toMatchObject([{ kind: 'loss', cause: 0, count: before }, { kind: 'emit', fields: { n: 3000 } }])
    expectAccountedFor(scope, [...stored, ...rest])
    expect(stored.length + before).toBe(3000)
  })

  test('keeps an eighth for exits and errors', () => {
    const scope = setup()
    const { recorder, reader, counters } = scope
    const site = recorder.site(SITE)
    const calls = Array.from({ length: 100 }, () => recorder.enter(site))
    while (counters().lost === 0) recorder.record({ eventType: 'log' })
    for (const call of calls.reverse()) recorder.exit(call)
    recorder.record({ eventType: 'error' })
    expect(counters().lost).toBe(1)
    const records = reader.read()
    expect(records.filter((record) => record.kind === 'exit')).toHaveLength(100)
    expect(records.at(-1)).toMatchObject({ eventType: 'error' })
    expectAccountedFor(scope, records)
  })

  test('head() tells a pending loss', () => {
    const scope = setup()
    const { recorder, reader, counters, handle } = scope
    while (counters().lost < 10) recorder.record({ eventType: 'log' })
    const stored = reader.read()
    expect(handle.head()).toBe(reader.position + 4)
    const told = reader.read()
    expect(told).toMatchObject([{ kind: 'loss', count: 10 }])
    expectAccountedFor(scope, [...stored, ...told])
  })

  test('waits where it is told to', () => {
    let waits = 0
    const scope: Setup = setup({
      blockWhenFull: true,
      onWait: (head, words) => {
        waits++
        expect(head).toBe(scope.reader.position + 8192 - ((scope.reader.position + 8192 - head) >>> 0))
        expect(words).toBeGreaterThan(0)
        records.push(...scope.reader.read())
        return true
      },
    })
    const records: Decoded[] = []
    for (let n = 0; n < 5000; n++) scope.recorder.record({ eventType: 'log', data: n })
    records.push(...scope.reader.read())
    expect(waits).toBeGreaterThan(1)
    expect(scope.counters().lost).toBe(0)
    expect(records).toHaveLength(5000)
  })

  test('a record of more than a quarter of the ring is too large', () => {
    const scope = setup({ limits: { maxStringLength: 100_000 } })
    const { recorder, reader } = scope
    recorder.record({ eventType: 'a' })
    expect(recorder.record({ eventType: 'b', data: 'x'.repeat(20_000) })).toBe('1-1')
    recorder.define('c', { s: 'utf8' })({ s: 'x'.repeat(20_000) })
    recorder.record({ eventType: 'd', data: 'x'.repeat(16_000) })
    const records = reader.read()
    expect(records).toMatchObject([{ eventType: 'a' }, { kind: 'loss', cause: 1, count: 1 }, { kind: 'loss', cause: 1, count: 1 }, { eventType: 'd' }])
    expectAccountedFor(scope, records)
  })
})

describe('publication by head', () => {
  test('once a block, and once the turn is over', async () => {
    const { recorder, native } = setup({ publication: 1, position: 2 ** 31 - 100 })
    const emit = recorder.define('e', { n: 'i64' })
    const published = (): number => (native.producer.i32[22]! - native.producer.startPosition) >>> 0
    for (let n = 0; n < 1000; n++) {
      emit({ n })
      // The data area ends after the 19th record: the 20th starts behind a pad of 5 words.
      const head = (n + 1) * 5 + (n >= 19 ? 5 : 0)
      expect(published()).toBeLessThanOrEqual(head)
      expect(head - published()).toBeLessThanOrEqual(512 + 5)
    }
    await Promise.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    expect(published()).toBe(5005)
    emit({ n: 1 })
    await new Promise((resolve) => setImmediate(resolve))
    expect(published()).toBe(5010)
  })

  test('tells pending losses, which its reader cannot see', async () => {
    const scope = setup({ publication: 1 })
    const { recorder, reader, counters, native } = scope
    while (counters().lost < 10) recorder.record({ eventType: 'log' })
    const stored = reader.read()
    await new Promise((resolve) => setImmediate(resolve))
    const told = reader.read()
    expect(told).toMatchObject([{ kind: 'loss', cause: 0, count: 10 }])
    expect(native.producer.i32[22]! >>> 0).toBe(reader.position)
    expectAccountedFor(scope, [...stored, ...told])
  })

  test('tells them also when the ring is given back', () => {
    const { recorder, reader, counters, native, handle } = setup({ publication: 1 })
    while (counters().lost < 10) recorder.record({ eventType: 'log' })
    reader.read()
    handle.detach()
    expect(reader.read()).toMatchObject([{ kind: 'loss', count: 10 }])
    expect(native.producer.i32[22]! >>> 0).toBe(reader.position)
  })

  test('and by head()', () => {
    const { recorder, native, handle } = setup({ publication: 1 })
    recorder.record({ eventType: 'x' })
    expect(handle.head()).toBe(native.producer.i32[22])
  })
})

test('a stack that overflows leaves every record whole and every attempt accounted for', () => {
  const scope = setup({ ringBytes: 1 << 24 })
  const { recorder, reader } = scope
  const emit = recorder.define('e', { n: 'i64', text: 'utf8' })
  const deep = recorder.wrap((n: number): number => {
    emit({ n, text: 'x' })
    recorder.record({ eventType: 'x', data: { a: { b: [n] } } })
    return recorder.run({ pid: `p${n}` }, () => deep(n + 1)) + 1
  })
  for (let round = 0; round < 5; round++) expect(() => deep(0)).toThrow(RangeError)
  recorder.record({ eventType: 'afterwards' })
  const records = reader.read()
  expect(records.at(-1)).toMatchObject({ eventType: 'afterwards', context: { pid: null } })
  expectAccountedFor(scope, records)
})

test('every attempt is stored or lost, whatever is recorded and however slowly it is read', () => {
  const action = oneof(
    object({ kind: constant('emit' as const), size: nat(300) }),
    object({ kind: constant('record' as const), size: oneof(nat(200), nat(30_000)) }),
    object({ kind: constant('enter' as const), size: nat(40) }),
    object({ kind: constant('exit' as const), size: nat(40) }),
    object({ kind: constant('run' as const), size: nat(100) }),
    object({ kind: constant('read' as const), size: nat(200) }),
    object({ kind: constant('head' as const), size: constant(0) }),
  )
  const options = object<SetupOptions>({
    position: oneof(constant(0), nat(8191), integer({ min: 2 ** 32 - 9000, max: 2 ** 32 - 1 })),
    attempts: constantFrom(0, 2 ** 40),
    publication: constantFrom(0 as const, 1 as const),
  })
  check(
    property(options, array(action, { size: 'max', maxLength: 400 }), (given, actions) => {
      const scope = setup(given)
      const { recorder, reader, handle } = scope
      const emit = recorder.define('e', { text: 'utf8' })
      const site = recorder.site(SITE)
      const calls: ReturnType<typeof recorder.enter>[] = []
      const records: Decoded[] = []
      for (const { kind, size } of actions) {
        if (kind === 'emit') for (let n = 0; n < size; n++) emit({ text: 'x'.repeat(n) })
        else if (kind === 'record') recorder.record({ eventType: 'r', data: 'y'.repeat(size) })
        else if (kind === 'enter') for (let n = 0; n < size; n++) calls.push(recorder.enter(site, n % 2 ? n : undefined))
        else if (kind === 'exit') for (const call of calls.splice(-size)) recorder.exit(call, size % 2 ? { size } : undefined)
        else if (kind === 'run') recorder.run({ pid: `p${size}` }, () => emit({ text: 'z'.repeat(size) }))
        else if (kind === 'read') records.push(...reader.read(size))
        else handle.head()
      }
      records.push(...reader.read())
      handle.head()
      records.push(...reader.read())
      expectAccountedFor(scope, records, given.attempts)
    }),
    60,
  )
})

function check(accounted: IProperty<[SetupOptions, { kind: string; size: number }[]]>, numRuns: number): void {
  const seed = Date.now() ^ process.pid
  console.log(`seed ${seed}`)
  assert(accounted, { seed, numRuns })
}
