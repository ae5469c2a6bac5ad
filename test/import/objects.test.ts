/** Imports of objects: what is stored, what is refused, and that nothing of theirs runs. */
import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import * as fc from 'fast-check'
import { open, type EventId, type EventInput, type Kinescope } from 'kinescope'
import { expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import { logs, type InputEvent } from '../support/arbitraries.js'
import { hostileValues, userCodeRuns } from '../support/hostile.js'
import { exact } from '../query/exact.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 200)
/** Wide enough that nothing is cut for its size, which the oracle does not do. */
const LIMITS = { maxEventBytes: 2 ** 16 }
const RING = { bytes: 65_536 }

type Oracle = ReturnType<typeof openOracle>
type Step = { records: boolean; inputs: InputEvent[] }

async function outcome(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    return { code: (error as { code: string }).code }
  }
}

async function eventsOf({ dataAccess }: Pick<Kinescope, 'dataAccess'> | Oracle): Promise<string[]> {
  const result = await (dataAccess as Kinescope['dataAccess']).queryEvents({ sortBy: 'seq' })
  return result.toArray().map((event) => exact(Object.entries({ ...event, tags: event.tags && Object.entries(event.tags).sort() }).sort(([a], [b]) => (a < b ? -1 : 1))))
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** Imports, with a thread's own events between them. */
const programs: fc.Arbitrary<{ steps: Step[]; segmentEvents: number }> = fc.record({
  steps: fc.array(fc.record({ records: fc.boolean(), inputs: logs(12) }), { minLength: 1, maxLength: 8 }),
  segmentEvents: fc.constantFrom(2, 7, 1000),
})

function complete(input: InputEvent): InputEvent {
  return { wallTime: BigInt(input['timestamp'] as number) * 1000n, ...input }
}

test(`random imports leave what the oracle's leave (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 2000 }, async () => {
  const property = fc.asyncProperty(programs, async ({ steps, segmentEvents }) => {
    await using scope = await open({ node: 'test', segmentEvents, limits: LIMITS, ring: RING })
    const oracle = openOracle({ node: 'test', limits: LIMITS })
    for (const { records, inputs } of steps) {
      const given = inputs.map(complete)
      if (records) {
        for (const input of given) {
          const { eventId: _own, ...event } = input as unknown as EventInput & { parentId?: EventId }
          expect(scope.recorder.record(event)).toBe(oracle.recorder.record(event))
        }
      } else {
        const stored = await outcome(() => scope.dataAccess.storeEvents(given as unknown as EventInput[]))
        expect(stored).toEqual(await outcome(() => oracle.dataAccess.storeEvents(given)))
      }
    }
    expect(await eventsOf(scope)).toEqual(await eventsOf(oracle))
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
})

test(`hostile values are captured as by record, and run nothing (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 2000 }, async () => {
  await using scope = await open({ node: 'test', limits: LIMITS })
  const oracle = openOracle({ node: 'test', limits: LIMITS })
  const property = fc.asyncProperty(hostileValues(), async (make) => {
    const before = userCodeRuns()
    const id = await scope.dataAccess.storeEvent({ eventType: 'hostile', data: make() })
    expect(userCodeRuns()).toBe(before)
    expect(await oracle.dataAccess.storeEvent({ eventType: 'hostile', data: make() })).toBe(id)
    const [own, its] = [await scope.dataAccess.getEvent(id), await oracle.dataAccess.getEvent(id)]
    expect(exact(own!.data)).toBe(exact(its!.data))
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
})

test('an event that is none is refused, names its field, and leaves nothing of its import', async () => {
  await using scope = await open({ ring: RING })
  const { dataAccess } = scope
  await dataAccess.storeEvent({ eventType: 'there', eventId: '40000-1' })
  const getter = Object.defineProperty({}, 'eventType', { get: () => { throw new Error('mine') } })
  const refused: [unknown, string][] = [
    [7, 'events[1]'],
    [null, 'events[1]'],
    [getter, 'events[1]'],
    [revoked(), 'events[1]'],
    [{}, 'events[1].eventType'],
    [{ eventType: 7 }, 'events[1].eventType'],
    [{ eventType: 'x', pid: 1 }, 'events[1].pid'],
    [{ eventType: 'x', arity: 65_536 }, 'events[1].arity'],
    [{ eventType: 'x', line: 0 }, 'events[1].line'],
    [{ eventType: 'x', timestamp: 1.5 }, 'events[1].timestamp'],
    [{ eventType: 'x', wallTime: new Date(Number.NaN) }, 'events[1].wallTime'],
    [{ eventType: 'x', tags: { a: {} } }, 'events[1].tags["a"]'],
    [{ eventType: 'x', parentId: 'none' }, 'events[1].parentId'],
    [{ eventType: 'x', eventId: '1-1' }, 'events[1].eventId'],
    [{ eventType: 'x', eventId: '40000-1' }, 'events[1].eventId'],
    [{ eventType: 'x', eventId: '40000-2' }, 'events[1].eventId'],
    [{ eventType: 'x', seq: 1n }, 'seq'],
    [{ eventType: 'x', eventTyp: 'y' }, 'eventTyp'],
  ]
  for (const [second, field] of refused) {
    const events = [{ eventType: 'first', eventId: '40000-2' }, second] as EventInput[]
    await expect(dataAccess.storeEvents(events), field).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field } })
  }
  for (const none of [undefined, null, 7, 'x', {}, new Set(), { length: 1, 0: { eventType: 'x' } }]) {
    await expect(dataAccess.storeEvents(none as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'events' } })
  }
  await expect(dataAccess.storeEvent({ eventType: 7 } as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'event.eventType' } })
  expect((await dataAccess.queryEvents()).totalMatches).toBe(1)
  expect(await dataAccess.storeEvents([])).toEqual([])
})

