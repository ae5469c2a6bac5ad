/** Runs measurements, each in a child process of its own, in turn. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { median } from './timing.mjs'

/**
 * @typedef {object} Probe What one child process measures.
 * @property {string} file Relative to `bench/`.
 * @property {string} [variant] Which of the file's measurements.
 * @property {number} [repetitions] Child processes in a full run; default 7. A quick run takes at most 3.
 * @property {string[]} [flags] Options for Node.
 * @property {boolean} [readsEvents] Whether it needs the file of events.
 */
/** @typedef {{ median: number, low: number, high: number }} Metric Over all samples of all repetitions. */
/** @typedef {Record<string, Metric | Error>} Metrics By name; `lostEvents` counts what was lost although it should not have been. */
/** @typedef {Record<string, number | number[] | string>} Answer A child's samples by metric; a text says why there are none. */

const FULL_REPETITIONS = 7
const QUICK_REPETITIONS = 3
const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url))

/**
 * Measures all probes. Repetitions of different probes alternate, so that a disturbance of the machine hits rivals alike.
 *
 * @param {Record<string, Probe>} probes By name.
 * @param {{ quick: boolean, events: number, many: number | undefined, questions: string[], file?: string, node?: string, progress: (text: string) => void }} options
 * All but the last two go to the children; `file`: the events that rivals read; `node`: what runs the children.
 * @returns {Promise<Record<string, Metrics | Error>>} By the probes' names; an error when a child process failed.
 */
export async function measureAll(probes, { progress, node, ...options }) {
  /** @type {Record<string, Answer[]>} */
  const answers = {}
  /** @type {Record<string, Error>} */
  const failures = {}
  for (let repetition = 0; repetition < FULL_REPETITIONS; repetition++) {
    for (const [name, probe] of Object.entries(probes)) {
      const wanted = probe.repetitions ?? FULL_REPETITIONS
      if (repetition >= (options.quick ? Math.min(wanted, QUICK_REPETITIONS) : wanted) || failures[name]) continue
      progress(`${name} ${repetition + 1}`)
      try {
        ;(answers[name] ??= []).push(await measureOnce(probe, node, options))
      } catch (error) {
        failures[name] = error
      }
    }
  }
  return Object.fromEntries(Object.keys(probes).map((name) => [name, failures[name] ?? summarize(answers[name])]))
}

/**
 * @param {Probe} probe
 * @param {string | undefined} node
 * @param {object} options
 * @returns {Promise<Answer>}
 */
function measureOnce({ file, variant, flags = [] }, node = process.execPath, options) {
  const url = new URL(`../${file}`, import.meta.url).href
  return new Promise((resolve, reject) => {
    const child = fork(CHILD, [url, JSON.stringify({ variant, ...options })], { execPath: node, execArgv: flags, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    let metrics
    let complaints = ''
    child.stderr.setEncoding('utf8').on('data', (text) => (complaints += text))
    child.on('message', (message) => (metrics = message))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0 && metrics) resolve(metrics)
      else reject(new Error(complaints.trim() || `${file} ${variant ?? ''} ended with ${signal ?? code}`))
    })
  })
}

/**
 * @param {Answer[]} answers Of one probe; at least one.
 * @returns {Metrics}
 */
function summarize(answers) {
  return Object.fromEntries(Object.keys(answers[0]).map((name) => [name, summarizeSamples(answers.flatMap((answer) => answer[name]))]))
}

/** @param {(number | string)[]} samples */
function summarizeSamples(samples) {
  const complaint = samples.find((sample) => typeof sample === 'string')
  if (complaint !== undefined) return new Error(complaint)
  return { median: median(samples), low: Math.min(...samples), high: Math.max(...samples) }
}
