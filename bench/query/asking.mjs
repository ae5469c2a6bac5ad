/** Asks an engine every question: first whether its answers are right, then how long they take. */
import { rightAnswers } from './reference.mjs'
import { checkAnswer, variantsOf } from './questions.mjs'

const LEAST_SAMPLES = 5
const MOST_SAMPLES = 20_000
const now = process.hrtime.bigint

/**
 * @typedef {object} Asking How one engine answers one question.
 * @property {(variant: any, wantsAnswer: boolean) => unknown} ask What is timed; a promise is awaited. `answer` follows where it is wanted.
 * @property {(result: any) => number} [msOf] The time that it took, where the engine tells it; default: that of `ask`.
 * @property {(result: any, variant: any) => import('./questions.mjs').Answer} answer What `ask` resolved with, for comparison.
 * @property {(result: any) => void} [release] Runs untimed after each asking.
 * @property {number} [tolerance] Relative error that the answer may have.
 * @property {string} [question] Which question this is, when it is asked in several ways; default: the asking's name.
 */

/**
 * @param {Record<string, Asking>} askings By name.
 * @param {{ events: number, quick: boolean, questions: readonly string[] }} options
 * @returns {Promise<Record<string, number[] | string>>} Milliseconds of each asking; a text says why there is no measurement.
 */
export async function measureAskings(askings, { events, quick, questions }) {
  const right = rightAnswers(events, questions)
  /** @type {Record<string, number[] | string>} */
  const samples = {}
  for (const [name, asking] of Object.entries(askings)) {
    const question = asking.question ?? name
    if (!questions.includes(question)) continue
    try {
      // A process may be idle at one of the times that are asked about, but not at all of them.
      if (right[question].every(({ length }) => length === 0)) throw new Error(`${question}: all right answers are empty`)
      const variants = variantsOf(question, events)
      for (const [index, variant] of variants.entries()) {
        const result = await asking.ask(variant, true)
        checkAnswer(question, right[question][index], asking.answer(result, variant), asking.tolerance)
        asking.release?.(result)
      }
      samples[name] = await timeAsking(asking, variants, quick ? 500 : 3_000)
    } catch (error) {
      samples[name] = error.message
    }
  }
  return samples
}

/**
 * Asks again and again, the variants in turn: for so long, but a least number of times.
 *
 * @param {Asking} asking
 * @param {any[]} variants
 * @param {number} budgetMs
 */
async function timeAsking({ ask, msOf, release }, variants, budgetMs) {
  /** @type {number[]} */
  const samples = []
  let spentMs = 0
  for (let round = -variants.length; round < MOST_SAMPLES; round++) {
    if (samples.length >= LEAST_SAMPLES && spentMs >= budgetMs) break
    const variant = variants[(round + variants.length) % variants.length]
    const start = now()
    const result = await ask(variant, false)
    const elapsedMs = Number(now() - start) / 1e6
    const ms = msOf?.(result) ?? elapsedMs
    release?.(result)
    spentMs += elapsedMs
    if (round >= 0) samples.push(ms)
  }
  return samples
}
