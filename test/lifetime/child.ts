import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export interface ChildResult {
  status: number | null
  signal: NodeJS.Signals | null
  stderr: string
  /** What the fixture printed, parsed as JSON; null if it printed nothing. */
  report: any
}

/**
 * Runs a fixture in a process of its own, so that a crash or an exit is something to look at.
 *
 * @param fixture Where it is, or its name in `fixtures/`, without `.mjs`.
 */
export async function runChild(fixture: string | URL, args: string[] = [], nodeOptions: string[] = []): Promise<ChildResult> {
  const path = fileURLToPath(fixture instanceof URL ? fixture : new URL(`fixtures/${fixture}.mjs`, import.meta.url))
  const child = spawn(process.execPath, [...nodeOptions, path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('close', (status, signal) => resolve([status, signal]))
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [status, signal] = await ended
  return { status, signal, stderr, report: stdout === '' ? null : JSON.parse(stdout) }
}
