/** Processor time of single threads, where the operating system tells it (Linux). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'

const TASKS = '/proc/self/task'
/** The kernel keeps so many characters of a thread's name. */
const NAME_CHARACTERS = 15

/** @returns {number | undefined} Nanoseconds for which the writer thread has run; `undefined` where that cannot be known. */
export function writerThreadNs() {
  return threadNs('kinescope-writer')
}

/**
 * @param {string} name A thread's.
 * @returns {number | undefined} Nanoseconds for which it has run; `undefined` where that cannot be known.
 */
export function threadNs(name) {
  if (!existsSync(TASKS)) return undefined
  const thread = readdirSync(TASKS).find((task) => readFileSync(`${TASKS}/${task}/comm`, 'utf8').trim() === name.slice(0, NAME_CHARACTERS))
  if (thread === undefined) throw new Error(`no thread is called ${name}`)
  const [onProcessorNs] = readFileSync(`${TASKS}/${thread}/schedstat`, 'utf8').split(' ')
  return Number(onProcessorNs)
}
