/** Events from elsewhere. */
import { describe, expect, it } from 'vitest'
import { codeOf, countingOracle } from './events.js'

describe('an import', () => {
  it('takes ids of its own producer where none is given', async () => {
    const { dataAccess } = countingOracle()
    expect(await dataAccess.storeEvents([{ eventType: 'a' }, { eventType: 'b', eventId: '32768-2' }, { eventType: 'c' }, { eventType: 'd' }])).toEqual(['32768-0', '32768-2', '32768-1', '32768-3'])
    expect(await dataAccess.storeEvent({ eventType: 'e' })).toBe('32768-4')
    expect((await dataAccess.getEvent('32768-2'))?.eventType).toBe('b')
    expect(await dataAccess.getEvent('32768-99')).toBe(null)
    expect(await codeOf(() => dataAccess.getEvent('no id'))).toBe('INVALID_ARGUMENT')
  })

  it('stores all or nothing, and no id twice', async () => {
    const oracle = countingOracle()
    const { dataAccess } = oracle
    await dataAccess.storeEvent({ eventType: 'a', eventId: '40000-1' })
    for (const second of [{ eventType: 'x', eventId: '40000-1' }, { eventType: 'x', eventId: '40000-2' }, { eventType: 7 }, { eventType: 'x', seq: 1n }]) {
      expect(await codeOf(() => dataAccess.storeEvents([{ eventType: 'b', eventId: '40000-2' }, second]))).toBe('INVALID_ARGUMENT')
    }
    expect(oracle.events).toHaveLength(1)
  })

  it('derives the time that is not given from the one that is', async () => {
    const oracle = countingOracle({ wallTimeOffset: 1000n })
    await oracle.dataAccess.storeEvents([{ eventType: 'a', timestamp: 5 }, { eventType: 'b', wallTime: 1007n }, { eventType: 'c', timestamp: 1, wallTime: 2 }])
    expect(oracle.events.map((event) => [event.timestamp, event.wallTime])).toEqual([[5n, 1005n], [7n, 1007n], [1n, 2n]])
  })

  it('does not belong to the frame in which it happens', async () => {
    const oracle = countingOracle()
    await oracle.recorder.run({ pid: 'r', correlationId: 'c', parentId: '1-1', tags: { a: 1 } }, () => oracle.dataAccess.storeEvent({ eventType: 'a' }))
    expect(oracle.events[0]).toMatchObject({ pid: 'main', correlationId: null, parentId: null, tags: null, node: 'test' })
  })
})
