/** What a recording says of itself, compared with the oracle's. */
import * as arrow from 'apache-arrow'
import * as fc from 'fast-check'
import { open, type EventInput } from 'kinescope'
import { expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import { logs } from '../support/arbitraries.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 200)
const LIMITS = { maxEventBytes: 2 ** 16 }
const RING = { bytes: 65_536 }

test(`a random log is described as by the oracle, again and again (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 2000 }, async () => {
  const cases = fc.record({ parts: fc.array(logs(30), { minLength: 1, maxLength: 3 }), segmentEvents: fc.constantFrom(3, 40), twice: fc.boolean() })
  const property = fc.asyncProperty(cases, async ({ parts, segmentEvents, twice }) => {
    await using scope = await open({ segmentEvents, limits: LIMITS, ring: RING })
    const oracle = openOracle({ limits: LIMITS })
    for (const part of parts) {
      const inputs = part.map(({ eventId: _own, ...event }) => ({ wallTime: BigInt(event['timestamp'] as number), ...event }))
      await scope.dataAccess.storeEvents(inputs as unknown as EventInput[])
      await oracle.dataAccess.storeEvents(inputs)
      // What has been counted of a segment before it was sealed must not be what is known of it then.
      for (let i = 0; i < (twice ? 2 : 1); i++) {
        const { segments, ...schema } = await scope.dataAccess.describe()
        expect(schema).toEqual(await oracle.dataAccess.describe())
        expect(segments.reduce((sum, { events }) => sum + events, 0)).toBe(Number(schema.snapshot))
        let next = 0n
        for (const [index, { fromSeq, events, timeRange, bytes, sealed }] of segments.entries()) {
          const own = oracle.events.slice(Number(fromSeq), Number(fromSeq) + events).map(({ timestamp }) => Number(timestamp))
          expect({ fromSeq, timeRange, sealed: sealed || index === segments.length - 1 }).toEqual({ fromSeq: next, timeRange: { first: BigInt(Math.min(...own)), last: BigInt(Math.max(...own)) }, sealed: true })
          expect(bytes).toBeGreaterThan(0)
          next += BigInt(events)
        }
      }
    }
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
})

test('the types of columns are those of tables', async () => {
  await using scope = await open({ ring: RING })
  await scope.dataAccess.storeEvent({ eventType: 'x' })
  using result = await scope.dataAccess.queryEvents()
  const types = result.table.schema.fields.map(({ name, type }) => [name, String(type).replace('Map<{key:Utf8, value:Utf8}>', 'Map<Utf8, Utf8>').replace('Dictionary<Utf8, Int32>', 'Dictionary<Int32, Utf8>')])
  expect((await scope.dataAccess.describe()).columns.map(({ name, type }) => [name, type])).toEqual(types)
})

test('eviction and loss are told', async () => {
  await using scope = await open({ segmentEvents: 10, retention: { maxEvents: 20 }, ring: RING })
  for (let i = 0; i < 60; i++) await scope.dataAccess.storeEvent({ eventType: `type ${i % 2}`, timestamp: i })
  const { evicted, lost, eventTypes, timeRange, snapshot, segments } = await scope.dataAccess.describe()
  expect(snapshot).toBe(60n)
  expect(lost.ranges).toEqual([{ cause: 'retention', count: evicted, fromSeq: 0n, toSeq: BigInt(evicted - 1) }])
  expect(timeRange).toEqual({ first: BigInt(evicted), last: 59n })
  expect(eventTypes.reduce((sum, { count }) => sum + count, 0)).toBe(60 - evicted)
  expect(segments[0]!.fromSeq).toBe(BigInt(evicted))
})

test('keys that are data are listed up to a bound, and that is said', async () => {
  await using scope = await open({ ring: RING, segmentEvents: 4000, limits: { maxFields: 1000 } })
  const { dataAccess } = scope
  expect((await dataAccess.describe()).truncated).toBe(false)
  const wide = (from: number) => Object.fromEntries(Array.from({ length: 900 }, (_, index) => [`user_${from + index}`, 1]))
  for (let from = 0; from < 9000; from += 900) await dataAccess.storeEvent({ eventType: 'x', data: wide(from) })
  const few = await dataAccess.describe()
  expect([few.paths.length, few.truncated]).toEqual([9000, false])
  for (let from = 9000; from < 13_500; from += 900) await dataAccess.storeEvent({ eventType: 'x', data: wide(from) })
  const many = await dataAccess.describe()
  expect([many.paths.length, many.truncated]).toEqual([10_000, true])
  // Long keys are bounded by their text.
  const long = Array.from({ length: 300 }, (_, index) => ({ eventType: 'x', tags: { [`${'k'.repeat(8000)}${index}`]: 1 } }))
  await dataAccess.storeEvents(long)
  const { tags, truncated } = await dataAccess.describe()
  expect(truncated).toBe(true)
  expect(tags.length).toBeGreaterThan(120)
  expect(tags.length).toBeLessThan(140)
})

test('many event types of an imported table are listed up to a bound', async () => {
  await using scope = await open({ ring: RING })
  const types = Array.from({ length: 20_001 }, (_, index) => `type ${index >> 1}`)
  await scope.dataAccess.storeEvents(new arrow.Table({ event_type: arrow.vectorFromArray(types, new arrow.Utf8()) }))
  const { eventTypes, truncated } = await scope.dataAccess.describe()
  expect([eventTypes.length, truncated, eventTypes[0]]).toEqual([10_000, true, { eventType: 'type 0', count: 2 }])
})
