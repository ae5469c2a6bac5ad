/** Builds `fuzz/` with coverage instrumentation and AddressSanitizer, and runs its targets under libFuzzer. */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { root, run } from './run.mjs'

/** Every reader of bytes. */
export const FUZZ_TARGETS = Object.freeze(['journal', 'segment', 'ring', 'import', 'definitions', 'token'])

const folder = join(root, 'target', 'fuzz')
/** No input takes a second of processor or 100 MB; more is a bug. Leaks are not looked for: caches live as long as the process. */
const BOUNDS = ['-timeout=120', '-rss_limit_mb=2048', '-malloc_limit_mb=512', '-detect_leaks=0']
const LONGEST_INPUT_BYTES = 1 << 17

/**
 * Builds the program that all targets are in.
 *
 * @returns {Promise<{ binary?: string, missing?: string }>} Neither when it does not compile. `missing`: why there is no fuzzing on this machine.
 */
export async function buildFuzzer() {
  const { missing, sanitizer } = needs()
  if (missing !== undefined) return { missing }
  const env = {
    RUSTC_WORKSPACE_WRAPPER: join(root, 'fuzz', 'rustc.sh'),
    KINESCOPE_FUZZ_SANITIZER: sanitizer ? '-Zsanitizer=address' : '',
    CARGO_INCREMENTAL: '0',
  }
  const args = ['test', '--locked', '--workspace', '--features', 'kinescope-fuzz/libfuzzer', '--test', 'libfuzzer', '--no-run']
  const { code, stdout } = await run('cargo', [...args, '--message-format=json-render-diagnostics'], { env, capture: 'only' })
  if (code !== 0) return {}
  const built = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
  return { binary: built.find((message) => message.target?.name === 'libfuzzer' && message.executable)?.executable }
}

/**
 * Runs targets, each in a process of its own.
 *
 * @param {string} binary
 * @param {{ seconds: number, targets?: readonly string[], atOnce?: number, isIdle?: boolean }} options `seconds` is for each target.
 * `isIdle`: takes only what others leave of the processor.
 * @returns {Promise<{ passed: number, failed: number }>} A target has passed if it found nothing.
 */
export async function fuzz(binary, { seconds, targets = FUZZ_TARGETS, atOnce = 2, isIdle = false }) {
  const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const scratch = mkdtempSync(join(memory, 'kinescope-fuzz-'))
  const waiting = [...targets]
  const totals = { passed: 0, failed: 0 }
  const work = async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const passed = await runTarget({ binary, target, seconds, scratch, isIdle })
      totals[passed ? 'passed' : 'failed']++
    }
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, work))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  return totals
}

/** What there is of what fuzzing needs. */
function needs() {
  if (process.platform !== 'linux') return { missing: `fuzzing needs Linux, got ${process.platform}` }
  const compiler = process.env.CXX ?? 'c++'
  try {
    execFileSync(compiler, ['--version'], { stdio: 'ignore' })
  } catch {
    return { missing: `a C++ compiler is needed to build libFuzzer, and \`${compiler}\` cannot be run` }
  }
  const libraries = execFileSync('rustc', ['--print', 'target-libdir'], { encoding: 'utf8' }).trim()
  const sanitizer = readdirSync(libraries).some((name) => name.endsWith('_rt.asan.a'))
  if (!sanitizer) console.log('fuzzing without AddressSanitizer: this Rust has none')
  return { sanitizer }
}

/**
 * Runs a target for some time, from its seeds and what earlier runs have kept.
 *
 * @param {{ binary: string, target: string, seconds: number, scratch: string, isIdle: boolean }} options `scratch`: where recordings are.
 * @returns {Promise<boolean>} Whether nothing was found.
 */
async function runTarget({ binary, target, seconds, scratch, isIdle }) {
  const start = performance.now()
  const place = (kind) => {
    const path = join(folder, kind, target)
    mkdirSync(path, { recursive: true })
    return path
  }
  const [corpus, seeds, found] = ['corpus', 'seeds', 'found'].map(place)
  const log = join(folder, `${target}.log`)
  const env = { ...process.env, KINESCOPE_FUZZ_TARGET: target, KINESCOPE_FUZZ_SCRATCH: scratch, ASAN_OPTIONS: 'detect_leaks=0:quarantine_size_mb=16' }
  rmSync(seeds, { recursive: true })
  const isSeeded = await logged(binary, [], { env: { ...env, KINESCOPE_FUZZ_SEEDS: seeds }, log, isIdle })
  const regressions = join(root, 'fuzz', 'regressions', target)
  const inputs = [corpus, seeds, ...(existsSync(regressions) ? [regressions] : [])]
  const options = [`-max_total_time=${seconds}`, `-max_len=${LONGEST_INPUT_BYTES}`, `-artifact_prefix=${found}/`, '-print_final_stats=1', '-reload=0', ...BOUNDS]
  const passed = isSeeded && (await logged(binary, [...inputs, ...options], { env, log, isIdle }))
  const took = Math.round((performance.now() - start) / 1000)
  const text = readFileSync(log, 'utf8')
  const last = (pattern) => [...text.matchAll(pattern)].at(-1)?.[1] ?? '?'
  const runs = last(/^(?:#|stat::number_of_executed_units: )(\d+)/gm)
  console.log(`fuzz ${target}: ${passed ? 'passed' : 'FAILED'}, ${runs} runs, ${last(/ cov: (\d+)/g)} edges, ${last(/ corp: (\d+)/g)} inputs, ${took} s`)
  if (!passed) explain(text, { binary, target, log })
  return passed
}

/** Runs a command with everything that it prints in a file. */
function logged(command, args, { env, log, isIdle }) {
  const output = openSync(log, 'w')
  return new Promise((resolve) => {
    const [program, ...rest] = isIdle ? ['nice', '-n', '19', command, ...args] : [command, ...args]
    const child = spawn(program, rest, { cwd: root, env, stdio: ['ignore', output, output] })
    child.on('error', () => resolve(false))
    child.on('close', (code) => {
      closeSync(output)
      resolve(code === 0)
    })
  })
}

/** Says what was found, and how to see it again. */
function explain(text, { binary, target, log }) {
  console.log(text.split('\n').slice(-60).join('\n'))
  const input = /Test unit written to (\S+)/.exec(text)?.[1]
  const file = input === undefined ? log : relative(root, input)
  console.log(`The whole output is in ${relative(root, log)}.`)
  if (input !== undefined) console.log(`The input is ${file}; once more: KINESCOPE_FUZZ_TARGET=${target} ${relative(root, binary)} ${file}`)
}
