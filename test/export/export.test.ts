/** Exports, read back by libraries of their formats. */
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import * as fc from 'fast-check'
import { type Event, type EventInput, type Kinescope, open } from 'kinescope'
import { eventsOf, toOtlpLogs, toOtlpTraces, toPerfetto, toSpeedscope } from 'kinescope/export'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { INSTALL_TIMEOUT_MS, installPackages } from '../support/packages.js'
import { callEvents, eventOf } from './calls.js'
import { bytesOf, readPerfetto, readSpeedscope, type Slice, textOf } from './readers.js'

const SDK = 'test/opentelemetry/sdk-2'

beforeAll(async () => {
  await installPackages('test/export/formats')
  await installPackages(SDK)
}, 2 * INSTALL_TIMEOUT_MS)

const cases = { numRuns: Number(process.env['KINESCOPE_CASES'] ?? 150), ...(process.env['KINESCOPE_SEED'] ? { seed: Number(process.env['KINESCOPE_SEED']) } : {}) }

/** The order in which pieces of one call follow each other, on whichever tracks they are; `null` is a piece that never ends. */
function byTime(a: Slice, b: Slice): number {
  return Number(a.begin - b.begin) || Number(a.end === null) - Number(b.end === null) || Number((a.end ?? 0n) - (b.end ?? 0n))
}

/**
 * What must hold of slices, whatever the calls: each call is shown from its entry to its exit without a gap, and what a slice lies in is its
 * caller, which is in the same logical process.
 *
 * @param last What ends calls that have no exit; `null`: nothing.
 */
function expectRightSlices(events: Event[], slices: Slice[], start: bigint, last: bigint | null): void {
  const entries = events.filter(({ eventType }) => eventType === 'function_entry')
  const byId = new Map(entries.map((entry) => [entry.eventId as string, entry]))
  for (const { id, within } of slices) {
    if (within === null) continue
    expect(within).toBe(byId.get(id)!.parentId)
    expect(byId.get(within)!.pid).toBe(byId.get(id)!.pid)
  }
  for (const entry of entries) {
    const pieces = slices.filter(({ id }) => id === entry.eventId).toSorted(byTime)
    const exit = events.find(({ eventType, parentId }) => eventType === 'function_exit' && parentId === entry.eventId)
    const ends = pieces.map(({ end }) => end)
    expect(pieces.map(({ begin }) => begin)).toEqual([entry.timestamp - start, ...ends.slice(0, -1)])
    expect(ends.at(-1)).toBe(exit === undefined ? last && last - start : exit.timestamp - start)
  }
}

describe('nesting', () => {
  test('Perfetto shows every call whole, and in nothing but its caller', () =>
    fc.assert(
      fc.asyncProperty(callEvents, async (events) => {
        const { slices, instants } = readPerfetto(await bytesOf(toPerfetto(events)))
        expectRightSlices(events, slices, 0n, null)
        for (const { id, args } of slices as any[]) expect(args.continued).toBe(slices.find((slice: any) => slice.id === id && slice.args === args) === slices.find((slice) => slice.id === id) ? undefined : true)
        const others = events.filter(({ eventType, parentId }) => eventType === 'log' || (eventType === 'function_exit' && parentId!.startsWith('2-')))
        expect(instants.map(({ args }) => args.event_id).toSorted()).toEqual(others.map(({ eventId }) => eventId).toSorted())
      }),
      cases,
    ))

  test('speedscope shows every call whole, and in nothing but its caller', () =>
    fc.assert(
      fc.asyncProperty(callEvents, async (events) => {
        const slices = readSpeedscope(await textOf(toSpeedscope(events)))
        const times = events.map(({ timestamp }) => timestamp)
        if (slices.length > 0) expectRightSlices(events, slices, times[0]!, times.at(-1)!)
        expect(slices.length > 0).toBe(events.some(({ eventType }) => eventType === 'function_entry'))
      }),
      cases,
    ))

  test('OTLP has a span for each call, with its caller', () =>
    fc.assert(
      fc.asyncProperty(callEvents, async (events) => {
        const spans = spansOf(await textOf(toOtlpTraces(events)))
        const entries = events.filter(({ eventType }) => eventType === 'function_entry')
        const spanIds = new Map(entries.map(({ eventId }) => [eventId, spans.find(({ name }: any) => name === eventId)?.spanId]))
        expect(new Set(spanIds.values()).size).toBe(entries.length)
        for (const { eventId, parentId, wallTime } of entries) {
          const span = spans.find(({ name }: any) => name === eventId)
          const exit = events.find(({ eventType, parentId: of }) => eventType === 'function_exit' && of === eventId)
          expect([span.parentSpanId, span.startTimeUnixNano, span.endTimeUnixNano]).toEqual([parentId === null ? undefined : spanIds.get(parentId), String(wallTime), String((exit ?? events.at(-1)!).wallTime)])
          expect(span.events).toHaveLength(events.filter(({ eventType, parentId: of }) => eventType === 'log' && of === eventId).length)
        }
        expect(spans.length - entries.length).toBe(events.filter(({ eventType, parentId }) => eventType === 'function_exit' && parentId!.startsWith('2-')).length)
      }),
      cases,
    ))
})

