/** How many events a second reach one consumer on the thread that asks, and how many are looked at for it. */
import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { finish, openForTiming } from '../lib/scope.mjs'
import { plainEvent, recordMany, WITHOUT_DATA } from '../lib/streams.mjs'

const VARIANTS = { batches, objects, 'catch-up': catchUp, emitter, readable }

/**
 * @param {{ variant: 'batches' | 'objects' | 'catch-up' | 'emitter' | 'readable', quick: boolean }} options `batches`: every
 * event, as Arrow batches without the payload, of which one column is summed; `objects`: every event as an object;
 * `catch-up`: over a history of which one event in 10,000 matches; the others: rivals that hand on objects as they are made.
 * @returns {Promise<Record<string, number>>} `eventsPerSecond`.
 */
export async function measure({ variant, quick }) {
  return VARIANTS[variant](quick ? 500_000 : 3_000_000)
}

async function batches(count) {
  return overHistory(count, { projection: WITHOUT_DATA, batchSize: 65_536 }, ({ batch }) => {
    const lines = batch.getChild('line').data[0].values
    let sum = 0
    for (let row = 0; row < lines.length; row++) sum += lines[row]
    return sum
  })
}

async function objects(count) {
  return overHistory(count / 10, { batchSize: 8192 }, (batch) => {
    let sum = 0
    for (const { line } of batch) sum += line
    return sum
  })
}

async function catchUp(count) {
  return overHistory(count, { pid: 'request-7' }, ({ batch }) => batch.numRows)
}

async function overHistory(count, options, work) {
  const scope = await openForTiming({ retention: { maxBytes: 4 * 2 ** 30 } })
  await recordMany(scope, count)
  // The first batch of a process loads apache-arrow, which takes longer than what is measured here.
  for await (const { batch } of scope.eventStreamer.subscribe({ startFrom: { seq: 0 }, batchSize: 1 })) if (batch.numRows > 0) break
  let sum = 0
  const start = performance.now()
  for await (const batch of scope.eventStreamer.subscribe({ startFrom: { seq: 0 }, batchTimeoutMs: 0, ...options })) {
    if (batch.batch.numRows > 0) sum += work(batch)
    batch.release()
    if (batch.caughtUp) break
  }
  const seconds = (performance.now() - start) / 1000
  if (sum === 0) throw new Error('nothing was delivered')
  return { eventsPerSecond: count / seconds, ...(await finish(scope)) }
}

async function emitter(count) {
  const events = count / 3
  const stream = new EventEmitter()
  let sum = 0
  stream.on('event', ({ line }) => (sum += line))
  const start = performance.now()
  for (let number = 0; number < events; number++) stream.emit('event', plainEvent(number))
  return { eventsPerSecond: events / ((performance.now() - start) / 1000), lostEvents: sum === 0 ? events : 0 }
}

async function readable(count) {
  const events = count / 3
  let number = 0
  const stream = new Readable({
    objectMode: true,
    highWaterMark: 1024,
    read() {
      while (number < events && this.push(plainEvent(number))) number++
      if (number++ >= events) this.push(null)
    },
  })
  let sum = 0
  const start = performance.now()
  for await (const { line } of stream) sum += line
  return { eventsPerSecond: events / ((performance.now() - start) / 1000), lostEvents: sum === 0 ? events : 0 }
}
