/** Child processes of the scripts: what they print goes through, and a failure is a value or an exit, as asked. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The repository's root. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Runs a command in the repository's root and shows what it prints.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, capture?: boolean | 'only' }} [options] `capture`: also return standard output; `only`: do not show it.
 * @returns {Promise<{ code: number, stdout: string }>} `code` is 1 when a signal ended it or it could not be started.
 */
export function run(command, args, { env = {}, capture = false } = {}) {
  console.log(`\n$ ${[...Object.entries(env).map(([name, value]) => `${name}='${value}'`), command, ...args].join(' ')}`)
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'],
      shell: process.platform === 'win32',
    })
    let stdout = ''
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      stdout += text
      if (capture !== 'only') process.stdout.write(text)
    })
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`)
      resolve({ code: 1, stdout })
    })
    child.on('close', (code) => resolve({ code: code ?? 1, stdout }))
  })
}

/**
 * Runs a command and ends this process when it fails.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 */
export async function mustRun(command, args, options) {
  const { code } = await run(command, args, options)
  if (code !== 0) process.exit(code)
}
