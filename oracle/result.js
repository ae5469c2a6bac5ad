// @ts-check
/**
 * What a query answers with.
 */
import { KinescopeError } from './errors.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {import('../index.js').Lost} Lost */

/** Rows of one snapshot as plain objects: whole events, or what the projection asked for. */
export class OracleResult {
  /** @type {any[] | null} */
  #rows

  /**
   * @param {any[]} rows
   * @param {{ totalMatches: number, nextPageToken: string | null, snapshot: bigint, lost: Lost }} facts
   */
  constructor(rows, { totalMatches, nextPageToken, snapshot, lost }) {
    this.#rows = rows
    this.totalMatches = totalMatches
    this.nextPageToken = nextPageToken
    this.snapshot = snapshot
    this.lost = lost
  }

  /**
   * @returns {any[]}
   * @throws {KinescopeError} `CLOSED` after `release()`
   */
  toArray() {
    if (this.#rows === null) throw new KinescopeError('CLOSED', 'the result has been released')
    return [...this.#rows]
  }

  [Symbol.iterator]() {
    return this.toArray().values()
  }

  release() {
    this.#rows = null
  }
}
