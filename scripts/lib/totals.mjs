/** Reads how many tests a suite has passed and failed from what its runner reports. */
import { existsSync, readFileSync } from 'node:fs'

/** @typedef {{ passed: number, failed: number }} Totals */

/**
 * Sums up the `test result:` lines of `cargo test`, one per test binary and one per crate's documentation.
 *
 * @param {{ code: number, stdout: string }} result
 * @returns {Totals} A run that failed without a failed test (it did not compile, it crashed) counts as one failure.
 */
export function cargoTotals({ code, stdout }) {
  const totals = { passed: 0, failed: 0 }
  for (const [, passed, failed] of stdout.matchAll(/^test result: .*? (\d+) passed; (\d+) failed;/gm)) {
    totals.passed += Number(passed)
    totals.failed += Number(failed)
  }
  return atLeastOneFailure(code, totals)
}

/**
 * Reads the JSON report of `vitest run`.
 *
 * @param {{ code: number }} result
 * @param {string} reportFile
 * @returns {Totals} A test file that could not be loaded counts as one failure, and so does a run that failed otherwise.
 */
export function vitestTotals({ code }, reportFile) {
  if (!existsSync(reportFile)) return atLeastOneFailure(code || 1, { passed: 0, failed: 0 })
  const report = JSON.parse(readFileSync(reportFile, 'utf8'))
  const notLoaded = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
  return atLeastOneFailure(code, { passed: report.numPassedTests, failed: report.numFailedTests + notLoaded.length })
}

/**
 * @param {number} code
 * @param {Totals} totals
 * @returns {Totals}
 */
function atLeastOneFailure(code, totals) {
  return code !== 0 && totals.failed === 0 ? { ...totals, failed: 1 } : totals
}
