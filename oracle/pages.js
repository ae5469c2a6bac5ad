// @ts-check
/**
 * Running a query and handing out its pages.
 */
import { KinescopeError } from './errors.js'
import { projectRow, settleTypes } from './projection.js'
import { OracleResult } from './result.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {import('./query.js').CompiledQuery} CompiledQuery */
/**
 * What a token stands for. The oracle keeps the rows themselves, so that a page cannot depend on how positions are coded.
 *
 * @typedef {object} Continuation
 * @property {string} identity the query that it continues
 * @property {Event[]} rest everything not delivered yet, in order
 * @property {import('./projection.js').Item[] | null} projection with its types settled
 * @property {number} totalMatches
 * @property {bigint} snapshot
 */

export class Pages {
  /** @type {Map<string, Continuation>} */
  #continuations = new Map()
  #log

  /** @param {import('./store.js').Log} log */
  constructor(log) {
    this.#log = log
  }

  /**
   * @param {CompiledQuery} query
   * @param {readonly Event[]} [candidates] what the filters choose from; default: everything
   */
  run(query, candidates = this.#log.events) {
    const page = query.pageToken === null ? this.#first(query, candidates) : this.#next(query.pageToken, query.identity)
    const { projection, totalMatches, snapshot, rest } = page
    const rows = rest.slice(0, query.limit)
    const remaining = rest.slice(query.limit)
    const nextPageToken = rows.length > 0 && remaining.length > 0 ? this.#keep({ ...page, rest: remaining }) : null
    const lost = this.#log.lost(query.ranges, query.isInRange)
    const shown = projection ? rows.map((event) => projectRow(projection, event)) : rows
    return new OracleResult(shown, { totalMatches, nextPageToken, snapshot, lost })
  }

  /**
   * @param {CompiledQuery} query
   * @param {readonly Event[]} candidates
   * @returns {Continuation}
   */
  #first(query, candidates) {
    const found = candidates.filter(query.matches).sort(query.compare)
    const projection = query.projection && settleTypes(query.projection, this.#log.events)
    return {
      identity: query.identity,
      rest: found.slice(query.skip),
      projection,
      totalMatches: found.length,
      snapshot: this.#log.watermark,
    }
  }

  /**
   * @param {string} token
   * @param {string} identity
   * @returns {Continuation}
   */
  #next(token, identity) {
    const continuation = this.#continuations.get(token)
    if (!continuation) throw new KinescopeError('PAGE_TOKEN_INVALID', `offset.pageToken: no such token ${JSON.stringify(token.slice(0, 64))}`)
    if (continuation.identity !== identity) throw new KinescopeError('PAGE_TOKEN_INVALID', 'offset.pageToken: belongs to a query with other options')
    const firstKept = BigInt(this.#log.evicted.count)
    const evicted = continuation.rest.find((event) => event.seq < firstKept)
    if (evicted) throw new KinescopeError('PAGE_TOKEN_EXPIRED', `offset.pageToken: retention has evicted seq ${evicted.seq}`)
    return continuation
  }

  /** @param {Continuation} continuation */
  #keep(continuation) {
    const token = `page-${this.#continuations.size + 1}`
    this.#continuations.set(token, continuation)
    return token
  }
}
