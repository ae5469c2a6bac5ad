import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { KinescopeHandle } from 'kinescope'

/** Numbers of the writers: the main thread is 0. */
export const WORKERS = [1, 2, 3, 4]
const fixture = new URL('fixtures/producer.mjs', import.meta.url)

export interface RunningWorkers {
  /** Lets all of them record at once. */
  start(): void
  /** Resolves when all have exited, rejects when one of them failed. */
  exited: Promise<unknown>
}

/** Starts workers that each record `events` numbered events once they are told to. */
export async function startWorkers(handle: KinescopeHandle, events: number, oversized = false): Promise<RunningWorkers> {
  const start = new Int32Array(new SharedArrayBuffer(4))
  const workers = WORKERS.map((writer) => new Worker(fixture, { workerData: { handle, writer, events, oversized, start } }))
  const exited = Promise.all(workers.map(async (worker) => ok(await once(worker, 'exit'))))
  await Promise.race([Promise.all(workers.map((worker) => once(worker, 'message'))), exited])
  return {
    start() {
      Atomics.store(start, 0, 1)
      Atomics.notify(start, 0)
    },
    exited,
  }
}

function ok([exitCode]: unknown[]) {
  if (exitCode !== 0) throw new Error(`a worker exited with ${exitCode}`)
}
