import { open, type Kinescope, type QueryResult } from 'kinescope'
import { expect, test } from 'vitest'
import { forEachNumbered } from './columns.js'
import { createWriter } from './fixtures/writer.mjs'
import { startWorkers, WORKERS } from './workers.js'

const EVENTS = Number(process.env['KINESCOPE_STRESS_EVENTS'] ?? 200_000)
const PER_WRITER = Math.ceil(EVENTS / (WORKERS.length + 1))
const EVENT_TYPES = ['stress_precise', 'stress_coarse', 'stress_record']
/** More than any of these events takes in a ring, so that a ring holds all of its thread's events. */
const BYTES_PER_EVENT = 128
const ROWS_PER_SLICE = 500_000

/** What one writer's events have to add up to. */
class WriterCheck {
  readonly seqOfNumber = new Float64Array(PER_WRITER).fill(-1)
  readonly timestampOfNumber = new Float64Array(PER_WRITER)
  readonly identities = new Set<string>()

  visit(event: { producer: number; sequence: number; number: number; seq: number; timestamp: number }) {
    if (this.seqOfNumber[event.number] !== -1) throw new Error(`number ${event.number} is found twice, at seq ${this.seqOfNumber[event.number]} and ${event.seq}`)
    this.seqOfNumber[event.number] = event.seq
    this.timestampOfNumber[event.number] = event.timestamp
    this.identities.add(`producer ${event.producer}, first sequence ${event.sequence - event.number}`)
  }

  /** Numbers never found, and the first place where a later number has an earlier `seq` or timestamp. */
  get faults() {
    const missing = this.seqOfNumber.reduce((count, seq) => count + Number(seq === -1), 0)
    const isOrdered = (values: Float64Array) => values.every((value, number) => number === 0 || value >= values[number - 1]!)
    return { missing, isSeqOrdered: isOrdered(this.seqOfNumber), isTimeOrdered: isOrdered(this.timestampOfNumber) }
  }
}

test(`${EVENTS} events of five threads are found exactly once and in order, while queries run`, { timeout: 900_000 }, async () => {
  const ringBytes = Math.max(65_536, 2 ** Math.ceil(Math.log2(PER_WRITER * BYTES_PER_EVENT)))
  await using scope = await open({ ring: { bytes: ringBytes }, retention: { maxBytes: 2 ** 34 }, segmentEvents: 65_536 })
  const startedAt = scope.now().timestamp
  const queries = await recordWhileQuerying(scope)
  await scope.flush()

  const checks = [0, ...WORKERS].map(() => new WriterCheck())
  for await (const result of slices(scope, startedAt)) {
    forEachNumbered(result, (event) => checks[event.writer]!.visit(event))
    expect(result.lost).toEqual({ count: 0, ranges: [] })
    result.release()
  }
  for (const check of checks) {
    expect(check.faults).toEqual({ missing: 0, isSeqOrdered: true, isTimeOrdered: true })
    expect(check.identities.size).toBe(1)
  }
  const { stored, recorded, lost } = scope.stats()
  expect({ stored, recorded }).toEqual({ stored: PER_WRITER * checks.length, recorded: PER_WRITER * checks.length })
  expect(Object.values(lost)).toEqual([0, 0, 0, 0, 0])
  expect(queries).toBeGreaterThan(0)
})

/** The main thread records its share in small steps between queries, which the workers' recording overlaps. */
async function recordWhileQuerying(scope: Kinescope): Promise<number> {
  const write = createWriter(scope.recorder, 0)
  const workers = await startWorkers(scope.handle, PER_WRITER)
  let areRunning = true
  const exited = workers.exited.finally(() => {
    areRunning = false
  })
  workers.start()
  let written = 0
  let queries = 0
  let seen = 0
  while (areRunning || written < PER_WRITER) {
    const next = Math.min(written + Math.max(200, PER_WRITER / 100), PER_WRITER)
    write(Math.floor(written), Math.floor(next))
    written = next
    using result = await scope.dataAccess.queryEvents({ eventTypes: EVENT_TYPES, limit: 2000 })
    const ownRows = await scope.dataAccess.queryEvents({ pid: 'main', limit: 0 })
    if (ownRows.totalMatches !== Math.floor(written)) throw new Error(`recorded ${written}, found ${ownRows.totalMatches}`)
    if (result.totalMatches < seen) throw new Error(`found ${seen} events and then ${result.totalMatches}`)
    seen = result.totalMatches
    forEachNumbered(result, () => {})
    queries += 2
  }
  await exited
  return queries
}

/** Everything, as the answers for adjoining ranges of time. */
async function* slices(scope: Kinescope, startedAt: bigint): AsyncGenerator<QueryResult> {
  const endedAt = scope.now().timestamp + 1n
  const count = BigInt(Math.ceil(EVENTS / ROWS_PER_SLICE))
  const bound = (index: bigint) => startedAt + ((endedAt - startedAt) * index) / count
  for (let index = 0n; index < count; index += 1n) {
    const range = { startTimeMonotonic: bound(index), endTimeMonotonic: bound(index + 1n) }
    yield await scope.dataAccess.queryEvents({ ...range, eventTypes: EVENT_TYPES, limit: Number.MAX_SAFE_INTEGER })
  }
}
