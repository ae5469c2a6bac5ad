import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { KinescopeHandle } from 'kinescope'

/** A worker that does what it is told, one command at a time; see the fixture for the commands. */
export class CommandedWorker {
  readonly worker: Worker

  constructor(handle: KinescopeHandle) {
    this.worker = new Worker(new URL('fixtures/commanded-worker.mjs', import.meta.url), { workerData: { handle } })
  }

  /** What the command returns; rejects with the message of what it throws. */
  async tell(command: string, options: Record<string, unknown> = {}): Promise<any> {
    const answered = once(this.worker, 'message')
    this.worker.postMessage({ command, ...options })
    const [{ value, error }] = await answered
    if (error) throw new Error(`${command}: ${error.code}: ${error.message}`)
    return value
  }

  /** Lets it end by itself. */
  async leave(): Promise<void> {
    const exited = once(this.worker, 'exit')
    this.worker.postMessage({ command: 'leave' })
    await exited
  }
}
