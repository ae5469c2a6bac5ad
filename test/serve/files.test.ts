/** Answers as files: ranges, tags, and what is kept for how long. */
import { readdirSync, readlinkSync } from 'node:fs'
import { tableFromIPC } from 'apache-arrow'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Kinescope, type KinescopeServer, open } from 'kinescope'
import { ask, started, tableOf, until, untilNothingIsLeased } from './client.js'

const EVENTS = 5000
let scope: Kinescope
let server: KinescopeServer
beforeEach(async () => {
  scope = await open({ node: 'n' })
  for (let n = 0; n < EVENTS; n++) record(n)
  server = await scope.serve({ maxFiles: 2 })
})
afterEach(() => scope.close())

const record = (n: number): void => void scope.recorder.record({ eventType: 'log', data: { n, text: `${(n * 7919) % 1000} some text` } })
const ranged = (path: string, range: string, headers = {}): ReturnType<typeof ask> => ask(server, path, { headers: { Range: range, ...headers } })

test.each(['/v1/events.arrow?limit=3000', '/v1/events.parquet'])('ranges of %s make the same bytes, and are of one file, whatever is recorded meanwhile', async (path) => {
  const head = await ask(server, path, { method: 'HEAD' })
  const size = Number(head.headers['content-length'])
  const { etag } = head.headers
  expect([head.status, head.body.length, head.headers['accept-ranges']]).toEqual([200, 0, 'bytes'])
  expect(etag).toMatch(/^"[\w-]{43}"$/)
  // From the end on, as readers of these formats do.
  const pieces: Buffer[] = []
  const step = Math.ceil(size / 7)
  for (let at = size; at > 0; at -= step) {
    record(at)
    const first = Math.max(0, at - step)
    const { status, headers, body } = await ranged(path, `bytes=${first}-${at - 1}`)
    expect([status, headers['content-range'], headers['content-length'], headers['etag']]).toEqual([206, `bytes ${first}-${at - 1}/${size}`, String(at - first), etag])
    pieces.unshift(body)
  }
  const whole = Buffer.concat(pieces)
  const named = await ask(server, path, { headers: { 'If-Match': etag! } })
  expect(named.body.equals(whole)).toBe(true)
  if (path.includes('.arrow')) expect(tableFromIPC(whole).numRows).toBe(3000)
  else expect(whole.subarray(0, 4).toString() + whole.subarray(-4).toString()).toBe('PAR1PAR1')
})

test('ranges of every form', async () => {
  const path = '/v1/events.arrow?limit=10'
  const { body } = await ask(server, path)
  const size = body.length
  for (const [range, first, last] of [
    ['bytes=0-0', 0, 0],
    ['bytes=5-', 5, size - 1],
    ['bytes=-7', size - 7, size - 1],
    [`bytes=-${size + 9}`, 0, size - 1],
    [`bytes=3-${size * 2}`, 3, size - 1],
    ['BYTES = 1 - 2', 1, 2],
  ] as const) {
    const part = await ranged(path, range)
    expect([range, part.status, part.headers['content-range']]).toEqual([range, 206, `bytes ${first}-${last}/${size}`])
    expect(part.body.equals(body.subarray(first, last + 1))).toBe(true)
  }
  for (const range of ['bytes=2-1', 'bytes=-', 'lines=1-2', 'bytes=0-1,3-4', 'nonsense', '']) {
    const all = await ranged(path, range)
    expect([range, all.status, all.body.equals(body)]).toEqual([range, 200, true])
  }
  for (const range of [`bytes=${size}-`, 'bytes=-0', `bytes=${size}-${size + 1}`]) {
    const { status, headers, json } = await ranged(path, range)
    expect([range, status, headers['content-range'], json.error.code]).toEqual([range, 416, `bytes */${size}`, 'INVALID_ARGUMENT'])
  }
})

