/** What is delivered, from where on, and how it is cut. */
import { RecordBatch } from 'apache-arrow'
import { type Kinescope, open } from 'kinescope'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { consume, expectAdjoining, range, record, until } from './consumer.js'

let scope: Kinescope

beforeEach(async () => {
  scope = await open({ segmentEvents: 64 })
})
afterEach(() => scope.close())

describe('where it starts', () => {
  test('now: after everything that was recorded before', async () => {
    record(scope, 5)
    const consumer = consume(scope)
    record(scope, 5, 'e', 5)
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual(range(5, 10))
    expect(consumer.batches[0]!.fromSeq).toBe(5n)
  })

  test('at a position, itself included', async () => {
    record(scope, 200)
    const consumer = consume(scope, { startFrom: { seq: 3 } })
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual(range(3, 200))
    expectAdjoining(consumer.batches)
  })

  test('at a position that is still to come, which it waits for', async () => {
    const consumer = consume(scope, { startFrom: { seq: 7n } })
    record(scope, 7)
    await scope.flush()
    expect(consumer.subscription.stats()).toMatchObject({ position: 7n, lagEvents: 0, lagNs: 0n })
    record(scope, 3, 'e', 7)
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual([7, 8, 9])
    expect(consumer.batches[0]!.fromSeq).toBe(7n)
  })

  test('after an event', async () => {
    record(scope, 3)
    const eventId = scope.recorder.record({ eventType: 'e', data: { n: 3 } })
    record(scope, 3, 'e', 4)
    const consumer = consume(scope, { startFrom: { eventId } })
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual([4, 5, 6])
  })

  test('at the lowest position of a time, later events of earlier times included', async () => {
    for (const [n, timestamp] of [10, 30, 20, 40, 5].entries()) scope.recorder.record({ eventType: 'e', timestamp: BigInt(timestamp), wallTime: BigInt(timestamp) * 10n, data: { n } })
    const consumers = [consume(scope, { startFrom: { timestampMonotonic: 20 } }), consume(scope, { startFrom: { timestampWall: 250n } })]
    for (const consumer of consumers) {
      await consumer.caughtUp()
      expect(consumer.numbers()).toEqual([1, 2, 3, 4])
    }
  })

  test('at a time that is still to come', async () => {
    const consumer = consume(scope, { startFrom: { timestampMonotonic: 2n ** 62n } })
    record(scope, 100)
    scope.recorder.record({ eventType: 'e', timestamp: 2n ** 62n, data: { n: 'there' } })
    record(scope, 1, 'e', 101)
    await until(() => consumer.numbers().length > 1)
    expect(consumer.numbers()).toEqual(['there', 101])
    expect(consumer.batches[0]!.fromSeq).toBe(100n)
  })

  test('before what retention has left: the first batch tells what is gone', async () => {
    const small = await open({ segmentEvents: 8, retention: { maxEvents: 64 } })
    record(small, 1000)
    // Retention is done with them; else a second gap could follow.
    await small.flush()
    for (const startFrom of [{ seq: 10n }, { timestampMonotonic: 0n }]) {
      const consumer = consume(small, { startFrom })
      await consumer.caughtUp()
      const [first] = consumer.batches
      const fromSeq = 'seq' in startFrom ? 10n : 0n
      expect(first!.gap).toEqual({ fromSeq, toSeq: expect.any(BigInt), count: expect.any(Number), cause: 'retention' })
      expect(first!.fromSeq).toBe(fromSeq)
      const kept = Number(first!.gap!.toSeq) + 1
      expect(first!.gap!.count).toBe(kept - Number(fromSeq))
      expect(consumer.numbers()).toEqual(range(kept, 1000))
      expect(consumer.subscription.stats().lost).toBe(kept - Number(fromSeq))
      expectAdjoining(consumer.batches)
    }
    await small.close()
  })
})

