/** Processor time of single threads, where the operating system tells it (Linux). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'

const TASKS = '/proc/self/task'
/** The kernel keeps 15 characters of a thread's name. */
const WRITER = 'kinescope-writer'.slice(0, 15)

/** @returns {number | undefined} Nanoseconds for which the writer thread has run; `undefined` where that cannot be known. */
export function writerThreadNs() {
  if (!existsSync(TASKS)) return undefined
  const writer = readdirSync(TASKS).find((task) => readFileSync(`${TASKS}/${task}/comm`, 'utf8').trim() === WRITER)
  if (writer === undefined) throw new Error(`no thread is called ${WRITER}`)
  const [onProcessorNs] = readFileSync(`${TASKS}/${writer}/schedstat`, 'utf8').split(' ')
  return Number(onProcessorNs)
}
