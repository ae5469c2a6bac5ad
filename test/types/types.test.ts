import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

test('the implementation matches index.d.ts, which accepts right uses and refuses wrong ones', () => {
  const { status, stdout } = spawnSync('npx', ['tsc', '--noEmit', '-p', 'test/types'], { cwd: root, encoding: 'utf8' })
  expect(stdout).toBe('')
  expect(status).toBe(0)
})
