import { expect, test } from 'vitest'
import { kills } from './kills.mjs'

test('a process that is killed while three threads record leaves everything that it had said', { timeout: 240_000 }, async () => {
  const found = await kills({ rounds: 20, seed: 20_261_126 })
  expect(found.kills).toBe(20)
  expect(found.events).toBeGreaterThan(0)
  console.log(`${found.events} events after 20 kills, ${found.torn} torn`)
})
