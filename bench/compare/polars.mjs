/** The questions to Polars, in a process of Python, where it is faster than from Node. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { polarsPython } from '../lib/polars-setup.mjs'
import { measureAskings } from '../query/asking.mjs'
import { correlationIdOf, pidOf } from '../query/events.mjs'
import { RARE_WORD } from '../query/messages.mjs'
import { eventList, PAGE, QUANTILE, sortGroups, totalAndEvents, X_ABOVE } from '../query/questions.mjs'
import { functionKey, groupKey } from '../query/reference.mjs'

const THREADS = 2
const SCRIPT = fileURLToPath(new URL('polars_questions.py', import.meta.url))

/**
 * @param {{ quick: boolean, events: number, questions: string[], file: string }} options `file`: the events.
 * @returns {Promise<Record<string, number | number[] | string>>} Milliseconds of each question, `eventsPerSecond` read.
 */
export async function measure({ quick, events, questions, file }) {
  const python = polarsPython()
  if (python === undefined) throw new Error('Polars is not installed: it needs python3, 3.11 or newer, with the module venv')
  const polars = new Polars(python, file)
  try {
    const { seconds } = await polars.reply()
    const samples = await measureAskings(askingsOf(polars), { events, quick, questions })
    return { ...samples, eventsPerSecond: events / seconds }
  } finally {
    polars.end()
  }
}

/** The process of Python: a line of JSON for a question, a line of JSON for its answer. */
class Polars {
  #child
  #lines
  #complaints = ''

  /**
   * @param {string} python
   * @param {string} file
   */
  constructor(python, file) {
    const env = { ...process.env, POLARS_MAX_THREADS: String(THREADS) }
    this.#child = spawn(python, [SCRIPT, file], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr.setEncoding('utf8').on('data', (text) => (this.#complaints += text))
    // Whether it has ended shows in its output.
    this.#child.stdin.on('error', () => {})
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** @returns {Promise<any>} The next line. */
  async reply() {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`Polars has ended: ${this.#complaints.trim().split('\n').at(-1)}`)
    return JSON.parse(value)
  }

  /**
   * @param {string} name
   * @param {any} variant
   * @param {boolean} wantsAnswer
   */
  ask(name, { process: code, trace, ...variant }, wantsAnswer) {
    const ids = { ...(code !== undefined && { pid: pidOf(code) }), ...(trace !== undefined && { correlationId: correlationIdOf(trace) }) }
    const constants = { limit: PAGE, quantile: QUANTILE, word: RARE_WORD, above: X_ABOVE }
    this.#child.stdin.write(`${JSON.stringify({ name, variant: { ...constants, ...ids, ...variant }, wantsAnswer })}\n`)
    return this.reply()
  }

  end() {
    this.#child.stdin.end()
  }
}

/**
 * @param {Polars} polars
 * @returns {Record<string, import('../query/asking.mjs').Asking>}
 */
function askingsOf(polars) {
  const asking = (name, answer, more) => ({
    ask: (variant, wantsAnswer) => polars.ask(name, variant, wantsAnswer),
    msOf: ({ ms }) => ms,
    answer,
    ...more,
  })
  const events = (reply) => eventList(reply.events)
  const page = ({ total, events: first }) => totalAndEvents(total, first)
  const count = ({ rows }) => [['count', rows[0].len]]
  return {
    count: asking('count', ({ rows }) => sortGroups(rows.map((row) => [functionKey(row), row.n]))),
    page: asking('page', page),
    'page-request': asking('page-request', page),
    trace: asking('trace', events),
    stack: asking('stack', events),
    top: asking('top', events),
    'x-json': asking('x-json', count, { question: 'x' }),
    'x-typed': asking('x-typed', count, { question: 'x' }),
    group: asking('group', ({ rows }) =>
      sortGroups(
        rows.flatMap(({ event_type: type, n, mean, durations, ...site }) => {
          const key = groupKey(type, site)
          return [[`${key} count`, n], ...(mean === null ? [] : [[`${key} sum`, Math.round(mean * durations)]])]
        }),
      ),
    ),
    p95: asking('p95', ({ rows }) => sortGroups(rows.map((row) => [functionKey(row), row.p95]))),
    text: asking('text', page),
  }
}
