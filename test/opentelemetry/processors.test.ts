/** What the processors record of spans and log records, whatever those hold and whenever they come. */
import { type Event, type Kinescope, KinescopeError, open } from 'kinescope'
import { KinescopeLogRecordProcessor, KinescopeSpanProcessor, type OtelSpan } from 'kinescope/opentelemetry'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nanoseconds, now, recordOf, spanOf } from './spans.js'

let scope: Kinescope
let processor: KinescopeSpanProcessor

beforeEach(async () => {
  scope = await open()
  processor = new KinescopeSpanProcessor(scope)
})

afterEach(() => scope.close())

function record(span: OtelSpan): void {
  processor.onStart(span)
  processor.onEnd(span)
}

/** In the order of recording, which does not depend on how long anything took. */
async function events(...eventTypes: string[]): Promise<Event[]> {
  return (await scope.dataAccess.queryEvents({ ...(eventTypes.length > 0 && { eventTypes }), sortBy: 'seq' })).toArray()
}

describe('where a span comes from', () => {
  test.each([
    [{ 'code.function': 'total', 'code.namespace': 'cart', 'code.filepath': 'cart.js', 'code.lineno': 7 }, ['cart', 'total', 'cart.js', 7]],
    [{ 'code.function.name': 'cart.Cart.total', 'code.file.path': 'cart.js', 'code.line.number': 7 }, ['cart.Cart', 'total', 'cart.js', 7]],
    [{ 'code.function.name': 'cart::total' }, ['cart', 'total', null, null]],
    [{ 'code.function.name': 'total', 'code.namespace': 'cart' }, ['cart', 'total', null, null]],
    [{ 'code.function.name': 'a:::' }, ['shop', 'a:::', null, null]],
    [{ 'code.lineno': 0, 'code.function': 7, 'code.filepath': {} }, ['shop', 'work', null, null]],
    [{}, ['shop', 'work', null, null]],
  ])('%o', async (attributes, expected) => {
    record(spanOf({ attributes }))
    for (const { module, function: name, file, line } of await events()) expect([module, name, file, line]).toEqual(expected)
  })

  test('its scope by the name of SDK 1.x, or its service', async () => {
    const { instrumentationScope: _, ...span } = spanOf()
    record({ ...span, instrumentationLibrary: { name: 'old-shop', version: '1' } })
    record({ ...span, resource: { attributes: { 'service.name': 'shop-service' } } })
    expect((await events('function_entry')).map(({ module }) => module)).toEqual(['old-shop', 'shop-service'])
  })
})

describe('what happens in a span', () => {
  test('exceptions, messages and anything else, at their times', async () => {
    const startTime = now(-1000)
    const at = (ms: number) => [startTime[0], startTime[1] + ms * 1e6] as const
    record(spanOf({ startTime, endTime: at(9), duration: [0, 9e6], events: [
      { name: 'exception', time: at(1), attributes: { 'exception.type': 'RangeError', 'exception.message': 'no', 'exception.stacktrace': 'at x', handled: true } },
      { name: 'message', time: at(2), attributes: { 'message.type': 'SENT', 'message.id': 4 } },
      { name: 'rpc.message', time: at(3), attributes: { 'rpc.message.type': 'RECEIVED', 'rpc.message.id': 5 } },
      { name: 'cache miss', time: at(4) },
      { name: 'exception', time: at(5), attributes: {} },
    ] }))
    const [entry, ...rest] = await events()
    expect(rest.map(({ eventType, timestamp, wallTime, parentId }) => [eventType, Number(timestamp - entry!.timestamp) / 1e6, Number(wallTime - entry!.wallTime) / 1e6, parentId])).toEqual(
      [['error', 1], ['message_send', 2], ['message_receive', 3], ['log', 4], ['log', 5], ['function_exit', 9]].map(([type, ms]) => [type, ms, ms, entry!.eventId]),
    )
    const [error, sent, received, log] = rest.map(({ data }) => data)
    expect(error).toMatchObject({ error_type: 'RangeError', message: 'no', stack: 'at x', attributes: { handled: true } })
    expect([sent.message_id, received.message_id, log.message]).toEqual([4, 5, 'cache miss'])
    expect(rest.at(-1)!.data).toMatchObject({ exit_reason: 'normal', duration_ns: 9e6 })
  })

  test('a status of error is an error, once', async () => {
    record(spanOf({ status: { code: 2, message: 'no luck' }, attributes: { 'error.type': '500' } }))
    record(spanOf({ status: { code: 2 }, events: [{ name: 'exception', time: now(), attributes: { 'exception.message': 'no' } }] }))
    expect((await events('error')).map(({ data }) => [data.error_type, data.message, data.status])).toEqual([['500', 'no luck', 'error'], ['Error', 'no', undefined]])
    expect((await events('function_exit')).map(({ data }) => [data.exit_reason, data.exception])).toEqual([
      ['throw', { error_type: '500', message: 'no luck' }],
      ['throw', { error_type: 'Error', message: 'no' }],
    ])
  })

  test('links, kind, dropped counts and what was not sampled', async () => {
    const context = { traceId: 'b'.repeat(32), spanId: 'c'.repeat(16) }
    record(spanOf({ kind: 4, traceFlags: 0, links: [{ context, attributes: { why: 'batch' } }], droppedEventsCount: 3 }))
    const [entry, exit] = (await events()).map(({ data }) => data)
    expect(entry).toMatchObject({ kind: 'consumer', sampled: false, links: [{ trace_id: context.traceId, span_id: context.spanId, attributes: { why: 'batch' } }] })
    expect([exit.dropped_events, exit.dropped_links]).toEqual([3, undefined])
  })
})

