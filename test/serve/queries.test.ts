/** What is answered over HTTP is what the API answers. `KINESCOPE_CASES` sets how many random questions are asked. */
import * as fc from 'fast-check'
import { parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Kinescope, type KinescopeServer, open, type QueryOptions } from 'kinescope'
import { logs, queries } from '../support/arbitraries.js'
import { ask, json, rowsOf, tableOf } from './client.js'

const CASES = Number(process.env['KINESCOPE_CASES'] ?? 60)
const SEED = process.env['KINESCOPE_SEED']
const DAY = Date.UTC(2026, 10, 27)

let scope: Kinescope
let server: KinescopeServer
beforeAll(async () => {
  scope = await open({ node: 'n' })
  server = await scope.serve()
  await scope.dataAccess.storeEvents(
    Array.from({ length: 3000 }, (_, n) => ({
      eventType: ['log', 'order', 'error'][n % 3]!,
      pid: `pid-${n % 7}`,
      timestamp: BigInt(n) * 10n,
      wallTime: new Date(DAY + n),
      ...(n % 2 === 0 ? { correlationId: `trace-${n >> 2}`, module: 'shop,cart', function: `f${n % 5}`, arity: n % 3 } : {}),
      ...(n % 4 === 0 ? { tags: { region: n % 8 === 0 ? 'eu=1' : 'us' } } : {}),
      data: { n, big: 2n ** 62n + BigInt(n), text: `text ${n}` },
    })),
  )
})
afterAll(() => scope.close())

async function expected(query: QueryOptions): Promise<unknown[]> {
  using result = await scope.dataAccess.queryEvents({ limit: 1_000_000, ...query })
  return rowsOf(result.table)
}

const iso = (ms: number): string => encodeURIComponent(new Date(DAY + ms).toISOString())
test.each<[string, QueryOptions]>([
  ['', {}],
  ['pid=pid-1&pid=pid-2', { pid: ['pid-1', 'pid-2'] }],
  ['pid=nobody', { pid: 'nobody' }],
  ['correlationId=trace-5', { correlationId: 'trace-5' }],
  ['eventTypes=log,error&limit=10', { eventTypes: ['log', 'error'], limit: 10 }],
  ['eventTypes=log&eventTypes=error', { eventTypes: ['log', 'error'] }],
  ['module=shop,cart&function=f2&arity=1', { mfa: { module: 'shop,cart', function: 'f2', arity: 1 } }],
  ['tag=region%3Deu%3D1', { tags: { region: 'eu=1' } }],
  [`from=${iso(100)}&to=${iso(200)}`, { startTimeWall: new Date(DAY + 100), endTimeWall: new Date(DAY + 200) }],
  [`from=${DAY + 2990}000000`, { startTimeWall: BigInt(DAY + 2990) * 1_000_000n }],
  ['startTimeMonotonic=100&endTimeMonotonic=200', { startTimeMonotonic: 100, endTimeMonotonic: 200 }],
  ['textSearch=%22text+29%22&sortBy=data.n&sortOrder=desc', { textSearch: '"text 29"', sortBy: 'data.n', sortOrder: 'desc' }],
  ['where=%7B%22data.big%22:%7B%22lt%22:4611686018427387910%7D%7D', { where: { 'data.big': { lt: 2n ** 62n + 6n } } }],
  [`where=${encodeURIComponent(JSON.stringify({ not: { wallTime: { gte: new Date(DAY + 9) } } }))}`, { where: { wallTime: { lt: new Date(DAY + 9) } } }],
  ['columns=seq,data.n:f64,tags.region&offset=2990', { projection: ['seq', { field: 'data.n', as: 'f64' }, 'tags.region'], offset: 2990 }],
  ['projection=event_type&projection=data.text&limit=0', { projection: ['event_type', 'data.text'], limit: 0 }],
])('%j', async (search, query) => {
  const rows = await expected(query)
  expect(rowsOf(await tableOf(server, `/v1/events.arrows?${search}`))).toEqual(rows)
  expect(rowsOf(await tableOf(server, `/v1/events.arrow?${search}`))).toEqual(rows)
  const { body, headers } = await ask(server, `/v1/events.parquet?${search}`)
  const file = new Uint8Array(body).buffer
  const read = await parquetReadObjects({ file, compressors })
  expect(read.length).toBe(rows.length)
  expect(headers['content-type']).toBe('application/vnd.apache.parquet')
  const [first] = read as Record<string, unknown>[]
  if (first !== undefined && 'seq' in first) expect(read.map((row) => BigInt(row['seq'] as bigint))).toEqual(rows.map((row) => (row as { seq: bigint }).seq))
})

