/** What the pool computes of a page of events: features of every trace in it, which can be added up over pages. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { openShared } from 'kinescope'

/** Of each trace: how many events, ended calls and failures, and the sum of the calls' durations in nanoseconds. */
export const FEATURES = 4

/** A task of the pool. */
export default async function featuresOfShared(shared) {
  const table = openShared(shared)
  const features = featuresOf(table)
  table.release()
  // Piscina waits for its next task without turning the event loop, and memory is given back only when that turns.
  await nextTurn()
  return features
}

/** `numbers` has the features of the first trace, then those of the second, and so on. */
export function featuresOf(table) {
  const byTrace = new Map()
  for (const batch of table.batches) addBatch(byTrace, batch)
  const numbers = new Float64Array(byTrace.size * FEATURES)
  for (const [index, features] of [...byTrace.values()].entries()) numbers.set(features, index * FEATURES)
  return { traces: [...byTrace.keys()], numbers }
}

function addBatch(byTrace, batch) {
  const column = (name) => batch.getChild(name)
  const data = column('data')
  // Columns of few texts are codes of a dictionary: every text is looked at once, and not once a row.
  const typeCodes = column('event_type').data[0].values
  const typeOf = column('event_type').data[0].dictionary.toArray()
  const traceCodes = column('correlation_id').data[0].values
  const dictionary = column('correlation_id').data[0].dictionary
  const byCode = new Map()
  for (let row = 0; row < batch.numRows; row++) {
    let features = byCode.get(traceCodes[row])
    if (features === undefined) {
      features = featuresIn(byTrace, dictionary.get(traceCodes[row]))
      byCode.set(traceCodes[row], features)
    }
    features[0] += 1
    if (typeOf[typeCodes[row]] !== 'function_exit') continue
    const { duration_ns: duration, exit_reason: reason } = JSON.parse(data.get(row))
    features[1] += 1
    if (reason !== 'normal') features[2] += 1
    features[3] += duration
  }
}

/** Those of a trace, zeros at first. */
function featuresIn(byTrace, trace) {
  let features = byTrace.get(trace)
  if (features === undefined) {
    features = new Float64Array(FEATURES)
    byTrace.set(trace, features)
  }
  return features
}

/** Adds the features of a page to those of the pages before. */
export function merge(byTrace, { traces, numbers }) {
  for (const [index, trace] of traces.entries()) {
    const features = featuresIn(byTrace, trace)
    for (let n = 0; n < FEATURES; n++) features[n] += numbers[index * FEATURES + n]
  }
}
