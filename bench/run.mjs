/**
 * `npm run bench`: measures what recording and writing cost, and prints one table.
 *
 * `--quick`: shorter, fewer repetitions. `--only <text>`: only rows whose name contains it; may be given several times.
 * The exit code is 1 when something could not be measured; a missed goal is a result.
 */
import { parseArgs } from 'node:util'
import { measureAll } from './lib/schedule.mjs'
import { setUp } from './lib/setup.mjs'
import { formatTable } from './lib/table.mjs'
import { RECORDING_PROBES, RECORDING_ROWS } from './rows/recording.mjs'
import { WRITING_PROBES, WRITING_ROWS } from './rows/writing.mjs'

const PROBES = { ...RECORDING_PROBES, ...WRITING_PROBES }
const ROWS = [...RECORDING_ROWS, ...WRITING_ROWS]

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string', multiple: true, default: [''] } } })
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
const wanted = new Set(rows.flatMap((row) => row.probes))
const probes = Object.fromEntries(Object.entries(PROBES).filter(([name]) => wanted.has(name)))
const measured = await measureAll(probes, { quick: values.quick, progress })
progress('')
console.log(formatTable([['name', 'what', 'absolute', 'ratio to rival', 'goal', ''], ...rows.map(lineOf)]))

/**
 * @param {import('./rows/figures.mjs').Row} row
 * @returns {string[]}
 */
function lineOf({ name, what, goal, probes: needed, figures }) {
  const metrics = needed.map((probe) => measured[probe])
  const failure = metrics.find((metric) => metric instanceof Error)
  if (failure) {
    process.exitCode = 1
    return [name, what, `not measured: ${failure.message.replaceAll(/\s+/g, ' ')}`, '', goal, '']
  }
  const { absolute, ratio = '', met } = figures(...metrics)
  const lostEvents = Math.max(...metrics.map((metric) => metric.lostEvents?.high ?? 0))
  // What was lost had not been stored, so such a figure is too good.
  if (lostEvents > 0) return [name, what, `${absolute}, but ${lostEvents} events were lost`, ratio, goal, 'MISSED']
  return [name, what, absolute, ratio, goal, met === undefined ? '' : met ? 'met' : 'MISSED']
}

/**
 * Shows on a terminal what is being done; the line is overwritten by the next one.
 *
 * @param {string} text
 */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
}
