/**
 * Builds everything and runs every test suite: the crates' tests, the loom models, and vitest over the built package.
 * The last line is `N passed, N failed`, summed over all of them; the exit code is 1 unless everything passed.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'
import { cargoTotals, vitestTotals } from './lib/totals.mjs'

/** Loom explores every interleaving up to this many preemptions; unbounded models do not end in useful time. */
const LOOM_MAX_PREEMPTIONS = process.env.LOOM_MAX_PREEMPTIONS ?? '3'

await setUp()
const suites = [['cargo test', await cargoTest()], ...(await loomModels()), ['vitest', await vitest()]]

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

/** Models are the tests `tests/loom*.rs` of a crate; they need a build of their own, with loom's atomics in place of the real ones. */
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
  const results = []
  for (const crate of readdirSync(join(root, 'crates'))) {
    const tests = join(root, 'crates', crate, 'tests')
    const models = existsSync(tests) ? readdirSync(tests).filter((file) => /^loom.*\.rs$/.test(file)) : []
    const targets = models.flatMap((file) => ['--test', file.replace(/\.rs$/, '')])
    if (targets.length === 0) continue
    const args = ['test', '--release', '-p', `kinescope-${crate}`, ...targets]
    results.push([`loom, crates/${crate}`, cargoTotals(await run('cargo', args, { capture: true, env }))])
  }
  return results
}

async function vitest() {
  const cache = join(root, 'node_modules', '.cache')
  const report = join(cache, 'vitest-report.json')
  mkdirSync(cache, { recursive: true })
  rmSync(report, { force: true })
  const args = ['vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  return vitestTotals(await run('npx', args), report)
}
