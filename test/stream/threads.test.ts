/**
 * Several threads record while random subscriptions come, go, pause, fall behind, change their minds and start again from
 * where they were: what is delivered is what the filter selects from the log less the gaps, in order, each once, and
 * `fromSeq` and `toSeq` tile the log. `KINESCOPE_CASES` sets how many runs.
 */
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { open, type Event, type EventBatch, type Kinescope, type ResumePolicy, type Subscription } from 'kinescope'
import { afterAll, expect, test } from 'vitest'
import { compileQuery } from '../../oracle/query.js'
import { until } from './consumer.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 25)

const THREADS = [1, 2]
const workers = THREADS.map(() => new Worker(new URL('fixtures/recording-worker.mjs', import.meta.url)))
afterAll(() => Promise.all(workers.map((worker) => worker.terminate())))

type Query = Record<string, unknown>

const filters = fc.constantFrom<Query>(
  {},
  { eventTypes: ['a'] },
  { eventTypes: ['a', 'b'], pid: 'p1' },
  { pid: ['p0', 'p3'] },
  { tags: { thread: 1 } },
  { where: { or: [{ 'data.n': { lt: 20 } }, { eventType: 'c' }] } },
  { pid: 'p2', where: { 'data.n': { gte: 30 } } },
  { eventTypes: ['never'] },
  { textSearch: '"p1"' },
)
const policies = fc.oneof(
  fc.constantFrom<ResumePolicy>('send_all', 'discard_all'),
  fc.nat(10).map((sendLatest) => ({ sendLatest })),
  fc.nat(200).map((seq) => ({ startFrom: { seq } })),
)
const changes = fc.oneof(
  fc.record({ kind: fc.constantFrom('pause' as const, 'restart' as const, 'rest' as const) }),
  fc.record({ kind: fc.constant('resume' as const), policy: policies }),
  fc.record({ kind: fc.constant('update' as const), filter: filters }),
)
const plans = fc.record({
  filter: filters,
  seq: fc.option(fc.nat(300), { nil: undefined }),
  batchSize: fc.constantFrom(0, 1, 5, 64, 1024),
  batchTimeoutMs: fc.constantFrom(0, 1, 5),
  maxInFlight: fc.constantFrom(1, 3),
  /** Turns of the event loop that its listener takes for a batch. */
  slowness: fc.constantFrom(0, 0, 1, 10),
  changes: fc.array(changes, { maxLength: 8 }),
})
const runs = fc.record({
  events: fc.constantFrom(50, 400, 2000),
  chunk: fc.constantFrom(3, 50, 500),
  segmentEvents: fc.constantFrom(16, 100, 1000),
  maxEvents: fc.constantFrom(undefined, undefined, 200, 1500),
  plans: fc.array(plans, { minLength: 1, maxLength: 8 }),
})
type Plan = typeof plans extends fc.Arbitrary<infer T> ? T : never

/** A subscription, and what has to hold of its batches. */
class Watched {
  readonly #scope: Kinescope
  readonly #plan: Plan
  readonly #filters: Query[] = []
  /** Each with the filter that it says it was made with. */
  readonly batches: { batch: EventBatch; rows: Event[]; filter: Query; isElsewhere: boolean }[] = []
  #isElsewhere = false
  #working = 0
  #subscription!: Subscription

  constructor(scope: Kinescope, plan: Plan) {
    this.#scope = scope
    this.#plan = plan
    this.#subscribe(plan.seq === undefined ? 'now' : { seq: plan.seq }, plan.filter)
  }

