/**
 * `npm run bench`: measures what recording, writing, querying and streaming cost, and prints one table.
 *
 * `--quick`: shorter, fewer repetitions. `--only <text>`: only rows whose name contains it; may be given several times.
 * `--events <number>`: how many events are queried. `--many <number>`: how many events the rows with many more of them have.
 * `--node <major>`: measures on that version of Node; may be given several times.
 * The exit code is 1 when something could not be measured; a missed goal is a result.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { nodeBinary } from '../scripts/lib/nodes.mjs'
import { cachePath } from './lib/cache.mjs'
import { readOptions } from './lib/options.mjs'
import { installPolars } from './lib/polars-setup.mjs'
import { measureAll } from './lib/schedule.mjs'
import { setUp } from './lib/setup.mjs'
import { formatTable, HEADING, lineOf } from './lib/table.mjs'
import { writeEvents } from './query/events-file.mjs'
import { DISK_PROBES, DISK_ROWS } from './rows/disk.mjs'
import { HAND_OFF_PROBES, HAND_OFF_ROWS } from './rows/hand-off.mjs'
import { QUERYING_PROBES, QUERYING_ROWS } from './rows/querying.mjs'
import { RECORDING_PROBES, RECORDING_ROWS } from './rows/recording.mjs'
import { STREAMING_PROBES, STREAMING_ROWS } from './rows/streaming.mjs'
import { WRITING_PROBES, WRITING_ROWS } from './rows/writing.mjs'

const PROBES = { ...RECORDING_PROBES, ...WRITING_PROBES, ...DISK_PROBES, ...QUERYING_PROBES, ...STREAMING_PROBES, ...HAND_OFF_PROBES }
const ROWS = [...RECORDING_ROWS, ...WRITING_ROWS, ...DISK_ROWS, ...QUERYING_ROWS, ...STREAMING_ROWS, ...HAND_OFF_ROWS]

try {
  const { only, nodes, ...options } = readOptions(process.argv.slice(2))
  const rows = ROWS.filter(({ name }) => only.some((text) => name.includes(text)))
  if (rows.length === 0) throw new Error(`--only ${only.join(' --only ')}: no such row; there are ${ROWS.map(({ name }) => name).join(', ')}`)
  await setUp(progress)
  for (const major of nodes.length > 0 ? nodes : [undefined]) {
    const node = major === undefined ? process.execPath : await nodeBinary(major)
    if (major !== undefined) console.log(`\nNode ${major}`)
    const measured = await measure(rows, { ...options, node, progress })
    progress('')
    const lines = rows.map((row) => lineOf(row, measured))
    if (lines.some(({ isWhole }) => !isWhole)) process.exitCode = 1
    console.log(formatTable([HEADING, ...lines.map(({ cells }) => cells)]))
  }
} catch (error) {
  progress('')
  console.error(error.message)
  process.exitCode = 1
}

/**
 * Measures what rows need.
 *
 * @param {import('./rows/figures.mjs').Row[]} rows
 * @param {Omit<Parameters<typeof measureAll>[1], 'questions' | 'file'>} options
 */
async function measure(rows, options) {
  const wanted = new Set(rows.flatMap((row) => [...row.probes, ...(row.rivals ?? [])]))
  const probes = Object.fromEntries(Object.entries(PROBES).filter(([name]) => wanted.has(name)))
  const questions = [...new Set(rows.flatMap((row) => row.questions ?? []))]
  if (!Object.values(probes).some(({ readsEvents }) => readsEvents)) return measureAll(probes, { ...options, questions })
  const trouble = installPolars(progress)
  if (trouble !== undefined) console.error(`Polars cannot be had here: ${trouble}`)
  return measureAll(probes, { ...options, questions, file: await eventsFile(options.events) })
}

/**
 * Makes the file of events, unless it is there. It is large, and does not outlive this process, nor does what rivals put beside it.
 *
 * @param {number} events
 * @returns {Promise<string>} Its path.
 */
async function eventsFile(events) {
  const folder = cachePath(`run-${process.pid}`)
  const file = join(folder, 'events.csv')
  if (existsSync(file)) return file
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  mkdirSync(folder)
  progress(`making ${events} events`)
  await writeEvents(file, events)
  return file
}

/**
 * Shows on a terminal what is being done; the line is overwritten by the next one.
 *
 * @param {string} text
 */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
}
