import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

it('a package without an addon for this platform says so, with a code', () => {
  const copy = mkdtempSync(join(tmpdir(), 'test-kinescope-'))
  cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true, filter: (path) => !path.endsWith('.node') })
  cpSync(join(root, 'package.json'), join(copy, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const code = `import(${JSON.stringify(join(copy, 'dist/index.js'))}).catch(({ name, code, message, details, cause }) => console.log(JSON.stringify({ name, code, message, details, cause: cause.message })))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--eval', code], { encoding: 'utf8' })
  rmSync(copy, { recursive: true })
  expect(stderr).toBe('')
  const { cause, message, ...error } = JSON.parse(stdout) as Record<string, string>
  expect(error).toMatchObject({ name: 'KinescopeError', code: 'IO', details: { platform: process.platform, arch: process.arch } })
  expect(message!.startsWith(cause!)).toBe(true)
  expect(message).toMatch(new RegExp(`could not be loaded on ${process.platform}, ${process.arch}${process.platform === 'linux' ? ', (glibc [\\d.]+|musl)' : ''}\\.$`))
})
