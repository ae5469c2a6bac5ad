/** Streams: slow clients, clients that go away, and what ends. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { RecordBatchReader, tableFromIPC, type RecordBatch } from 'apache-arrow'
import { afterEach, expect, test, vi } from 'vitest'
import { type Kinescope, type KinescopeServer, open, type OpenOptions, type ServeOptions } from 'kinescope'
import { ask, bytesOf, rowsOf, started, until, untilNothingIsLeased } from './client.js'

let scope: Kinescope
let server: KinescopeServer
async function serving(options: OpenOptions = {}, serve: ServeOptions = {}): Promise<void> {
  scope = await open(options)
  server = await scope.serve(serve)
}
afterEach(() => scope.close())

/** More than the buffers of two sockets hold. */
const LARGE_EVENTS = 12_000
const LARGE = 'x'.repeat(8000)
async function recordLarge(count: number, from = 0): Promise<void> {
  for (let n = from; n < from + count; n++) {
    scope.recorder.record({ eventType: 'large', data: { n, text: LARGE } })
    if (n % 500 === 499) await scope.flush()
  }
  await scope.flush()
}
const BLOCKING: OpenOptions = { ring: { overflow: 'block' } }
/** Clients that read are never cut off, whatever else the machine does. */
const PATIENT: ServeOptions = { closeTimeoutMs: 60_000 }

/** Batches of a stream as they come. */
async function batchesOf(response: IncomingMessage): Promise<AsyncIterator<RecordBatch>> {
  const reader = await RecordBatchReader.from(response)
  return reader[Symbol.asyncIterator]() as AsyncIterator<RecordBatch>
}

test('pages are fetched as the client drains, and nothing is leased while it does not', async () => {
  await serving(BLOCKING)
  await recordLarge(LARGE_EVENTS)
  const query = vi.spyOn(scope.dataAccess, 'queryEvents')
  const response = await started(server, '/v1/events.arrows')
  // A server that did not wait would go on while it answers these.
  for (let n = 0; n < 50; n++) expect((await ask(server, '/v1/describe')).status).toBe(200)
  await untilNothingIsLeased(scope)
  const before = query.mock.calls.length
  const table = tableFromIPC(await bytesOf(response))
  expect(table.numRows).toBe(LARGE_EVENTS)
  expect(before).toBeLessThan(query.mock.calls.length / 2)
  await untilNothingIsLeased(scope)
})

test('a client that goes away in the middle ends its query', async () => {
  await serving(BLOCKING)
  await recordLarge(LARGE_EVENTS / 2)
  const query = vi.spyOn(scope.dataAccess, 'queryEvents')
  const response = await started(server, '/v1/events.arrows')
  await once(response, 'readable')
  response.read(1000)
  response.destroy()
  await until(() => query.mock.calls.every(([options]) => options!.signal!.aborted))
  await untilNothingIsLeased(scope)
  const calls = query.mock.calls.length
  for (let n = 0; n < 20; n++) await ask(server, '/v1/describe')
  expect(query.mock.calls.length).toBe(calls)
})

test('a stream that retention overtakes breaks off, and never looks whole', async () => {
  await serving({ ...BLOCKING, retention: { maxBytes: 64 << 20 }, segmentEvents: 256 })
  await recordLarge(LARGE_EVENTS / 2)
  const response = await started(server, '/v1/events.arrows')
  await recordLarge(LARGE_EVENTS)
  await until(() => scope.stats().evicted > LARGE_EVENTS / 2)
  await expect(bytesOf(response)).rejects.toThrow()
  await untilNothingIsLeased(scope)
})

test('live: the columns at once, then what is recorded, then the end of the recording', async () => {
  await serving({}, PATIENT)
  scope.recorder.record({ eventType: 'log', data: { n: 'before' } })
  const response = await started(server, '/v1/live?eventTypes=log&batchSize=1')
  const batches = await batchesOf(response)
  for (const n of [1, 2]) {
    scope.recorder.record({ eventType: 'other' })
    scope.recorder.run({ pid: `p${n}` }, () => scope.recorder.record({ eventType: 'log', data: { n } }))
    const { value } = (await batches.next()) as { value: RecordBatch }
    const [row] = value.toArray()
    expect([row!['event_type'], row!['pid'], row!['data']]).toEqual(['log', `p${n}`, `{"n":${n}}`])
    expect(value.metadata.get('kinescope.to_seq')).toBe(String(2 * n))
    expect([value.metadata.has('kinescope.gap_count'), value.metadata.get('kinescope.lost_count')]).toEqual([false, '0'])
  }
  scope.recorder.record({ eventType: 'log', data: { n: 'last' } })
  const closing = scope.close()
  const rest: RecordBatch[] = []
  for (;;) {
    const { done, value } = await batches.next()
    if (done === true) break
    rest.push(value)
  }
  expect(rest.flatMap((batch) => batch.toArray().map((row) => row.data))).toEqual(['{"n":"last"}'])
  await closing
  expect(response.complete).toBe(true)
})

