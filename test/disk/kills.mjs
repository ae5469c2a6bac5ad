/**
 * Kills a process that records from three threads at random moments, and looks for everything that it had said it recorded.
 * `node test/disk/kills.mjs [rounds] [seed]`, after a build; prints what it found.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { open } from 'kinescope'

const THREADS = 3
/** Rounds after which a new recording is begun. */
const ROUNDS_PER_RECORDING = 10
const PROGRAM = fileURLToPath(new URL('recorder-process.mjs', import.meta.url))

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Runs the program until it is killed `delayMs` after its first word; gives the last number that each thread has said. */
async function killed(path, durability, starts, delayMs) {
  const child = spawn(process.execPath, [PROGRAM, path, durability, JSON.stringify(starts)], {
    stdio: ['ignore', 'ignore', 'pipe', ...Array.from({ length: THREADS }, () => 'pipe')],
  })
  const said = starts.map(() => '')
  let complaint = ''
  child.stderr.on('data', (chunk) => (complaint += chunk))
  const pipes = child.stdio.slice(3)
  const closed = Promise.all(pipes.map((pipe) => once(pipe, 'close')))
  pipes.forEach((pipe, thread) => pipe.on('data', (chunk) => (said[thread] = (said[thread] + chunk).slice(-64))))
  await Promise.race([once(pipes[0], 'data'), once(child, 'exit')])
  const timer = setTimeout(() => child.kill('SIGKILL'), delayMs)
  const [code, signal] = await once(child, 'exit')
  clearTimeout(timer)
  if (signal !== 'SIGKILL') throw new Error(`the recording process ended by itself with ${code}: ${complaint}`)
  await closed
  // The last line may be there in part only.
  return said.map((text, thread) => Number(text.split('\n').at(-2) ?? starts[thread]) || starts[thread])
}

/** Throws unless the log has each thread's numbers without a hole, as they were recorded, up to what it has said at least. */
async function check(path, said) {
  const scope = await open({ path })
  try {
    const { lost } = scope.stats()
    const log = await scope.dataAccess.queryEvents({ sortBy: 'seq', limit: 1e9 })
    const next = Array.from({ length: THREADS }, () => 0)
    const ids = new Set()
    const torn = new Map()
    let seq = 0n
    for (const event of log) {
      if (event.seq !== seq++) throw new Error(`seq ${event.seq} where ${seq - 1n} was expected`)
      if (ids.has(event.eventId)) throw new Error(`${event.eventId} comes twice`)
      ids.add(event.eventId)
      if (event.eventType === 'events_lost') {
        if (event.data.cause !== 'torn') throw new Error(`events were lost: ${JSON.stringify(event.data)}`)
        torn.set(event.data.producer, (torn.get(event.data.producer) ?? 0) + event.data.count)
        continue
      }
      if (event.eventType === 'function_exit') continue
      const { n, text } = event.data
      const thread = Number(text.split(':')[0])
      if (text !== `${thread}:${n}` || event.tags?.thread !== `${thread}`) throw new Error(`damaged: ${JSON.stringify(event.data)}`)
      if (!event.correlationId?.startsWith(`${thread}-`) || event.pid !== (thread === 0 ? 'main' : `worker-${thread}`)) {
        throw new Error(`in another context: ${event.eventId} ${event.pid} ${event.correlationId}`)
      }
      // A torn one is missing; after it the process is dead, and the next begins behind what was said.
      if (n < next[thread]) throw new Error(`number ${n} of thread ${thread} after ${next[thread] - 1}`)
      next[thread] = n + 1
    }
    said.forEach((count, thread) => {
      if (next[thread] < count) throw new Error(`thread ${thread} had said ${count}, of which ${count - next[thread]} are missing`)
    })
    if (log.lost.ranges.some(({ cause }) => cause !== 'torn')) throw new Error(`missing: ${JSON.stringify(log.lost.ranges, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`)
    const events = log.totalMatches
    log.release()
    return { events, next, torn: lost.torn, tornByProducer: torn }
  } finally {
    await scope.close()
  }
}

/**
 * Kills a recording process so many times.
 *
 * @returns what was found, all rounds together.
 */
export async function kills({ rounds, seed, durability = 'process', report = () => {} }) {
  const next = random(seed)
  const total = { kills: 0, events: 0, torn: 0, worstOpenMs: 0 }
  let path
  let starts
  try {
    for (let round = 0; round < rounds; round++) {
      if (round % ROUNDS_PER_RECORDING === 0) {
        if (path !== undefined) rmSync(path, { recursive: true })
        path = mkdtempSync(join(tmpdir(), 'kinescope-kills-'))
        starts = Array.from({ length: THREADS }, () => 0)
      }
      const before = total.events
      const said = await killed(path, durability, starts, next() * 120)
      const begun = performance.now()
      const found = await check(path, said)
      total.worstOpenMs = Math.max(total.worstOpenMs, performance.now() - begun)
      total.kills++
      total.torn += found.torn
      if (found.torn > THREADS) throw new Error(`${found.torn} torn events of ${THREADS} producers`)
      starts = found.next
      total.events = before + found.events
      report(round + 1, found)
    }
  } catch (error) {
    error.message += ` (round ${total.kills + 1} of seed ${seed}; the recording is in ${path})`
    path = undefined
    throw error
  } finally {
    if (path !== undefined) rmSync(path, { recursive: true, force: true })
  }
  return total
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rounds = Number(process.argv[2] ?? 1000)
  const seed = Number(process.argv[3] ?? Date.now() % 1e9)
  console.log(`${rounds} kills, seed ${seed}`)
  const found = await kills({ rounds, seed, report: (round) => round % 50 === 0 && console.log(`${round} done`) })
  console.log(`nothing that was said is missing: ${found.kills} kills, ${found.events} events looked at, ${found.torn} torn`)
}
