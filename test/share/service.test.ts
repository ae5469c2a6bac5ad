/** The example service, recorded under load: DuckDB and Polars find in it what the API answers. `npm run test:python` has the same in Python. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runChild } from '../lifetime/child.js'
import { recordExampleService, totalsOfService } from '../support/example-service.mjs'
import { INSTALL_TIMEOUT_MS, installPackages } from '../support/packages.js'

const place = mkdtempSync(join(tmpdir(), 'kinescope-service-'))
let expected: Awaited<ReturnType<typeof totalsOfService>>

beforeAll(async () => {
  await recordExampleService(place)
  expected = await totalsOfService(place)
}, INSTALL_TIMEOUT_MS)
afterAll(() => rmSync(place, { recursive: true }))

async function found(program: string): Promise<any> {
  const { status, signal, stderr, report } = await runChild(new URL(program, import.meta.url), [place])
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  return report
}

test('the service has been used', () => {
  expect(expected.totalMatches).toBeGreaterThan(4000)
  expect(expected.functions.map(([module]) => module)).toEqual(expect.arrayContaining(['catalog', 'http', 'orders', 'payment', 'pricing']))
})

test('DuckDB in Node.js', { timeout: INSTALL_TIMEOUT_MS }, async ({ skip }) => {
  const folder = await installPackages('test/share/engines')
  skip(!existsSync(join(folder, `node_modules/@duckdb/node-bindings-${process.platform}-${process.arch}`)), `DuckDB has no library for ${process.platform}-${process.arch}`)
  expect(await found('engines/service.mjs')).toEqual({ totals: expected, leasedBytes: 0, copiedBytes: 0 })
})

test('Polars in Node.js', { timeout: INSTALL_TIMEOUT_MS }, async ({ skip }) => {
  const hasPolars = process.platform === 'linux' && process.arch === 'x64' && 'glibcVersionRuntime' in (process.report.getReport() as { header: object }).header
  skip(!hasPolars, 'the library that is installed for Polars is that for Linux on x64 with glibc')
  await installPackages('test/share/polars')
  expect(await found('polars/service.mjs')).toEqual({ files: expected, bytes: expected })
})
