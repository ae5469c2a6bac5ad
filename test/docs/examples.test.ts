import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { INSTALL_TIMEOUT_MS, installPackages } from '../support/packages.js'
import { asModule, docCommentExamples, markdownExamples, type Example } from './extract.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const pages = ['README.md', ...readdirSync(`${root}docs`).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
const examples = [
  ...pages.flatMap((page) => markdownExamples(page, readFileSync(`${root}${page}`, 'utf8'))),
  ...['index.d.ts', 'export.d.ts', 'opentelemetry.d.ts'].flatMap((file) => docCommentExamples(file, readFileSync(`${root}${file}`, 'utf8'))),
]
/** Where examples run that need packages which nothing else does. */
const OPENTELEMETRY = 'test/opentelemetry/sdk-2'
const ENGINES = 'test/share/engines'
const POLARS = 'test/share/polars'
/** The platform whose library is installed there. */
const hasPolars = process.platform === 'linux' && process.arch === 'x64'

function run({ code }: Example) {
  // In a process of its own, from where the package's own name resolves to what was built.
  const folders = { '@opentelemetry/': OPENTELEMETRY, '@duckdb/': ENGINES, 'nodejs-polars': POLARS }
  const [, folder = ''] = Object.entries(folders).find(([name]) => code.includes(name)) ?? []
  const cwd = root + folder
  return spawnSync(process.execPath, ['--input-type=module', '--eval', asModule(code)], { cwd, encoding: 'utf8', timeout: 30_000 })
}

describe('every example of the documentation runs as printed and prints what it says', () => {
  beforeAll(() => Promise.all([OPENTELEMETRY, ENGINES, ...(hasPolars ? [POLARS] : [])].map(installPackages)), INSTALL_TIMEOUT_MS)

  test('those of the README say what they print', () => {
    const own = examples.filter(({ where }) => where.startsWith('README.md'))
    expect(own.map(({ output }) => output.length)).toEqual([3, 2, 0, 2])
  })

  test.for(examples)('$where', (example, { skip }) => {
    skip(example.code.includes('nodejs-polars') && !hasPolars, 'the library that is installed for Polars is that for Linux on x64')
    const { status, stdout, stderr } = run(example)
    expect(status, stderr).toBe(0)
    if (example.output.length > 0) expect(stdout.trimEnd().split('\n')).toEqual(example.output)
  })
})
