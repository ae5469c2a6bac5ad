import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DAY, directory, kinescope, MAIN, recorded, removeDirectories, THREE } from './command.js'

let path: string
beforeAll(async () => {
  path = await recorded(THREE)
})
afterAll(removeDirectories)

test.each(['info', 'verify', 'query', 'tail', 'export', 'serve'])('%s --help', (command) => {
  const { status, stdout, stderr } = kinescope(command, '--help')
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(new RegExp(`^Usage: kinescope ${command} RECORDING`))
  expect(kinescope('help', command).stdout).toBe(stdout)
  expect(kinescope('--help').stdout).toContain(`\n  ${command} `)
})

test('--version, and nothing at all', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  expect(kinescope('--version').stdout).toBe(`${version}\n`)
  const { status, stdout, stderr } = kinescope()
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/^Usage: kinescope COMMAND/)
})

test.each([
  [['quer'], 'unknown command "quer"; did you mean query?'],
  [['query'], "expected one recording's directory, got none"],
  [['query', 'a', 'b'], `expected one recording's directory, got "a", "b"`],
  [['query', '.', '--whre', 'x'], "Unknown option '--whre'"],
  [['query', '.', '--pid'], "Option '--pid <value>' argument missing"],
  [['query', '.', '--limit', 'many'], '--limit: expected a whole number, got "many"'],
  [['query', '.', '--offset=-1'], '--offset: expected a whole number, got "-1"'],
  [['query', '.', '--since', 'yesterday'], '--since: expected an ISO time'],
  [['query', '.', '--until', '2023-13-45'], '--until: expected an ISO time'],
  [['query', '.', '--tag', 'region'], '--tag: expected KEY=VALUE, got "region"'],
  [['query', '.', '--mfa', ''], '--mfa: expected MODULE.FUNCTION/ARITY'],
  [['query', '.', '--where', '{'], '--where: expected a condition as JSON'],
  [['query', '.', '--format', 'xml'], '--format: expected one of table, json, ndjson, csv, got "xml"'],
  [['query', '.', '--aggregate', 'median(x)'], '--aggregate: expected [NAME=]FUNCTION(FIELD)'],
  [['query', '.', '--group-by', 'time:never'], '--group-by: expected a length of time'],
  [['query', '.', '--group-by', 'pid', '--fields', 'pid'], '--fields: expected none with --group-by or --aggregate'],
  [['tail', '.', '--last', 'x'], '--last: expected a whole number, got "x"'],
  [['tail', '.', '--format', 'table'], '--format: expected one of line, ndjson, got "table"'],
  [['export', '.'], '--format: expected one of arrow, arrows, parquet, ndjson, chrome, perfetto, speedscope, otlp-traces, otlp-logs, got none'],
  [['export', '.', '--output', 'dir.d/x.csv'], '--output: expected one of the extensions .arrow, .feather, '],
  [['export', '.', '--output', 'x.csv'], 'got ".csv"'],
  [['export', '.', '--output', 'x'], 'got a name without any'],
])('%j is refused with exit code 2', (args, message) => {
  const { status, stdout, stderr } = kinescope(...args)
  expect(stderr).toMatch(/^kinescope: /)
  expect(stderr).toContain(message)
  expect(stderr).toMatch(new RegExp(`\nkinescope ${args[0] === 'quer' ? '' : `${args[0]} `}--help says what is expected\\.\n$`))
  expect([status, stdout]).toEqual([2, ''])
})

test.each([
  [['--where', '{"pidd":1}'], '--where: no field is called "pidd"; nearest are pid'],
  [['--where', '{"pid":1}'], '--where.pid: pid is text, and cannot be compared with the number 1'],
  [['--sort', 'nope'], '--sort: no field is called "nope"'],
  [['--fields', 'nope'], '--fields[0]: no field is called "nope"'],
  [['--since', '2023-11-16', '--until', '2023-11-15'], '--until: expected a time at or after'],
  [['--aggregate', 'sum(pid)'], '--aggregate.sum(pid).sum: expected a field with numbers'],
  [['--aggregate', 'n=count(*),n=sum(seq)', '--sort', 'm'], '--sort[0]'],
])('%j, which only the recording tells, is refused with exit code 2', (args, message) => {
  const { status, stdout, stderr } = kinescope('query', path, ...args)
  expect(stderr).toContain(`kinescope: ${message}`)
  expect([status, stdout]).toEqual([2, ''])
})

test.each(['info', 'verify', 'query', 'tail', 'export', 'serve'])('%s of what is no recording fails with the code of its error', (command) => {
  const format = command === 'export' ? ['--format', 'ndjson'] : []
  const missing = join(directory(), 'none')
  expect(kinescope(command, missing, ...format)).toEqual({ status: 1, stdout: '', stderr: `kinescope: NOT_FOUND: path: expected a recording's directory, got ${missing}\n` })
  const later = directory()
  const meta = readFileSync(join(path, 'recording'))
  meta.writeUInt32LE(2, 8)
  writeFileSync(join(later, 'recording'), meta)
  expect(kinescope(command, later, ...format)).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('kinescope: UNSUPPORTED_VERSION: ') })
  meta.fill(7)
  writeFileSync(join(later, 'recording'), meta)
  expect(kinescope(command, later, ...format)).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('kinescope: CORRUPT_RECORDING: ') })
})

test('a reader that has seen enough ends it quietly', async () => {
  const many = await recorded(Array.from({ length: 20_000 }, (_, n) => ({ eventType: 'log', timestamp: BigInt(n), wallTime: DAY, data: { message: 'x'.repeat(50) } })))
  for (const command of [`query ${many} --limit 20000 --format ndjson`, `export ${many} --format ndjson`, `export ${many} --format chrome`, `tail ${many} --last 20000`]) {
    const { stdout, stderr } = spawnSync('bash', ['-c', `'${process.execPath}' '${MAIN}' ${command} | head -n 1 | wc -l; echo "\${PIPESTATUS[0]}"`], { encoding: 'utf8' })
    expect([command, stdout.split('\n').map((line) => line.trim()), stderr]).toEqual([command, ['1', '0', ''], ''])
  }
})

test('info', async () => {
  const { status, stdout, stderr } = kinescope('info', path)
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout.replace(/on disk .*/, 'on disk X')).toBe(`recording   ${path}
events      3, snapshot 3
time        2023-11-15T00:00:00.000000Z to 2023-11-15T00:00:02.000000Z
segments    1, 1 of them sealed
on disk X
recorded by shop:1
evicted     0
lost        nothing

event type      events
function_entry       1
function_exit        1
log                  1

path              values  types
data.args              1  array
data.duration_ns       1  integer
data.exit_reason       1  string
data.message           1  string
data.n                 1  integer

tag          events
tags.region       1
`)
  const found = JSON.parse(kinescope('info', path, '--json').stdout) as Record<string, unknown>
  expect(found).toMatchObject({ path, events: 3, snapshot: 3, evicted: 0, wallTime: { first: '2023-11-15T00:00:00.000000Z' }, nodes: [{ value: 'shop:1', count: 3 }] })
  const empty = await recorded([])
  expect(kinescope('info', empty).stdout).toContain('\ntime        none\n')
})

test('what is no file where one should be', () => {
  const copy = directory()
  mkdirSync(join(copy, 'recording'))
  expect(kinescope('query', copy)).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(/^kinescope: IO: /) })
})
