/** The thread that rates orders. It records into the same recording as the main thread, through a ring of its own. */
import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { attach } from 'kinescope'

const { recorder } = attach(workerData.handle)

const rate = recorder.wrap(
  function rate(order) {
    let digest = JSON.stringify(order)
    for (let round = 0; round < 20; round++) digest = createHash('sha256').update(digest).digest('hex')
    return parseInt(digest.slice(0, 8), 16) / 2 ** 32
  },
  { module: 'risk', captureResult: true },
)

parentPort.on('message', ({ id, order, context }) => {
  // The caller's context makes these events part of its trace; the work is a sequential thread of its own, so it has its own pid.
  const risk = recorder.run({ ...context, pid: `risk-${id}` }, () => rate(order))
  parentPort.postMessage({ id, risk })
})
