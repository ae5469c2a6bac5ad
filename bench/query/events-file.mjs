/** The events as a file of comma-separated values, which every engine reads fast. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { correlationIdOf, dataOf, generateEvents, pidOf, SITES, TYPE, TYPES } from './events.mjs'

/** Rows that are joined into one text: larger ones are slow to make. */
const ROWS_PER_WRITE = 500
/** Before a timestamp of 13 digits it makes nanoseconds since the Unix epoch. */
const EPOCH_PREFIX = '170000'
/** The columns; the last three are what engines that do not index JSON need as columns of their own. */
const COLUMNS =
  'seq,event_id,timestamp,wall_time,event_type,node,pid,correlation_id,parent_id,module,function,arity,file,line,data,duration_ns,x,message'

/**
 * @param {string} file
 * @param {number} events
 */
export function writeEvents(file, events) {
  const descriptor = openSync(file, 'w')
  try {
    let text = `${COLUMNS}\n`
    for (const batch of generateEvents(events)) {
      for (let row = 0; row < batch.count; row++) {
        text += lineOf(batch, row)
        if ((row + 1) % ROWS_PER_WRITE !== 0) continue
        writeSync(descriptor, text)
        text = ''
      }
    }
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * @param {import('./events.mjs').Batch} batch
 * @param {number} row
 */
function lineOf(batch, row) {
  const event = batch.first + row
  const type = batch.type[row]
  const timestamp = batch.timestamp[row]
  const parent = batch.parent[row] < 0 ? '' : batch.parent[row]
  const { module, function: name, arity, file, line } = SITES[batch.site[row]]
  const data = dataOf(batch, row)
  const json = JSON.stringify(data).replaceAll('"', '""')
  const ids = `${event},${event},${timestamp},${EPOCH_PREFIX}${timestamp},${TYPES[type]},bench,${pidOf(batch.process[row])},${correlationIdOf(batch.trace[row])}`
  const duration = type === TYPE.exit ? batch.durationNs[row] : ''
  const x = type === TYPE.snapshot ? batch.x[row] : ''
  return `${ids},${parent},${module},${name},${arity},${file},${line},"${json}",${duration},${x},${type === TYPE.log ? data.message : ''}\n`
}
