/** Random questions, compared with DuckDB's answers: `bench/compare/differences`. Build first. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun, root, run } from './lib/run.mjs'

const compare = join('bench', 'compare')
if (!existsSync(join(root, compare, 'node_modules', '@duckdb', 'node-api'))) await mustRun('npm', ['ci', '--prefix', compare, '--loglevel=error', '--no-audit', '--no-fund'])

const loads = await run(process.execPath, ['--input-type=module', '--eval', `await import('${new URL('../bench/compare/node_modules/@duckdb/node-api/lib/index.js', import.meta.url)}')`])
if (loads.code !== 0) {
  console.error('DuckDB cannot be loaded: npm leaves its binary out where the registry has none for the platform. Nothing has been compared.')
  process.exit(1)
}
const { code } = await run('npx', ['vitest', 'run', '--config', join(compare, 'differences', 'vitest.config.mjs')])
process.exit(code)
