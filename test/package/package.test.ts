import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

test.each([
  ['kinescope', 'index.d.ts'],
  ['kinescope/export', 'export.d.ts'],
  ['kinescope/opentelemetry', 'opentelemetry.d.ts'],
])('%s exports exactly what %s declares', async (name, declarations) => {
  const declared = [...readFileSync(`${root}${declarations}`, 'utf8').matchAll(/^export (?:async )?(?:function\*?|class|const) (\w+)/gm)].map(([, exported]) => exported)
  expect(Object.keys(await import(name)).toSorted()).toEqual([...new Set(declared)].toSorted())
})

test('require() of the package gives the same exports as import', () => {
  const program = `
    import { createRequire } from 'node:module'
    import * as imported from 'kinescope'
    const required = createRequire(import.meta.url)('kinescope')
    console.log(required.KinescopeError === imported.KinescopeError, required.open === imported.open)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: root, encoding: 'utf8' })
  expect(stdout, stderr).toBe('true true\n')
})