function spansOf(text: string): any[] {
  const requests = text.split('\n').filter((line) => line !== '')
  return requests.flatMap((line) => JSON.parse(line).resourceSpans.flatMap(({ scopeSpans }: any) => scopeSpans.flatMap(({ spans }: any) => spans)))
}

function recordsOf(text: string): any[] {
  const requests = text.split('\n').filter((line) => line !== '')
  return requests.flatMap((line) => JSON.parse(line).resourceLogs.flatMap(({ scopeLogs }: any) => scopeLogs.flatMap(({ logRecords }: any) => logRecords)))
}

describe('a recording', () => {
  let scope: Kinescope

  beforeEach(async () => {
    scope = await open({ node: 'shop' })
  })

  afterEach(() => scope.close())

  const store = (events: EventInput[]) => scope.dataAccess.storeEvents(events)
  const all = () => eventsOf(scope.dataAccess)

  test('of calls one after the other and in each other has one track', async () => {
    const inner = scope.recorder.wrap(function inner() {})
    const outer = scope.recorder.wrap(function outer() { inner(); inner() })
    outer()
    outer()
    const { slices, tracks } = readPerfetto(await bytesOf(toPerfetto(all())))
    expect(slices.map(({ within }) => within !== null)).toEqual([false, true, true, false, true, true])
    expect(new Set(slices.map(({ track }) => track)).size).toBe(1)
    expect(tracks.get(slices[0]!.track)).toMatchObject({ name: 'main' })
    expect(readSpeedscope(await textOf(toSpeedscope(all()))).map(({ id, within }) => [id, within])).toEqual([['outer', null], ['inner', 'outer'], ['inner', 'outer'], ['outer', null], ['inner', 'outer'], ['inner', 'outer']])
  })

  test('of asynchronous calls at the same time has a track for each', async () => {
    const step = scope.recorder.wrap(async () => setImmediate(), { function: 'step' })
    await scope.recorder.wrap(async () => void (await Promise.all([step(), step(), step()])), { function: 'three' })()
    const { slices, tracks } = readPerfetto(await bytesOf(toPerfetto(all())))
    expect(slices.map(({ within }) => within !== null)).toEqual([false, true, false, false])
    expect(new Set(slices.map(({ track }) => track)).size).toBe(3)
    for (const { track } of slices) expect(tracks.get(track).name).toBe('main')
  })

  test('from elsewhere, without parents, nests by time', async () => {
    const call = (eventType: string, name: string, timestamp: number) => ({ eventType, function: name, timestamp, pid: 'job' })
    await store([call('function_entry', 'a', 1), call('function_entry', 'b', 2), call('function_exit', 'b', 3), call('function_entry', 'c', 4), call('function_exit', 'a', 5), call('function_exit', 'c', 6)])
    const slices = readSpeedscope(await textOf(toSpeedscope(all())))
    expect(slices.map(({ id, within, begin, end }) => [id, within, Number(begin), Number(end)])).toEqual([['a', null, 0, 4], ['b', 'a', 1, 2], ['c', 'a', 3, 4], ['c', null, 4, 5]])
  })

  test('from elsewhere, with parents, does not', async () => {
    const call = (id: number, timestamp: number, parent: number | null) => ({ eventType: 'function_entry', eventId: `40000-${id}`, parentId: parent === null ? null : `40000-${parent}`, function: `f${id}`, timestamp, pid: 'job' }) as EventInput
    await store([call(0, 1, null), call(1, 2, 0), call(2, 3, null)])
    expect(readSpeedscope(await textOf(toSpeedscope(all()))).map(({ id, within }) => [id, within])).toEqual([['f0', null], ['f1', 'f0'], ['f2', null]])
  })

  test('has its facts as arguments, metrics as counters, messages as arrows and both clocks in Perfetto', async () => {
    const data = { text: 'é'.repeat(300), yes: true, half: 0.5, big: 2n ** 63n, low: -(2n ** 63n), list: [1, { a: null, b: [] }], nothing: null }
    await store([
      { eventType: 'function_entry', module: 'm', function: 'f', file: 'f.js', line: 7, timestamp: 10, wallTime: 1_000n, correlationId: 'trace', tags: { region: 'eu' }, data },
      { eventType: 'message_send', timestamp: 11, data: { message_id: 4 } },
      { eventType: 'message_receive', timestamp: 12, data: { message_id: 4 } },
      { eventType: 'performance_metric', timestamp: 13, data: { name: 'heap', value: 2.5, unit: 'MB' } },
      { eventType: 'log', timestamp: -5, data: { message: 'early' } },
    ])
    const { slices, instants, counters, tracks, clocks } = readPerfetto(await bytesOf(toPerfetto(all())))
    const [{ event, args }] = slices as any
    expect(event).toMatchObject({ name: 'm.f', categories: ['function_entry'], sourceLocation: { fileName: 'f.js', functionName: 'f', lineNumber: 7 } })
    expect(args).toMatchObject({ correlation_id: 'trace', tags: { region: 'eu' }, text: data.text, yes: true, half: 0.5, big: 2n ** 63n, low: -(2n ** 63n), list: [1n, { b: undefined }] })
    expect(instants.map(({ name, at }) => [name, at])).toEqual([['early', 0n], ['message_send', 11n], ['message_receive', 12n]])
    expect(instants[1].flowIds).toEqual(instants[2].flowIds)
    expect(counters).toMatchObject([{ doubleCounterValue: 2.5, at: 13n }])
    const counter = tracks.get(counters[0].trackUuid)
    expect(counter).toMatchObject({ name: 'heap', counter: { unitName: 'MB' } })
    expect(tracks.get(counter.parentUuid)).toMatchObject({ process: { processName: 'shop' } })
    expect(clocks).toEqual({ 6: 0n, 1: expect.any(BigInt) })
  })

  test('is accepted by the protobuf definitions of OTLP, with nothing that they do not know', async () => {
    const fail = scope.recorder.wrap(async function fail() { throw new RangeError('no') })
    await scope.recorder.run({ correlationId: 'order-7', tags: { region: 'eu' } }, () => fail()).catch(() => {})
    scope.recorder.record({ eventType: 'log', correlationId: 'order-7', data: { level: 'warn', message: 'out of stock', product: 'tea' } })
    scope.recorder.record({ eventType: 'state_change', data: { old_state: null, new_state: { a: [1, 0.5, 2n ** 60n] } } })
    const [traces, logs] = [await textOf(toOtlpTraces(all())), await textOf(toOtlpLogs(all()))]
    expectProtobuf('trace.v1.ExportTraceServiceRequest', traces)
    expectProtobuf('logs.v1.ExportLogsServiceRequest', logs)
    const [span] = spansOf(traces)
    expect(span).toMatchObject({ name: 'fail', kind: 1, status: { code: 2, message: 'no' }, traceId: expect.stringMatching(/^[0-9a-f]{32}$/) })
    expect(span.attributes).toContainEqual({ key: 'region', value: { stringValue: 'eu' } })
    const [warning, change] = recordsOf(logs)
    expect(warning).toMatchObject({ severityNumber: 13, severityText: 'warn', body: { stringValue: 'out of stock' }, traceId: span.traceId, attributes: expect.arrayContaining([{ key: 'product', value: { stringValue: 'tea' } }]) })
    expect(change).toMatchObject({ eventName: 'state_change', body: { kvlistValue: { values: [{ key: 'new_state' }] } } })
    expect(change.traceId).toBeUndefined()
  })

  test('of many events comes in pieces, and of none in a valid file', async () => {
    expect(readPerfetto(await bytesOf(toPerfetto(all()))).slices).toEqual([])
    expect(readSpeedscope(await textOf(toSpeedscope(all())))).toEqual([])
    expect(await textOf(toOtlpTraces(all()))).toBe('')
    expect(await textOf(toOtlpLogs(all()))).toBe('')
    const work = scope.recorder.wrap(function work() {})
    for (let n = 0; n < 5000; n++) work()
    let [pieces, largest] = [0, 0]
    for await (const piece of toPerfetto(all())) [pieces, largest] = [pieces + 1, Math.max(largest, piece.length)]
    expect(pieces).toBeGreaterThan(5)
    expect(largest).toBeLessThan(100_000)
    const lines = (await textOf(toOtlpTraces(all()))).trimEnd().split('\n')
    expect(lines.length).toBe(10)
    expect(spansOf(lines.join('\n'))).toHaveLength(5000)
  })

  test('ends pages of one snapshot, whatever is recorded meanwhile', async () => {
    for (let n = 0; n < 5000; n++) scope.recorder.record({ eventType: 'log', data: { n } })
    const seen: number[] = []
    for await (const { data } of eventsOf(scope.dataAccess, { eventTypes: ['log'] })) {
      seen.push(data.n)
      scope.recorder.record({ eventType: 'log', data: { n: -1 } })
    }
    expect(seen).toEqual(Array.from({ length: 5000 }, (_, n) => n))
  })
})

