import { expect, test } from 'vitest'
import { runChild } from './child.js'

const FINE = { status: 0, signal: null, stderr: '' }

test('a worker subscribes to what the main thread records, and the reverse', async () => {
  const { report, ...ended } = await runChild('streams')
  expect(ended).toEqual(FINE)
  const fromWorker = Array.from({ length: 10 }, (_, n) => `worker-${n}`)
  expect(report).toEqual({ inWorker: 1000, inOrder: true, fromWorker, isClosed: true, subscriptions: 1 })
})

test('workers with live subscriptions end in every way, and take nothing down', { timeout: 180_000 }, async () => {
  const { report, ...ended } = await runChild('stream-exits', ['24'])
  expect(ended).toEqual(FINE)
  expect(report).toEqual({ counts: { exit: 6, terminate: 6, throw: 6, return: 6 }, subscriptions: 0 })
})

test.each(['unref', 'unsubscribe', 'close', 'iterate', 'stuck'])('a process with nothing but idle subscriptions ends by itself: %s', async (how) => {
  const { report, ...ended } = await runChild('stream-idle', [how])
  expect(ended).toEqual(FINE)
  expect(report).toBe(null)
})

test.each(['as it is', 'ref'])('a live subscription keeps its process alive: %s', async (how) => {
  const { report, ...ended } = await runChild('stream-idle', [how])
  expect(ended).toEqual(FINE)
  expect(report).toBe('kept alive')
})

test('process.exit() with a live subscription keeps its code', async () => {
  expect(await runChild('stream-idle', ['exit'])).toMatchObject({ status: 7, signal: null, stderr: '' })
})
