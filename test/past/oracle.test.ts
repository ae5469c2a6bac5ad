/** Traces, stacks and states of random logs, compared with the oracle's. */
import * as fc from 'fast-check'
import { open, type EventInput } from 'kinescope'
import { expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'

const CASES = Number(process.env['KINESCOPE_CASES'] ?? 200)
const PIDS = ['a', 'b', 'c']
const FUNCTIONS = ['f', 'g', 'h']

/** A parent is the id of an earlier or later event by its place in the log, or none. */
const eventArbitrary = fc.record({
  eventType: fc.constantFrom('function_entry', 'function_entry', 'function_exit', 'local_variable_snapshot', 'state_change', 'state_snapshot', 'log'),
  pid: fc.constantFrom(...PIDS),
  correlationId: fc.option(fc.constantFrom('t1', 't2'), { nil: null }),
  parent: fc.option(fc.nat(30), { nil: null }),
  function: fc.constantFrom(...FUNCTIONS),
  module: fc.option(fc.constantFrom('m', 'n'), { nil: undefined }),
  arity: fc.option(fc.nat(2), { nil: undefined }),
  timestamp: fc.nat(40),
  value: fc.oneof(fc.integer(), fc.string({ unit: 'binary' }), fc.constant(null), fc.bigInt({ min: 2n ** 60n, max: 2n ** 62n }), fc.constant([1, { x: 2 }])),
  name: fc.option(fc.constantFrom('door', 'cart'), { nil: undefined }),
})
type Generated = typeof eventArbitrary extends fc.Arbitrary<infer T> ? T : never

const logArbitrary = fc.record({
  events: fc.array(eventArbitrary, { minLength: 1, maxLength: 30 }),
  withParents: fc.boolean(),
  numbering: fc.constantFrom<(index: number) => string>((index) => `40000-${index}`, (index) => `40000-${99 - index}`, (index) => `${50_000 + (index % 2)}-${index >> 1}`),
  segmentEvents: fc.constantFrom(1, 4, 1000),
  time: fc.nat(45),
})

function dataOf({ eventType, value, name }: Generated): object | undefined {
  if (eventType === 'local_variable_snapshot') return { variables: { x: value, [name ?? 'y']: 1 } }
  if (eventType === 'state_change') return { new_state: value, ...(name === undefined ? {} : { name }) }
  if (eventType === 'state_snapshot') return { state: value, ...(name === undefined ? {} : { name }) }
  return undefined
}

/** Ids number the events in the order of the log, or against it, or of two producers in turn. */
function inputOf(event: Generated, withParents: boolean, idOf: (index: number) => string, index: number): object {
  const { parent, value: _value, name: _name, ...fields } = event
  return {
    ...Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined)),
    timestamp: BigInt(event.timestamp),
    wallTime: BigInt(event.timestamp),
    eventId: idOf(index),
    parentId: withParents && parent !== null ? idOf(parent) : null,
    data: dataOf(event),
  }
}

async function outcome<T>(call: () => Promise<T> | T): Promise<T | { code: string }> {
  try {
    return await call()
  } catch (error) {
    return { code: (error as { code: string }).code }
  }
}

test(`${CASES} random logs: traces, call stacks and states are the oracle's`, { timeout: 600_000 }, async () => {
  const property = fc.asyncProperty(logArbitrary, async ({ events, withParents, numbering, segmentEvents, time }) => {
    await using scope = await open({ segmentEvents, node: 'n', ring: { bytes: 65_536 } })
    const oracle = openOracle({ node: 'n' })
    const inputs = events.map((event, index) => inputOf(event, withParents, numbering, index))
    await scope.dataAccess.storeEvents(inputs as EventInput[])
    await oracle.dataAccess.storeEvents(inputs)
    const seqs = (result: Iterable<{ seq: bigint }>): bigint[] => Array.from(result, ({ seq }) => seq)
    for (const id of ['t1', 't2', 'nobody', numbering(0), numbering(events.length - 1), numbering(98)]) {
      const expected = await outcome(async () => seqs(await oracle.dataAccess.getTraceByCorrelationId(id)))
      expect(await outcome(async () => seqs(await scope.dataAccess.getTraceByCorrelationId(id))), `trace of ${id}`).toEqual(expected)
    }
    for (const pid of [...PIDS, 'nobody']) {
      const at = BigInt(time)
      const stack = await outcome(() => oracle.dataAccess.getCallStackAt(pid, at))
      expect(await outcome(() => scope.dataAccess.getCallStackAt(pid, at)), `stack of ${pid}`).toEqual(stack)
      expect(await outcome(() => scope.dataAccess.getCallStackAtSync(pid, at)), `stack of ${pid}, blocking`).toEqual(stack)
      const state = await outcome(() => oracle.dataAccess.getStateAt(pid, at))
      expect(await outcome(() => scope.dataAccess.getStateAt(pid, at)), `state of ${pid}`).toEqual(state)
      const snapshots = await outcome(async () => seqs(await oracle.dataAccess.getStateSnapshots(pid, { endTimeMonotonic: at })))
      expect(await outcome(async () => seqs(await scope.dataAccess.getStateSnapshots(pid, { endTimeMonotonic: at })))).toEqual(snapshots)
    }
  })
  await fc.assert(property, { numRuns: CASES })
})

test('malformed arguments name their field', async () => {
  await using scope = await open({ ring: { bytes: 65_536 } })
  const { dataAccess } = scope
  await expect(dataAccess.getTraceByCorrelationId(7 as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'idOrEventId' } })
  await expect(dataAccess.getCallStackAt('main', 1.5)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'timestampMonotonic' } })
  await expect(dataAccess.getStateAt({} as never, 1n)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'pid' } })
  await expect(dataAccess.getStateSnapshots('main', { limt: 1 } as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(() => dataAccess.getCallStackAtSync('main', 1n, { timeoutMs: 0 })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})

test('pages of a trace keep to it, and their tokens are no good for another trace', async () => {
  await using scope = await open({ ring: { bytes: 65_536 } })
  const { recorder, dataAccess } = scope
  for (let i = 0; i < 5; i++) recorder.record({ eventType: 'log', correlationId: i % 2 === 0 ? 'even' : 'odd', data: { i } })
  const first = await dataAccess.getTraceByCorrelationId('even', { limit: 2 })
  const offset = { pageToken: first.nextPageToken! }
  recorder.record({ eventType: 'log', correlationId: 'even', data: { i: 6 } })
  const second = await dataAccess.getTraceByCorrelationId('even', { limit: 2, offset })
  expect([...first, ...second].map(({ data }) => data.i)).toEqual([0, 2, 4])
  expect(second.nextPageToken).toBeNull()
  await expect(dataAccess.getTraceByCorrelationId('odd', { limit: 2, offset })).rejects.toMatchObject({ code: 'PAGE_TOKEN_INVALID' })
})
