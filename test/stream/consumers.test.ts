/** Slow, paused, changing and failing consumers. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type EventBatch, type Kinescope, KinescopeError, open } from 'kinescope'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { consume, expectAdjoining, range, record, until } from './consumer.js'

let scope: Kinescope

beforeEach(async () => {
  scope = await open({ segmentEvents: 64 })
})
afterEach(() => scope.close())

const withCode = (code: string) => expect.objectContaining({ code })

/** A promise that the test settles. */
function deferred() {
  let resolve!: () => void
  let reject!: (error: unknown) => void
  const promise = new Promise<void>((ok, fail) => {
    resolve = ok
    reject = fail
  })
  return { promise, resolve, reject }
}

describe('a slow listener', () => {
  test('gets its next batch when it has finished, and slows nobody else', async () => {
    const work = deferred()
    const slow = consume(scope, { batchSize: 1 }, () => work.promise)
    const quick = consume(scope, { batchSize: 1 })
    record(scope, 20)
    await quick.caughtUp()
    expect(quick.numbers()).toEqual(range(0, 20))
    expect(slow.numbers()).toEqual([0])
    expect(slow.subscription.stats()).toMatchObject({ position: 1n, lagEvents: 19, delivered: 1 })
    expect(slow.subscription.stats().lagNs).toBeGreaterThan(0n)
    work.resolve()
    await slow.caughtUp()
    expect(slow.numbers()).toEqual(range(0, 20))
  })

  test('has as many batches at a time as it asked for', async () => {
    const work = deferred()
    const consumer = consume(scope, { batchSize: 1, maxInFlight: 3 }, () => work.promise)
    record(scope, 10)
    await scope.flush()
    await until(() => consumer.batches.length === 3)
    await scope.flush()
    await nextTurn()
    expect(consumer.batches).toHaveLength(3)
    work.resolve()
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual(range(0, 10))
  })

  test('costs no memory, and is told what retention has taken meanwhile', async () => {
    const small = await open({ segmentEvents: 8, retention: { maxEvents: 64 } })
    const work = deferred()
    const stuck = consume(small, { batchSize: 1 }, () => work.promise)
    record(small, 1)
    await until(() => stuck.batches.length === 1)
    const { leasedBytes } = small.stats()
    record(small, 5000, 'e', 1)
    await small.flush()
    expect(small.stats().leasedBytes).toBe(leasedBytes)
    work.resolve()
    await stuck.caughtUp()
    const [gap] = stuck.batches.flatMap(({ gap: one }) => (one === undefined ? [] : [one]))
    expect(gap).toMatchObject({ fromSeq: 1n, cause: 'retention' })
    expect(stuck.numbers()).toEqual([0, ...range(Number(gap!.toSeq) + 1, 5001)])
    expectAdjoining(stuck.batches)
    await small.close()
  })

  test('leaves its thread to others between the batches of many', async () => {
    let [turns, isCounting] = [0, true]
    const count = (): void => {
      turns += 1
      if (isCounting) setImmediate(count)
    }
    setImmediate(count)
    const turnOfBatches: number[] = []
    const consumers = Array.from({ length: 20 }, () =>
      consume(scope, { batchSize: 1 }, () => {
        turnOfBatches.push(turns)
        const end = performance.now() + 3
        while (performance.now() < end) continue
      }),
    )
    record(scope, 1)
    for (const consumer of consumers) await consumer.caughtUp()
    isCounting = false
    expect(turnOfBatches.length).toBeGreaterThanOrEqual(20)
    expect(new Set(turnOfBatches).size).toBe(turnOfBatches.length)
  })

  test('whose promise never settles is just stuck', async () => {
    const stuck = consume(scope, { batchSize: 1 }, () => new Promise(() => {}))
    const other = consume(scope)
    record(scope, 100)
    await other.caughtUp()
    expect(stuck.batches).toHaveLength(1)
    await stuck.subscription.unsubscribe()
    await stuck.subscription.closed
  })
})