test('a request for all of it is answered from the present; who names a tag gets that file, or is told', async () => {
  const path = '/v1/events.arrow'
  const before = await ask(server, path)
  const same = await ask(server, path, { headers: { 'If-None-Match': before.headers['etag']! } })
  expect([same.status, same.body.length]).toEqual([304, 0])
  record(-1)
  const after = await ask(server, path, { headers: { 'If-None-Match': before.headers['etag']! } })
  expect([after.status, tableFromIPC(after.body).numRows]).toEqual([200, EVENTS + 1])
  expect(after.headers['etag']).not.toBe(before.headers['etag'])
  // A range without a tag goes on with what was answered last.
  expect((await ranged(path, 'bytes=9-20')).body.equals(after.body.subarray(9, 21))).toBe(true)
  for (const header of ['If-Match', 'If-Range']) {
    const old = await ranged(path, 'bytes=-30', { [header]: before.headers['etag'] })
    expect([header, old.status, old.headers['etag'], old.body.equals(before.body.subarray(-30))]).toEqual([header, 206, before.headers['etag'], true])
  }
  const unknown = await ranged(path, 'bytes=0-1', { 'If-Range': '"nobody has this"' })
  expect([unknown.status, unknown.body.equals(after.body)]).toEqual([200, true])
  const refused = await ranged(path, 'bytes=0-1', { 'If-Match': '"nobody has this"' })
  expect([refused.status, refused.json.error.details.field]).toEqual([412, 'If-Match'])
  // The tag of another query's file is not that of this one.
  expect((await ranged('/v1/events.arrow?limit=1', 'bytes=0-1', { 'If-Match': before.headers['etag'] })).status).toBe(412)
})

test('the least recently used file goes first, when there are too many', async () => {
  const tags: string[] = []
  for (const limit of [1, 2, 3]) tags.push((await ask(server, `/v1/events.arrow?limit=${limit}`)).headers['etag']!)
  record(-1)
  // The content is the same, so its tag is, and it is made again.
  expect((await ask(server, '/v1/events.arrow?limit=1', { headers: { 'If-Match': tags[0]! } })).status).toBe(200)
  expect((await ask(server, '/v1/events.arrow?limit=3', { headers: { 'If-Match': tags[2]! } })).status).toBe(200)
})

test('what does not fit into the files is refused, and leaves nothing behind', async () => {
  const small = await scope.serve({ maxFileBytes: 50_000 })
  for (let n = 0; n < 3; n++) {
    const { status, json } = await ask(small, '/v1/events.arrow')
    expect([status, json.error.code]).toEqual([507, 'RESOURCE_EXHAUSTED'])
  }
  // An earlier file makes room for the next one.
  for (const limit of [200, 201, 202, 203]) expect((await ask(small, `/v1/events.arrow?limit=${limit}`)).status).toBe(200)
  await untilNothingIsLeased(scope)
})

/** Temporary files that this process has open. */
function openFiles(): string[] {
  const linkOf = (name: string): string => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      return ''
    }
  }
  return readdirSync('/proc/self/fd').map(linkOf).filter((link) => link.includes('kinescope-serve-'))
}

test.runIf(process.platform === 'linux')('a file has no name, and goes after its time, and with its server', async () => {
  await ask(server, '/v1/events.arrow?limit=5')
  expect(openFiles()).toEqual([expect.stringMatching(/ \(deleted\)$/)])
  await server.close()
  await until(() => openFiles().length === 0)
  const brief = await scope.serve({ maxFileIdleMs: 1 })
  const { headers } = await ask(brief, '/v1/events.arrow?limit=5')
  await until(() => openFiles().length === 0)
  // The same content is made again, and has the same tag.
  const again = await ask(brief, '/v1/events.arrow?limit=5', { headers: { Range: 'bytes=0-1', 'If-Range': headers['etag']! } })
  expect([again.status, again.headers['etag']]).toEqual([206, headers['etag']])
})

test('a client that goes away while its file is written or sent', async () => {
  for (const path of ['/v1/events.parquet', '/v1/events.arrow']) {
    for (let n = 0; n < 3; n++) {
      const response = await started(server, path)
      response.destroy()
    }
  }
  await untilNothingIsLeased(scope)
  expect((await tableOf(server, '/v1/events.arrow?limit=4')).numRows).toBe(4)
})
