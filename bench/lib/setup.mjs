/** What the benchmarks need: a release build that is not older than its sources, and the rivals. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const SOURCES = ['src', 'crates', 'Cargo.toml', 'Cargo.lock', 'tsconfig.build.json']
/** What the compiler calls the addon, by platform. */
const LIBRARY_NAMES = ['libkinescope_node.so', 'libkinescope_node.dylib', 'kinescope_node.dll']

/**
 * Installs and builds what is missing or old.
 *
 * @param {(text: string) => void} progress
 * @throws {Error} With what a command printed, when it failed.
 */
export async function setUp(progress) {
  await install(root, progress)
  await install(join(root, 'bench', 'compare'), progress)
  if (!isBuilt()) {
    progress('building the package')
    await command('npm', ['run', 'build'], root)
  }
}

/**
 * @param {string} folder Holds a `package-lock.json`.
 * @param {(text: string) => void} progress
 */
async function install(folder, progress) {
  const installed = join(folder, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(folder, 'package-lock.json')).mtimeMs) return
  progress(`installing ${folder}`)
  await command('npm', ['ci', '--loglevel=error', '--no-audit', '--no-fund'], folder)
}

/** Whether `dist` holds a release build of the present sources. */
function isBuilt() {
  const dist = join(root, 'dist')
  const outputs = existsSync(dist) ? readdirSync(dist).map((name) => join(dist, name)) : []
  const addon = outputs.find((path) => path.endsWith('.node'))
  if (!addon || !existsSync(join(dist, 'index.js'))) return false
  const builtMs = Math.min(statSync(addon).mtimeMs, statSync(join(dist, 'index.js')).mtimeMs)
  return isRelease(addon) && builtMs >= Math.max(...SOURCES.map((source) => newest(join(root, source))))
}

/**
 * Whether a binary is what the last release build left: a debug build has the same name, but another size.
 *
 * @param {string} addon
 */
function isRelease(addon) {
  const target = join(root, 'target')
  const folders = existsSync(target) ? ['.', ...readdirSync(target)].map((name) => join(target, name, 'release')) : []
  const libraries = folders.flatMap((folder) => LIBRARY_NAMES.map((name) => join(folder, name)))
  return libraries.some((library) => existsSync(library) && statSync(library).size === statSync(addon).size)
}

/**
 * @param {string} path A file, or a folder with all that is in it but tests.
 * @returns {number} When it was last written, in milliseconds since the Unix epoch.
 */
function newest(path) {
  const stats = statSync(path)
  if (!stats.isDirectory()) return stats.mtimeMs
  return Math.max(0, ...readdirSync(path).filter((name) => name !== 'tests').map((name) => newest(join(path, name))))
}

/**
 * @param {string} file
 * @param {string[]} args
 * @param {string} cwd
 */
function command(file, args, cwd) {
  return new Promise((resolve, reject) => {
    execFile(file, args, { cwd, maxBuffer: 2 ** 26, shell: process.platform === 'win32' }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file} ${args.join(' ')} failed in ${cwd}\n${stdout}${stderr}`))
      else resolve(undefined)
    })
  })
}