describe('a pause', () => {
  test('starts no call of the listener, and loses nothing', async () => {
    const consumer = consume(scope, { batchSize: 1 })
    record(scope, 3)
    await consumer.caughtUp()
    await consumer.subscription.pause()
    expect(consumer.subscription.stats().paused).toBe(true)
    record(scope, 100, 'e', 3)
    await scope.flush()
    await nextTurn()
    expect(consumer.numbers()).toEqual(range(0, 3))
    await scope.eventStreamer.resumeStream(consumer.subscription.id)
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual(range(0, 103))
    expect(consumer.batches.some(({ gap }) => gap !== undefined)).toBe(false)
    expectAdjoining(consumer.batches)
  })

  test('out of the listener itself, or another one, holds at once', async () => {
    const both: ReturnType<typeof consume>[] = []
    const pauseBoth = () => void both.forEach(({ subscription }) => subscription.pause())
    both.push(consume(scope, { batchSize: 1, maxInFlight: 8 }, pauseBoth), consume(scope, { batchSize: 1, maxInFlight: 8 }, pauseBoth))
    record(scope, 50)
    await until(() => both.some(({ batches }) => batches.length > 0))
    await scope.flush()
    await nextTurn()
    expect(both.map(({ batches }) => batches.length).sort()).toEqual([0, 1])
    for (const { subscription } of both) await subscription.resume('discard_all')
  })

  test('ends with everything, the last ones, nothing, or a start', async () => {
    const paused = async () => {
      const consumer = consume(scope, { eventTypes: ['e'], startFrom: { seq: 0 } })
      await consumer.caughtUp()
      await consumer.subscription.pause()
      return consumer
    }
    const consumers = await Promise.all(Array.from({ length: 6 }, paused))
    record(scope, 10)
    record(scope, 5, 'other')
    const policies = ['send_all', { sendLatest: 3 }, 'discard_all', { startFrom: { seq: 8 } }, { startFrom: 'now' }, { sendLatest: 11 }] as const
    const numbers = await Promise.all(
      consumers.map(async (consumer, index) => {
        await consumer.subscription.resume(policies[index])
        await consumer.caughtUp()
        return { numbers: consumer.numbers(), gaps: consumer.batches.flatMap(({ gap }) => (gap === undefined ? [] : [gap])) }
      }),
    )
    expect(numbers).toEqual([
      { numbers: range(0, 10), gaps: [] },
      { numbers: [7, 8, 9], gaps: [{ fromSeq: 0n, toSeq: 6n, count: 7, cause: 'skipped' }] },
      { numbers: [], gaps: [{ fromSeq: 0n, toSeq: 14n, count: 15, cause: 'skipped' }] },
      { numbers: [8, 9], gaps: [] },
      { numbers: [], gaps: [] },
      { numbers: range(0, 10), gaps: [] },
    ])
  })

  test('can go back', async () => {
    const consumer = consume(scope)
    record(scope, 5)
    await consumer.caughtUp()
    await consumer.subscription.pause()
    await consumer.subscription.resume({ startFrom: { seq: 2n } })
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual([0, 1, 2, 3, 4, 2, 3, 4])
  })

  test('is not needed for a resume, which then does nothing', async () => {
    const consumer = consume(scope)
    record(scope, 5)
    await consumer.subscription.resume('discard_all')
    await consumer.subscription.resume({ sendLatest: 1 })
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual(range(0, 5))
  })
})

describe('an update', () => {
  test('holds from a definite position on', async () => {
    const consumer = consume(scope, { eventTypes: ['a'] })
    record(scope, 5, 'a')
    await consumer.caughtUp()
    const { position } = consumer.subscription.stats()
    await scope.eventStreamer.updateSubscription(consumer.subscription.id, { eventTypes: ['b'] })
    record(scope, 5, 'b', 10)
    record(scope, 5, 'a', 20)
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual([0, 1, 2, 3, 4, 10, 11, 12, 13, 14])
    for (const { fromSeq, filterVersion } of consumer.batches) expect(filterVersion).toBe(fromSeq < position ? 1 : 2)
    expectAdjoining(consumer.batches)
  })

  test('with a wrong filter changes nothing', async () => {
    const consumer = consume(scope, { eventTypes: ['a'] })
    await expect(consumer.subscription.update({ where: { nope: 1 } })).rejects.toThrow(withCode('UNKNOWN_FIELD'))
    await expect(consumer.subscription.update({ where: { seq: 'x' } })).rejects.toThrow(withCode('TYPE_MISMATCH'))
    await expect(consumer.subscription.update({ where: { pid: { matches: '(' } } })).rejects.toThrow(withCode('INVALID_ARGUMENT'))
    await expect(consumer.subscription.update({ limit: 1 } as never)).rejects.toThrow(withCode('INVALID_ARGUMENT'))
    record(scope, 2, 'a')
    await consumer.caughtUp()
    expect(consumer.numbers()).toEqual([0, 1])
    expect(consumer.batches.every(({ filterVersion }) => filterVersion === 1)).toBe(true)
  })
})