/** Each request goes through OTLP's own messages, in bytes, and comes back as it was. */
function expectProtobuf(name: string, lines: string): void {
  const root = createRequire(import.meta.url)(`../opentelemetry/sdk-2/node_modules/@opentelemetry/otlp-transformer/build/src/generated/root.js`)
  const type = `opentelemetry.proto.collector.${name}`.split('.').reduce((space, part) => space[part], root)
  for (const line of lines.trimEnd().split('\n')) {
    const request = JSON.parse(line, (key, value) => (/^(trace|span|parentSpan)Id$/.test(key) ? Buffer.from(value, 'hex').toString('base64') : value))
    const decoded = type.decode(type.encode(type.fromObject(request)).finish())
    const back = type.toObject(decoded, { longs: String, bytes: String, arrays: true })
    expect(withoutEmpty(back)).toEqual(withoutEmpty(request))
  }
}

/** What protobuf does not tell from nothing: empty lists, and zeros. */
function withoutEmpty(value: any): any {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutEmpty(inner)]).filter(([, inner]) => inner !== 0 && !(Array.isArray(inner) && inner.length === 0)))
}

test.each([toPerfetto, toSpeedscope, toOtlpTraces, toOtlpLogs])('%o refuses what is no event', async (format) => {
  const first = (events: unknown): Promise<unknown> => format(events as never)[Symbol.asyncIterator]().next()
  for (const events of [undefined, null, 5, 'text', {}]) await expect(first(events)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/^events: /) })
  for (const event of [null, 5, {}, { eventId: '1-0', eventType: 'log', pid: 'main' }]) await expect(first([event])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/^events\[0\]\./) })
  const { timestamp: _, ...row } = eventOf({ eventId: '1-0', timestamp: 5n })
  await expect(first([row])).rejects.toMatchObject({ details: { field: 'events[0].timestamp' } })
})

