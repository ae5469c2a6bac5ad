/** The main thread's side of the thread that rates orders. */
import { Worker } from 'node:worker_threads'

/** @param {import('kinescope').Kinescope} scope */
export function startRiskThread(scope) {
  const worker = new Worker(new URL('./risk-worker.mjs', import.meta.url), { workerData: { handle: scope.handle } })
  const waiting = new Map()
  let lastId = 0

  worker.on('message', ({ id, risk }) => {
    waiting.get(id).resolve(risk)
    waiting.delete(id)
  })
  worker.on('error', (error) => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  })

  return {
    /**
     * @param {object} order
     * @returns {Promise<number>} From 0 to 1.
     */
    riskOf(order) {
      const id = ++lastId
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        worker.postMessage({ id, order, context: scope.recorder.context() })
      })
    },
    /** Ends the thread. All that it recorded is visible afterwards. */
    async stop() {
      await worker.terminate()
    },
  }
}