describe('when', () => {
  test('what starts now has the time of the recording', async () => {
    for (;;) {
      const before = scope.now()
      // In whole milliseconds, as the SDK reads the wall clock.
      const wallTime = before.wallTime - (before.wallTime % 1_000_000n)
      const span = spanOf({ startTime: [Number(wallTime / 1_000_000_000n), Number(wallTime % 1_000_000_000n)] })
      processor.onStart(span)
      const after = scope.now()
      // The SDK calls at once, and what takes longer is no such call.
      if (after.timestamp - before.timestamp > 900_000n) continue
      const live = (await events()).at(-1)!
      expect(live.timestamp >= before.timestamp && live.timestamp <= after.timestamp).toBe(true)
      expect(live.wallTime).toBe(nanoseconds(span.startTime))
      return
    }
  })

  test('what started earlier is where the wall clock says', async () => {
    const { timestamp, wallTime } = scope.now()
    const span = spanOf({ startTime: now(-60_000), endTime: now(-59_000), duration: [1, 0] })
    record(span)
    const [entry, exit] = await events()
    expect(Number(timestamp - entry!.timestamp) / 1e9).toBeCloseTo(Number(wallTime - entry!.wallTime) / 1e9, 2)
    expect(exit!.timestamp - entry!.timestamp).toBe(1_000_000_000n)
    expect([entry!.wallTime, exit!.wallTime]).toEqual([nanoseconds(span.startTime), nanoseconds(span.endTime)])
  })

  test.each([[[Number.NaN, 0]], [[2 ** 60, 0]], [[1, Infinity]], ['soon'], [undefined], [[-1e15, 0]]])('a time of %o stops nothing', async (time) => {
    record(spanOf({ startTime: time as never, endTime: time as never, duration: time as never }))
    expect((await events()).map(({ eventType }) => eventType)).toEqual(['function_entry', 'function_exit'])
    expect(processor.stats().failed).toBe(0)
  })
})