test.each(['limit', 'offset', 'sortBy', 'sortOrder', 'projection'])('eventsOf refuses %s', async (name) => {
  await expect(eventsOf({} as never, { [name]: 1 } as never).next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: `query.${name}` } })
})

/** Payloads that no recorder makes, but an import can. */
const payload = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.record(
    Object.fromEntries(
      ['span_id', 'remote_parent', 'name', 'kind', 'scope', 'service', 'attributes', 'links', 'status', 'exception', 'exit_reason', 'duration_ns', 'level', 'message', 'severity', 'message_id', 'value', 'dropped_events', 'trace_state', 'event_name', 'body', 'error_type'].map((name) => [
        name,
        fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('0123456789abcdef', 'error', 'constructor', 'throw', 2n ** 70n)),
      ]),
    ),
    { requiredKeys: [] },
  ),
)

test('whatever payloads hold, files stay valid', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom('function_entry', 'function_exit', 'log', 'error', 'message_send', 'performance_metric', 'odd'), payload, fc.option(fc.nat(9)), fc.bigInt(-10n, 10n)), { maxLength: 12 }), async (facts) => {
      const events = facts.map(([eventType, data, parent, timestamp], n) => eventOf({ eventId: `1-${n}`, eventType, data, timestamp, wallTime: timestamp, parentId: parent === null ? null : `1-${parent}` }))
      readPerfetto(await bytesOf(toPerfetto(events)))
      readSpeedscope(await textOf(toSpeedscope(events)))
      const [traces, logs] = [await textOf(toOtlpTraces(events)), await textOf(toOtlpLogs(events))]
      if (traces !== '') expectProtobuf('trace.v1.ExportTraceServiceRequest', traces)
      if (logs !== '') expectProtobuf('logs.v1.ExportLogsServiceRequest', logs)
    }),
    cases,
  ))