test('reading an event may import others', async () => {
  await using scope = await open({ ring: RING })
  const { dataAccess } = scope
  let inner: Promise<EventId> | undefined
  const event = { eventType: 'outer', get pid() {
    inner = dataAccess.storeEvent({ eventType: 'inner', data: { long: 'x'.repeat(1000) } })
    return 'from a getter'
  } }
  const [outer] = await dataAccess.storeEvents([event, { eventType: 'last' }])
  expect((await dataAccess.getEvent(outer!))?.pid).toBe('from a getter')
  expect((await dataAccess.getEvent(await inner!))?.eventType).toBe('inner')
  expect((await dataAccess.queryEvents()).totalMatches).toBe(3)
})

test('frames do not apply, and what was recorded before comes before', async () => {
  await using scope = await open({ node: 'test', ring: RING })
  const { recorder, dataAccess } = scope
  await recorder.run({ pid: 'r', correlationId: 'c', parentId: '1-1', tags: { a: 1 } }, () => {
    recorder.record({ eventType: 'before' })
    return dataAccess.storeEvent({ eventType: 'imported', parentId: '0-0' })
  })
  const [before, imported] = await dataAccess.queryEvents({ sortBy: 'seq' })
  expect(before).toMatchObject({ seq: 0n, eventType: 'before', pid: 'r' })
  expect(imported).toMatchObject({ seq: 1n, eventType: 'imported', pid: 'main', correlationId: null, parentId: null, tags: null, node: 'test' })
  expect(imported!.timestamp).toBeGreaterThanOrEqual(before!.timestamp)
  expect(scope.stats()).toMatchObject({ recorded: 1, stored: 2 })
})

test('what is redacted is not imported, and limits hold', async () => {
  await using scope = await open({ ring: RING, redact: ['password'], limits: { maxItems: 2 } })
  const id = await scope.dataAccess.storeEvent({ eventType: 'login', tags: { password: 'x', user: 'y' }, data: { password: 'x', list: [1, 2, 3] } })
  const event = await scope.dataAccess.getEvent(id)
  expect(event!.data).toEqual({ password: null, list: [1, 2], $cut: { password: 'redacted', list: 'length' } })
  expect({ ...event!.tags }).toEqual({ user: 'y' })
})

test('a worker imports too: its events are of its own logical process, and no two threads give the same id', async () => {
  await using scope = await open({ ring: RING })
  const code = `Promise.all([import('node:worker_threads'), import('kinescope')]).then(async ([{ workerData }, { attach }]) => {
    const { dataAccess } = attach(workerData.handle)
    for (let i = 0; i < 50; i++) await dataAccess.storeEvents([{ eventType: 'x' }, { eventType: 'y' }])
  })`
  const workers = Array.from({ length: 2 }, () => new Worker(code, { eval: true, workerData: { handle: scope.handle } }))
  const ended = workers.map((worker) => once(worker, 'exit'))
  for (let i = 0; i < 50; i++) await scope.dataAccess.storeEvents([{ eventType: 'x' }, { eventType: 'y' }])
  for (const [exitCode] of await Promise.all(ended)) expect(exitCode).toBe(0)
  const { dataAccess } = scope
  const ids = [...(await dataAccess.queryEvents({ projection: ['eventId'] }))].map(({ eventId }) => eventId)
  expect(new Set(ids)).toEqual(new Set(Array.from({ length: 300 }, (_, sequence) => `32768-${sequence}`)))
  expect((await dataAccess.fieldValues('pid')).map(({ value, count }) => [String(value).replace(/\d+/, 'n'), count])).toEqual([['main', 100], ['worker-n', 100], ['worker-n', 100]])
})

test('a closed recording imports nothing', async () => {
  const scope = await open({ ring: RING })
  const { dataAccess } = scope
  const pending = dataAccess.storeEvent({ eventType: 'x' }).catch((error: { code: string }) => error.code)
  await scope.close()
  expect(['32768-0', 'CLOSED']).toContain(await pending)
  await expect(dataAccess.storeEvent({ eventType: 'x' })).rejects.toMatchObject({ code: 'CLOSED' })
  await expect(dataAccess.storeEvents([])).rejects.toMatchObject({ code: 'CLOSED' })
})
