import { open } from 'kinescope'
import { expect, it } from 'vitest'

it('now is between the events recorded before and after it, and near the wall clock', async () => {
  await using scope = await open({ ring: { bytes: 1 << 20 } })
  const moments = Array.from({ length: 500 }, () => {
    scope.recorder.record({ eventType: 'log' })
    return scope.now()
  })
  scope.recorder.record({ eventType: 'log' })
  const events = (await scope.dataAccess.queryEvents()).toArray()
  for (const [index, { timestamp }] of moments.entries()) {
    expect(events[index]!.timestamp <= timestamp && timestamp <= events[index + 1]!.timestamp).toBe(true)
  }
  const anHour = 3_600_000_000_000n
  const offWall = moments.map(({ wallTime }) => BigInt(Date.now()) * 1_000_000n - wallTime)
  expect(offWall.every((difference) => difference < anHour && difference > -anHour)).toBe(true)
})
