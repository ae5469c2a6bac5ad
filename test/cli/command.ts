/** The command as its users run it: a process of its own. */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type EventInput, open } from 'kinescope'

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Where waiting for a disk takes no time. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const made: string[] = []

export function directory(): string {
  const path = mkdtempSync(join(scratch, 'test-kinescope-cli-'))
  made.push(path)
  return path
}

export function removeDirectories(): void {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
}

export interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

export function kinescope(...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 })
  return { status, stdout, stderr }
}

/** As {@link kinescope}, for output that is no text. */
export function bytesOf(...args: string[]): Buffer {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr.toString())
  return stdout
}

export function started(...args: string[]): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** What has come of a stream, as it comes. */
export function gathered(stream: Readable): { text: string } {
  const all = { text: '' }
  stream.setEncoding('utf8').on('data', (chunk: string) => (all.text += chunk))
  return all
}

export async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 30_000
  while (!holds()) {
    if (Date.now() > end) throw new Error('it did not come about')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A closed recording of these events. */
export async function recorded(events: readonly EventInput[], segmentEvents = 1000): Promise<string> {
  const path = directory()
  const scope = await open({ path, node: 'shop:1', segmentEvents })
  await scope.dataAccess.storeEvents(events)
  await scope.close()
  return path
}

/** Midnight of a day, in nanoseconds since the Unix epoch. */
export const DAY = 1_700_006_400_000_000_000n

/** Three events of which everything is known. */
export const THREE: readonly EventInput[] = [
  { eventType: 'log', pid: 'main', timestamp: 1000n, wallTime: DAY, tags: { region: 'eu' }, data: { message: 'a "quoted", text', n: 2n ** 60n } },
  { eventType: 'function_entry', pid: 'req-1', correlationId: 't-1', module: 'cart', function: 'total', arity: 1, timestamp: 2000n, wallTime: DAY + 1_000_000_000n, data: { args: [1] } },
  { eventType: 'function_exit', pid: 'req-1', correlationId: 't-1', parentId: '32768-1', module: 'cart', function: 'total', arity: 1, timestamp: 5000n, wallTime: DAY + 2_000_000_000n, data: { duration_ns: 3000, exit_reason: 'normal' } },
]
