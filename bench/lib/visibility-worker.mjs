/** The recording side of `probes/visibility.mjs`. */
import { workerData } from 'node:worker_threads'
import { attach } from 'kinescope'
import { NUMERIC_FIELDS } from './scope.mjs'
import { sleepSync } from './timing.mjs'

const { handle, bursts, eventsPerBurst, pauseMs, recordedAt } = workerData
const scope = attach(handle)
const emit = scope.recorder.define('sample', NUMERIC_FIELDS)
const now = process.hrtime.bigint
for (let burst = 0, event = 0; burst < bursts; burst++) {
  for (let i = 0; i < eventsPerBurst; i++) {
    emit({ queued: i, load: i * 0.5, waited: 7 })
    recordedAt[event++] = Number(now())
  }
  sleepSync(pauseMs)
}
