/** The id of what was not recorded, in a recording whose log has a row of that very number: what tells of its first loss. */
import { open, type EventId, type Kinescope } from 'kinescope'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openOracle } from '../../oracle/index.js'

const NOT_FOUND = expect.objectContaining({ name: 'KinescopeError', code: 'NOT_FOUND' })

let scope: Kinescope
beforeEach(async () => {
  scope = await open({ node: 'test', ring: { bytes: 1 << 16 } })
  // More than a quarter of the ring.
  scope.recorder.record({ eventType: 'log', data: Array.from({ length: 4 }, () => 'x'.repeat(8000)) })
  scope.recorder.record({ eventType: 'log' })
  await scope.flush()
})
afterEach(() => scope.close())

describe.each(['the package', 'the oracle'])('in %s', (which) => {
  const opened = (): Pick<Kinescope, 'dataAccess' | 'eventStreamer'> => {
    if (which === 'the package') return scope
    const oracle = openOracle({ node: 'test' })
    oracle.reportLoss({ producer: 1, firstSequence: 0, lastSequence: 0, count: 1, cause: 'too_large' })
    return oracle as unknown as Kinescope
  }

  it('is found by queries only', async () => {
    const { dataAccess } = opened()
    expect((await dataAccess.queryEvents({ where: { eventId: '0-0' } })).toArray()).toMatchObject([{ eventId: '0-0', eventType: 'events_lost', data: { cause: 'too_large' } }])
    expect(await dataAccess.getEvent('0-0')).toBeNull()
    expect(dataAccess.getEventSync('0-0')).toBeNull()
    await expect(dataAccess.getTraceByCorrelationId('0-0')).rejects.toEqual(NOT_FOUND)
  })

  it('is a correlation id like any other', async () => {
    const { dataAccess } = opened()
    await dataAccess.storeEvent({ eventType: 'log', correlationId: '0-0' })
    const trace = await dataAccess.getTraceByCorrelationId('0-0', { projection: ['eventType'] })
    expect(trace.toArray()).toEqual([{ eventType: 'log' }])
  })

  it('is no event that a stream could start after', async () => {
    const { eventStreamer } = opened()
    expect(() => eventStreamer.subscribe({ startFrom: { eventId: '0-0' } })).toThrow(NOT_FOUND)
  })
})

it('is the same however it is spelled, and has no source', async () => {
  for (const id of ['0-0', '00-0', '0-000'] as EventId[]) {
    expect(await scope.dataAccess.getEvent(id)).toBeNull()
    await expect(scope.dataAccess.getTraceByCorrelationId(id)).rejects.toEqual(NOT_FOUND)
    await expect(scope.dataAccess.getSourceContext(id)).rejects.toEqual(NOT_FOUND)
  }
})

it('is nowhere to go on after', async () => {
  const subscription = scope.eventStreamer.subscribe()
  await subscription.resume({ startFrom: { eventId: '0-0' } })
  await subscription.pause()
  await expect(subscription.resume({ startFrom: { eventId: '0-0' } })).rejects.toEqual(NOT_FOUND)
  expect(subscription.stats().paused).toBe(true)
  await subscription.unsubscribe()
})
