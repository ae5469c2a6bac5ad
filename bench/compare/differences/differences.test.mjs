/** Random questions over random events, as far as SQL can ask them: Kinescope answers as DuckDB does. `KINESCOPE_CASES` sets how many. */
import { DuckDBInstance } from '@duckdb/node-api'
import * as fc from 'fast-check'
import { open } from 'kinescope'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aggregates, events, queries, traces } from './questions.mjs'
import { tableOf } from './sql.mjs'

const SEED = Number(process.env.KINESCOPE_SEED ?? Date.now() % 2 ** 31)
const CASES = Number(process.env.KINESCOPE_CASES ?? 300)
/** Floats are added in another order there. */
const RELATIVE_ERROR = 1e-9

/** @type {import('@duckdb/node-api').DuckDBInstance} */
let instance
/** @type {import('@duckdb/node-api').DuckDBConnection} */
let connection
beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:')
  connection = await instance.connect()
})
afterAll(() => {
  connection.closeSync()
  instance.closeSync()
})

/** @param {string} sql */
async function rowsOf(sql) {
  return (await connection.runAndReadAll(sql)).getRowsJS()
}

/**
 * The same events in both.
 *
 * @param {object[]} inputs
 * @param {number} segmentEvents
 */
async function storeIn(inputs, segmentEvents) {
  const scope = await open({ node: 'test', segmentEvents, ring: { bytes: 65_536 } })
  await scope.dataAccess.storeEvents(inputs)
  const result = await scope.dataAccess.queryEvents({ sortBy: 'seq', limit: inputs.length + 1 })
  for (const statement of tableOf(result)) await connection.run(statement)
  result.release()
  return scope
}

/** @param {unknown} value */
function plain(value) {
  return typeof value === 'bigint' ? Number(value) : (value ?? null)
}

/**
 * @param {unknown[][]} own
 * @param {unknown[][]} its
 */
function alike(own, its) {
  const same = (/** @type {any} */ a, /** @type {any} */ b) => a === b || (typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) <= RELATIVE_ERROR * Math.max(Math.abs(a), Math.abs(b)))
  return own.length === its.length && own.every((row, index) => row.every((value, column) => same(value, its[index]?.[column])))
}

const segments = fc.constantFrom(5, 1000)

test(`queries: totals, rows, order and pages (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 1000 }, async () => {
  let seen = 0
  const property = fc.asyncProperty(events, segments, fc.array(queries, { minLength: 1, maxLength: 6 }), async (inputs, segmentEvents, asked) => {
    const scope = await storeIn(inputs, segmentEvents)
    for (const { options, total, seqs } of asked) {
      const result = await scope.dataAccess.queryEvents(options)
      const own = { total: result.totalMatches, seqs: Array.from(result, ({ seq }) => Number(seq)) }
      const [[its]] = /** @type {[[unknown]]} */ (await rowsOf(total))
      expect(own, seqs).toEqual({ total: plain(its), seqs: (await rowsOf(seqs)).map(([seq]) => plain(seq)) })
      seen += own.seqs.length
    }
    await scope.close()
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
  expect(seen).toBeGreaterThan(CASES)
})

test(`aggregates: groups, values and order (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 1000 }, async () => {
  let seen = 0
  const property = fc.asyncProperty(events, segments, fc.array(aggregates, { minLength: 1, maxLength: 6 }), async (inputs, segmentEvents, asked) => {
    const scope = await storeIn(inputs, segmentEvents)
    for (const { options, names, sql } of asked) {
      const result = await scope.dataAccess.aggregateEvents(options)
      const own = result.rows().map((row) => names.map((name) => plain(row[name])))
      const its = (await rowsOf(sql)).map((row) => row.map(plain))
      if (!alike(own, its)) expect(own, sql).toEqual(its)
      seen += own.length
    }
    await scope.close()
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
  expect(seen).toBeGreaterThan(CASES)
})

test(`traces, through parents (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 1000 }, async () => {
  let seen = 0
  const property = fc.asyncProperty(events, segments, traces, async (inputs, segmentEvents, { id, sql }) => {
    const scope = await storeIn(inputs, segmentEvents)
    const its = (await rowsOf(sql)).map(([seq]) => plain(seq))
    const own = await scope.dataAccess.getTraceByCorrelationId(id).then(
      (result) => Array.from(result, ({ seq }) => Number(seq)),
      (error) => (error.code === 'NOT_FOUND' ? [] : Promise.reject(error)),
    )
    expect(own).toEqual(its)
    seen += own.length
    await scope.close()
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
  expect(seen).toBeGreaterThan(CASES / 4)
})
