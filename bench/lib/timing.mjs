/** Timing loops. They run in a child process that measures one thing only. */

/** Monotonic nanoseconds; what is recorded uses the same clock. */
const now = process.hrtime.bigint

/** @param {number[]} values At least one. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >>> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * The value that a share of all values does not exceed: nearest rank.
 *
 * @param {ArrayLike<number>} values
 * @param {number} share Above 0, up to 1.
 */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
}

/**
 * @typedef {object} Loop
 * @property {(count: number) => unknown} block Does the measured thing `count` times; what it returns is awaited.
 * @property {(count: number) => unknown} empty The same loop without the measured thing; its time is subtracted.
 * @property {number} [count] Operations in a block; default 20,000.
 * @property {number} [rounds] Blocks that count; default 60.
 * @property {number} [warmUpRounds] Blocks before, for the compiler; default 30.
 * @property {() => unknown} [between] Runs untimed after each block, for instance to let a queue drain; awaited.
 */

/**
 * Times a block and its empty twin in turn.
 *
 * @param {Loop} loop
 * @returns {Promise<number>} Nanoseconds for one operation: the median block less the median empty block.
 * @example
 * await timePerOperation({ block: (count) => { for (let i = 0; i < count; i++) work(i) }, empty: (count) => { for (let i = 0; i < count; i++); } })
 */
export async function timePerOperation({ block, empty, count = 20_000, rounds = 60, warmUpRounds = 30, between = () => {} }) {
  /** @type {number[]} */
  const blocks = []
  /** @type {number[]} */
  const empties = []
  for (let round = -warmUpRounds; round < rounds; round++) {
    const emptyNs = await timed(empty, count)
    const blockNs = await timed(block, count)
    await between()
    if (round < 0) continue
    empties.push(emptyNs / count)
    blocks.push(blockNs / count)
  }
  return median(blocks) - median(empties)
}

/**
 * A loop that does nothing but count; measured loops have this shape.
 *
 * @param {number} count
 * @returns {number} The sum of its counter, modulo 2^32: whoever returns it cannot be optimized away.
 */
export function emptyLoop(count) {
  let sum = 0
  for (let i = 0; i < count; i++) sum = (sum + i) | 0
  return sum
}

/**
 * @param {(count: number) => unknown} run
 * @param {number} count
 */
async function timed(run, count) {
  const start = now()
  const result = run(count)
  if (result instanceof Promise) await result
  return Number(now() - start)
}

/** @param {number} durationMs How long this thread does nothing. */
export function sleepSync(durationMs) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs)
}
