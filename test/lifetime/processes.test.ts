import { describe, expect, test } from 'vitest'
import { runChild } from './child.js'

const MIB = 2 ** 20
/** Starting one takes a sixth of a second or so. */
const WORKERS = Number(process.env['KINESCOPE_WORKERS'] ?? 300)
const NOTHING_LOST = { ring_full: 0, too_large: 0, torn: 0, encoder: 0, disk_full: 0 }

function grownBytes(residentBytes: number[]) {
  return residentBytes.at(-1)! - residentBytes[0]!
}

test('a worker terminated in mid-record loses nothing that it had recorded', { timeout: 180_000 }, async () => {
  const { status, signal, stderr, report } = await runChild('terminate')
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  expect(report.rounds).toHaveLength(12)
  for (const { kind, returned, stored, areInOrder } of report.rounds) {
    expect(stored - returned, `${kind}: ${returned} calls had returned, ${stored} are stored`).toBeOneOf([0, 1])
    expect(areInOrder).toBe(true)
  }
  // The attempt that was cut off may show as torn, whole or not at all; nothing else may be missing.
  expect({ ...report.lost, torn: 0 }).toEqual(NOTHING_LOST)
  expect(report.lost.torn).toBeLessThanOrEqual(report.rounds.length)
})

test.each(['plain', 'blocked', 'wrapped', 'frame', 'query', 'closing'])('process.exit() in mid-record keeps its code: %s', async (from) => {
  for (const code of ['0', '7']) {
    const { status, signal, stderr } = await runChild('exit', [from, code])
    expect({ status, signal, stderr }).toEqual({ status: Number(code), signal: null, stderr: '' })
  }
})

test('the addon outlives the worker that alone has loaded it, and is loaded again', async () => {
  const { status, signal, stderr, report } = await runChild('only-worker')
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  expect(report).toEqual({ seen: [5000, 5000, 5000, 5000], exitCodes: [0, 0, 0, 0], attachErrors: ['CLOSED', 'CLOSED', 'CLOSED'], found: 1 })
})

describe('memory stays where it is', () => {
  test(`while ${WORKERS} workers come and go, whose producer numbers are used again and whose event ids are unique`, { timeout: 60_000 + WORKERS * 300 }, async () => {
    const { status, signal, stderr, report } = await runChild('churn', [String(WORKERS)])
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    const { residentBytes, ...counts } = report
    const events = 3 * WORKERS
    expect(counts).toEqual({ events, ids: events, contents: events, producers: expect.any(Number), lost: NOTHING_LOST })
    expect(counts.producers).toBeLessThan(20)
    // The rings alone of the last four fifths of 300 workers took 1,920 MiB.
    expect(grownBytes(residentBytes), residentBytes.join()).toBeLessThan(200 * MIB)
  })

  test('while 100 recordings are opened, filled and closed', { timeout: 120_000 }, async () => {
    const { status, signal, stderr, report } = await runChild('reopen', ['100'], ['--expose-gc'])
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    // The rings and the events of the last 80 recordings took more than 1,200 MiB.
    expect(grownBytes(report.residentBytes), report.residentBytes.join()).toBeLessThan(200 * MIB)
  })
})