describe('parents', () => {
  test('by id, in both spellings, also when they have ended; else remote', async () => {
    const parent = spanOf({ spanId: 'p'.repeat(16) })
    record(parent)
    record(spanOf({ parentSpanId: 'p'.repeat(16) }))
    record(spanOf({ parentSpanContext: parent.spanContext() }))
    record(spanOf({ parentSpanId: 'p'.repeat(16), traceId: 'b'.repeat(32) }))
    const [root, old, current, foreign] = await events('function_entry')
    expect([old!.parentId, current!.parentId, foreign!.parentId]).toEqual([root!.eventId, root!.eventId, null])
    expect([old!.pid, current!.pid]).toEqual([root!.pid, root!.pid])
    expect([old!.data.parent_span_id, old!.data.remote_parent]).toEqual(['p'.repeat(16), undefined])
    expect([foreign!.data.remote_parent, foreign!.pid]).toEqual(['p'.repeat(16), `span-${foreign!.data.span_id}`])
  })

  test('as many spans are kept in mind as maxSpans says; a forgotten one still has its exit', async () => {
    processor = new KinescopeSpanProcessor(scope, { maxSpans: 2 })
    const [first, ...others] = [spanOf(), spanOf(), spanOf()]
    for (const span of [first!, ...others]) processor.onStart(span)
    expect(processor.stats()).toEqual({ live: 2, evicted: 1, failed: 0 })
    record(spanOf({ parentSpanContext: first!.spanContext() }))
    processor.onEnd(first!)
    for (const span of others) processor.onEnd(span)
    const entries = await events('function_entry')
    expect(entries[3]!.data.remote_parent).toBe(entries[0]!.data.span_id)
    expect((await events('function_exit')).map(({ parentId }) => parentId)).toContain(entries[0]!.eventId)
    expect(processor.stats().live).toBe(0)
  })

  test('memory for spans that have ended is bounded too', async () => {
    processor = new KinescopeSpanProcessor(scope, { maxSpans: 4 })
    const spans = Array.from({ length: 20 }, () => spanOf())
    for (const span of spans) record(span)
    const known = spans.filter((span) => processor.contextOf(span).parentId !== undefined)
    expect(known.length).toBeLessThanOrEqual(4)
    expect(known).toContain(spans.at(-1))
  })

  test('a span whose start was not seen is recorded whole at its end; other objects for the same span are the same', async () => {
    const span = spanOf({ attributes: { x: 1 } })
    processor.onEnd(span)
    processor.onStart(span)
    processor.onEnd({ ...span })
    const [entry, exit, again, end] = await events()
    expect([entry!.eventType, exit!.parentId, again!.eventType, end!.parentId]).toEqual(['function_entry', entry!.eventId, 'function_entry', again!.eventId])
    expect(await events()).toHaveLength(4)
  })

  test('inside of a run or a call the span belongs to it, and calls run in the context of a span to that', async () => {
    const { recorder } = scope
    recorder.wrap(() => record(spanOf()), { function: 'outer' })()
    recorder.run({ pid: 'job' }, () => record(spanOf()))
    const span = spanOf()
    processor.onStart(span)
    recorder.run(processor.contextOf(span), recorder.wrap(() => {}, { function: 'inner' }))
    const entries = await events('function_entry')
    const [outer, within, job, own, inner] = entries
    expect([within!.parentId, within!.pid, job!.pid]).toEqual([outer!.eventId, 'main', 'job'])
    expect([inner!.parentId, inner!.pid, inner!.correlationId]).toEqual([own!.eventId, own!.pid, own!.correlationId])
    expect(processor.contextOf(undefined)).toEqual({})
    expect(processor.contextOf({ spanContext: () => { throw new Error('no') } })).toEqual({})
  })
})

