/** Polars in an environment of Python of its own. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../compare/', import.meta.url))
const ENVIRONMENT = join(FOLDER, '.venv')
const REQUIREMENTS = join(FOLDER, 'requirements.txt')
/** Says what has been installed. */
const MARK = join(ENVIRONMENT, 'installed.txt')
const isWindows = process.platform === 'win32'

const PYTHON = isWindows ? join(ENVIRONMENT, 'Scripts', 'python.exe') : join(ENVIRONMENT, 'bin', 'python')

/** @returns {string | undefined} The interpreter that has Polars, where it is installed. */
export function polarsPython() {
  return existsSync(MARK) ? PYTHON : undefined
}

/**
 * Installs Polars, unless it is there.
 *
 * @param {(text: string) => void} progress
 * @returns {string | undefined} Why it cannot be had on this machine.
 */
export function installPolars(progress) {
  const wanted = readFileSync(REQUIREMENTS, 'utf8')
  if (existsSync(MARK) && readFileSync(MARK, 'utf8') === wanted) return undefined
  rmSync(MARK, { force: true })
  progress('installing Polars')
  try {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }
    execFileSync(isWindows ? 'python' : 'python3', ['-m', 'venv', '--clear', ENVIRONMENT], options)
    execFileSync(PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:', '-r', REQUIREMENTS], options)
    writeFileSync(MARK, wanted)
    return undefined
  } catch (error) {
    return error.message
  }
}
