/** Imports of Arrow tables: round trips, types, and what is refused. */
import * as arrow from 'apache-arrow'
import * as fc from 'fast-check'
import { open, type EventInput, type Kinescope } from 'kinescope'
import { expect, test } from 'vitest'
import { logs } from '../support/arbitraries.js'
import { exact } from '../query/exact.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 150)
const LIMITS = { maxEventBytes: 2 ** 16 }
const RING = { bytes: 65_536 }

async function rowsOf({ dataAccess }: Kinescope, query: object = {}): Promise<string[]> {
  const result = await dataAccess.queryEvents({ sortBy: 'seq', limit: 1_000_000, ...query })
  return result.toArray().map(({ seq: _seq, tags, ...event }) => exact({ ...event, tags: tags && Object.entries(tags) }))
}

test(`the table of an answer becomes the same events in another recording (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 2000 }, async () => {
  const cases = fc.record({ inputs: logs(40), segmentEvents: fc.constantFrom(3, 1000), others: fc.constantFrom(5, 1000), from: fc.nat(10), length: fc.nat(40), ipc: fc.boolean() })
  const property = fc.asyncProperty(cases, async ({ inputs, segmentEvents, others, from, length, ipc }) => {
    await using scope = await open({ node: 'first', segmentEvents, limits: LIMITS, ring: RING })
    await using other = await open({ node: 'second', segmentEvents: others, limits: LIMITS, ring: RING })
    await scope.dataAccess.storeEvents(inputs as unknown as EventInput[])
    using result = await scope.dataAccess.queryEvents({ sortBy: 'seq' })
    const table = ipc ? arrow.tableFromIPC(result.toIPC('stream')) : result.table
    const expected = await rowsOf(scope)
    const to = from + length
    const ids = result.toArray().map(({ eventId }) => eventId)
    // Whole, in a piece, and batch by batch: views into the same memory.
    // (apache-arrow cannot take a piece of nothing.)
    if (ids.length > 0) {
      expect(await other.dataAccess.storeEvents(table.slice(from, to))).toEqual(ids.slice(from, to))
      expect(await rowsOf(other)).toEqual(expected.slice(from, to))
    }
    await using third = await open({ segmentEvents: others, limits: LIMITS, ring: RING })
    for (const batch of table.batches) await third.dataAccess.storeEvents(batch)
    expect(await rowsOf(third)).toEqual(expected)
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
})

test('who caused whom survives the way into another recording', async () => {
  await using scope = await open({ ring: RING })
  await using other = await open({ ring: RING })
  const { recorder } = scope
  const call = recorder.enter(recorder.site({ module: 'm', function: 'f', arity: 0 }))
  recorder.record({ eventType: 'log', correlationId: 'c' })
  recorder.exit(call)
  using result = await scope.dataAccess.queryEvents()
  expect(await other.dataAccess.storeEvents(result.table)).toEqual(['32769-0', '32769-1', '32769-2'])
  const [entry, log, exit] = await other.dataAccess.queryEvents({ sortBy: 'seq' })
  expect([entry!.parentId, log!.parentId, exit!.parentId]).toEqual([null, '32769-0', '32769-0'])
  // The same events again are the same ids again.
  await expect(other.dataAccess.storeEvents(result.table)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'events.event_id[0]' } })
  // Without ids, parents are events of the recording that imports.
  await other.dataAccess.storeEvents(result.table.select(['event_type', 'parent_id']))
  expect((await other.dataAccess.queryEvents({ sortBy: 'seq' })).toArray().slice(3).map(({ eventId, parentId }) => [eventId, parentId])).toEqual([
    ['32768-0', null],
    ['32768-1', '1-0'],
    ['32768-2', '1-0'],
  ])
})

function tableOf(columns: Record<string, arrow.Vector>): arrow.Table {
  return new arrow.Table(columns)
}

const text = (values: (string | null)[], type: arrow.DataType = new arrow.Utf8()) => arrow.vectorFromArray(values, type as arrow.Utf8)
const numbers = (values: (number | bigint | null)[], type: arrow.DataType) => arrow.vectorFromArray(values, type as arrow.Int32)

test('columns may have any type that holds their values', async () => {
  await using scope = await open({ node: 'here', ring: RING })
  const dictionary = (index: arrow.DataType, values: arrow.DataType = new arrow.Utf8()) => new arrow.Dictionary(values, index as arrow.Int32)
  const table = tableOf({
    seq: numbers([7n, 8n, 9n], new arrow.Uint64()),
    event_type: text(['a', 'b', 'a'], dictionary(new arrow.Uint8())),
    module: text(['m', null, 'm'], dictionary(new arrow.Int16())),
    function: text(['f', 'g', 'ü'], new arrow.LargeUtf8()),
    file: text([null, 'x', null], dictionary(new arrow.Uint32())),
    node: text([null, 'there', null]),
    arity: numbers([0, null, 65_535], new arrow.Int32()),
    line: numbers([1, null, 4_294_967_295], new arrow.Uint32()),
    timestamp: numbers([5n, 6n, null], new arrow.Int64()),
    wall_time: numbers([1, 2, 3], new arrow.TimestampMillisecond()),
    correlation_id: arrow.vectorFromArray([null, null, null], new arrow.Null()),
    data: text(['{ "a": [1, 2] }', null, '"x"']),
  })
  await scope.dataAccess.storeEvents(table)
  const rows = (await scope.dataAccess.queryEvents({ sortBy: 'seq' })).toArray()
  const offset = scope.now().wallTime - scope.now().timestamp
  expect(rows.map(({ eventType, module, function: fn, file, node, arity, line, data }) => [eventType, module, fn, file, node, arity, line, data])).toEqual([
    ['a', 'm', 'f', null, 'here', 0, 1, { a: [1, 2] }],
    ['b', null, 'g', 'x', 'there', null, null, null],
    ['a', 'm', 'ü', null, 'here', 65_535, 4_294_967_295, 'x'],
  ])
  expect(rows.slice(0, 2).map(({ timestamp, wallTime }) => [timestamp, wallTime])).toEqual([[5n, 1_000_000n], [6n, 2_000_000n]])
  // The wall clock's anchor may have moved by a little since.
  expect(Number(rows[2]!.wallTime - rows[2]!.timestamp - offset) / 1e9).toBeCloseTo(0, 0)
  expect(rows.map(({ seq, correlationId }) => [seq, correlationId])).toEqual([[0n, null], [1n, null], [2n, null]])
})

test('JSON that is imported is captured within limits', async () => {
  await using scope = await open({ ring: RING, redact: ['secret'], limits: { maxItems: 2, maxStringLength: 6 } })
  const data = ['{"a" : [1,2,3]}', '{"secret":1,"b":"abcdefgh"}', '{"a":1,"a":2}', '1e2']
  await scope.dataAccess.storeEvents(tableOf({ event_type: text(['longer type', 't', 't', 't']), data: text(data) }))
  const rows = (await scope.dataAccess.queryEvents({ sortBy: 'seq' })).toArray()
  expect(rows.map((row) => row.data)).toEqual([
    { a: [1, 2], $cut: { a: 'length' } },
    { secret: null, b: 'abcdef', $cut: { secret: 'redacted', b: 'length' } },
    { a: 2 },
    100,
  ])
  expect(rows[0]!.eventType).toBe('longer')
})

test('a column that is wrong is named, and nothing is stored', async () => {
  await using scope = await open({ ring: RING })
  const type = text(['a', 'b'])
  const refused: [Record<string, arrow.Vector>, string][] = [
    [{ pid: type }, 'events.event_type'],
    [{ event_type: text(['a', null]) }, 'events.event_type[1]'],
    [{ event_type: type, colour: type }, 'colour'],
    [{ event_type: type, eventId: type }, 'eventId'],
    [{ event_type: numbers([1, 2], new arrow.Int32()) }, 'events.event_type'],
    [{ event_type: type, event_id: numbers([1n, 2n], new arrow.Int64()) }, 'events.event_id'],
    [{ event_type: type, event_id: numbers([2n ** 63n, 2n ** 63n], new arrow.Uint64()) }, 'events.event_id[1]'],
    [{ event_type: type, timestamp: numbers([1.5, 2], new arrow.Float64()) }, 'events.timestamp'],
    [{ event_type: type, wall_time: new arrow.Vector([arrow.makeData({ type: new arrow.TimestampSecond(), data: new BigInt64Array([1n, 2n ** 62n]) })]) }, 'events.wall_time[1]'],
    [{ event_type: type, arity: numbers([1, 65_536], new arrow.Int32()) }, 'events.arity[1]'],
    [{ event_type: type, arity: numbers([1, -1], new arrow.Int32()) }, 'events.arity[1]'],
    [{ event_type: type, line: numbers([1, 0], new arrow.Int32()) }, 'events.line[1]'],
    [{ event_type: type, tags: type }, 'events.tags'],
    [{ event_type: type, data: text(['{}', '{']) }, 'events.data[1]'],
    [{ event_type: type, data: numbers([1, 2], new arrow.Int32()) }, 'events.data'],
  ]
  for (const [columns, field] of refused) {
    await expect(scope.dataAccess.storeEvents(tableOf(columns)), field).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field } })
  }
  using result = await scope.dataAccess.queryEvents()
  expect(result.totalMatches).toBe(0)
  expect(await scope.dataAccess.storeEvents(result.table)).toEqual([])
})

test('what only looks like a table is refused', async () => {
  await using scope = await open({ ring: RING })
  const { dataAccess } = scope
  const good = tableOf({ event_type: text(['a', 'b']) })
  const batch = good.batches[0]!
  const fake = (change: object) => ({ schema: good.schema, batches: [{ data: { length: 2, children: [Object.assign(Object.create(batch.data.children[0]!) as object, change)] } }] })
  const fakes: unknown[] = [
    { schema: null, batches: [] },
    { schema: { fields: 7 }, batches: [] },
    { schema: good.schema, batches: 7 },
    { schema: good.schema, batches: [{}] },
    { schema: good.schema, data: null },
    fake({ length: 3 }),
    fake({ length: -1 }),
    fake({ length: 2 ** 40 }),
    fake({ values: 'text' }),
    fake({ values: new Uint8Array(0) }),
    fake({ values: new Uint8Array([0xff, 0xff]) }),
    fake({ valueOffsets: new Int32Array([0, 1]) }),
    fake({ valueOffsets: new Int32Array([0, 1, 1000]) }),
    fake({ valueOffsets: new Int32Array([0, 2, 1]) }),
    fake({ nullBitmap: new Uint8Array([1]), offset: 7 }),
    fake({ nullBitmap: new Uint8Array([1]), offset: -1 }),
  ]
  for (const table of fakes) await expect(dataAccess.storeEvents(table as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  const released = await dataAccess.queryEvents()
  const { table } = released
  await dataAccess.storeEvents(good)
  const kept = await dataAccess.queryEvents()
  const keptTable = kept.table
  kept.release()
  released.release()
  for (const gone of [keptTable, table]) await expect(dataAccess.storeEvents(gone)).rejects.toMatchObject({ code: 'CLOSED' })
  expect((await dataAccess.queryEvents()).totalMatches).toBe(2)
})

test('a large table arrives whole, while its own memory may change', async () => {
  await using scope = await open({ segmentEvents: 10_000, ring: RING })
  const count = 100_000
  const timestamps = BigInt64Array.from({ length: count }, (_, index) => BigInt(index))
  const table = tableOf({
    event_type: arrow.vectorFromArray(Array.from({ length: count }, (_, index) => (index % 3 === 0 ? 'fizz' : 'other'))),
    timestamp: arrow.makeVector(timestamps),
    data: text(Array.from({ length: count }, (_, index) => `{"n":${index}}`)),
  })
  const stored = scope.dataAccess.storeEvents(table)
  timestamps.fill(-1n)
  const ids = await stored
  expect([ids.length, ids[0], ids.at(-1)]).toEqual([count, '32768-0', `32768-${count - 1}`])
  const answer = await scope.dataAccess.queryEvents({ eventTypes: ['fizz'], where: { 'data.n': { gte: 99_990 } } })
  expect(answer.toArray().map(({ timestamp, data }) => [timestamp, data.n])).toEqual([[99_990n, 99_990], [99_993n, 99_993], [99_996n, 99_996], [99_999n, 99_999]])
  expect((await scope.dataAccess.queryEvents({ limit: 0 })).totalMatches).toBe(count)
  expect(scope.stats().segments).toBe(count / 10_000)
})
