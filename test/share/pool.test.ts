/** What a pool of workers opens lies at the addresses at which it lies here. */
import { beforeAll, expect, test } from 'vitest'
import { runChild } from '../lifetime/child.js'
import { INSTALL_TIMEOUT_MS, installPackages } from '../support/packages.js'

beforeAll(() => installPackages('test/share/engines'), INSTALL_TIMEOUT_MS)

test('in every column of every page', { timeout: 120_000 }, async ({ skip }) => {
  skip(process.platform === 'win32', 'the C library that is asked for addresses has another name there')
  const { status, signal, stderr, report } = await runChild(new URL('engines/addresses.mjs', import.meta.url))
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  const { here, there, threads, copiedBytes } = report
  expect(there).toEqual(here)
  expect(here).toHaveLength(20)
  for (const addresses of here) expect(new Set(addresses).size).toBeGreaterThan(16)
  expect({ threads, copiedBytes }).toEqual({ threads: 2, copiedBytes: 0 })
})
