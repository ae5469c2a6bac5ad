import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RecordBatchReader, type Table, tableFromIPC } from 'apache-arrow'
import { parquetReadObjects, parquetSchema, parquetMetadata } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Event, type Kinescope, open, type QueryOptions } from 'kinescope'
import { eventsOf, toOtlpLogs, toOtlpTraces, toPerfetto, toSpeedscope } from 'kinescope/export'
import { bytesOf, DAY, directory, kinescope, MAIN, recorded, removeDirectories, started, THREE } from './command.js'

/** Enough for several pages, segments and dictionaries, with every column, and with its absence. */
const ROWS = 5000
let path: string
let scope: Kinescope
beforeAll(async () => {
  const events = Array.from({ length: ROWS }, (_, n) => ({
    eventType: `type-${n % 5}`,
    pid: `pid-${n % 11}`,
    timestamp: BigInt((n * 7919) % ROWS),
    wallTime: DAY + BigInt(n) * 1001n,
    ...(n % 2 === 0 ? { correlationId: `trace-${n >> 3}` } : {}),
    ...(n % 3 === 0 ? { module: `module-${n % 7}`, function: `f${n % 13}`, arity: n % 4, file: 'a.js', line: n + 1 } : {}),
    ...(n % 4 === 0 ? { tags: { region: n % 8 === 0 ? 'eu' : 'us', '': 'ø' } } : {}),
    ...(n % 5 === 0 ? {} : { data: { n, duration_ns: n * 1000, text: `text ${n}`, ...(n % 6 === 0 ? { big: 2n ** 63n - BigInt(n) } : {}) } }),
  }))
  path = await recorded(events, 700)
  scope = await open({ path, mode: 'read' })
})
afterAll(async () => {
  await scope.close()
  removeDirectories()
})

async function expected(query: QueryOptions = {}): Promise<{ events: Event[]; table: Table }> {
  const result = await scope.dataAccess.queryEvents({ limit: 1_000_000, ...query })
  return { events: result.toArray(), table: result.table }
}

/** Rows with plain objects for maps, so that tables can be compared. */
function plainRows(table: Table): unknown[] {
  const plain = (value: unknown): unknown => (value !== null && typeof value === 'object' && 'toJSON' in value ? Object.fromEntries(value as unknown as Iterable<[string, string]>) : value)
  return table.toArray().map((row) => Object.fromEntries(Object.entries(row!.toJSON() as object).map(([name, value]) => [name, plain(value)])))
}

// oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse has it
const exact = (events: unknown): any => JSON.parse(JSON.stringify(events, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)))

const QUERIES: [string[], QueryOptions][] = [
  [[], {}],
  [['--pid', 'pid-3'], { pid: 'pid-3' }],
  [['--pid', 'nobody'], { pid: 'nobody' }],
  [['--sort', 'data.n', '--desc', '--limit', '1500'], { sortBy: 'data.n', sortOrder: 'desc', limit: 1500 }],
  [['--fields', 'event_type,data.n,data.text,data.big,tags.region,wall_time'], { projection: ['event_type', 'data.n', 'data.text', 'data.big', 'tags.region', 'wall_time'] }],
  [['--fields', 'data.n', '--pid', 'nobody'], { projection: ['data.n'], pid: 'nobody' }],
]

test.each(QUERIES)('an Arrow file of %j is what queryEvents answers', async (options, query) => {
  const { table } = await expected(query)
  const bytes = bytesOf('export', path, '--format', 'arrow', ...options)
  const found = tableFromIPC(bytes)
  expect(String(found.schema)).toBe(String(table.schema))
  expect(plainRows(found)).toEqual(plainRows(table))
  // One dictionary a column, whatever batches there are.
  for (const column of found.schema.names.map((name) => found.getChild(name)!)) expect(new Set(column.data.map(({ dictionary }) => dictionary)).size).toBeLessThanOrEqual(1)
})

test.each(QUERIES)('an Arrow stream of %j is what queryEvents answers', async (options, query) => {
  const { table } = await expected(query)
  const bytes = bytesOf('export', path, '--format', 'arrows', ...options)
  const rows = [...RecordBatchReader.from(bytes)].flatMap((batch) => plainRows(tableOf(batch)))
  expect(rows).toEqual(plainRows(table))
})

function tableOf(batch: unknown): Table {
  return { toArray: () => [...(batch as Iterable<unknown>)] } as unknown as Table
}

test.each(QUERIES)('a Parquet file of %j is what queryEvents answers', async (options, query) => {
  const { table, events } = await expected(query)
  const bytes = bytesOf('export', path, '--format', 'parquet', ...options)
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  expect(parquetSchema(parquetMetadata(file)).children.map(({ element }) => element.name)).toEqual(table.schema.names)
  const parsers = { timestampFromNanoseconds: (nanoseconds: bigint) => nanoseconds }
  const rows = await parquetReadObjects({ file, compressors, parsers: parsers as never })
  if (query.projection !== undefined) {
    expect(exact(rows)).toEqual(exact(plainRows(table)).map((row: Record<string, unknown>, index: number) => ('wall_time' in row ? { ...row, wall_time: Number((events[index] as unknown as { wallTime: bigint }).wallTime) } : row)))
    return
  }
  expect(exact(rows)).toEqual(
    exact(
      events.map((event) => ({
        seq: event.seq,
        event_id: idOf(event.eventId),
        timestamp: event.timestamp,
        wall_time: event.wallTime,
        event_type: event.eventType,
        node: event.node,
        pid: event.pid,
        correlation_id: event.correlationId,
        parent_id: null,
        module: event.module,
        function: event.function,
        arity: event.arity,
        file: event.file,
        line: event.line,
        tags: event.tags,
        data: event.data,
      })),
    ).map((row: { data: unknown }, index: number) => ({ ...row, data: events[index]!.data === null ? null : (rows[index] as { data: string }).data })),
  )
  rows.forEach(({ data }, index) => expect(data === null ? null : exact(JSON.parse(data as string))).toEqual(exact(events[index]!.data)))
})

