/** Environments of Python, made of pinned packages. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const isWindows = process.platform === 'win32'

/**
 * The environment of a folder that has a `requirements.txt`.
 *
 * @param {string} folder
 */
export function pythonEnvironment(folder) {
  const environment = join(folder, '.venv')
  const requirements = join(folder, 'requirements.txt')
  /** Says what has been installed. */
  const mark = join(environment, 'installed.txt')
  const python = isWindows ? join(environment, 'Scripts', 'python.exe') : join(environment, 'bin', 'python')
  return {
    /** @returns {string | undefined} The interpreter, where it is installed. */
    interpreter: () => (existsSync(mark) ? python : undefined),
    /**
     * Installs the packages, unless they are there.
     *
     * @param {() => void} starts Called before what may take a while.
     * @returns {string | undefined} Why they cannot be had on this machine.
     */
    install(starts) {
      const wanted = readFileSync(requirements, 'utf8')
      if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return undefined
      rmSync(mark, { force: true })
      starts()
      try {
        const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }
        execFileSync(isWindows ? 'python' : 'python3', ['-m', 'venv', '--clear', environment], options)
        execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:', '-r', requirements], options)
        writeFileSync(mark, wanted)
        return undefined
      } catch (error) {
        return error.message
      }
    },
  }
}
