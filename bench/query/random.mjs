/** Random numbers that are the same in every run. */

/** Xorshift with 32 bits of state: fast, and good enough to scatter events. */
export class Random {
  #state
  /** The second of two normal numbers that are made at a time. */
  #spare = Number.NaN

  /** @param {number} seed Not 0. */
  constructor(seed) {
    this.#state = seed | 0
  }

  /** @returns {number} An unsigned integer of 32 bits, not 0. */
  next() {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return state >>> 0
  }

  /** @returns {number} From 0, below 1. */
  fraction() {
    return this.next() / 2 ** 32
  }

  /** @param {number} limit @returns {number} An integer from 0, below the limit. */
  below(limit) {
    return Math.floor(this.fraction() * limit)
  }

  /** @returns {number} Normally distributed: mean 0, deviation 1 (Box and Muller's method). */
  normal() {
    const spare = this.#spare
    if (!Number.isNaN(spare)) {
      this.#spare = Number.NaN
      return spare
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.fraction()))
    const angle = 2 * Math.PI * this.fraction()
    this.#spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
}

/** @param {number} [seed] */
export function createRandom(seed = 20_241) {
  return new Random(seed)
}
