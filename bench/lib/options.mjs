/** What the command line says. */
import { parseArgs } from 'node:util'
import { EVENTS_PER_TRACE } from '../query/events.mjs'

/** Events that are queried: in a full run, and in a quick one. */
const EVENTS = 10_000_000
const QUICK_EVENTS = 1_000_000
/** Below this a question has no answer. */
const LEAST_EVENTS = 100_000

/**
 * @typedef {object} Options
 * @property {boolean} quick
 * @property {string[]} only What the names of rows contain.
 * @property {number} events
 * @property {number | undefined} many By default as many as memory allows.
 * @property {string[]} nodes Major versions of Node; none: the present one.
 */

/**
 * @param {string[]} args
 * @returns {Options}
 * @throws {Error} Naming the option that is wrong.
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [''] },
      events: { type: 'string' },
      many: { type: 'string' },
      node: { type: 'string', multiple: true, default: [] },
    },
  })
  const { quick, only, node: nodes } = values
  const events = numberOfEvents('events', values.events) ?? (quick ? QUICK_EVENTS : EVENTS)
  const many = numberOfEvents('many', values.many) ?? (quick ? 4 * events : undefined)
  for (const major of nodes) if (!/^\d+$/.test(major)) throw new Error(`--node ${major}: a major version such as 22 is needed`)
  return { quick, only, events, many, nodes }
}

/**
 * @param {string} name
 * @param {string | undefined} value
 */
function numberOfEvents(name, value) {
  if (value === undefined) return undefined
  const count = Math.round(Number(value) / EVENTS_PER_TRACE) * EVENTS_PER_TRACE
  if (!(count >= LEAST_EVENTS)) throw new Error(`--${name} ${value}: a number from ${LEAST_EVENTS} is needed`)
  return count
}
