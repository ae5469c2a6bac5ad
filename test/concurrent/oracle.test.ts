/**
 * Random questions while threads record and retention evicts: each answer is the oracle's over the part of the log that it
 * says it holds for. `KINESCOPE_CASES` sets how many.
 */
import { once } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { open, type AggregateOptions, type Event, type Kinescope, type Lost, type QueryOptions } from 'kinescope'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import { aggregations, events, fields, filters, queries } from '../support/arbitraries.js'
import { comparableGroups, comparableRows } from '../support/comparable.js'
import { exact } from '../query/exact.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 25)
/** Wide enough that nothing is cut for its size, which the oracle does not do. */
const LIMITS = { maxEventBytes: 2 ** 16 }
const WORKERS = 2
const ROUNDS = 6
/** What retention leaves is more than two rounds record, so that every row can be read before it is evicted. */
const EVENTS_MAX = 30
const KEPT = 3 * WORKERS * EVENTS_MAX
const PIDS = ['main', 'worker-1', 'request-7', 'nobody']

type Oracle = ReturnType<typeof openOracle>
type Question =
  | { kind: 'query'; query: QueryOptions; blocks: boolean }
  | { kind: 'aggregate'; options: AggregateOptions; blocks: boolean }
  | { kind: 'trace'; id: string }
  | { kind: 'snapshots' | 'stack' | 'state'; pid: string; time: bigint }
  | { kind: 'values'; field: string; filters: object }
  | { kind: 'describe' }

/** An answer, and between which rows of the log the part is that it holds for: `[firstSeq, snapshot)`, each at least and at most. */
interface Answer {
  question: Question
  given: unknown
  lost: Lost | null
  firstSeq: [number, number]
  snapshot: [number, number]
}

const time = fc.integer({ min: -3, max: 22 }).map(BigInt)
const pid = fc.constantFrom(...PIDS)
const questions: fc.Arbitrary<Question> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('query' as const), query: queries() as fc.Arbitrary<QueryOptions>, blocks: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('aggregate' as const), options: aggregations() as fc.Arbitrary<unknown> as fc.Arbitrary<AggregateOptions>, blocks: fc.boolean() }) },
  fc.record({ kind: fc.constant('trace' as const), id: fc.constantFrom('trace-a', 'trace-b', 'nobody', '40001-3', '40002-10') }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('snapshots' as const, 'stack' as const, 'state' as const), pid, time }) },
  fc.record({ kind: fc.constant('values' as const), field: fields(), filters: fc.oneof(fc.constant({}), filters()) }),
  fc.constant({ kind: 'describe' as const }),
)
const cases = fc.record({
  events: fc.array(events(), { minLength: WORKERS * ROUNDS * 8, maxLength: WORKERS * ROUNDS * EVENTS_MAX, size: 'max' }),
  questions: fc.array(questions, { minLength: 12, maxLength: 24 }),
  segmentEvents: fc.constantFrom(7, 40),
  evicts: fc.boolean(),
})

let workers: Worker[] = []
beforeAll(() => {
  workers = Array.from({ length: WORKERS }, () => new Worker(new URL('fixtures/recorder.mjs', import.meta.url)))
})
afterAll(() => Promise.all(workers.map((worker) => worker.terminate())))

async function outcome<T>(call: () => T | Promise<T>): Promise<T | { code: string }> {
  try {
    return await call()
  } catch (error) {
    return { code: (error as { code: string }).code }
  }
}

type Door = Kinescope['dataAccess'] | Oracle['dataAccess']

/** Asks either of both; what comes back compares. `blocks` has the answer of the calls that do. */
async function ask(door: Door, question: Question): Promise<{ given: unknown; snapshot?: bigint; lost?: Lost }> {
  const access = door as Kinescope['dataAccess']
  switch (question.kind) {
    case 'query': {
      const { query, blocks } = question
      const result = blocks ? access.queryEventsSync(query as never) : await access.queryEvents(query)
      const { totalMatches, snapshot, lost, nextPageToken } = result
      const given = { totalMatches, hasMore: nextPageToken !== null, rows: comparableRows(result, query.projection) }
      result.release?.()
      return { given, snapshot, lost }
    }
    case 'aggregate': {
      const { options, blocks } = question
      const result = blocks ? access.aggregateEventsSync(options as never) : await access.aggregateEvents(options)
      const { snapshot, lost } = result
      const given = comparableGroups(result.rows(), options as never)
      result.release()
      return { given, snapshot, lost }
    }
    case 'trace': {
      const result = await access.getTraceByCorrelationId(question.id)
      return { given: comparableRows(result, undefined), snapshot: result.snapshot }
    }
    case 'snapshots': {
      const result = await access.getStateSnapshots(question.pid, { endTimeMonotonic: question.time })
      return { given: comparableRows(result, undefined), snapshot: result.snapshot, lost: result.lost }
    }
    case 'stack':
      return { given: await access.getCallStackAt(question.pid, question.time) }
    case 'state':
      return { given: await access.getStateAt(question.pid, question.time) }
    case 'values':
      return { given: (await access.fieldValues(question.field, { filters: question.filters })).map(({ value, count }) => `${exact(typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value)}: ${count}`) }
    default: {
      const { segments: _segments, snapshot, lost, ...given } = (await access.describe()) as Awaited<ReturnType<Kinescope['dataAccess']['describe']>>
      return { given, snapshot, lost }
    }
  }
}

