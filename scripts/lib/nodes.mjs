/** Binaries of other versions of Node.js, which the npm package `node` carries. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun, root } from './run.mjs'

/** Every supported line. */
export const NODE_MAJORS = Object.freeze(['20', '22', '24', '26'])

/**
 * @param {string} major
 * @returns {Promise<string>} The path of the newest release of that line.
 */
export async function nodeBinary(major) {
  const folder = join(root, 'node_modules', '.cache', 'nodes', major)
  const binary = join(folder, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  // A package of its own, so that npm does not take the repository for its prefix; it fetches the binary on installation.
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }))
  await mustRun('npm', ['install', '--loglevel=error', '--prefix', folder, '--no-audit', '--no-fund', `node@${major}`])
  return binary
}