test('all events, without a limit, of one snapshot that the head tells', async () => {
  const { headers } = await ask(server, '/v1/events.arrows?eventTypes=log', { method: 'HEAD' })
  expect(headers).toMatchObject({
    'content-type': 'application/vnd.apache.arrow.stream',
    'x-kinescope-snapshot': '3000',
    'x-kinescope-total-matches': '1000',
    'x-kinescope-lost': '0',
  })
  expect((await tableOf(server, '/v1/events.arrows')).numRows).toBe(3000)
})

test('a JSON body is the options of the API: with Dates as JSON has them, integers as numbers or texts, and page tokens', async () => {
  const query = { startTimeWall: new Date(DAY + 5), endTimeMonotonic: '29000', limit: 2000 }
  const rows = await expected({ ...query, endTimeMonotonic: 29_000n })
  for (const method of ['GET', 'POST']) expect(rowsOf(await tableOf(server, '/v1/events.arrows', { method, body: JSON.stringify(query) }))).toEqual(rows)
  using first = await scope.dataAccess.queryEvents({ limit: 7 })
  const offset = { pageToken: first.nextPageToken! }
  expect(rowsOf(await tableOf(server, '/v1/events.arrow', { method: 'POST', body: JSON.stringify({ offset }) }))).toEqual((await expected({})).slice(7))
})

test('describe and aggregate, with integers of all digits', async () => {
  const exact = (value: unknown): unknown => JSON.parse(json(value))
  const described = await ask(server, '/v1/describe')
  expect(described.json).toEqual(exact(await scope.dataAccess.describe()))
  const head = await ask(server, '/v1/describe', { method: 'HEAD' })
  expect([head.status, head.body.length, head.headers['content-length']]).toEqual([200, 0, String(described.body.length)])
  const options = { groupBy: ['event_type'], aggregations: { n: { count: '*' as const }, most: { max: 'data.big' } }, filters: { endTimeWall: new Date(DAY + 50) } }
  const { body, json: answered } = await ask(server, '/v1/aggregate', { method: 'POST', body: JSON.stringify(options) })
  using groups = await scope.dataAccess.aggregateEvents(options)
  expect(answered).toEqual(exact({ rows: groups.rows(), quantileError: 0, snapshot: groups.snapshot, lost: groups.lost }))
  expect(body.toString()).toContain(String(2n ** 62n + 49n))
})

test('random questions in JSON have the answers of queryEvents', async () => {
  await fc.assert(
    fc.asyncProperty(logs(), queries(), fc.constantFrom('arrows', 'arrow'), async (events, query, format) => {
      await using asked = await open({ segmentEvents: 7 })
      await asked.dataAccess.storeEvents(events as never)
      const by = await asked.serve()
      using result = await asked.dataAccess.queryEvents({ limit: 1000, ...query })
      const table = await tableOf(by, `/v1/events.${format}`, { method: 'POST', body: json(query) })
      expect(rowsOf(table)).toEqual(rowsOf(result.table))
      expect(table.schema.fields.map(String)).toEqual(result.table.schema.fields.map(String))
    }),
    { numRuns: CASES, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
  )
})
