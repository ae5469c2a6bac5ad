/** Random subscriptions to random events, and changes of mind: the package delivers what the oracle does. `KINESCOPE_CASES` sets how many. */
import * as fc from 'fast-check'
import { open, type EventBatch, type EventInput, type Kinescope } from 'kinescope'
import { expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import type { OracleBatch } from '../../oracle/event-streamer.js'
import { events, filters, projections, type InputEvent, type Query } from '../support/arbitraries.js'
import { comparableRows } from '../support/comparable.js'
import { until } from './consumer.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 60)
const LIMITS = { maxEventBytes: 2 ** 16 }

type Oracle = ReturnType<typeof openOracle>
type Step =
  | { readonly kind: 'record'; readonly inputs: InputEvent[]; readonly isImport: boolean }
  | { readonly kind: 'subscribe'; readonly filter: Query; readonly options: Query }
  | { readonly kind: 'pause' | 'restart' | 'unsubscribe'; readonly which: number }
  | { readonly kind: 'resume'; readonly which: number; readonly policy: unknown }
  | { readonly kind: 'update'; readonly which: number; readonly filter: Query }

const which = fc.nat(7)
const starts = fc.oneof(
  fc.constant('now'),
  fc.record({ seq: fc.nat(60) }),
  fc.record({ timestampMonotonic: fc.integer({ min: -3, max: 22 }) }),
  fc.record({ timestampWall: fc.integer({ min: -3000, max: 22_000 }) }),
)
const filter = fc.tuple(filters(), fc.option(projections(), { nil: undefined })).map(([own, projection]) => (projection === undefined ? own : { ...own, projection }))
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('record' as const), inputs: fc.array(events(), { minLength: 1, maxLength: 25, size: '+1' }), isImport: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), filter, options: fc.record({ batchSize: fc.constantFrom(0, 1, 3, 1024), startFrom: starts, maxInFlight: fc.constantFrom(1, 2) }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('pause' as const, 'pause' as const, 'restart' as const, 'unsubscribe' as const), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('resume' as const), which, policy: fc.oneof(fc.constantFrom('send_all', 'discard_all', undefined), fc.record({ sendLatest: fc.nat(6) }), fc.record({ startFrom: starts })) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('update' as const), which, filter }) },
)

/** What both deliver, whatever the cuts between batches, which depend on who was quicker: rows in their order and gaps. */
function delivered(batches: readonly (EventBatch | OracleBatch)[], filtersOf: readonly Query[]): unknown[] {
  return batches.flatMap((batch) => {
    const { gap, filterVersion } = batch
    const rows = comparableRows(batch.toArray(), filtersOf[filterVersion - 1]!['projection']).map((row) => ({ filterVersion, row }))
    return gap === undefined ? rows : [{ gap }, ...rows]
  })
}

class Pair {
  readonly own: EventBatch[] = []
  readonly its: OracleBatch[] = []
  readonly filters: Query[]
  readonly #options: Query
  readonly #scope: Kinescope
  readonly #oracle: Oracle
  subscription!: ReturnType<Kinescope['eventStreamer']['subscribe']>
  other!: ReturnType<Oracle['eventStreamer']['subscribe']>

  constructor(scope: Kinescope, oracle: Oracle, own: Query, options: Query) {
    this.#scope = scope
    this.#oracle = oracle
    this.filters = [own]
    this.#options = { batchTimeoutMs: 0, progressIntervalMs: 0, ...options }
    this.#subscribe(own, this.#options)
  }

