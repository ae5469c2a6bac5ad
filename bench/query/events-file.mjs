/** The events as a file of comma-separated values, which every engine reads fast. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { correlationIdOf, generateEvents, payloadOf, pidOf, SITES, TYPE, TYPES } from './events.mjs'
import { messageText } from './messages.mjs'

const BUFFER_BYTES = 2 ** 20
/** More than a row takes. */
const ROW_BYTES = 4_096
/** Before a timestamp of 13 digits it makes nanoseconds since the Unix epoch. */
const EPOCH_PREFIX = '170000'
/** The columns; the last three are what engines that do not index JSON need as columns of their own. */
const COLUMNS =
  'seq,event_id,timestamp,wall_time,event_type,node,pid,correlation_id,parent_id,module,function,arity,file,line,data,duration_ns,x,message'

const SITE_TEXTS = SITES.map((site) => `${site.module},${site.function},${site.arity},${site.file},${site.line}`)

/**
 * @param {string} file
 * @param {number} events
 */
export async function writeEvents(file, events) {
  const descriptor = openSync(file, 'w')
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES)
  try {
    let length = buffer.write(`${COLUMNS}\n`)
    for (const batch of generateEvents(events)) {
      // Signals are handled in between.
      await new Promise(setImmediate)
      for (let row = 0; row < batch.count; row++) {
        if (length > BUFFER_BYTES - ROW_BYTES) {
          writeSync(descriptor, buffer, 0, length)
          length = 0
        }
        length += buffer.write(lineOf(batch, row), length, 'latin1')
      }
    }
    writeSync(descriptor, buffer, 0, length)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * @param {import('./events.mjs').Batch} batch
 * @param {number} row
 */
function lineOf(batch, row) {
  const type = batch.type[row]
  const event = String(batch.first + row)
  const timestamp = String(batch.timestamp[row])
  const parent = batch.parent[row] < 0 ? '' : batch.parent[row]
  const times = `${timestamp},${EPOCH_PREFIX}${timestamp}`
  const ids = `${TYPES[type]},bench,${pidOf(batch.process[row])},${correlationIdOf(batch.trace[row])},${parent}`
  const json = payloadOf(batch, row).replaceAll('"', '""')
  const duration = type === TYPE.exit ? batch.durationNs[row] : ''
  const x = type === TYPE.snapshot ? batch.x[row] : ''
  const message = type === TYPE.log ? messageText(batch.first + row) : ''
  return `${event},${event},${times},${ids},${SITE_TEXTS[batch.site[row]]},"${json}",${duration},${x},${message}\n`
}
