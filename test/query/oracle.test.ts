/** Random queries over random events: the package answers as the oracle does. `KINESCOPE_CASES` sets how many. */
import * as fc from 'fast-check'
import { open, type Event, type EventInput, type Kinescope, type QueryOptions, type QueryResult } from 'kinescope'
import { expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import { events, logs, queries, type InputEvent, type Query } from '../support/arbitraries.js'
import { comparableRows } from '../support/comparable.js'
import { exact } from './exact.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 300)
/** Wide enough that nothing is cut for its size, which the oracle does not do. */
const LIMITS = { maxEventBytes: 2 ** 16 }
const RING_BYTES = 2 ** 22

type Oracle = ReturnType<typeof openOracle>

/** Where the events of a query come from, and what more is recorded while its pages are read. */
interface Case {
  inputs: InputEvent[]
  later: InputEvent[]
  questions: { query: Query; pageSizes: number[]; blocks: boolean }[]
  segmentEvents: number
}

const cases: fc.Arbitrary<Case> = fc.record({
    inputs: logs(120),
    later: fc.array(events(), { maxLength: 3 }),
    questions: fc.array(
      fc.record({ query: queries(), pageSizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }), blocks: fc.boolean() }),
      { minLength: 1, maxLength: 8 },
    ),
    segmentEvents: fc.constantFrom(7, 50),
  })

/** The clock's times would differ. */
function timed(inputs: InputEvent[]): EventInput[] {
  return inputs.map((input) => ({ wallTime: BigInt(input['timestamp'] as number) * 1000n, ...input })) as EventInput[]
}

/** In both, with ids of producers of all kinds. */
async function store(scope: Kinescope, oracle: Oracle, inputs: InputEvent[]): Promise<void> {
  const given = timed(inputs)
  expect(await scope.dataAccess.storeEvents(given)).toEqual(await oracle.dataAccess.storeEvents(given))
}

/** In both, by this thread. */
function record(scope: Kinescope, oracle: Oracle, inputs: InputEvent[]): void {
  for (const event of timed(inputs)) expect(scope.recorder.record(event)).toBe(oracle.recorder.record(event))
}

function comparable(result: Pick<QueryResult, 'totalMatches' | 'snapshot' | 'lost' | 'nextPageToken' | 'toArray'>, projection: unknown) {
  const { totalMatches, snapshot, lost, nextPageToken } = result
  return { totalMatches, snapshot, lost, hasMore: nextPageToken !== null, rows: comparableRows(result.toArray(), projection) }
}

test(`a random query has the oracle's rows, order, totals and pages (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 2000 }, async () => {
  const seen = { rows: 0, pages: 0 }
  const property = fc.asyncProperty(cases, async ({ inputs, later, questions, segmentEvents }) => {
    await using scope = await open({ node: 'test', segmentEvents, limits: LIMITS, ring: { bytes: RING_BYTES } })
    const oracle = openOracle({ node: 'test', limits: LIMITS })
    await store(scope, oracle, inputs)
    for (const { query, pageSizes, blocks } of questions) {
      const ask = async (page: Query) => {
        const options = { ...query, ...page } as QueryOptions
        using result = blocks ? scope.dataAccess.queryEventsSync(options) : await scope.dataAccess.queryEvents(options)
        return { ...comparable(result, query['projection']), token: result.nextPageToken }
      }
      const askOracle = (page: Query) => {
        const result = oracle.dataAccess.queryEventsSync({ ...query, ...page })
        return { ...comparable(result as never, query['projection']), token: result.nextPageToken }
      }
      const { token: _own, ...whole } = await ask({})
      const { token: _its, ...itsWhole } = askOracle({})
      expect(whole, exact(query)).toEqual(itsWhole)

      let [page, itsPage] = [await ask({ limit: pageSizes[0] }), askOracle({ limit: pageSizes[0] })]
      record(scope, oracle, later)
      for (let index = 1; ; index++) {
        const [{ token, ...own }, { token: itsToken, ...its }] = [page, itsPage]
        expect(own, `page ${index} of ${exact(query)}`).toEqual(its)
        seen.rows += own.rows.length
        if (token === null) break
        seen.pages += 1
        const limit = pageSizes[index % pageSizes.length]
        page = await ask({ limit, offset: { pageToken: token } })
        itsPage = askOracle({ limit, offset: { pageToken: itsToken } })
      }
    }
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
  expect(seen.rows).toBeGreaterThan(CASES)
  expect(seen.pages).toBeGreaterThan(CASES / 4)
})

test('an event is read back whole', async () => {
  await using scope = await open({ node: 'test' })
  const oracle = openOracle({ node: 'test' })
  record(scope, oracle, fc.sample(events(), { numRuns: 50, seed: SEED }))
  const rows = (answer: { toArray(): unknown[] }) => comparable(answer as QueryResult<Event>, undefined).rows
  expect(rows(await scope.dataAccess.queryEvents({ sortBy: 'seq' }))).toEqual(rows(oracle.dataAccess.queryEventsSync({ sortBy: 'seq' })))
})
