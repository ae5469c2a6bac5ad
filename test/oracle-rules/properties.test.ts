/** What holds for every log and every query, whatever the oracle's code looks like. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonText } from '../../oracle/json.js'
import { aggregations, conditions, filters, logs, payloads, queries } from '../support/arbitraries.js'
import { hostileValues, userCodeRuns } from '../support/hostile.js'
import { countingOracle, oracleWith, seqs } from './events.js'

describe('filters', () => {
  it('split a log in two: not is the exact complement', async () => {
    await fc.assert(
      fc.asyncProperty(logs(), conditions(), async (events, where) => {
        const { dataAccess } = await oracleWith(events)
        const [yes, no] = [where, { not: where }].map((condition) => seqs(dataAccess.queryEventsSync({ where: condition })))
        expect([...yes!, ...no!].sort((a, b) => a - b)).toEqual(events.map((_, seq) => seq))
      }),
    )
  })

  it('are anded', async () => {
    await fc.assert(
      fc.asyncProperty(logs(), conditions(), conditions(), async (events, a, b) => {
        const { dataAccess } = await oracleWith(events)
        const rows = (where: object) => new Set(seqs(dataAccess.queryEventsSync({ where })))
        expect(rows({ and: [a, b] })).toEqual(new Set([...rows(a)].filter((seq) => rows(b).has(seq))))
        expect(rows({ or: [a, b] })).toEqual(new Set([...rows(a), ...rows(b)].sort((x, y) => x - y)))
      }),
    )
  })
})

describe('pages', () => {
  it('are the whole, in pieces', async () => {
    await fc.assert(
      fc.asyncProperty(logs(), queries(), fc.integer({ min: 1, max: 5 }), async (events, { limit: _limit, ...query }, size) => {
        const { dataAccess } = await oracleWith(events)
        const whole = dataAccess.queryEventsSync(query).toArray()
        const pieces = []
        for (let page = dataAccess.queryEventsSync({ ...query, limit: size }); ; ) {
          pieces.push(...page)
          if (page.nextPageToken === null) break
          page = dataAccess.queryEventsSync({ ...query, limit: size, offset: { pageToken: page.nextPageToken } })
        }
        expect(pieces).toEqual(whole)
      }),
    )
  })
})

describe('order', () => {
  it('descending is ascending mirrored, but for what is absent', async () => {
    await fc.assert(
      fc.asyncProperty(logs(), queries(), async (events, { limit: _l, offset: _o, projection: _p, ...query }) => {
        const { dataAccess } = await oracleWith(events)
        const [up, down] = ['asc', 'desc'].map((sortOrder) => seqs(dataAccess.queryEventsSync({ ...query, sortOrder })))
        const mirrorsAt = (count: number) => {
          const [present, absent] = [up!.slice(0, count), up!.slice(count)]
          const inSeqOrder = absent.every((seq, index) => index === 0 || seq > absent[index - 1]!)
          return inSeqOrder && `${[...present.reverse(), ...absent.reverse()]}` === `${down}`
        }
        expect(Array.from({ length: up!.length + 1 }, (_, count) => count).some(mirrorsAt)).toBe(true)
      }),
    )
  })
})

describe('aggregates', () => {
  it('count every event once', async () => {
    await fc.assert(
      fc.asyncProperty(logs(), filters(), aggregations(), async (events, wanted, { groupBy }) => {
        const { dataAccess } = await oracleWith(events)
        const options = { filters: wanted, aggregations: { n: { count: '*' } } }
        const rows = dataAccess.aggregateEventsSync({ ...options, groupBy }).rows()
        const total = rows.reduce((sum: number, row) => sum + row.n, 0)
        expect(total).toBe(dataAccess.queryEventsSync({ ...wanted, limit: 0 }).totalMatches)
      }),
    )
  })

  it('answer every valid question', async () => {
    await fc.assert(
      fc.asyncProperty(logs(), aggregations(), async (events, options) => {
        const { dataAccess } = await oracleWith(events)
        const { limit = Infinity, ...rest } = options as { limit?: number }
        expect(dataAccess.aggregateEventsSync(options).rows()).toEqual(dataAccess.aggregateEventsSync(rest).rows().slice(0, limit))
      }),
    )
  })
})

describe('traces and stacks', () => {
  it('part the log: every event belongs to the traces from which it is found', async () => {
    await fc.assert(
      fc.asyncProperty(logs(20), async (events) => {
        const oracle = await oracleWith(events)
        const correlationIds = new Set(oracle.events.map((event) => event.correlationId))
        for (const { eventId, seq } of oracle.events) {
          if (correlationIds.has(eventId)) continue
          expect(seqs(await oracle.dataAccess.getTraceByCorrelationId(eventId))).toContain(Number(seq))
        }
      }),
    )
  })

  it('hold only entries without an exit', async () => {
    await fc.assert(
      fc.asyncProperty(logs(), fc.integer({ min: -5, max: 25 }), async (events, time) => {
        const oracle = await oracleWith(events)
        for (const pid of new Set(oracle.events.map((event) => event.pid))) {
          const { frames } = await oracle.dataAccess.getCallStackAt(pid, time)
          expect(new Set(frames.map((frame) => frame.entryId)).size).toBe(frames.length)
          for (const frame of frames) expect(frame.enteredAt <= BigInt(time)).toBe(true)
        }
      }),
    )
  })
})

describe('capture', () => {
  it('runs no user code and always leaves JSON', () => {
    fc.assert(
      fc.property(hostileValues(), (make) => {
        const oracle = countingOracle()
        const value = make()
        const before = userCodeRuns()
        oracle.recorder.record({ eventType: 'log', data: value })
        oracle.recorder.exit(oracle.recorder.enter(oracle.recorder.site({ module: 'm', function: 'f', arity: 0 }), value), value)
        oracle.recorder.wrap((given: unknown) => [given], { captureResult: true })(value)
        expect(userCodeRuns()).toBe(before)
        for (const event of oracle.events) JSON.parse(jsonText(event.data))
        expect(oracle.events).toHaveLength(5)
      }),
      { numRuns: 500 },
    )
  })

  it('keeps payloads as they are', () => {
    fc.assert(
      fc.property(payloads(), (data) => {
        const oracle = countingOracle({ limits: { maxDepth: 64 } })
        oracle.recorder.record({ eventType: 'log', data })
        const [event] = oracle.events
        expect(jsonText(event?.data)).toBe(jsonText(data))
        oracle.recorder.record({ eventType: 'log', data: event?.data })
        expect(oracle.events[1]?.data).toEqual(event?.data)
      }),
      { numRuns: 500 },
    )
  })
})