  #subscribe(own: Query, options: Query): void {
    this.subscription = this.#scope.eventStreamer.subscribe({ ...own, ...options }, (batch) => void this.own.push(batch as EventBatch))
    this.other = this.#oracle.eventStreamer.subscribe({ ...own, ...options }, (batch) => void this.its.push(batch))
  }

  /** Until both have delivered what there is. */
  async settled(): Promise<void> {
    if (this.subscription.stats().paused) return
    await until(() => this.subscription.stats().lagEvents === 0 && this.other.stats().lagEvents === 0)
    const position = this.other.stats().position
    // One that waits for a time has no position yet.
    if (position !== null) expect(this.subscription.stats().position).toBe(position)
  }

  compare(): void {
    expect(delivered(this.own, this.filters)).toEqual(delivered(this.its, this.filters))
    for (const [index, batch] of this.own.entries()) {
      if (batch.gap !== undefined) expect(batch.gap.fromSeq).toBe(batch.fromSeq)
      const before = this.own[index - 1]
      if (before !== undefined && !this.#moved.has(index)) expect(batch.fromSeq).toBe(before.toSeq + 1n)
    }
  }

  /** Batches before which the consumer has gone elsewhere. */
  readonly #moved = new Set<number>()

  async pause(): Promise<void> {
    await this.subscription.pause()
    await this.other.pause()
  }

  async resume(policy: unknown): Promise<void> {
    if (this.subscription.stats().paused && typeof policy === 'object' && policy !== null && 'startFrom' in policy) this.#moved.add(this.own.length)
    await this.subscription.resume(policy as never)
    await this.other.resume(policy)
  }

  async update(own: Query): Promise<void> {
    await this.subscription.update(own)
    await this.other.update(own)
    this.filters.push(own)
  }

  /** As a consumer does that has stored its position and comes back. */
  async restart(): Promise<void> {
    const [last] = this.own.slice(-1)
    if (last === undefined || this.filters.length > 1) return
    await this.unsubscribe()
    this.#subscribe(this.filters[0]!, { ...this.#options, startFrom: { seq: last.toSeq + 1n } })
  }

  async unsubscribe(): Promise<void> {
    await this.subscription.unsubscribe()
    await this.other.unsubscribe()
  }
}

/** Everything is recorded and delivered in both, and the oracle has evicted what the recording has. */
async function settle(scope: Kinescope, oracle: Oracle, pairs: readonly Pair[]): Promise<void> {
  await scope.flush()
  oracle.evictBefore(BigInt(scope.stats().evicted))
  for (const pair of pairs) await pair.settled()
}

test(`random subscriptions deliver what the oracle delivers (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 3000 }, async () => {
  let rows = 0
  const property = fc.asyncProperty(fc.array(steps, { minLength: 4, maxLength: 40, size: '+1' }), fc.constantFrom(undefined, 32, 64), async (program, maxEvents) => {
    const retention = maxEvents === undefined ? {} : { retention: { maxEvents } }
    await using scope = await open({ node: 'test', segmentEvents: 7, limits: LIMITS, ring: { bytes: 2 ** 22 }, ...retention })
    const oracle = openOracle({ node: 'test', limits: LIMITS })
    const pairs: Pair[] = []
    const ended: Pair[] = []
    for (const step of program) {
      await run(step, scope, oracle, pairs, ended)
      await settle(scope, oracle, pairs)
    }
    for (const pair of pairs) await pair.resume('send_all')
    await settle(scope, oracle, pairs)
    for (const pair of [...pairs, ...ended]) {
      pair.compare()
      rows += pair.own.reduce((sum, { batch }) => sum + batch.numRows, 0)
    }
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
  expect(rows).toBeGreaterThan(CASES)
})

/** In both; the clock's times would differ. */
async function record({ inputs, isImport }: Extract<Step, { kind: 'record' }>, scope: Kinescope, oracle: Oracle): Promise<void> {
  const given = inputs.map((input) => ({ wallTime: BigInt(input['timestamp'] as number) * 1000n, ...input })) as EventInput[]
  if (isImport) expect(await scope.dataAccess.storeEvents(given)).toEqual(await oracle.dataAccess.storeEvents(given))
  else for (const event of given) expect(scope.recorder.record(event)).toBe(oracle.recorder.record(event))
}

async function run(step: Step, scope: Kinescope, oracle: Oracle, pairs: Pair[], ended: Pair[]): Promise<void> {
  if (step.kind === 'record') return record(step, scope, oracle)
  if (step.kind === 'subscribe') return void (pairs.length < 8 && pairs.push(new Pair(scope, oracle, step.filter, step.options)))
  const pair = pairs[step.which % pairs.length]
  if (pair === undefined) return
  if (step.kind === 'resume') return pair.resume(step.policy)
  if (step.kind === 'update') return pair.update(step.filter)
  if (step.kind === 'unsubscribe') ended.push(...pairs.splice(pairs.indexOf(pair), 1))
  return pair[step.kind]()
}
