/** Results as Arrow C streams, read by DuckDB in this process; `crates/export/tests/c_stream.rs` has the same for all kinds of columns in Rust. */
import { existsSync } from 'node:fs'
import { exportStream, open } from 'kinescope'
import { beforeAll, expect, test } from 'vitest'
import { runChild } from '../lifetime/child.js'
import { INSTALL_TIMEOUT_MS, installPackages } from '../support/packages.js'

const FOLDER = 'test/share/engines'

beforeAll(() => installPackages(FOLDER), INSTALL_TIMEOUT_MS)

test('DuckDB reads results where they are, and leases end when it has released them', { timeout: 120_000 }, async ({ skip }) => {
  const bindings = new URL(`engines/node_modules/@duckdb/node-bindings-${process.platform}-${process.arch}/`, import.meta.url)
  skip(!existsSync(bindings), `DuckDB has no library for ${process.platform}-${process.arch}`)
  const { status, signal, stderr, report } = await runChild(new URL('engines/duckdb.mjs', import.meta.url))
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  const { events, expected, others, copiedBytes, ends } = report
  expect(events).toEqual({ found: expected, isHeld: true, left: 0 })
  expect(expected).toHaveLength(2)
  expect(others.byPid).toEqual(others.expectedGroups)
  expect(others.last).toEqual(others.expectedLast)
  expect(others.count).toEqual([['0']])
  expect(copiedBytes).toBe(0)
  expect(ends).toEqual({ isHeld: true, count: '2500' })
})

test('only results of queries and aggregates become streams, and only until they are released', async () => {
  await using scope = await open()
  const result = await scope.dataAccess.queryEvents()
  const groups = await scope.dataAccess.aggregateEvents({ aggregations: { n: { count: '*' } } })
  for (const other of [undefined, null, {}, result.table, scope]) {
    expect(() => exportStream(other as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  }
  for (const each of [result, groups]) {
    const stream = exportStream(each)
    expect(stream.address).toBeGreaterThan(0n)
    stream[Symbol.dispose]()
    each.release()
    expect(() => exportStream(each)).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  }
  expect(scope.stats().leasedBytes).toBe(0)
})

test('names that are none in C are refused', async () => {
  await using scope = await open()
  const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: String.raw`columns: expected names without NUL, got "data.a\0b"` })
  const name = 'data.a\0b'
  using projected = await scope.dataAccess.queryEvents({ projection: ['pid', name] })
  using groups = await scope.dataAccess.aggregateEvents({ groupBy: [name], aggregations: { n: { count: '*' } } })
  for (const result of [projected, groups]) expect(() => exportStream(result as never)).toThrow(refused)
})
