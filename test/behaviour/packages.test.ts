import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'

const folder = fileURLToPath(new URL('packages/', import.meta.url))
const carTests = join('node_modules', '@ipld', 'car', 'cjs', 'node-test')

interface Suite {
  name: string
  packages: string[]
  /** Methods that are not wrapped. */
  leftAlone: string[]
  args: string[]
  passed: RegExp
}

interface Report {
  kinds: Record<'class' | 'async' | 'generator' | 'plain', number>
  recorded: number
  stored: number
  unbalanced: number
  lost: Record<string, number>
  entries: number
  exits: number
  exitsWithoutEntry: number
  unfinishedGenerators: number
  unfinished: string[]
}

/** Their tests count the microtasks until these settle, and a wrapped native promise settles one later. */
const COUNTED_BY_MICROTASKS = ['open', 'close']

const suites: Suite[] = [
  {
    name: '@ipld/car',
    packages: ['@ipld/car'],
    leftAlone: [],
    args: [join('node_modules', 'mocha', 'bin', '_mocha'), '--timeout', '20000', join(carTests, '*test-*.js')],
    passed: /^ {2}(\d+) passing/m,
  },
  {
    name: 'abstract-level',
    packages: ['abstract-level'],
    leftAlone: COUNTED_BY_MICROTASKS,
    args: [join('node_modules', 'abstract-level', 'test', 'self.js')],
    passed: /^# pass {2}(\d+)$/m,
  },
  {
    name: 'memory-level',
    packages: ['memory-level', 'abstract-level'],
    leftAlone: COUNTED_BY_MICROTASKS,
    args: ['level-suite.cjs'],
    passed: /^# pass {2}(\d+)$/m,
  },
]

beforeAll(() => {
  const installed = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(join(folder, 'package-lock.json')).mtimeMs) {
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const { status, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8', shell: process.platform === 'win32' })
    if (status !== 0) throw new Error(`npm ci in ${folder} failed: ${stderr}`)
  }
  // The package's own test script copies its fixture so.
  const fixture = join(folder, carTests, 'go.car')
  if (!existsSync(fixture)) copyFileSync(join(folder, 'node_modules', '@ipld', 'car', 'test', 'go.car'), fixture)
}, 180_000)

function runSuite({ args, passed }: Suite, options: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...options, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 27,
  })
  const failures = stdout.split('\n').filter((line) => /^not ok|failing|^ {2}\d+\) /.test(line))
  return { status, passed: Number(passed.exec(stdout)?.[1]), problem: `${failures.join('\n')}\n${stderr}` }
}

function runWrapped(suite: Suite) {
  const reportFolder = mkdtempSync(join(tmpdir(), 'kinescope-packages-'))
  const reportFile = join(reportFolder, 'report.json')
  try {
    const env = { WRAPPED_PACKAGES: suite.packages.join(' '), LEFT_ALONE: suite.leftAlone.join(' '), REPORT_FILE: reportFile }
    const result = runSuite(suite, ['--import', '../record-exports.mjs'], env)
    const report = existsSync(reportFile) ? (JSON.parse(readFileSync(reportFile, 'utf8')) as Report) : null
    return { ...result, report }
  } finally {
    rmSync(reportFolder, { recursive: true })
  }
}

describe('public packages pass their own tests with all that they export wrapped', () => {
  test.each(suites)('$name', { timeout: 120_000 }, (suite) => {
    const bare = runSuite(suite, [])
    expect(bare.status, bare.problem).toBe(0)
    const wrapped = runWrapped(suite)
    expect(wrapped.status, wrapped.problem).toBe(0)
    expect(wrapped.passed).toBe(bare.passed)
    expect(bare.passed).toBeGreaterThan(50)

    const report = wrapped.report!
    expect(report.kinds.async + report.kinds.generator).toBeGreaterThan(10)
    expect(report.entries).toBeGreaterThan(bare.passed)
    expect(Object.values(report.lost)).toEqual([0, 0, 0, 0, 0])
    expect(report.stored).toBe(report.recorded)
    expect(report.unbalanced).toBe(0)
    expect(report.exitsWithoutEntry).toBe(0)
    expect(report.unfinished).toEqual([])
    expect(report.exits + report.unfinishedGenerators).toBe(report.entries)
  })
})