describe('a loop', () => {
  test('gets each batch when it asks, and unsubscribes when it is left', async () => {
    record(scope, 10)
    const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0 }, batchSize: 4 })
    const numbers: unknown[] = []
    for await (const batch of subscription) {
      numbers.push(...batch.toArray().map(({ data }) => data.n))
      if (numbers.length === 8) break
    }
    expect(numbers).toEqual(range(0, 8))
    await subscription.closed
    expect(scope.stats().subscriptions).toBe(0)
    for await (const _ of subscription) expect.unreachable()
  })

  test('abandoned in mid-batch by an error ends its subscription', async () => {
    record(scope, 10)
    const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0 } })
    const loop = async () => {
      for await (const batch of subscription) for (const event of batch) if (event.data.n === 3) throw new Error('enough')
    }
    await expect(loop()).rejects.toThrow('enough')
    await subscription.closed
  })

  test('can ask several times at once, and ends all of these waits', async () => {
    const subscription = scope.eventStreamer.subscribe({ batchSize: 1 })
    const iterator = subscription[Symbol.asyncIterator]()
    const asked = [iterator.next(), iterator.next(), iterator.next()]
    record(scope, 2)
    const [first, second] = await Promise.all(asked.slice(0, 2))
    expect([first, second].map((result) => result!.value!.toArray()[0]!.data.n)).toEqual([0, 1])
    await iterator.return!()
    expect(await asked[2]).toEqual({ done: true, value: undefined })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    await iterator.return!()
  })

  test('waits while it is paused', async () => {
    const subscription = scope.eventStreamer.subscribe({ batchSize: 1 })
    const iterator = subscription[Symbol.asyncIterator]()
    const next = iterator.next()
    await subscription.pause()
    record(scope, 1)
    await scope.flush()
    await subscription.resume()
    expect((await next).value!.toArray()).toHaveLength(1)
    await subscription.unsubscribe()
  })
})

describe('what ends it', () => {
  test('a listener that throws, or rejects, ends its own subscription', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const bad = [
      scope.eventStreamer.subscribe({ batchSize: 1 }, () => {
        throw new Error('thrown')
      }),
      scope.eventStreamer.subscribe({ batchSize: 1 }, () => Promise.reject(new Error('rejected'))),
    ]
    const good = consume(scope)
    record(scope, 10)
    await expect(bad[0]!.closed).rejects.toThrow('thrown')
    await expect(bad[1]!.closed).rejects.toThrow('rejected')
    await good.caughtUp()
    expect(good.numbers()).toEqual(range(0, 10))
    await expect(bad[0]![Symbol.asyncIterator]().next()).rejects.toThrow('thrown')
    expect(warned).toHaveBeenCalledTimes(2)
    warned.mockRestore()
  })

  test('a signal ends it with its reason', async () => {
    const reason = new Error('no more')
    const controller = new AbortController()
    const subscription = scope.eventStreamer.subscribe({ signal: controller.signal })
    const next = subscription[Symbol.asyncIterator]().next()
    controller.abort(reason)
    await expect(next).rejects.toBe(reason)
    await expect(subscription.closed).rejects.toBe(reason)
    expect(() => scope.eventStreamer.subscribe({ signal: controller.signal })).toThrow(reason)
    expect(scope.stats().subscriptions).toBe(0)
  })

  test('a call that has begun may finish, and no other starts', async () => {
    const work = deferred()
    const consumer = consume(scope, { batchSize: 1 }, () => work.promise)
    record(scope, 5)
    await until(() => consumer.batches.length === 1)
    await consumer.subscription.unsubscribe()
    work.reject(new Error('too late'))
    await scope.flush()
    await nextTurn()
    await consumer.subscription.closed
    expect(consumer.batches).toHaveLength(1)
    await consumer.subscription.unsubscribe()
  })

  test('closing the recording delivers what was published to who waits for it', async () => {
    const own = await open()
    const listener: EventBatch[] = []
    const listening = own.eventStreamer.subscribe({ batchSize: 7 }, (batch) => void listener.push(batch))
    const iterated = own.eventStreamer.subscribe({ batchTimeoutMs: 60_000 })
    const paused = own.eventStreamer.subscribe()
    await paused.pause()
    const numbers: unknown[] = []
    const loop = (async () => {
      for await (const batch of iterated) numbers.push(...batch.toArray().map(({ data }) => data.n))
    })()
    record(own, 100)
    await own.close()
    expect(() => own.eventStreamer.subscribe()).toThrow(withCode('CLOSED'))
    await Promise.all([listening.closed, loop, iterated.closed, paused.closed])
    expect(numbers).toEqual(range(0, 100))
    expect(listener.flatMap((batch) => batch.toArray().map(({ data }) => data.n))).toEqual(range(0, 100))
    expect(listener.at(-1)!.toSeq).toBe(99n)
  })

  test('closing the recording ends waits that nothing is left for', async () => {
    const own = await open()
    const subscription = own.eventStreamer.subscribe({ batchSize: 1 })
    const iterator = subscription[Symbol.asyncIterator]()
    const asked = [iterator.next(), iterator.next(), iterator.next()]
    record(own, 1)
    await own.close()
    const results = await Promise.all(asked)
    expect(results.map(({ done }) => done)).toEqual([false, true, true])
    await subscription.closed
  })

  test('unknown ids are told', async () => {
    const { eventStreamer } = scope
    const subscription = eventStreamer.subscribe()
    const { id } = subscription
    await eventStreamer.unsubscribe(id)
    for (const unknown of [id, 'nothing']) {
      for (const call of [eventStreamer.unsubscribe(unknown), eventStreamer.pauseStream(unknown), eventStreamer.resumeStream(unknown), eventStreamer.updateSubscription(unknown, {})]) {
        await expect(call).rejects.toThrow(withCode('SUBSCRIPTION_NOT_FOUND'))
      }
    }
    for (const call of [subscription.pause(), subscription.resume(), subscription.update({})]) {
      await expect(call).rejects.toThrow(withCode('SUBSCRIPTION_NOT_FOUND'))
    }
    expect(() => subscription.stats()).toThrow(withCode('SUBSCRIPTION_NOT_FOUND'))
    await expect(eventStreamer.unsubscribe(7 as never)).rejects.toThrow(withCode('INVALID_ARGUMENT'))
  })
})