function idOf(id: string): bigint {
  const [producer, sequence] = id.split('-')
  return (BigInt(producer!) << 48n) | BigInt(sequence!)
}

test.each(QUERIES)('NDJSON of %j is what queryEvents answers', async (options, query) => {
  const { events } = await expected(query)
  const lines = bytesOf('export', path, '--format', 'ndjson', ...options).toString().split('\n')
  expect(lines.pop()).toBe('')
  expect(lines.map((line) => JSON.parse(line))).toEqual(exact(events))
})

test('the format follows from the name; the file is there when all of it is', () => {
  for (const [name, magic] of [['a.arrow', 'ARROW1'], ['a.parquet', 'PAR1'], ['a.ndjson', '{"seq":'], ['a.jsonl', '{"seq":'], ['a.trace', '{"disp']] as const) {
    const folder = directory()
    writeFileSync(join(folder, name), 'what was there before')
    expect(kinescope('export', path, '--output', join(folder, name))).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(readFileSync(join(folder, name)).subarray(0, magic.length).toString()).toBe(magic)
    expect(readdirSync(folder)).toEqual([name])
  }
})

test.each([
  ['perfetto', '.perfetto-trace', toPerfetto],
  ['perfetto', '.pftrace', toPerfetto],
  ['speedscope', '.speedscope.json', toSpeedscope],
  ['otlp-traces', '.otlp-traces.jsonl', toOtlpTraces],
  ['otlp-logs', '.otlp-logs.jsonl', toOtlpLogs],
] as const)('%s, and a file that ends in %s, are what kinescope/export makes', async (format, extension, convert) => {
  const call = { module: 'shop', function: 'buy', pid: 'p' }
  const calls = await recorded(
    [
      { ...call, eventType: 'function_entry', eventId: '40000-1', timestamp: 1 },
      { ...call, eventType: 'log', parentId: '40000-1', timestamp: 2, data: { message: 'sold' } },
      { ...call, eventType: 'function_exit', parentId: '40000-1', timestamp: 3 },
    ],
    2,
  )
  const reader = await open({ path: calls, mode: 'read' })
  const chunks: Buffer[] = []
  for await (const chunk of convert(eventsOf(reader.dataAccess))) chunks.push(Buffer.from(chunk))
  await reader.close()
  const file = join(directory(), `calls${extension}`)
  expect(kinescope('export', calls, '--output', file)).toEqual({ status: 0, stdout: '', stderr: '' })
  expect(readFileSync(file)).toEqual(Buffer.concat(chunks))
  expect(bytesOf('export', calls, '--format', format)).toEqual(Buffer.concat(chunks))
  expect(kinescope('export', calls, '--format', format, '--sort', 'pid')).toMatchObject({ status: 2, stderr: expect.stringContaining(`expected none with the format ${format}`) })
})

test('what fails leaves nothing', async () => {
  const folder = directory()
  expect(kinescope('export', path, '-o', join(folder, 'none', 'a.arrow'))).toMatchObject({ status: 1, stderr: expect.stringMatching(/^kinescope: ENOENT/) })
  expect(kinescope('export', path, '-o', join(folder, 'a.arrow'), '--where', '{"nope":1}')).toMatchObject({ status: 2 })
  expect(kinescope('export', path, '-o', join(folder, 'a.trace'), '--fields', 'pid')).toMatchObject({ status: 2, stderr: expect.stringContaining('--fields: expected none with the format chrome') })
  expect(readdirSync(folder)).toEqual([])
  const child = started('export', path, '-o', join(folder, 'a.trace'))
  while (readdirSync(folder).length === 0 && child.exitCode === null) await new Promise((resolve) => setImmediate(resolve))
  child.kill('SIGINT')
  const [code] = (await once(child, 'exit')) as [number]
  // It may have been done before it was told.
  expect([130, 0]).toContain(code)
  expect(readdirSync(folder)).toEqual(code === 0 ? ['a.trace'] : [])
})

test('a terminal sees how far it has come, and a pipe does not', () => {
  if (!existsSync('/usr/bin/script')) return console.warn('skipped: there is no script(1) to make a terminal with')
  const folder = directory()
  const command = `'${process.execPath}' '${MAIN}' export '${path}' -o '${join(folder, 'a.ndjson')}'`
  const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8' })
  expect(stdout).toContain('of 5,000 events')
  expect(existsSync(join(folder, 'a.ndjson'))).toBe(true)
  const coloured = spawnSync('script', ['-qec', `'${process.execPath}' '${MAIN}' verify '${path}'`, '/dev/null'], { encoding: 'utf8' })
  const plain = spawnSync('script', ['-qec', `'${process.execPath}' '${MAIN}' verify '${path}'`, '/dev/null'], { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } })
  expect(coloured.stdout).toContain('\u001b[32mintact\u001b[0m')
  expect(plain.stdout).not.toContain('\u001b[')
})

test('what is missing is said', async () => {
  const damaged = await recorded(THREE, 2)
  const name = readdirSync(damaged).find((file) => file.endsWith('.arrow'))!
  const bytes = readFileSync(join(damaged, name))
  bytes[bytes.indexOf('"quoted')]! ^= 1
  writeFileSync(join(damaged, name), bytes)
  const { status, stdout, stderr } = kinescope('export', damaged, '-f', 'ndjson')
  expect(status).toBe(0)
  expect(stdout.split('\n')).toHaveLength(2)
  expect(stderr).toBe('kinescope: 2 events of this time are missing: 2 corrupt\n')
})
