/**
 * Records from three threads as fast as their turns come, and says over a pipe of each thread how far it has come: what it has said is what
 * its recording calls have returned for. Ends when it is killed.
 */
import { writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { attach, open } from 'kinescope'

const BURST = 40
/** File descriptors of the pipes, one for each thread. */
const FIRST_PIPE = 3

function record(scope, thread, from) {
  const { recorder } = scope
  const defined = recorder.define('defined', { n: 'i64', text: 'utf8', kind: 'symbol' })
  const site = recorder.site({ module: 'kills', function: `thread${thread}`, arity: 1, file: 'kills.mjs', line: thread + 1 })
  let n = from
  const turn = () => {
    recorder.run({ correlationId: `${thread}-${n}`, tags: { thread } }, () => {
      for (let i = 0; i < BURST; i++, n++) {
        // The forms take turns: a defined event, a plain one, a call's entry and exit.
        if (n % 3 === 0) defined({ n, text: `${thread}:${n}`, kind: n % 2 === 0 ? 'even' : 'odd' })
        else if (n % 3 === 1) recorder.record({ eventType: 'plain', data: { n, text: `${thread}:${n}`, nested: { list: [n] } } })
        else recorder.exit(recorder.enter(site, { n, text: `${thread}:${n}` }))
      }
    })
    writeSync(FIRST_PIPE + thread, `${n}\n`)
    setImmediate(turn)
  }
  turn()
}

if (isMainThread) {
  const [path, durability, starts] = process.argv.slice(2)
  const from = JSON.parse(starts)
  const scope = await open({ path, durability, segmentEvents: 3000, ring: { bytes: 1 << 20 } })
  const workers = [1, 2].map((thread) => new Worker(new URL(import.meta.url), { workerData: { handle: scope.handle, thread, from: from[thread] } }))
  workers.forEach((worker) => worker.on('error', (error) => { throw error }))
  record(scope, 0, from[0])
} else {
  record(attach(workerData.handle), workerData.thread, workerData.from)
}
