/** Random aggregates over random events: the package answers as the oracle does. `KINESCOPE_CASES` sets how many. */
import * as fc from 'fast-check'
import { open, type AggregateOptions, type EventInput, type Kinescope } from 'kinescope'
import { expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import { aggregations, integers, logs, texts, type InputEvent } from '../support/arbitraries.js'
import { comparableGroups, keysOf } from '../support/comparable.js'
import { exact } from '../query/exact.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 300)
/** Wide enough that nothing is cut for its size, which the oracle does not do. */
const LIMITS = { maxEventBytes: 2 ** 16 }

type Options = Record<string, unknown>

const COLUMNS = [['event_type', 'eventType'], ['event_id', 'eventId'], ['wall_time', 'wallTime'], ['correlation_id', 'correlationId'], ['parent_id', 'parentId']]

/** The names of a key: a column may have two. */
const spellings = (name: string): string[] => COLUMNS.find((names) => names.includes(name)) ?? [name]

/** Conditions on columns of numbers, and on keys of any kind. */
function havings(options: Options): fc.Arbitrary<Options> {
  const outputs = Object.keys(options['aggregations'] as object)
  const ofNumbers = fc.tuple(fc.constantFrom(...outputs), fc.constantFrom('eq', 'ne', 'lt', 'gte'), fc.oneof(integers(), fc.double({ noNaN: true, noDefaultInfinity: true })))
  const number = ofNumbers.map(([name, operator, value]) => ({ [name]: { [operator]: value } }))
  const paths = keysOf(options).filter((name) => name.includes('.'))
  const ofAny = fc.tuple(fc.constantFrom(...outputs, ...keysOf(options).flatMap(spellings)), fc.boolean()).map(([name, there]) => ({ [name]: { exists: there } }))
  const ofPaths = fc.tuple(fc.constantFrom(...paths, outputs[0]!), fc.oneof(texts(), integers(), fc.boolean())).map(([name, value]) => (paths.includes(name) ? { [name]: { ne: value } } : {}))
  const leaf = fc.oneof(number, ofAny, ofPaths)
  return fc.oneof(leaf, fc.array(leaf, { maxLength: 3 }).map((or) => ({ or })), fc.tuple(leaf, leaf).map(([a, b]) => ({ not: { and: [a, b] } })))
}

const questions: fc.Arbitrary<Options> = aggregations().chain((options) =>
  fc.tuple(fc.option(havings(options), { nil: undefined }), fc.subarray(keysOf(options).flatMap(spellings))).map(([having, ordered]) => ({
    ...options,
    ...(having !== undefined && { having }),
    orderBy: [...((options['orderBy'] ?? []) as object[]), ...ordered.map((field) => ({ field, order: 'desc' }))],
  })),
)

const cases = fc.record({
  inputs: logs(120),
  asked: fc.array(fc.record({ options: questions, blocks: fc.boolean() }), { minLength: 1, maxLength: 8 }),
  segmentEvents: fc.constantFrom(7, 50),
})

/** In both; the clock's times would differ. */
async function store(scope: Kinescope, oracle: ReturnType<typeof openOracle>, inputs: InputEvent[]): Promise<void> {
  const given = inputs.map((input) => ({ wallTime: BigInt(input['timestamp'] as number) * 1000n, ...input })) as EventInput[]
  expect(await scope.dataAccess.storeEvents(given)).toEqual(await oracle.dataAccess.storeEvents(given))
}

test(`a random aggregate has the oracle's groups in its order (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 2000 }, async () => {
  const seen = { rows: 0, values: 0 }
  const property = fc.asyncProperty(cases, async ({ inputs, asked, segmentEvents }) => {
    await using scope = await open({ node: 'test', segmentEvents, limits: LIMITS, ring: { bytes: 2 ** 22 } })
    const oracle = openOracle({ node: 'test', limits: LIMITS })
    await store(scope, oracle, inputs)
    for (const { options, blocks } of asked) {
      const given = options as unknown as AggregateOptions
      using result = blocks ? scope.dataAccess.aggregateEventsSync(given) : await scope.dataAccess.aggregateEvents(given)
      const expected = oracle.dataAccess.aggregateEventsSync(options)
      const rows = result.rows()
      expect(comparableGroups(rows, options), exact(options)).toEqual(comparableGroups(expected.rows(), options))
      expect({ snapshot: result.snapshot, lost: result.lost, quantileError: result.quantileError }).toEqual({ snapshot: expected.snapshot, lost: expected.lost, quantileError: 0 })
      expect(result.table.numRows).toBe(rows.length)
      seen.rows += rows.length
      seen.values += rows.filter((row) => typeof row['value_0'] === 'number' || typeof row['value_0'] === 'bigint').length
    }
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
  expect(seen.rows).toBeGreaterThan(CASES)
  expect(seen.values).toBeGreaterThan(CASES / 2)
})
