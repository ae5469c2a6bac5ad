/** Packages that single tests need and nothing else does: folders with a lock file of their own, installed when they are first used. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** For hooks that install: what a slow registry may take. */
export const INSTALL_TIMEOUT_MS = 300_000

/**
 * Installs what a folder's lock file says, and this package beside it, unless that has been done.
 *
 * @param folder Relative to the root; holds a `package-lock.json`.
 * @returns The folder's absolute path.
 */
export async function installPackages(folder: string): Promise<string> {
  const path = join(root, folder)
  const claim = join(path, '.installing')
  while (!isInstalled(path)) {
    if (!tryClaim(claim)) {
      await setTimeout(100)
      continue
    }
    try {
      await promisify(execFile)('npm', ['ci', '--loglevel=error', '--no-audit', '--no-fund'], { cwd: path, shell: process.platform === 'win32' })
      symlinkSync(root, join(path, 'node_modules', 'kinescope'), 'junction')
    } finally {
      rmSync(claim)
    }
  }
  return path
}

function isInstalled(path: string): boolean {
  const installed = join(path, 'node_modules', '.package-lock.json')
  if (!existsSync(installed) || !existsSync(join(path, 'node_modules', 'kinescope'))) return false
  return statSync(installed).mtimeMs >= statSync(join(path, 'package-lock.json')).mtimeMs
}

/** Test files run in processes of their own: one installs, the others wait. A claim of a process that is gone is no claim. */
function tryClaim(claim: string): boolean {
  try {
    writeFileSync(claim, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    try {
      process.kill(Number(readFileSync(claim, 'utf8')), 0)
    } catch {
      rmSync(claim, { force: true })
    }
    return false
  }
}