describe('bounds', () => {
  /** Calls that are all open at the same time, and never left. */
  function* endless(count: number): Generator<Event> {
    for (let n = 0; n < count; n++) yield eventOf({ eventId: `1-${n}`, timestamp: BigInt(n), eventType: 'function_entry', function: 'f' })
  }

  test('calls that are never left do not add up', async () => {
    const count = 66_000
    const { slices } = readPerfetto(await bytesOf(toPerfetto(endless(count))))
    expect(slices.filter(({ end }) => end === null)).toHaveLength(65_536)
    expect(spansOf(await textOf(toOtlpTraces(endless(count))))).toHaveLength(count)
  })

  test('nor do events of a span, or the depth of a payload', async () => {
    let deep: unknown = 1
    for (let n = 0; n < 5000; n++) deep = { deep }
    const entry = eventOf({ eventId: '1-0', timestamp: 0n, eventType: 'function_entry', function: 'f', data: deep })
    const logs = Array.from({ length: 200 }, (_, n) => eventOf({ eventId: `1-${n + 1}`, timestamp: 1n, parentId: '1-0', data: { n } }))
    const [span] = spansOf(await textOf(toOtlpTraces([entry, ...logs])))
    expect([span.events.length, span.droppedEventsCount]).toEqual([128, 72])
    expect(readPerfetto(await bytesOf(toPerfetto([entry]))).slices).toHaveLength(1)
  })

  test('speedscope keeps a few megabytes in memory, and the rest in a file that is gone afterwards', async () => {
    const spools = () => readdirSync(tmpdir()).filter((name) => name.startsWith('kinescope-spool-'))
    let most = 0
    function* many(): Generator<Event> {
      for (let n = 0; n < 130_000; n++) {
        const facts = { timestamp: BigInt(n), function: 'f', pid: `pid-${n % 7}` }
        yield eventOf({ ...facts, eventId: `1-${2 * n}`, eventType: 'function_entry' })
        yield eventOf({ ...facts, eventId: `1-${2 * n + 1}`, eventType: 'function_exit', parentId: `1-${2 * n}` })
        if (n === 129_999) most = spools().length
      }
    }
    const before = spools().length
    const slices = readSpeedscope(await textOf(toSpeedscope(many())))
    expect(slices).toHaveLength(130_000)
    expect([most - before, spools().length - before]).toEqual([1, 0])
  })
})
