/**
 * `npm run bench`: measures what recording, writing and querying cost, and prints one table.
 *
 * `--quick`: shorter, fewer repetitions. `--only <text>`: only rows whose name contains it; may be given several times.
 * `--events <number>`: how many events are queried. `--many <number>`: how many events the rows with many more of them have.
 * The exit code is 1 when something could not be measured; a missed goal is a result.
 */
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { cachePath } from './lib/cache.mjs'
import { installPolars } from './lib/polars-setup.mjs'
import { measureAll } from './lib/schedule.mjs'
import { setUp } from './lib/setup.mjs'
import { formatTable } from './lib/table.mjs'
import { EVENTS_PER_TRACE } from './query/events.mjs'
import { writeEvents } from './query/events-file.mjs'
import { QUERYING_PROBES, QUERYING_ROWS } from './rows/querying.mjs'
import { RECORDING_PROBES, RECORDING_ROWS } from './rows/recording.mjs'
import { WRITING_PROBES, WRITING_ROWS } from './rows/writing.mjs'

const PROBES = { ...RECORDING_PROBES, ...WRITING_PROBES, ...QUERYING_PROBES }
const ROWS = [...RECORDING_ROWS, ...WRITING_ROWS, ...QUERYING_ROWS]

/** Events that are queried: in a full run, and in a quick one. */
const EVENTS = 10_000_000
const QUICK_EVENTS = 1_000_000
/** Below this a question has no answer. */
const LEAST_EVENTS = 100_000

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [''] },
    events: { type: 'string' },
    many: { type: 'string' },
  },
})
const { quick } = values
const events = eventsOf('events') ?? (quick ? QUICK_EVENTS : EVENTS)
const many = eventsOf('many') ?? (quick ? 4 * events : undefined)
const rows = ROWS.filter(({ name }) => values.only.some((text) => name.includes(text)))
if (rows.length === 0) {
  console.error(`--only ${values.only.join(' --only ')}: no such row; there are ${ROWS.map(({ name }) => name).join(', ')}`)
  process.exit(1)
}
try {
  await setUp(progress)
} catch (error) {
  progress('')
  console.error(error.message)
  process.exit(1)
}
const wanted = new Set(rows.flatMap((row) => [...row.probes, ...(row.rivals ?? [])]))
const probes = Object.fromEntries(Object.entries(PROBES).filter(([name]) => wanted.has(name)))
const questions = [...new Set(rows.flatMap((row) => row.questions ?? []))]
const measured = await measure()
progress('')
console.log(formatTable([['name', 'what', 'absolute', 'ratio to rival', 'goal', ''], ...rows.map(lineOf)]))

/** Measures all probes; those that read events find them in a file, which is large and therefore does not stay. */
async function measure() {
  const options = { quick, events, many, questions, progress }
  if (!Object.values(probes).some(({ readsEvents }) => readsEvents)) return measureAll(probes, options)
  const trouble = installPolars(progress)
  if (trouble !== undefined) console.error(`Polars cannot be had here: ${trouble}`)
  const file = cachePath(`events-${process.pid}.csv`)
  try {
    progress(`making ${events} events`)
    writeEvents(file, events)
    return await measureAll(probes, { ...options, file })
  } finally {
    rmSync(file, { force: true })
  }
}

/**
 * @param {'events' | 'many'} name
 * @returns {number | undefined}
 */
function eventsOf(name) {
  if (values[name] === undefined) return undefined
  const count = Math.round(Number(values[name]) / EVENTS_PER_TRACE) * EVENTS_PER_TRACE
  if (count >= LEAST_EVENTS) return count
  console.error(`--${name} ${values[name]}: a number from ${LEAST_EVENTS} is needed`)
  process.exit(1)
}

/**
 * @param {import('./rows/figures.mjs').Row} row
 * @returns {string[]}
 */
function lineOf({ name, what, goal, probes: needed, rivals = [], figures }) {
  const metrics = needed.map((probe) => measured[probe])
  try {
    const failure = metrics.find((metric) => metric instanceof Error)
    if (failure) throw failure
    const { absolute, ratio = '', met, incomplete } = figures(...metrics, ...rivals.map((probe) => measured[probe]))
    if (incomplete) process.exitCode = 1
    const lostEvents = Math.max(...metrics.map((metric) => metric.lostEvents?.high ?? 0))
    // What was lost had not been stored, so such a figure is too good.
    if (lostEvents > 0) return [name, what, `${absolute}, but ${lostEvents} events were lost`, ratio, goal, 'MISSED']
    return [name, what, absolute, ratio, goal, met === undefined ? '' : met ? 'met' : 'MISSED']
  } catch (error) {
    process.exitCode = 1
    return [name, what, `not measured: ${error.message.replaceAll(/\s+/g, ' ')}`, '', goal, '']
  }
}

/**
 * Shows on a terminal what is being done; the line is overwritten by the next one.
 *
 * @param {string} text
 */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
}