  #subscribe(startFrom: 'now' | { seq: bigint | number }, filter: Query): void {
    const { batchSize, batchTimeoutMs, maxInFlight, slowness } = this.#plan
    this.#filters.length = 0
    this.#filters.push(filter)
    this.#subscription = this.#scope.eventStreamer.subscribe({ ...filter, startFrom, batchSize, batchTimeoutMs, maxInFlight, progressIntervalMs: 1 }, async (batch) => {
      this.#working += 1
      this.batches.push({ batch: batch as EventBatch, rows: batch.toArray() as Event[], filter: this.#filters[batch.filterVersion - 1]!, isElsewhere: this.#isElsewhere })
      this.#isElsewhere = false
      for (let turn = 0; turn < slowness; turn++) await nextTurn()
      batch.release()
      this.#working -= 1
    })
  }

  async change(change: Plan['changes'][number]): Promise<void> {
    const subscription = this.#subscription
    const wasPaused = subscription.stats().paused
    if (change.kind === 'pause') await subscription.pause()
    if (change.kind === 'update') {
      this.#filters.push(change.filter)
      await subscription.update(change.filter)
    }
    if (change.kind === 'resume') {
      if (wasPaused && typeof change.policy === 'object' && 'startFrom' in change.policy) this.#isElsewhere = true
      await subscription.resume(change.policy)
    }
    if (change.kind === 'restart') {
      await subscription.unsubscribe()
      const last = this.batches.at(-1)?.batch
      if (last === undefined || this.#isElsewhere) this.#isElsewhere = true
      this.#subscribe(last === undefined ? { seq: 0 } : { seq: last.toSeq + 1n }, this.#filters.at(-1)!)
    }
  }

  async finish(): Promise<void> {
    await this.#subscription.resume('send_all')
    await until(() => this.#subscription.stats().lagEvents === 0 && this.#working === 0)
    await this.#subscription.unsubscribe()
  }

  /** @param log What is known of the log, by position. */
  check(log: ReadonlyMap<bigint, Event>, batchSize: number): number {
    let rowsInAll = 0
    for (const [index, { batch, rows, filter, isElsewhere }] of this.batches.entries()) {
      const before = this.batches[index - 1]?.batch
      if (before !== undefined && !isElsewhere) expect(batch.fromSeq).toBe(before.toSeq + 1n)
      expect(batch.toSeq).toBeGreaterThanOrEqual(batch.fromSeq - 1n)
      if (batchSize > 0) expect(rows.length).toBeLessThanOrEqual(batchSize)
      let from = batch.fromSeq
      if (batch.gap !== undefined) {
        expect(batch.gap.fromSeq).toBe(batch.fromSeq)
        expect(batch.gap.toSeq).toBeLessThanOrEqual(batch.toSeq)
        expect(BigInt(batch.gap.count)).toBe(batch.gap.toSeq - batch.gap.fromSeq + 1n)
        from = batch.gap.toSeq + 1n
      }
      const { matches } = compileQuery(filter, { limit: 0 })
      const seqs: bigint[] = []
      const isKnown = rows.map(({ seq }) => log.has(seq))
      for (let seq = from; seq <= batch.toSeq; seq++) if (log.has(seq) && matches(log.get(seq)!)) seqs.push(seq)
      expect(rows.filter((_, row) => isKnown[row]).map(({ seq }) => seq)).toEqual(seqs)
      for (const row of rows) {
        expect(matches(row)).toBe(true)
        if (log.has(row.seq)) expect(row).toEqual(log.get(row.seq))
      }
      rowsInAll += rows.length
    }
    return rowsInAll
  }
}

test(`delivered is what the filter selects less the gaps (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 10_000 }, async () => {
  let rows = 0
  const property = fc.asyncProperty(runs, async ({ events, chunk, segmentEvents, maxEvents, plans: given }) => {
    await using scope = await open({ segmentEvents, ring: { bytes: 2 ** 22 }, ...(maxEvents === undefined ? {} : { retention: { maxEvents } }) })
    const log = new Map<bigint, Event>()
    // A quick consumer of everything knows most of what retention evicts.
    const witness = scope.eventStreamer.subscribe({ batchTimeoutMs: 0, maxInFlight: 4 }, (batch) => {
      for (const event of batch) log.set(event.seq, event)
    })
    const done = workers.map((worker) => once(worker, 'message'))
    for (const [index, worker] of workers.entries()) worker.postMessage({ handle: scope.handle, thread: THREADS[index], events, chunk })
    const watched: Watched[] = []
    let isOver = false
    const recording = Promise.all(done).finally(() => {
      isOver = true
    })
    for (let turn = 0; !isOver || turn < 8; turn++) {
      for (let n = 0; n < 10; n++) scope.recorder.record({ eventType: 'abc'[n % 3]!, pid: `p${n % 4}`, tags: { thread: 0 }, data: { thread: 0, n: turn * 10 + n } })
      if (turn < given.length) watched.push(new Watched(scope, given[turn]!))
      for (const [index, one] of watched.entries()) {
        const change = given[index]!.changes[turn - index - 1]
        if (change !== undefined) await one.change(change)
      }
      await nextTurn()
    }
    await recording
    await scope.flush()
    for (const one of watched) await one.finish()
    await until(() => witness.stats().lagEvents === 0)
    for (const event of await scope.dataAccess.queryEvents({ sortBy: 'seq', limit: 1_000_000 })) log.set(event.seq, event)
    for (const [index, one] of watched.entries()) rows += one.check(log, given[index]!.batchSize)
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
  expect(rows).toBeGreaterThan(CASES * 10)
})
