/** What a fresh checkout needs before anything else works. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun, root } from './run.mjs'

/** Installs the locked dependencies, unless they are there and the lock file has not changed since. */
export async function installDependencies() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  const locked = join(root, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(locked).mtimeMs) return
  await mustRun('npm', ['ci', '--loglevel=error', '--no-audit', '--no-fund'])
}

/** Installs the dependencies and builds the addon (release) and the TypeScript over it. */
export async function setUp() {
  const missing = 'Rust is needed to build the addon: https://rustup.rs'
  if (!process.env.PATH?.split(process.platform === 'win32' ? ';' : ':').some(hasCargo)) {
    console.error(missing)
    process.exit(1)
  }
  await installDependencies()
  await mustRun('npm', ['run', '--silent', 'build'])
}

/** @param {string} folder */
function hasCargo(folder) {
  return ['cargo', 'cargo.exe'].some((name) => existsSync(join(folder, name)))
}
