/** Records at a steady rate until it is terminated. */
import { setTimeout as sleep } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import { attach } from 'kinescope'

const { handle, eventsPerSecond } = workerData
const { recorder } = attach(handle)
const emitters = ['a', 'b', 'c'].map((type) => recorder.define(type, { n: 'i64', load: 'f64' }))
const start = performance.now()
for (let n = 0; ; ) {
  const due = ((performance.now() - start) / 1000) * eventsPerSecond
  while (n < due) {
    recorder.run({ pid: `p-${Math.floor(n / 20) % 1000}` }, () => {
      for (const end = n + 20; n < end; n++) emitters[n % emitters.length]({ n: n % 100_000, load: 0.5 })
    })
  }
  await sleep(2)
}