describe('nothing is thrown into the service', () => {
  test('hostile attributes run no code and leave marks', async () => {
    let ran = 0
    const bait = { get trap() { ran++; throw new Error('no') } }
    const attributes = Object.defineProperties({ proxy: new Proxy({}, { get: () => ran++, ownKeys: () => { ran++; return [] } }), bait, big: 'x'.repeat(1e6), deep: { a: { b: bait } } }, { 'code.function': { enumerable: true, get: () => ran++ } })
    record(spanOf({ attributes, links: [bait, new Proxy({}, {}), null] as never, events: [new Proxy({}, { get: () => ran++ }), bait, null, 7] as never, status: new Proxy({ code: 2 }, {}) }))
    expect(ran).toBe(0)
    const all = await events()
    expect(all.at(0)!.eventType).toBe('function_entry')
    expect(all.at(-1)!.eventType).toBe('function_exit')
    expect(Object.values(all[0]!.data.$cut)).toEqual(expect.arrayContaining(['proxy', 'getter', 'length']))
    expect(processor.stats().failed).toBe(0)
  })

  test.each([
    ['null', null],
    ['an empty object', {}],
    ['a context that throws', { spanContext: () => { throw new Error('no') } }],
    ['ids that are none', { ...spanOf(), spanContext: () => ({ traceId: 7, spanId: null }) }],
    ['a revoked proxy', (() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()],
  ])('%s is counted', async (_, span) => {
    record(span as never)
    expect(processor.stats().failed).toBe(2)
    expect(await events()).toEqual([])
  })

  test('a recording that is switched off for a while leaves no half of a span', async () => {
    const [span, later] = [spanOf(), spanOf()]
    scope.recorder.enabled = false
    processor.onStart(span)
    scope.recorder.enabled = true
    processor.onEnd(span)
    expect(await events()).toEqual([])
    record(later)
    expect(await events()).toHaveLength(2)
  })

  test('nor by a recording that is closed', async () => {
    const span = spanOf()
    const logs = new KinescopeLogRecordProcessor(scope, { spans: processor })
    processor.onStart(span)
    await scope.close()
    processor.onEnd(span)
    record(spanOf())
    logs.onEmit(recordOf({ body: 'late' }))
    expect(processor.stats().failed).toBe(3)
    expect(logs.stats().failed).toBe(1)
    await Promise.all([processor, logs].map((each) => each.forceFlush()))
    await Promise.all([processor, logs].map((each) => each.shutdown()))
  })
})

describe('shutdown', () => {
  test('leaves the recording open, and records nothing more', async () => {
    const span = spanOf()
    const logs = new KinescopeLogRecordProcessor(scope)
    processor.onStart(span)
    await Promise.all([processor.shutdown(), logs.shutdown()])
    processor.onEnd(span)
    record(spanOf())
    logs.onEmit(recordOf({ body: 'late' }))
    expect((await events()).map(({ eventType }) => eventType)).toEqual(['function_entry'])
  })

  test('closes it where it is asked to', async () => {
    processor = new KinescopeSpanProcessor(scope, { closeOnShutdown: true })
    await processor.shutdown()
    expect(() => scope.now()).toThrow(KinescopeError)
  })
})

describe('log records', () => {
  test('severities, bodies, exceptions, names, and the spans that they are in', async () => {
    const logs = new KinescopeLogRecordProcessor(scope, { spans: processor })
    const span = spanOf()
    processor.onStart(span)
    for (const severityNumber of [0, 1, 8, 12, 13, 20, 24, 25]) logs.onEmit(recordOf({ severityNumber, severityText: 'Odd', body: 'text' }))
    expect((await events('log')).map(({ data }) => data.level)).toEqual(['odd', 'trace', 'debug', 'info', 'warn', 'error', 'fatal', 'odd'])
    logs.onEmit(recordOf({ body: { nested: [1] }, eventName: 'stock.low', spanContext: span.spanContext() }))
    logs.onEmit(recordOf({ body: 'failed', attributes: { 'exception.type': 'RangeError', 'exception.message': 'no', tries: 2 } }))
    logs.onEmit(recordOf({ body: 'elsewhere', spanContext: { traceId: 'd'.repeat(32), spanId: 'e'.repeat(16) } }))
    const [entry, ...rest] = await events()
    const [structured, failed, foreign] = rest.slice(-3)
    expect(structured).toMatchObject({ eventType: 'log', parentId: entry!.eventId, pid: entry!.pid, correlationId: entry!.correlationId, data: { body: { nested: [1] }, event_name: 'stock.low' } })
    expect(failed).toMatchObject({ eventType: 'error', parentId: null, data: { error_type: 'RangeError', message: 'no', body: 'failed', attributes: { tries: 2 } } })
    expect(foreign).toMatchObject({ parentId: null, correlationId: 'd'.repeat(32), data: { span_id: 'e'.repeat(16), message: 'elsewhere' } })
  })

  test('a record without a time of its own has the time of its being seen', async () => {
    const seen = now(-5000)
    new KinescopeLogRecordProcessor(scope).onEmit(recordOf({ hrTime: [0, 0], hrTimeObserved: seen }))
    expect((await events())[0]!.wallTime).toBe(nanoseconds(seen))
  })
})

test.each([
  ['maxSpans', () => new KinescopeSpanProcessor(scope, { maxSpans: 0 })],
  ['closeOnShutdown', () => new KinescopeSpanProcessor(scope, { closeOnShutdown: 1 as never })],
  ['maxSpan', () => new KinescopeSpanProcessor(scope, { maxSpan: 1 } as never)],
  ['scope', () => new KinescopeSpanProcessor(undefined as never)],
  ['spans', () => new KinescopeLogRecordProcessor(scope, { spans: {} as never })],
])('a wrong %s is refused by name', (name, make) => {
  expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }))
})
