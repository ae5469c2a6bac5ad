import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** A thread that does one thing after the other as it is told; `fixtures/opener.mjs` has the commands. */
export class Opener {
  worker = new Worker(new URL('fixtures/opener.mjs', import.meta.url))

  /**
   * What the command returns; rejects with what it throws.
   *
   * @param {string} command
   * @param {Record<string, unknown>} [options]
   * @returns {Promise<any>}
   */
  async tell(command, options = {}) {
    const answered = once(this.worker, 'message')
    this.worker.postMessage({ command, ...options })
    const [{ value, error }] = await answered
    if (error !== undefined) throw Object.assign(new Error(error.message), error)
    return value
  }
}
