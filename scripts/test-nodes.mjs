/**
 * Runs the vitest suites over the built package on every supported Node.js line, with the binaries that the npm package
 * `node` carries. `node scripts/test-nodes.mjs [major...]`; default: all of them. Build first.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun, root, run } from './lib/run.mjs'

const MAJORS = ['20', '22', '24', '26']
const majors = process.argv.length > 2 ? process.argv.slice(2) : MAJORS

const failed = []
for (const major of majors) {
  const node = await nodeBinary(major)
  await mustRun(node, ['--version'])
  const { code } = await run(node, [join('node_modules', 'vitest', 'vitest.mjs'), 'run'])
  if (code !== 0) failed.push(major)
}
console.log(failed.length === 0 ? `passed on Node ${majors.join(', ')}` : `failed on Node ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1

/**
 * @param {string} major
 * @returns {Promise<string>} The path of the newest release of that line.
 */
async function nodeBinary(major) {
  const folder = join(root, 'node_modules', '.cache', 'nodes', major)
  const binary = join(folder, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  // A package of its own, so that npm does not take the repository for its prefix; it fetches the binary on installation.
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }))
  await mustRun('npm', ['install', '--loglevel=error', '--prefix', folder, '--no-audit', '--no-fund', `node@${major}`])
  return binary
}
