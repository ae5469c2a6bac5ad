import { setTimeout as sleep } from 'node:timers/promises'
import { open, type EventId, type KinescopeHandle } from 'kinescope'
import { expect, test } from 'vitest'
import { CommandedWorker } from './commanded.js'

function producerOf(id: EventId) {
  return Number(id.split('-')[0])
}

/** Attaches workers until one of them gets the producer number. */
async function workerWithProducer(handle: KinescopeHandle, producer: number): Promise<CommandedWorker> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const worker = new CommandedWorker(handle)
    await worker.tell('attach')
    const [id] = await worker.tell('record', { eventType: 'probe', count: 1 })
    if (producerOf(id) === producer) return worker
    await worker.leave()
    await sleep(10)
  }
  throw new Error(`producer ${producer} is never used again`)
}

test('a thread that ends long after it has closed its attachment leaves the next holder of its number alone', async () => {
  await using scope = await open({ ring: { bytes: 65_536 } })
  const first = new CommandedWorker(scope.handle)
  await first.tell('attach')
  const [id] = await first.tell('record', { eventType: 'first', count: 1 })
  await first.tell('close')
  const second = await workerWithProducer(scope.handle, producerOf(id))

  await first.leave()
  for (let round = 0; round < 10; round += 1) await second.tell('record', { eventType: 'second', count: 100 })
  await second.leave()

  expect((await scope.dataAccess.queryEvents({ eventTypes: ['second'] })).totalMatches).toBe(1000)
  expect(scope.stats().lost).toEqual({ ring_full: 0, too_large: 0, torn: 0, encoder: 0, disk_full: 0 })
})

test('event ids stay unique when a number is used again, and continue its sequence', async () => {
  await using scope = await open({ ring: { bytes: 65_536 } })
  const first = new CommandedWorker(scope.handle)
  await first.tell('attach')
  const firstIds = (await first.tell('record', { eventType: 'log', count: 5 })) as EventId[]
  await first.leave()
  const second = await workerWithProducer(scope.handle, producerOf(firstIds[0]!))
  const secondIds = (await second.tell('record', { eventType: 'log', count: 5 })) as EventId[]
  await second.leave()

  const sequences = [...firstIds, ...secondIds].map((eventId) => Number(eventId.split('-')[1]))
  expect(new Set(sequences).size).toBe(10)
  expect(Math.min(...sequences.slice(5))).toBeGreaterThan(Math.max(...sequences.slice(0, 5)))
  expect((await scope.dataAccess.queryEvents({ eventTypes: ['log'] })).toArray().map(({ eventId }) => eventId)).toEqual([...firstIds, ...secondIds])
})

test('a query after the exit of a worker sees all of its events, without a flush', async () => {
  await using scope = await open()
  for (let round = 1; round <= 5; round += 1) {
    const worker = new CommandedWorker(scope.handle)
    await worker.tell('attach')
    await worker.tell('record', { eventType: 'last_words', count: 2000 })
    await worker.leave()
    expect(scope.dataAccess.queryEventsSync({ eventTypes: ['last_words'], limit: 0 }).totalMatches).toBe(2000 * round)
  }
})

test('the opener closes while a worker goes on: recording does nothing, everything else is CLOSED', async () => {
  const scope = await open()
  const worker = new CommandedWorker(scope.handle)
  await worker.tell('attach')
  const [id] = await worker.tell('record', { eventType: 'log', count: 1 })
  expect(id).not.toBe('0-0')
  await scope.close()
  expect(await worker.tell('record', { eventType: 'log', count: 2 })).toEqual(['0-0', '0-0'])
  for (const command of ['query', 'stats']) await expect(worker.tell(command)).rejects.toThrow(/CLOSED/)
  await worker.tell('close')
  await worker.tell('close')
  await worker.leave()
})

test('counters are those of the whole recording, whichever thread asks', async () => {
  await using scope = await open({ segmentEvents: 1000 })
  const worker = new CommandedWorker(scope.handle)
  await worker.tell('attach')
  for (let i = 0; i < 3000; i += 1) scope.recorder.record({ eventType: 'log', data: { i } })
  await scope.flush()
  await worker.tell('query', { limit: 100_000 })
  await worker.tell('readSeq', { count: 1 })
  const [own, others] = [scope.stats(), await worker.tell('stats')]
  expect(own.leasedBytes).toBe(others.leasedBytes)
  expect(own.gatheredBytes).toBe(others.gatheredBytes)
  expect(own.recorded).toBe(others.recorded)
  await worker.leave()
})