describe('batches', () => {
  test('of exactly one event', async () => {
    record(scope, 200)
    const consumer = consume(scope, { startFrom: { seq: 0 }, batchSize: 1 })
    await consumer.caughtUp()
    expect(consumer.batches.map(({ batch }) => batch.numRows)).toEqual(Array.from({ length: 200 }, () => 1))
    expect(consumer.batches.at(-1)!.caughtUp).toBe(true)
    expectAdjoining(consumer.batches)
  })

  test('of whatever is there, a segment at most', async () => {
    record(scope, 200)
    const consumer = consume(scope, { startFrom: { seq: 0 }, batchSize: 0 })
    await consumer.caughtUp()
    expect(consumer.batches.map(({ batch }) => batch.numRows)).toEqual([64, 64, 64, 8])
    expect(consumer.numbers()).toEqual(range(0, 200))
  })

  test('are full while there is enough, and wait for more otherwise', async () => {
    const consumer = consume(scope, { batchSize: 10, batchTimeoutMs: 30_000 })
    record(scope, 25)
    await scope.flush()
    await until(() => consumer.numbers().length === 20)
    record(scope, 4, 'e', 25)
    await scope.flush()
    expect(consumer.batches).toHaveLength(2)
    record(scope, 1, 'e', 29)
    await until(() => consumer.numbers().length === 30)
    expect(consumer.batches.map(({ batch }) => batch.numRows)).toEqual([10, 10, 10])
  })

  test('wait no longer than they may', async () => {
    const consumer = consume(scope, { batchTimeoutMs: 20 })
    record(scope, 3)
    await until(() => consumer.batches.length > 0)
    expect(consumer.numbers()).toEqual([0, 1, 2])
  })

  test('without events tell that it has caught up, and then how far it has got', async () => {
    record(scope, 10)
    const consumer = consume(scope, { eventTypes: ['none'], startFrom: { seq: 0 }, progressIntervalMs: 0 })
    await until(() => consumer.batches.length === 1)
    expect(consumer.batches[0]).toMatchObject({ fromSeq: 0n, toSeq: 9n, caughtUp: true })
    record(scope, 10)
    await consumer.caughtUp()
    expect(consumer.batches.at(-1)).toMatchObject({ toSeq: 19n, caughtUp: true })
    expect(consumer.batches.every(({ batch }) => batch.numRows === 0 && batch.schema.fields.length === 16)).toBe(true)
    expectAdjoining(consumer.batches)
  })

  test('without events come once at once, and not again before their time', async () => {
    const consumer = consume(scope, { eventTypes: ['some'], startFrom: { seq: 0 }, progressIntervalMs: 60_000 })
    await until(() => consumer.batches.length === 1)
    expect(consumer.batches[0]).toMatchObject({ fromSeq: 0n, toSeq: -1n, caughtUp: true })
    record(scope, 100)
    record(scope, 1, 'some')
    await until(() => consumer.batches.length > 1)
    expect(consumer.batches).toHaveLength(2)
    expect(consumer.batches[1]).toMatchObject({ fromSeq: 0n, toSeq: 100n })
  })

  test('have Arrow batches over native memory, rows, and what was projected', async () => {
    const rows: unknown[] = []
    const subscription = scope.eventStreamer.subscribe({ projection: ['seq', 'eventType', 'data', { field: 'data.n', as: 'i64' }, 'tags.region', 'data.o'], batchSize: 1 }, (batch) => {
      expect(batch.batch).toBeInstanceOf(RecordBatch)
      expect(batch.batch.schema.fields.map(({ name }) => name)).toEqual(['seq', 'event_type', 'data', 'data.n', 'tags.region', 'data.o'])
      rows.push(...batch)
    })
    scope.recorder.record({ eventType: 'e', tags: { region: 'eu' }, data: { n: 7, o: { p: 1 } } })
    await until(() => rows.length === 1)
    expect(rows).toEqual([{ seq: 0n, eventType: 'e', data: { n: 7, o: { p: 1 } }, 'data.n': 7, 'tags.region': 'eu', 'data.o': '{"p":1}' }])
    await subscription.unsubscribe()
  })

  test('hold their memory until they are released', async () => {
    record(scope, 10)
    await scope.flush()
    const { batches, caughtUp } = consume(scope, { startFrom: { seq: 0 } })
    await caughtUp()
    const batch = batches[0]!
    const { batch: arrow } = batch
    const kept = arrow.slice(0, 1)
    expect(scope.stats().leasedBytes).toBeGreaterThan(0)
    batch.release()
    batch.release()
    for (const look of [() => batch.batch, () => batch.toArray(), () => [...batch], () => arrow.get(0)?.['seq'] as unknown, () => arrow.getChild('data')?.get(0)]) {
      expect(look).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    }
    expect(kept.getChild('seq')!.get(0)).toBe(0n)
    expect(scope.stats()).toMatchObject({ copiedBytes: 0, zeroCopy: 'external' })
  })
})
