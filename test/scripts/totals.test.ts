import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cargoTotals, vitestTotals } from '../../scripts/lib/totals.mjs'

const line = (passed: number, failed: number) =>
  `test result: ${failed > 0 ? 'FAILED' : 'ok'}. ${passed} passed; ${failed} failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n`

function report(content: object): string {
  const file = join(mkdtempSync(join(tmpdir(), 'totals-')), 'report.json')
  writeFileSync(file, JSON.stringify(content))
  return file
}

test('cargo: the results of all test binaries are added up', () => {
  expect(cargoTotals({ code: 101, stdout: `running 3 tests\n${line(3, 0)}\nrunning 5 tests\n${line(4, 1)}` })).toEqual({ passed: 7, failed: 1 })
})

test('cargo: a run that does not compile is a failure although no test has failed', () => {
  expect(cargoTotals({ code: 101, stdout: line(3, 0) })).toEqual({ passed: 3, failed: 1 })
})

test('vitest: tests are counted, and a file that could not be loaded is one failure', () => {
  const testResults = [
    { status: 'failed', assertionResults: [] },
    { status: 'failed', assertionResults: [{ status: 'failed' }] },
  ]
  const file = report({ numPassedTests: 5, numFailedTests: 1, testResults })
  expect(vitestTotals({ code: 1 }, file)).toEqual({ passed: 5, failed: 2 })
})

test('vitest: an error outside of any test is a failure, and so is a missing report', () => {
  const file = report({ numPassedTests: 5, numFailedTests: 0, testResults: [] })
  expect(vitestTotals({ code: 1 }, file)).toEqual({ passed: 5, failed: 1 })
  expect(vitestTotals({ code: 0 }, file)).toEqual({ passed: 5, failed: 0 })
  expect(vitestTotals({ code: 0 }, join(tmpdir(), 'no-such-report.json'))).toEqual({ passed: 0, failed: 1 })
})
