/**
 * Random questions to a recording that has been closed and is only read: its indexes are those of the files, and it answers as
 * the oracle does. `KINESCOPE_CASES` sets how many.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { open, type AggregateOptions, type Event, type EventInput, type QueryOptions } from 'kinescope'
import { expect, test } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import { exact } from '../query/exact.js'
import { aggregations, events, queries, type InputEvent } from '../support/arbitraries.js'
import { comparableGroups, comparableRows } from '../support/comparable.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 100)
/** Wide enough that nothing is cut for its size, which the oracle does not do. */
const LIMITS = { maxEventBytes: 2 ** 16 }
/** Where waiting for a disk takes no time. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

const cases = fc.record({
  inputs: fc.array(events(), { minLength: 1, maxLength: 120 }),
  queries: fc.array(queries(), { minLength: 1, maxLength: 6 }),
  aggregates: fc.array(aggregations(), { minLength: 1, maxLength: 6 }),
  segmentEvents: fc.constantFrom(7, 50, 1000),
})

/** The clock's times would differ. */
function timed(input: InputEvent): EventInput {
  return { wallTime: BigInt(input['timestamp'] as number) * 1000n, ...input } as EventInput
}

async function outcome<T>(call: () => Promise<T> | T): Promise<T | { code: string }> {
  try {
    return await call()
  } catch (error) {
    return { code: (error as { code: string }).code }
  }
}

const seqs = (result: Iterable<{ seq: bigint }>): bigint[] => Array.from(result, ({ seq }) => seq)

test(`a recording that is read answers out of its files as the oracle does (KINESCOPE_SEED=${SEED})`, { timeout: 60_000 + CASES * 3000 }, async () => {
  const property = fc.asyncProperty(cases, async ({ inputs, queries: asked, aggregates, segmentEvents }) => {
    const path = mkdtempSync(join(scratch, 'test-kinescope-'))
    try {
      const oracle = openOracle({ node: 'test', limits: LIMITS })
      const writer = await open({ path, node: 'test', segmentEvents, limits: LIMITS, ring: { bytes: 2 ** 22 } })
      const ids = inputs.map((input) => {
        const id = writer.recorder.record(timed(input))
        expect(id).toBe(oracle.recorder.record(timed(input)))
        return id
      })
      await writer.close()
      await using scope = await open({ path, mode: 'read' })
      expect(scope.stats().indexed).toBe(inputs.length)
      for (const query of asked) {
        using result = await scope.dataAccess.queryEvents(query as QueryOptions)
        const expected = oracle.dataAccess.queryEventsSync(query)
        expect(result.totalMatches, exact(query)).toBe(expected.totalMatches)
        expect(comparableRows(result.toArray(), query['projection']), exact(query)).toEqual(comparableRows(expected.toArray(), query['projection']))
      }
      for (const options of aggregates) {
        using result = await scope.dataAccess.aggregateEvents(options as unknown as AggregateOptions)
        const expected = oracle.dataAccess.aggregateEventsSync(options)
        expect(comparableGroups(result.rows(), options), exact(options)).toEqual(comparableGroups(expected.rows(), options))
      }
      const rows = oracle.dataAccess.queryEventsSync({ sortBy: 'seq', limit: 1000 }).toArray() as Event[]
      for (const { pid, correlationId, timestamp, eventId } of rows.filter((_, index) => index % 10 === 0)) {
        for (const id of [correlationId ?? 'none', eventId]) {
          const expected = await outcome(async () => seqs(await oracle.dataAccess.getTraceByCorrelationId(id)))
          expect(await outcome(async () => seqs(await scope.dataAccess.getTraceByCorrelationId(id))), `trace of ${id}`).toEqual(expected)
        }
        for (const at of [timestamp, 2n ** 62n]) {
          const stack = await outcome(() => oracle.dataAccess.getCallStackAt(pid, at))
          expect(await outcome(() => scope.dataAccess.getCallStackAt(pid, at)), `stack of ${pid}`).toEqual(stack)
          const state = await outcome(() => oracle.dataAccess.getStateAt(pid, at))
          expect(await outcome(() => scope.dataAccess.getStateAt(pid, at)), `state of ${pid}`).toEqual(state)
        }
      }
      expect((await scope.dataAccess.getEvent(ids[0]!))?.seq).toBe(0n)
      expect(scope.stats().indexed).toBe(inputs.length)
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  })
  await fc.assert(property, { seed: SEED, numRuns: CASES })
})
