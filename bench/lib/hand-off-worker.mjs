/** Counts events and their types, of a shared answer or of JSON lines. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { parentPort } from 'node:worker_threads'
import { openShared } from 'kinescope'

parentPort.on('message', async ({ shared, lines }) => parentPort.postMessage(shared === undefined ? await ofLines(lines) : ofShared(shared)))

function ofShared(shared) {
  const table = openShared(shared)
  const types = new Set()
  let [events, last] = [0, 0n]
  for (const batch of table.batches) {
    const { values: codes, dictionary } = batch.getChild('event_type').data[0]
    for (const code of new Set(codes)) types.add(dictionary.get(code))
    for (const timestamp of batch.getChild('timestamp').data[0].values) if (timestamp > last) last = timestamp
    events += batch.numRows
  }
  table.release()
  return { events, types: types.size, last }
}

async function ofLines(file) {
  const types = new Set()
  let [events, last] = [0, 0]
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { eventType, timestamp } = JSON.parse(line)
    types.add(eventType)
    if (timestamp > last) last = timestamp
    events++
  }
  return { events, types: types.size, last }
}
