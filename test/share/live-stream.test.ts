/** Live subscriptions as Arrow C streams, read by DuckDB in other threads of this process; `test/python/embedded.mjs` has the same with pyarrow. */
import { existsSync } from 'node:fs'
import { exportStream, open } from 'kinescope'
import { beforeAll, expect, test } from 'vitest'
import { runChild } from '../lifetime/child.js'
import { INSTALL_TIMEOUT_MS, installPackages } from '../support/packages.js'

const FOLDER = 'test/share/engines'
const program = new URL('engines/live-duckdb.mjs', import.meta.url)
const hasDuckDB = (): boolean => existsSync(new URL(`engines/node_modules/@duckdb/node-bindings-${process.platform}-${process.arch}/`, import.meta.url))
const NO_DUCKDB = `DuckDB has no library for ${process.platform}-${process.arch}`
const invalid = (message: string): unknown => expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) })

beforeAll(() => installPackages(FOLDER), INSTALL_TIMEOUT_MS)

test('DuckDB follows subscriptions while this thread records, until they end, and is told of what retention has taken', { timeout: 120_000 }, async ({ skip }) => {
  skip(!hasDuckDB(), NO_DUCKDB)
  const { status, signal, stderr, report } = await runChild(program)
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  const { whileRecording, whileClosing, afterEviction } = report
  expect(whileRecording).toEqual({ found: whileRecording.expected, expected: expect.anything(), leasedBytes: 0, copiedBytes: 0 })
  expect(whileRecording.expected.map(([type, n]: string[]) => [type, n])).toEqual([['even', '3000'], ['odd', '3000']])
  expect(whileClosing).toEqual([['100', '10000', '7']])
  expect(afterEviction.error).toContain(`NOT_FOUND: positions 0 to ${afterEviction.evicted - 1} of the log are missing: retention`)
  expect(afterEviction.skipping).toEqual({ found: [[String(1000 - afterEviction.evicted)]], lost: afterEviction.evicted })
})

test('the process ends although DuckDB waits for a batch in a thread of the pool', { timeout: 60_000 }, async ({ skip }) => {
  skip(!hasDuckDB(), NO_DUCKDB)
  const { status, signal } = await runChild(program, ['exit'])
  expect({ status, signal }).toEqual({ status: 7, signal: null })
})

test('a subscription is exported once, when nobody else gets its batches', async () => {
  await using scope = await open()
  const { eventStreamer } = scope
  const listening = eventStreamer.subscribe({}, () => {})
  expect(() => exportStream(listening)).toThrow(invalid('source: expected a subscription without a listener'))
  const iterated = eventStreamer.subscribe()
  const waiting = iterated[Symbol.asyncIterator]().next()
  expect(() => exportStream(iterated)).toThrow(invalid('source: expected a subscription without a listener'))
  await iterated.unsubscribe()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(() => exportStream(iterated)).toThrow(expect.objectContaining({ code: 'SUBSCRIPTION_NOT_FOUND' }))
  const exported = eventStreamer.subscribe()
  const stream = exportStream(exported)
  expect(stream.address).toBeGreaterThan(0n)
  expect(() => exportStream(exported)).toThrow(invalid('source: expected a subscription without a listener'))
  await expect(exported[Symbol.asyncIterator]().next()).rejects.toEqual(invalid('subscription: expected one without a listener'))
  stream.release()
  await listening.unsubscribe()
})

test('releasing the stream ends the subscription, and neither keeps memory', async () => {
  await using scope = await open()
  for (const wait of [true, false]) {
    const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0n } })
    scope.recorder.record({ eventType: 'log' })
    const stream = exportStream(subscription)
    if (!wait) await subscription.unsubscribe()
    stream.release()
    stream.release()
    await subscription.closed
    expect(() => subscription.stats()).toThrow(expect.objectContaining({ code: 'SUBSCRIPTION_NOT_FOUND' }))
  }
  expect(scope.stats()).toMatchObject({ leasedBytes: 0, subscriptions: 0 })
})

test('another filter is taken, another schema and wrong options are not', async () => {
  await using scope = await open()
  const subscribe = () => scope.eventStreamer.subscribe({ projection: ['pid', { field: 'data.n', as: 'i64' }] })
  const subscription = subscribe()
  await subscription.update({ projection: ['pid'] })
  await subscription.update({ projection: ['pid', { field: 'data.n', as: 'i64' }] })
  using _ = exportStream(subscription)
  await subscription.update({ eventTypes: ['log'], projection: ['pid', { field: 'data.n', as: 'i64' }] })
  for (const filter of [{}, { projection: ['pid'] }, { projection: ['pid', 'data.n'] }, { projection: ['data.n', 'pid'] }]) {
    await expect(subscription.update(filter)).rejects.toEqual(invalid('filter.projection: expected the one that the subscription was exported with'))
  }
  expect(() => exportStream(subscribe(), { onGap: 'wait' as never })).toThrow(invalid("options.onGap: expected 'fail' or 'skip'"))
  expect(() => exportStream(subscribe(), { onGaps: 'skip' } as never)).toThrow(invalid('did you mean "onGap"?'))
  expect(() => exportStream(subscribe(), null as never)).toThrow(invalid('options'))
  expect(() => exportStream(scope.eventStreamer.subscribe({ projection: ['data.a\0b'] }))).toThrow(invalid('columns: expected names without NUL'))
})
