/** The distinct values of fields, compared with the oracle's. */
import * as fc from 'fast-check'
import { open, type EventInput } from 'kinescope'
import { expect, it } from 'vitest'
import { openOracle } from '../../oracle/index.js'
import { logs } from '../support/arbitraries.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 150)
const FIELDS = ['eventId', 'parent_id', 'seq', 'wallTime', 'data', 'tags.__proto__', 'eventType', 'pid', 'module', 'function', 'arity', 'line', 'correlation_id', 'data.x', 'data.a', 'data.a.b', 'tags.region', 'data.none']
const NUMBERS = ['arity', 'line', 'eventId', 'parent_id', 'seq', 'wallTime']
/** Equal numbers may show as either of their kinds. */
const plain = ({ value, count }: { value: unknown; count: number }) => [typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value, count]

it(`are those of the oracle, over random events (KINESCOPE_SEED=${SEED})`, { timeout: 300_000 }, async () => {
  const cases = fc.record({
    inputs: logs(60),
    field: fc.constantFrom(...FIELDS),
    prefix: fc.option(fc.constantFrom('', 'm', 'cart', 'trace-', 'W'), { nil: undefined }),
    limit: fc.option(fc.nat(4), { nil: undefined }),
    pid: fc.option(fc.constantFrom('main', 'a', 'worker-1'), { nil: undefined }),
  })
  const property = fc.asyncProperty(cases, async ({ inputs, field, prefix, limit, pid }) => {
    await using scope = await open({ segmentEvents: 7, limits: { maxEventBytes: 2 ** 16 } })
    const oracle = openOracle({ limits: { maxEventBytes: 2 ** 16 } })
    const given = inputs.map((input) => ({ wallTime: BigInt(input['timestamp'] as number) * 1000n, ...input })) as unknown as EventInput[]
    await scope.dataAccess.storeEvents(given)
    await oracle.dataAccess.storeEvents(given)
    const options = { ...(prefix !== undefined && !NUMBERS.includes(field) && { prefix }), ...(limit !== undefined && { limit }), ...(pid !== undefined && { filters: { pid } }) }
    const expected = await oracle.dataAccess.fieldValues(field, options)
    // Asked twice: what was counted the first time is known the second.
    for (let i = 0; i < 2; i++) expect((await scope.dataAccess.fieldValues(field, options)).map(plain)).toEqual(expected.map(plain))
  })
  await fc.assert(property, { numRuns: CASES, seed: SEED })
})

it('can be asked for by prefix, and refuse what is no option', async () => {
  await using scope = await open({ ring: { bytes: 65_536 } })
  for (const pid of ['request-1', 'request-2', 'request-2', 'job-1']) scope.recorder.record({ eventType: 'log', pid, data: { n: 1 } })
  const { dataAccess } = scope
  expect(await dataAccess.fieldValues('pid', { prefix: 'request-' })).toEqual([
    { value: 'request-2', count: 2 },
    { value: 'request-1', count: 1 },
  ])
  expect(await dataAccess.fieldValues('pid', { prefix: 'nobody' })).toEqual([])
  expect(await dataAccess.fieldValues('data.n', { filters: { where: { pid: 'job-1' } } })).toEqual([{ value: 1, count: 1 }])
  const refused: [unknown, unknown, string][] = [
    [7, {}, 'INVALID_ARGUMENT'],
    ['pidd', {}, 'UNKNOWN_FIELD'],
    ['arity', { prefix: 'a' }, 'TYPE_MISMATCH'],
    ['pid', { prefix: 1 }, 'INVALID_ARGUMENT'],
    ['pid', { limit: -1 }, 'INVALID_ARGUMENT'],
    ['pid', { limt: 1 }, 'INVALID_ARGUMENT'],
    ['pid', { filters: { limit: 1 } }, 'INVALID_ARGUMENT'],
  ]
  await expect(dataAccess.fieldValues('arity', { prefix: 'a' })).rejects.toMatchObject({ message: 'options.prefix: expected a field of text, but arity is an integer' })
  const where = { and: [{ pid: { startsWith: 'request' } }], 'data.n': 1 }
  expect(await dataAccess.fieldValues('pid', { filters: { where }, limit: 1 })).toEqual([{ value: 'request-2', count: 2 }])
  const wrong: [unknown, string][] = [[{ pidd: 1 }, 'where: no field'], [{ pid: 1 }, 'where.pid: pid is text'], [7, 'where: expected a condition'], [null, 'where: expected'], [{ and: 7 }, 'where.and: expected'], [{ and: [{ pid: 1 }] }, 'where.and[0].pid: pid is text']]
  for (const [given, message] of wrong) await expect(dataAccess.fieldValues('pid', { filters: { where: given as never } })).rejects.toMatchObject({ message: expect.stringContaining(message) })
  for (const [field, options, code] of refused) await expect(dataAccess.fieldValues(field as never, options as never), String(field)).rejects.toMatchObject({ code })
})