function evictedOf({ ranges }: Lost): number {
  return ranges.reduce((sum, { cause, count }) => (cause === 'retention' ? sum + count : sum), 0)
}

/** Where the log starts and ends now. */
async function boundsOf({ dataAccess }: Kinescope): Promise<{ firstSeq: number; snapshot: number }> {
  const { snapshot, lost } = await dataAccess.queryEvents({ limit: 0 })
  return { firstSeq: evictedOf(lost), snapshot: Number(snapshot) }
}

/** The part of the log that an answer holds for lies between what it was before and after, unless the answer itself says. */
async function answerTo(scope: Kinescope, question: Question): Promise<Answer> {
  const before = await boundsOf(scope)
  const asked = await outcome(() => ask(scope.dataAccess, question))
  const after = await boundsOf(scope)
  const { given, snapshot, lost } = 'code' in asked ? { given: asked, snapshot: undefined, lost: undefined } : asked
  return {
    question,
    given,
    lost: lost ?? null,
    firstSeq: [before.firstSeq, after.firstSeq],
    snapshot: snapshot === undefined ? [before.snapshot, after.snapshot] : [Number(snapshot), Number(snapshot)],
  }
}

/** Whether the oracle answers so over some part of the log that the answer may hold for. */
async function check({ question, given, lost, firstSeq, snapshot }: Answer, log: readonly Event[], starts: ReadonlySet<number>): Promise<void> {
  const tried: unknown[] = []
  for (let end = snapshot[0]; end <= snapshot[1]; end++) {
    for (let start = firstSeq[0]; start <= firstSeq[1]; start++) {
      if (start > 0 && start !== firstSeq[0] && !starts.has(start)) continue
      const oracle = openOracle({ node: 'test', limits: LIMITS })
      oracle.load(log.slice(0, end))
      oracle.evictBefore(BigInt(start))
      const asked = await outcome(() => ask(oracle.dataAccess, question))
      const expected = 'code' in asked ? asked : asked.given
      const saysNothing = lost === null || evictedOf(lost) === 0
      if ((saysNothing || evictedOf(lost) === start) && isDeepStrictEqual(expected, given)) return
      // Of a pid whose events are all evicted the oracle still knows that it was there.
      const isGone = isDeepStrictEqual(given, { code: 'NOT_FOUND' }) && 'pid' in question && !oracle.events.some((event) => event.pid === question.pid)
      if (isGone) return
      tried.push({ start, end, expected })
    }
  }
  expect(given, `${exact(question)}; oracle: ${exact(tried)}`).toBe('what the oracle answers')
}

test(`answers hold while threads record and retention evicts (KINESCOPE_SEED=${SEED})`, { timeout: 120_000 + CASES * 5000 }, async () => {
  const seen = { answers: 0, meanwhile: 0, evicted: 0 }
  const property = fc.asyncProperty(cases, async ({ events: inputs, questions: asked, segmentEvents, evicts }) => {
    await using scope = await open({ node: 'test', segmentEvents, limits: LIMITS, ring: { bytes: 2 ** 20, overflow: 'block' }, ...(evicts && { retention: { maxEvents: KEPT } }) })
    const control = new Int32Array(new SharedArrayBuffer(8))
    const perBatch = Math.floor(inputs.length / (WORKERS * ROUNDS))
    const closed = workers.map((worker) => once(worker, 'message'))
    for (const [number, worker] of workers.entries()) {
      const own = inputs.slice(number * ROUNDS * perBatch, (number + 1) * ROUNDS * perBatch)
      const named = own.map((event, index) => ({ wallTime: BigInt(event['timestamp'] as number) * 1000n, ...event, eventId: `${40_001 + number}-${index}` }))
      const batches = Array.from({ length: ROUNDS }, (_, round) => named.slice(round * perBatch, (round + 1) * perBatch))
      worker.postMessage({ handle: scope.handle, batches, control })
    }
    const log: Event[] = []
    const answers: Answer[] = []
    const starts = new Set<number>()
    for (let round = 1; round <= ROUNDS; round++) {
      Atomics.store(control, 0, round)
      Atomics.notify(control, 0)
      do {
        answers.push(await answerTo(scope, asked[answers.length % asked.length]!))
      } while (Atomics.load(control, 1) < round * WORKERS)
      const { segments } = await scope.dataAccess.describe()
      for (const { fromSeq } of segments) starts.add(Number(fromSeq))
      const fresh = await scope.dataAccess.queryEvents({ where: { seq: { gte: log.length } }, sortBy: 'seq', limit: 10_000 })
      log.push(...fresh)
      expect(log.length).toBe(Number(fresh.snapshot))
    }
    await Promise.all(closed)
    expect(log.length).toBe(WORKERS * ROUNDS * perBatch)
    for (const answer of answers) {
      await check(answer, log, starts)
      seen.answers += 1
      seen.meanwhile += answer.snapshot[0] < log.length && answer.snapshot[0] % (WORKERS * perBatch) !== 0 ? 1 : 0
      seen.evicted += answer.firstSeq[0] > 0 ? 1 : 0
    }
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES, endOnFailure: true })
  expect(seen.answers).toBeGreaterThan(CASES * ROUNDS - 1)
  expect(seen.meanwhile).toBeGreaterThan(0)
  expect(seen.evicted).toBeGreaterThan(0)
})
