import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Kinescope, open, type QueryOptions } from 'kinescope'
import { DAY, kinescope, recorded, removeDirectories, THREE } from './command.js'

let path: string
beforeAll(async () => {
  path = await recorded(THREE)
})
afterAll(removeDirectories)

const FIRST =
  '{"seq":0,"eventId":"32768-0","timestamp":1000,"wallTime":1700006400000000000,"eventType":"log","node":"shop:1","pid":"main","correlationId":null,"parentId":null,"module":null,"function":null,"arity":null,"file":null,"line":null,"tags":{"region":"eu"},"data":{"message":"a \\"quoted\\", text","n":1152921504606846976}}'

test('JSON into a pipe, an event a line', () => {
  const { status, stdout, stderr } = kinescope('query', path)
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout.split('\n')[1]).toBe(`${FIRST},`)
  expect(JSON.parse(stdout)).toHaveLength(3)
  expect(kinescope('query', path, '--format', 'ndjson', '--limit', '1')).toEqual({ status: 0, stdout: `${FIRST}\n`, stderr: '1 of 3 events\n' })
  expect(kinescope('query', path, '--pid', 'nobody').stdout).toBe('[]\n')
})

test('CSV', () => {
  const { stdout } = kinescope('query', path, '--format', 'csv', '--fields', 'pid,event_type,data.message,data.duration_ns')
  expect(stdout).toBe('pid,eventType,data.message,data.duration_ns\r\nmain,log,"a ""quoted"", text",\r\nreq-1,function_entry,,\r\nreq-1,function_exit,,3000\r\n')
  expect(kinescope('query', path, '--format', 'csv', '--pid', 'nobody').stdout).toBe(
    'seq,eventId,timestamp,wallTime,eventType,node,pid,correlationId,parentId,module,function,arity,file,line,tags,data\r\n',
  )
})

test('a table, without colours into a pipe', () => {
  const { stdout, stderr } = kinescope('query', path, '--format', 'table', '--mfa', 'cart.total/1')
  expect(stdout).toBe(
    [
      'time                         event_type      pid    correlation_id  call          data',
      '2023-11-15T00:00:01.000000Z  function_entry  req-1  t-1             cart.total/1  {"args":[1]}',
      '2023-11-15T00:00:02.000000Z  function_exit   req-1  t-1             cart.total/1  {"duration_ns":3000,"exit_reason":"normal"}',
      '',
    ].join('\n'),
  )
  expect(stderr).toBe('2 of 2 events\n')
})

test('what a terminal would obey is shown as text', async () => {
  const hostile = await recorded([{ eventType: 'log', pid: '\u001b[31mred\u0007', timestamp: 1n, wallTime: DAY, data: { message: '\u001b]0;title' } }])
  const { stdout } = kinescope('query', hostile, '--format', 'table')
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
  expect(stdout).toContain('\\u001b[31mred\\u0007')
})

test('groups', () => {
  expect(kinescope('query', path, '--group-by', 'mfa,event_type', '--aggregate', 'n=count(*), slow=quantile(data.duration_ns,0.5)', '--format', 'ndjson', '--sort', 'n', '--desc').stdout.split('\n').map((line) => line && JSON.parse(line))).toEqual([
    { module: 'cart', function: 'total', arity: 1, event_type: 'function_entry', n: 1, slow: null },
    { module: 'cart', function: 'total', arity: 1, event_type: 'function_exit', n: 1, slow: expect.closeTo(3000, -2) },
    { module: null, function: null, arity: null, event_type: 'log', n: 1, slow: null },
    '',
  ])
  expect(kinescope('query', path, '--group-by', 'time:2s', '--format', 'csv').stdout).toBe('time_bucket,count\r\n0,3\r\n')
  expect(kinescope('query', path, '--aggregate', 'count_distinct(pid),p99(data.duration_ns),max(timestamp)', '--format', 'csv').stdout.split('\r\n')[0]).toBe('count_distinct(pid),p99(data.duration_ns),max(timestamp)')
})

/** Command lines, and the queries that they stand for. */
const FILTERS: [string[], QueryOptions][] = [
  [['--pid', 'main', '--pid', 'req-1'], { pid: ['main', 'req-1'] }],
  [['--correlation-id', 't-1'], { correlationId: 't-1' }],
  [['--event-type', 'log', '--event-type', 'error'], { eventTypes: ['log', 'error'] }],
  [['--mfa', 'cart.total/1'], { mfa: ['cart', 'total', 1] }],
  [['--mfa', 'total'], { mfa: { function: 'total' } }],
  [['--mfa', 'cart.'], { mfa: { module: 'cart' } }],
  [['--mfa', '/1'], { mfa: { arity: 1 } }],
  [['--tag', 'region=eu'], { tags: { region: 'eu' } }],
  [['--text', 'quoted text'], { textSearch: 'quoted text' }],
  [['--since', '2023-11-15T00:00:01Z'], { startTimeWall: new Date(1_700_006_401_000) }],
  [['--until', '2023-11-15T00:00:01Z'], { endTimeWall: new Date(1_700_006_401_000) }],
  [['--since', String(DAY + 1n)], { startTimeWall: DAY + 1n }],
  [['--since', '5m'], { startTimeWall: new Date(Date.now() - 300_000) }],
  [['--where', '{"data.n":{"gte":1152921504606846976}}'], { where: { 'data.n': { gte: 2n ** 60n } } }],
  [['--where', '{"data.n":{"gt":1152921504606846976}}'], { where: { 'data.n': { gt: 2n ** 60n } } }],
  [['--sort', 'data.duration_ns', '--desc', '--limit', '2'], { sortBy: 'data.duration_ns', sortOrder: 'desc', limit: 2 }],
  [['--offset', '1'], { offset: 1 }],
  [['--fields', 'pid,data.duration_ns:f64', '--fields', 'tags.region'], { projection: ['pid', { field: 'data.duration_ns', as: 'f64' }, 'tags.region'] }],
]

test.each(FILTERS)('%j finds what queryEvents does', async (options, query) => {
  const scope: Kinescope = await open({ path, mode: 'read' })
  const rows = (await scope.dataAccess.queryEvents(query)).toArray()
  await scope.close()
  const { stdout } = kinescope('query', path, '--format', 'ndjson', ...options)
  const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value)
  expect(stdout.split('\n').slice(0, -1).map((line) => JSON.parse(line))).toEqual(JSON.parse(JSON.stringify(rows, plain)))
})

test('many pages are one answer', async () => {
  const many = await recorded(Array.from({ length: 5000 }, (_, n) => ({ eventType: 'log', timestamp: BigInt(n), wallTime: DAY, data: { n } })), 700)
  const { stdout } = kinescope('query', many, '--format', 'csv', '--fields', 'data.n', '--limit', '4500', '--offset', '10')
  expect(stdout).toBe(`data.n\r\n${Array.from({ length: 4500 }, (_, n) => `${n + 10}\r\n`).join('')}`)
  expect(kinescope('query', many, '--format', 'csv', '--fields', 'data.n').stderr).toBe('1,000 of 5,000 events; --limit shows more\n')
})
