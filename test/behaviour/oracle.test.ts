import * as fc from 'fast-check'
import { open, type Event, type QueryResult } from 'kinescope'
import { expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import { Interpreter, programs } from './oracle-program.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const RUNS = Number(process.env['KINESCOPE_RUNS'] ?? 200)
/** Wide enough that nothing is cut for its size, which the oracle does not do. */
const LIMITS = { maxEventBytes: 2 ** 20 }
/** Times that programs give lie below; those of the clock, in nanoseconds since the machine started, above. */
const GIVEN_NS_MAX = 1_000_000_000n

const times = fc.integer({ min: -4, max: 21 })
const range = fc.option(fc.tuple(times, times).map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const), { nil: undefined })
const some = (...values: string[]) => fc.oneof(fc.constantFrom(...values), fc.uniqueArray(fc.constantFrom(...values), { maxLength: 3 }))
const eventTypes = ['log', 'emitted', 'function_entry', 'function_exit', 'error', 'local_variable_snapshot', 'state_change', 'none']
const queries = fc
  .record(
    {
      monotonic: range,
      wall: range,
      pid: some('main', 'job-1', 'request-7', 'nobody'),
      correlationId: some('trace-a', 'trace-b', 'trace-c'),
      eventTypes: fc.uniqueArray(fc.constantFrom(...eventTypes), { maxLength: 4 }),
      limit: fc.nat(30),
    },
    { requiredKeys: [] },
  )
  .map(({ monotonic, wall, ...rest }) => ({
    ...rest,
    ...(monotonic && { startTimeMonotonic: monotonic[0], endTimeMonotonic: BigInt(monotonic[1]) }),
    ...(wall && { startTimeWall: BigInt(wall[0]) * 500_000n, endTimeWall: new Date(Math.max(wall[0], wall[1])) }),
  }))
  .filter(({ startTimeWall, endTimeWall }) => !startTimeWall || startTimeWall <= BigInt(endTimeWall!.getTime()) * 1_000_000n)

/** As text that tells apart all that a program could: -0, bigints, the order of keys, a key `__proto__`. */
function exact(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? String(value)
  if (Array.isArray(value)) return `[${value.map(exact).join()}]`
  return `{${Object.keys(value).map((key) => `${JSON.stringify(key)}:${exact(Object.getOwnPropertyDescriptor(value, key)!.value)}`).join()}}`
}

const FIELDS = ['seq', 'eventId', 'eventType', 'node', 'pid', 'correlationId', 'parentId', 'module', 'function', 'arity', 'file', 'line'] as const

/** What the two have to agree on: clock readings and what is measured by them say only that they are. */
function comparable({ timestamp, wallTime, tags, data, ...rest }: Event): string {
  const isMeasured = rest.eventType === 'function_exit' && timestamp > GIVEN_NS_MAX && Number.isInteger(data?.duration_ns)
  const [time, wall] = [timestamp, wallTime].map((given) => (given > GIVEN_NS_MAX ? 'clock' : given))
  return exact([...FIELDS.map((field) => rest[field]), tags && Object.entries(tags).sort(), time, wall, isMeasured ? { ...data, duration_ns: 'duration' } : data])
}

function comparableResult(result: QueryResult) {
  const { totalMatches, snapshot, lost } = result
  return { totalMatches, snapshot, lost, rows: result.toArray().map(comparable) }
}

test(`a random program leaves the same events in the package and in the oracle (KINESCOPE_SEED=${SEED})`, { timeout: 300_000 }, async () => {
  let compared = 0
  const property = fc.asyncProperty(programs(), fc.array(queries, { minLength: 1, maxLength: 5 }), fc.constantFrom(7, 64, 4096), async (program, questions, segmentEvents) => {
    await using scope = await open({ node: 'test', segmentEvents, limits: LIMITS, ring: { bytes: 2 ** 23 } })
    const oracle = openOracle({ node: 'test', limits: LIMITS })
    const [own, its] = [new Interpreter(scope.recorder), new Interpreter(oracle.recorder as never)]
    await own.run(program)
    await its.run(program)

    expect(own.returned.map(exact)).toEqual(its.returned.map(exact))
    const all = (await scope.dataAccess.queryEvents({ limit: 10 ** 6 })).toArray()
    expect(all.map(comparable)).toEqual(oracle.dataAccess.queryEventsSync({ limit: 10 ** 6 }).toArray().map((event) => comparable(event as Event)))
    for (const question of questions) {
      const [mine, expected] = [await scope.dataAccess.queryEvents(question), oracle.dataAccess.queryEventsSync(question) as unknown as QueryResult]
      expect(comparableResult(mine), exact(question)).toEqual(comparableResult(expected))
    }
    const { recorded, mistyped, unbalanced } = scope.stats()
    const { recorded: itsRecorded, mistyped: itsMistyped, unbalanced: itsUnbalanced } = oracle.stats()
    expect({ recorded, mistyped, unbalanced }).toEqual({ recorded: itsRecorded, mistyped: itsMistyped, unbalanced: itsUnbalanced })
    for (const event of all.slice(0, 3)) expect(comparable((await scope.dataAccess.getEvent(event.eventId))!)).toBe(comparable(event))
    compared += all.length
  })
  await fc.assert(property, { seed: SEED, numRuns: RUNS })
  expect(compared).toBeGreaterThan(RUNS)
})