describe('wrong options', () => {
  test.each([
    [{ where: { nope: 1 } }, 'UNKNOWN_FIELD', /where/],
    [{ where: { line: 'x' } }, 'TYPE_MISMATCH', /line/],
    [{ where: { pid: { matches: '(' } } }, 'INVALID_ARGUMENT', /./],
    [{ limit: 5 }, 'INVALID_ARGUMENT', /limit/],
    [{ sortBy: 'pid' }, 'INVALID_ARGUMENT', /sortBy/],
    [{ batchSize: -1 }, 'INVALID_ARGUMENT', /batchSize: expected an integer from 0 to 1000000, got the number -1/],
    [{ batchSize: 1.5 }, 'INVALID_ARGUMENT', /batchSize/],
    [{ batchTimeoutMs: Number.NaN }, 'INVALID_ARGUMENT', /batchTimeoutMs/],
    [{ progressIntervalMs: '1' }, 'INVALID_ARGUMENT', /progressIntervalMs/],
    [{ maxInFlight: 0 }, 'INVALID_ARGUMENT', /maxInFlight/],
    [{ signal: {} }, 'INVALID_ARGUMENT', /signal/],
    [{ startFrom: 'then' }, 'INVALID_ARGUMENT', /startFrom/],
    [{ startFrom: {} }, 'INVALID_ARGUMENT', /startFrom/],
    [{ startFrom: { seq: 1, eventId: '1-1' } }, 'INVALID_ARGUMENT', /startFrom/],
    [{ startFrom: { sequence: 1 } }, 'INVALID_ARGUMENT', /seq/],
    [{ startFrom: { seq: -1n } }, 'INVALID_ARGUMENT', /startFrom.seq/],
    [{ startFrom: { eventId: 'x' } }, 'INVALID_ARGUMENT', /startFrom.eventId/],
    [{ startFrom: { eventId: '1-999999' } }, 'NOT_FOUND', /1-999999/],
    [{ startFrom: { timestampWall: new Date(Number.NaN) } }, 'INVALID_ARGUMENT', /startFrom.timestampWall/],
    [7, 'INVALID_ARGUMENT', /subscribe/],
    [null, 'INVALID_ARGUMENT', /subscribe/],
  ])('%o', (options, code, message) => {
    let error: unknown
    try {
      scope.eventStreamer.subscribe(options as never)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(KinescopeError)
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(scope.stats().subscriptions).toBe(0)
  })

  test('wrong listeners and policies', async () => {
    expect(() => scope.eventStreamer.subscribe({}, 7 as never)).toThrow(withCode('INVALID_ARGUMENT'))
    const subscription = scope.eventStreamer.subscribe({}, () => {})
    for (const policy of ['all', {}, { sendLatest: -1 }, { sendLatest: 1, startFrom: 'now' }, { startFrom: 'then' }, null]) {
      await expect(subscription.resume(policy as never)).rejects.toThrow(withCode('INVALID_ARGUMENT'))
    }
    await expect(subscription[Symbol.asyncIterator]().next()).rejects.toThrow(withCode('INVALID_ARGUMENT'))
  })
})
