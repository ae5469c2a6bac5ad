import * as fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { type EventInput, open } from 'kinescope'
import { bytesOf, DAY, directory, recorded, removeDirectories, THREE } from './command.js'

afterEach(removeDirectories)

interface TraceEvent {
  ph: string
  name: string
  cat: string
  pid: number
  tid: number
  ts: number
  dur: number
  args: Record<string, unknown>
}

const traceOf = (path: string, ...options: string[]): TraceEvent[] => (JSON.parse(bytesOf('export', path, '-f', 'chrome', ...options).toString()) as { traceEvents: TraceEvent[] }).traceEvents

test('calls, marks and names', async () => {
  const path = await recorded([
    ...THREE,
    { eventType: 'error', pid: 'req-1', timestamp: 6000n, wallTime: DAY, data: { error_type: 'TypeError', message: 'no' } },
    { eventType: 'performance_metric', pid: 'main', timestamp: 7001n, wallTime: DAY, data: { name: 'heap', value: 12, unit: 'MB' } },
  ])
  expect(bytesOf('export', path, '-f', 'chrome').toString()).toBe(
    [
      '{"displayTimeUnit":"ns","traceEvents":[',
      '{"ph":"M","name":"process_name","cat":"__metadata","pid":1,"tid":0,"ts":0,"args":{"name":"shop:1"}},',
      '{"ph":"M","name":"thread_name","cat":"__metadata","pid":1,"tid":1,"ts":0,"args":{"name":"main"}},',
      '{"ph":"M","name":"thread_sort_index","cat":"__metadata","pid":1,"tid":1,"ts":0,"args":{"sort_index":1}},',
      '{"ph":"i","name":"log: a \\"quoted\\", text","cat":"log","pid":1,"tid":1,"ts":1,"s":"t","args":{"eventId":"32768-0","tags":{"region":"eu"},"data":{"message":"a \\"quoted\\", text","n":1152921504606846976}}},',
      '{"ph":"M","name":"thread_name","cat":"__metadata","pid":1,"tid":2,"ts":0,"args":{"name":"req-1"}},',
      '{"ph":"M","name":"thread_sort_index","cat":"__metadata","pid":1,"tid":2,"ts":0,"args":{"sort_index":2}},',
      '{"ph":"X","name":"cart.total/1","cat":"cart","pid":1,"tid":2,"ts":2,"dur":3,"args":{"eventId":"32768-1","correlationId":"t-1","args":[1]}},',
      '{"ph":"i","name":"TypeError: no","cat":"error","pid":1,"tid":2,"ts":6,"s":"t","args":{"eventId":"32768-3","data":{"error_type":"TypeError","message":"no"}}},',
      '{"ph":"C","name":"heap","cat":"performance_metric","pid":1,"tid":1,"ts":7.001,"args":{"value":12}}',
      ']}',
      '',
    ].join('\n'),
  )
})

test('a recording of nothing, calls without their ends, and ends without their calls', async () => {
  expect(traceOf(await recorded([]))).toEqual([])
  const path = await recorded(THREE)
  const half = traceOf(path, '--event-type', 'function_exit').filter(({ ph }) => ph === 'X')
  expect(half).toMatchObject([{ name: 'cart.total/1', ts: 2, dur: 3 }])
  const unfinished = traceOf(path, '--event-type', 'function_entry').filter(({ ph }) => ph === 'X')
  expect(unfinished).toMatchObject([{ name: 'cart.total/1', ts: 2, dur: 0, args: { unfinished: true } }])
})

/** A call: how long until it starts, how long it lasts, which earlier call made it, and whose logical process it is. */
const call = fc.record({ delay: fc.integer({ min: 0, max: 20 }), length: fc.integer({ min: 0, max: 100 }), caller: fc.option(fc.nat(10)), pid: fc.nat(1), ends: fc.boolean() })

test('no two calls of a track overlap in part, and every call is drawn once with its own times', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (calls) => {
      let now = 1000
      const spans = calls.map(({ delay, length, caller, pid, ends }, index) => {
        now += delay
        return { id: `40000-${index * 2}`, start: now, end: now + length, parent: caller === null || index === 0 ? null : `40000-${2 * (Math.max(0, index - 1 - caller))}`, pid: `p${pid}`, ends }
      })
      const events = spans.flatMap(({ id, start, end, parent, pid, ends }, index): EventInput[] => [
        { eventType: 'function_entry', eventId: id as '1-1', function: id, pid, parentId: parent as '1-1' | null, timestamp: BigInt(start) },
        ...(ends ? [{ eventType: 'function_exit', eventId: `40000-${index * 2 + 1}` as const, function: id, pid, parentId: id as '1-1', timestamp: BigInt(end), data: { duration_ns: end - start } }] : []),
      ])
      const { ChromeTrace } = (await import(new URL('../../dist/cli/chrome-trace.js', import.meta.url).href)) as { ChromeTrace: new () => { start(): string; add(event: unknown): string; end(): string } }
      const trace = new ChromeTrace()
      const scope = await open()
      await scope.dataAccess.storeEvents(events)
      const text = trace.start() + (await scope.dataAccess.queryEvents()).toArray().map((event) => trace.add(event)).join('') + trace.end()
      await scope.close()
      const drawn = (JSON.parse(text) as { traceEvents: TraceEvent[] }).traceEvents.filter(({ ph }) => ph === 'X')
      expect(drawn.map(({ name }) => name).toSorted()).toEqual(spans.map(({ id }) => id).toSorted())
      const inNanoseconds = drawn.map(({ name, tid, ts, dur }) => ({ name, tid, start: Math.round(ts * 1000), end: Math.round((ts + dur) * 1000) }))
      for (const { name, start, end } of inNanoseconds) {
        const span = spans.find(({ id }) => id === name)!
        expect([name, start, span.ends ? end : null]).toEqual([name, span.start, span.ends ? span.end : null])
      }
      for (const a of inNanoseconds) {
        for (const b of inNanoseconds) {
          const overlap = a.tid === b.tid && a.start < b.start && b.start < a.end && a.end < b.end
          expect(overlap, `${a.name} and ${b.name}`).toBe(false)
        }
      }
    }),
    { numRuns: 100 },
  )
})

test('what a wrapped program does is nested as it was called', async () => {
  const path = directory()
  const scope = await open({ path })
  const inner = scope.recorder.wrap((n: number) => n, { function: 'inner' })
  const outer = scope.recorder.wrap(async (n: number) => inner(await Promise.resolve(n)), { function: 'outer', async: true })
  await scope.recorder.run({ pid: 'req' }, () => Promise.all([outer(1), outer(2)]))
  await scope.close()
  const calls = traceOf(path).filter(({ ph }) => ph === 'X')
  const outers = calls.filter(({ name }) => name === 'outer/1')
  expect(new Set(outers.map(({ tid }) => tid)).size).toBe(2)
  for (const { args, tid, ts, dur } of calls.filter(({ name }) => name === 'inner/1')) {
    const parent = outers.find(({ args: { eventId } }) => eventId === args['parentId'])!
    expect(ts >= parent.ts && ts + dur <= parent.ts + parent.dur).toBe(true)
    expect(tid).toBe(parent.tid)
  }
})
