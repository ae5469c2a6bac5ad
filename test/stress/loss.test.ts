import { open, type Event, type Kinescope, type RingOptions } from 'kinescope'
import { expect, test } from 'vitest'
import { forEachNumbered } from './columns.js'
import { createWriter, OVERSIZED_EVERY } from './fixtures/writer.mjs'
import { startWorkers, WORKERS } from './workers.js'

const EVENTS = Number(process.env['KINESCOPE_STRESS_EVENTS'] ?? 200_000)
const PER_WRITER = Math.ceil(EVENTS / (WORKERS.length + 1))
const OVERSIZED = Math.ceil(PER_WRITER / OVERSIZED_EVERY)
const EVENT_TYPES = ['stress_precise', 'stress_coarse', 'stress_record', 'stress_oversized']
/** Rings of 64 KiB hold a quarter of that in one event. */
const LIMITS = { maxStringLength: 65_536 }

interface LossRow {
  producer: number
  first_sequence: number
  last_sequence: number
  count: number
  cause: string
}

test.each<Required<RingOptions>['overflow']>(['drop_newest', 'block'])('with rings of 64 KiB and %s, stored plus lost is attempted, for every producer', { timeout: 900_000 }, async (overflow) => {
  await using scope = await open({ ring: { bytes: 65_536, overflow }, retention: { maxBytes: 2 ** 34 }, segmentEvents: 65_536, limits: LIMITS })
  await record(scope)
  await scope.flush()

  const stored = await storedSequences(scope)
  const losses = await lossRows(scope)
  expect(stored.size).toBe(WORKERS.length + 1)
  let [lostInAll, tooLargeInAll] = [0, 0]
  for (const [producer, sequences] of stored) {
    const ownLosses = losses.filter((loss) => loss.producer === producer)
    const lost = ownLosses.reduce((sum, { count }) => sum + count, 0)
    lostInAll += lost
    expect(sequences.size + lost).toBe(PER_WRITER)
    expect(explain(sequences, ownLosses)).toEqual({ unexplained: 0, contradicted: 0 })
    const tooLarge = ownLosses.reduce((sum, { cause, count }) => sum + (cause === 'too_large' ? count : 0), 0)
    // While losses of a full ring are pending, one that is too large counts as one of them.
    expect(tooLarge).toBeGreaterThan(0)
    expect(tooLarge).toBeLessThanOrEqual(OVERSIZED)
    tooLargeInAll += tooLarge
  }
  const { lost, recorded, stored: rows } = scope.stats()
  expect(lost).toEqual({ ring_full: lostInAll - tooLargeInAll, too_large: tooLargeInAll, torn: 0, encoder: 0, disk_full: 0 })
  expect(recorded + lostInAll).toBe(PER_WRITER * stored.size)
  expect(rows).toBe(recorded)
  console.log(`${overflow}: ${lostInAll} of ${recorded + lostInAll} lost, ${tooLargeInAll} of them too large`)
})

async function record(scope: Kinescope) {
  const write = createWriter(scope.recorder, 0, { oversized: true })
  const workers = await startWorkers(scope.handle, PER_WRITER, true)
  workers.start()
  const step = Math.ceil(PER_WRITER / 20)
  for (let from = 0; from < PER_WRITER; from += step) {
    write(from, Math.min(from + step, PER_WRITER))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await workers.exited
}

/** The sequence numbers that were stored, by producer; the writer's own number has to agree with the sequence. */
async function storedSequences(scope: Kinescope): Promise<Map<number, Set<number>>> {
  using result = await scope.dataAccess.queryEvents({ eventTypes: EVENT_TYPES, limit: Number.MAX_SAFE_INTEGER })
  const stored = new Map<number, Set<number>>()
  forEachNumbered(result, ({ producer, sequence, number }) => {
    const sequences = stored.get(producer) ?? new Set()
    if (sequence !== number || sequences.has(sequence)) throw new Error(`event ${producer}-${sequence} holds number ${number}`)
    stored.set(producer, sequences.add(sequence))
  })
  return stored
}

async function lossRows(scope: Kinescope): Promise<LossRow[]> {
  using result = await scope.dataAccess.queryEvents({ eventTypes: ['events_lost'], limit: Number.MAX_SAFE_INTEGER })
  const rows = result.toArray()
  expect(rows.every(({ eventId }: Event) => eventId.startsWith('0-'))).toBe(true)
  const losses = rows.map(({ data }) => data as LossRow)
  // Of many losses a result tells the older ones at a coarser grain, but never other numbers.
  const ranges = result.lost.ranges.map((range) => ('producer' in range ? range : { producer: 0, ...range }))
  expect(countsOf(ranges)).toEqual(countsOf(losses))
  return losses
}

/** Events lost by producer and cause. */
function countsOf(losses: readonly { producer: number; cause: string; count: number }[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { producer, cause, count } of losses) counts[`${producer} ${cause}`] = (counts[`${producer} ${cause}`] ?? 0) + count
  return counts
}

/** Numbers that are neither stored nor inside a loss, and losses of more numbers than are missing where they say. */
function explain(stored: Set<number>, losses: LossRow[]) {
  const explained = new Set(stored)
  let contradicted = 0
  for (const { first_sequence: first, last_sequence: last, count } of losses) {
    let missing = 0
    for (let sequence = first; sequence <= last; sequence += 1) {
      if (!stored.has(sequence)) missing += 1
      explained.add(sequence)
    }
    if (count > missing || first > last || last >= PER_WRITER) contradicted += 1
  }
  return { unexplained: PER_WRITER - explained.size, contradicted }
}