test('live: everything from a position on, as queryEvents has it, with and without a projection', async () => {
  await serving({ segmentEvents: 40 })
  for (let n = 0; n < 300; n++) {
    scope.recorder.run({ pid: `p${n % 9}`, ...(n % 3 === 0 ? { correlationId: `t${n}`, tags: { n } } : {}) }, () => scope.recorder.record({ eventType: `type-${n % 4}`, ...(n % 5 === 0 ? { module: 'm' } : {}), data: n % 2 === 0 ? { n } : null }))
  }
  await scope.flush()
  const projection = ['seq', 'pid', { field: 'data.n', as: 'i64' }, 'tags.n', 'correlation_id'] as const
  for (const asked of [{}, { projection }]) {
    const body = JSON.stringify({ ...asked, batchSize: 13, startFrom: { seq: '0' } })
    const response = await started(server, '/v1/live', { method: 'POST', body })
    const batches = await batchesOf(response)
    const found: RecordBatch[] = []
    while (found.reduce((sum, batch) => sum + batch.numRows, 0) < 300) found.push((await batches.next()).value as RecordBatch)
    response.destroy()
    using result = await scope.dataAccess.queryEvents({ ...asked, sortBy: 'seq' })
    const { Table } = await import('apache-arrow')
    expect(found.flatMap((batch) => rowsOf(new Table([batch])))).toEqual(rowsOf(result.table))
  }
  await until(() => scope.stats().subscriptions === 0)
})

test('live: a slow client slows nobody, and is told what retention has taken meanwhile', async () => {
  await serving({ ...BLOCKING, retention: { maxBytes: 8 << 20 }, segmentEvents: 256 })
  const slow = await started(server, '/v1/live')
  const quick = await started(server, '/v1/live?eventTypes=last')
  const last = await batchesOf(quick)
  await recordLarge(LARGE_EVENTS)
  scope.recorder.record({ eventType: 'last' })
  for (let seen = 0; seen === 0; ) seen = ((await last.next()).value as RecordBatch).numRows
  quick.destroy()
  const batches = await batchesOf(slow)
  let next = 0n
  let [gaps, events] = [0n, 0n]
  while (next < BigInt(LARGE_EVENTS)) {
    const { metadata, numRows } = (await batches.next()).value as RecordBatch
    const number = (name: string): bigint => BigInt(metadata.get(`kinescope.${name}`)!)
    expect(number('from_seq')).toBe(next)
    if (metadata.has('kinescope.gap_count')) {
      expect([metadata.get('kinescope.gap_cause'), number('gap_from_seq'), number('gap_to_seq') - number('gap_from_seq') + 1n]).toEqual(['retention', next, number('gap_count')])
      gaps += number('gap_count')
    }
    events += BigInt(numRows)
    next = number('to_seq') + 1n
  }
  expect(gaps).toBeGreaterThan(0n)
  expect(gaps + events).toBe(next)
  slow.destroy()
  await until(() => scope.stats().subscriptions === 0)
  await untilNothingIsLeased(scope)
})

test('live: a head without a body', async () => {
  await serving()
  const { status, headers, body } = await ask(server, '/v1/live', { method: 'HEAD' })
  expect([status, headers['content-type'], body.length]).toEqual([200, 'application/vnd.apache.arrow.stream', 0])
  await until(() => scope.stats().subscriptions === 0)
})

test('close: live streams end whole, who does not read is cut off, and nobody is let in', async () => {
  await serving(BLOCKING, { closeTimeoutMs: 20 })
  await recordLarge(LARGE_EVENTS / 2)
  const patient = await scope.serve(PATIENT)
  const whole = bytesOf(await started(patient, '/v1/live'))
  await patient.close()
  expect(tableFromIPC(await whole).numRows).toBe(0)
  const stuck = await started(server, '/v1/events.arrows')
  const cut = new Promise((resolve) => stuck.once('close', resolve))
  await Promise.all([server.close(), server.close()])
  stuck.resume()
  await cut
  expect(stuck.complete).toBe(false)
  const [error] = (await once(connect(server.port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
  await until(() => scope.stats().subscriptions === 0)
  await untilNothingIsLeased(scope)
  // The recording goes on, and may be served again.
  const again = await scope.serve()
  expect((await ask(again, '/v1/describe')).status).toBe(200)
})

test('a recording that is closed closes its servers, also with a client that does not read', async () => {
  await serving(BLOCKING, { closeTimeoutMs: 20 })
  const idle = await scope.serve()
  await recordLarge(LARGE_EVENTS / 2)
  await started(server, '/v1/live?startFrom=0')
  await started(server, '/v1/events.arrows')
  await scope.close()
  for (const { port } of [server, idle]) {
    const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
  }
  await server.close()
})

function program(code: string): [number | null, string, string] {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', `import { open } from 'kinescope'\nconst scope = await open()\n${code}`], { encoding: 'utf8', timeout: 30_000 })
  return [status, stdout, stderr]
}

test('a server keeps its process alive, unless that is not wanted; clients that wait do not either', async () => {
  await serving()
  expect(program(`const server = await scope.serve()\nserver.unref()`)).toEqual([0, '', ''])
  const listening = `
    const server = (await scope.serve()).unref()
    const { connect } = await import('node:net')
    const socket = connect(server.port, '127.0.0.1', () => socket.write('GET /v1/live HTTP/1.1\\r\\nHost: 127.0.0.1:' + server.port + '\\r\\nAuthorization: Bearer ' + server.token + '\\r\\n\\r\\n'))
    socket.once('data', (head) => { console.log(String(head).split('\\r\\n')[0]); socket.unref() })`
  expect(program(listening)).toEqual([0, 'HTTP/1.1 200 OK\n', ''])
  expect(program(`const server = (await scope.serve()).unref().ref()\nsetTimeout(() => { console.log('alive'); server.close() }, 1).unref()`)).toEqual([0, 'alive\n', ''])
})

test('who does not serve loads nothing for it', async () => {
  await serving()
  const loaded = `process.moduleLoadList.includes('NativeModule http')`
  // Some versions of Node may have it from the start.
  const bare = spawnSync(process.execPath, ['--input-type=module', '--eval', `console.log(${loaded})`], { encoding: 'utf8' }).stdout
  expect(program(`console.log(${loaded})\nawait (await scope.serve()).close()\nconsole.log(${loaded})`)).toEqual([0, `${bare}true\n`, ''])
})
