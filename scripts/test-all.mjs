/**
 * Builds everything and runs every test suite: the crates' tests, the loom models, vitest over the built package, and beside it a minute
 * of fuzzing for every reader of bytes.
 * The last line is `N passed, N failed`, summed over all of them; the exit code is 1 unless everything passed.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildFuzzer, fuzz } from './lib/fuzz.mjs'
import { root, run } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'
import { cargoTotals, vitestTotals } from './lib/totals.mjs'

/** Loom explores every interleaving up to this many preemptions; unbounded models do not end in useful time. */
const LOOM_MAX_PREEMPTIONS = process.env.LOOM_MAX_PREEMPTIONS ?? '3'
/** For each target. */
const FUZZ_SECONDS = 60

await setUp()
const suites = [['cargo test', await cargoTest()], ['loom models', await loomModels()]]
const { binary, missing } = await buildFuzzer()
// The tests of the package leave one of two cores idle.
const [ofPackage, ofFuzzing] = await Promise.all([vitest(), binary && fuzz(binary, { seconds: FUZZ_SECONDS, atOnce: 1, isIdle: true })])
suites.push(['vitest', ofPackage])
if (missing === undefined) suites.push(['fuzz targets', ofFuzzing ?? { passed: 0, failed: 1 }])
else console.log(`\nSkipped, fuzz targets: ${missing}.`)

console.log()
const sum = { passed: 0, failed: 0 }
for (const [name, { passed, failed }] of suites) {
  console.log(`${name}: ${passed} passed, ${failed} failed`)
  sum.passed += passed
  sum.failed += failed
}
console.log(`${sum.passed} passed, ${sum.failed} failed`)
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0

async function cargoTest() {
  return cargoTotals(await run('cargo', ['test', '--workspace', '--no-fail-fast'], { capture: true }))
}

/** Models are the tests `tests/loom.rs` of the crates; they need a build of their own, with loom's atomics in place of the real ones. */
async function loomModels() {
  const env = {
    RUSTFLAGS: '--cfg loom',
    CARGO_TARGET_DIR: join('target', 'loom'),
    // The models are small; most of the time goes into compiling what they stand on.
    CARGO_PROFILE_RELEASE_LTO: 'off',
    CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
    LOOM_MAX_PREEMPTIONS,
  }
  const args = ['test', '--release', '--workspace', '--no-fail-fast', '--test', 'loom']
  return cargoTotals(await run('cargo', args, { capture: true, env }))
}

async function vitest() {
  const cache = join(root, 'node_modules', '.cache')
  const report = join(cache, 'vitest-report.json')
  mkdirSync(cache, { recursive: true })
  rmSync(report, { force: true })
  const args = ['vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  return vitestTotals(await run('npx', args), report)
}
