/** Random results, opened in another thread: what is read there is what the oracle answers. `KINESCOPE_CASES` sets how many. */
import * as fc from 'fast-check'
import { type AggregateOptions, type EventInput, open, type QueryOptions, share } from 'kinescope'
import { afterAll, expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import { exact } from '../query/exact.js'
import { aggregations, logs, queries, type Query } from '../support/arbitraries.js'
import { comparableRows } from '../support/comparable.js'
import { contentOf } from './fixtures/reading.mjs'
import { Opener } from './opener.mjs'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 60)
/** Wide enough that nothing is cut for its size, which the oracle does not do. */
const LIMITS = { maxEventBytes: 2 ** 16 }

const cases = fc.record({
  inputs: logs(120),
  asked: fc.array(fc.oneof(fc.record({ limit: fc.nat(200) }).map((query: Query) => ({ query })), queries().map((query) => ({ query })), aggregations().map((groups) => ({ groups }))), { minLength: 1, maxLength: 6 }),
  segmentEvents: fc.constantFrom(7, 50),
})

const opener = new Opener()
afterAll(() => opener.worker.terminate())

test(`what another thread opens has the oracle's rows (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 2000 }, async () => {
  const seen = { events: 0, others: 0 }
  const property = fc.asyncProperty(cases, async ({ inputs, asked, segmentEvents }) => {
    await using scope = await open({ node: 'test', segmentEvents, limits: LIMITS, ring: { bytes: 2 ** 22 } })
    const oracle = openOracle({ node: 'test', limits: LIMITS })
    const given = inputs.map((input) => ({ wallTime: BigInt(input['timestamp'] as number) * 1000n, ...input })) as EventInput[]
    await scope.dataAccess.storeEvents(given)
    await oracle.dataAccess.storeEvents(given)
    for (const options of asked) {
      using result = 'query' in options ? await scope.dataAccess.queryEvents(options.query as QueryOptions) : await scope.dataAccess.aggregateEvents(options.groups as unknown as AggregateOptions)
      await opener.tell('open', { name: 'it', shared: share(result as never) })
      if ('query' in options && options.query['projection'] === undefined) {
        const rows = await opener.tell('events', { name: 'it' })
        expect(comparableRows(rows, undefined), exact(options.query)).toEqual(comparableRows(oracle.dataAccess.queryEventsSync(options.query).toArray(), undefined))
        seen.events += rows.length
      }
      // That what this thread has is what the oracle answers, other tests show.
      const content = await opener.tell('content', { name: 'it' })
      expect(content, exact(options)).toEqual(contentOf(result.table))
      seen.others += content.rows.length
      await opener.tell('release', { name: 'it' })
    }
    expect(scope.stats().copiedBytes).toBe(0)
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
  expect(seen.events).toBeGreaterThan(CASES)
  expect(seen.others).toBeGreaterThan(seen.events)
})
