import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { asModule, docCommentExamples, markdownExamples, type Example } from './extract.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const pages = ['README.md', ...readdirSync(`${root}docs`).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
const examples = [
  ...pages.flatMap((page) => markdownExamples(page, readFileSync(`${root}${page}`, 'utf8'))),
  ...docCommentExamples('index.d.ts', readFileSync(`${root}index.d.ts`, 'utf8')),
]

function run({ code }: Example) {
  // In a process of its own, from the repository, where the package's own name resolves to what was built.
  return spawnSync(process.execPath, ['--input-type=module', '--eval', asModule(code)], { cwd: root, encoding: 'utf8', timeout: 30_000 })
}

describe('every example of the documentation runs as printed and prints what it says', () => {
  test('the README has one that says what it prints', () => {
    const own = examples.filter(({ where }) => where.startsWith('README.md'))
    expect(own.map(({ output }) => output.length)).toEqual([3])
  })

  test.each(examples)('$where', (example) => {
    const { status, stdout, stderr } = run(example)
    expect(status, stderr).toBe(0)
    if (example.output.length > 0) expect(stdout.trimEnd().split('\n')).toEqual(example.output)
  })
})
