/** What is refused, and how. */
import { connect } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Kinescope, type KinescopeServer, open, type ServeOptions } from 'kinescope'
import { ask, started, until } from './client.js'

const TOKEN = 'a-token_of.the~tests+that/nobody-else=='
let scope: Kinescope
let server: KinescopeServer
/** Everything that has been answered and warned of. */
let said = ''
beforeAll(async () => {
  process.on('warning', (warning) => (said += String(warning)))
  scope = await open({ node: 'n' })
  scope.recorder.record({ eventType: 'log', data: { n: 1 } })
  server = await scope.serve({ token: TOKEN })
})
afterAll(async () => {
  await scope.close()
  expect(said).not.toContain(TOKEN)
})

let others: KinescopeServer[] = []
afterEach(async () => {
  await Promise.all(others.map((other) => other.close()))
  others = []
})
async function another(options: ServeOptions): Promise<KinescopeServer> {
  const made = await scope.serve(options)
  others.push(made)
  return made
}

async function refused(path: string, asked?: Parameters<typeof ask>[2], by = server): Promise<[number, string, string]> {
  const { status, headers, json, body } = await ask(by, path, asked)
  said += body.toString() + inspect(headers)
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
  expect(headers).not.toHaveProperty('access-control-allow-origin')
  expect(Object.keys(json)).toEqual(['error'])
  expect(Object.keys(json.error)).toEqual(['code', 'message', 'details'])
  return [status, json.error.code, json.error.message]
}

test('it listens on loopback, at any port, and tells the token to who asks the server object for it only', () => {
  const { url, host, port, token } = server
  expect([url, host, token]).toEqual([`http://127.0.0.1:${port}`, '127.0.0.1', TOKEN])
  expect(inspect(server, { depth: 9, showHidden: true }) + JSON.stringify(server)).not.toContain(TOKEN)
})

test('a token that nobody gave is new each time', async () => {
  const [one, two] = [await another({}), await another({})]
  expect(one.token).toMatch(/^[\w-]{43}$/)
  expect(two.token).not.toBe(one.token)
  expect((await ask(one, '/v1/describe')).status).toBe(200)
  expect((await ask(one, '/v1/describe', { token: two.token })).status).toBe(401)
})

test.each([
  [null, 'got none'],
  [TOKEN.slice(0, -1), 'got another one'],
  [`${TOKEN}=`, 'got another one'],
  ['', 'got something else'],
])('401 with the token %j', async (token, message) => {
  expect(await refused('/v1/describe', { token })).toEqual([401, 'INVALID_ARGUMENT', `Authorization: expected Bearer and the token of this server, ${message}`])
  const { headers } = await ask(server, '/v1/nothing', { token })
  expect(headers['www-authenticate']).toBe('Bearer realm="kinescope"')
})

test('401 for the token in another place', async () => {
  expect((await refused(`/v1/describe?token=1`, { token: null, headers: { Authorization: `Basic ${TOKEN}` } }))[0]).toBe(401)
})

test.each(['evil.example', 'evil.example:80', '127.0.0.1', '127.0.0.1:1', 'localhost.evil.example:PORT', '10.0.0.1:PORT'])('421 for the Host %j', async (name) => {
  const host = name.replace('PORT', String(server.port))
  expect(await refused('/v1/describe', { headers: { Host: host } })).toEqual([421, 'INVALID_ARGUMENT', `Host: expected a name of this server, such as 127.0.0.1:${server.port}, got ${JSON.stringify(host)}`])
})

test.each(['127.0.0.1:PORT', 'localhost:PORT', 'LocalHost:PORT', '[::1]:PORT'])('200 for the Host %j', async (host) => {
  expect((await ask(server, '/v1/describe', { headers: { Host: host.replace('PORT', String(server.port)) } })).status).toBe(200)
})

test('a Host that was allowed, and addresses where more than loopback is listened at', async () => {
  const named = await another({ allowedHosts: ['Analysis.internal'] })
  expect((await ask(named, '/v1/describe', { headers: { Host: 'analysis.internal' } })).status).toBe(200)
  expect((await ask(named, '/v1/describe', { headers: { Host: 'analysis.internal:1' } })).status).toBe(421)
  const wide = await another({ host: '0.0.0.0' })
  expect((await ask(wide, '/v1/describe', { headers: { Host: '192.0.2.1:8080' } })).status).toBe(200)
  expect((await ask(wide, '/v1/describe', { headers: { Host: '[2001:db8::1]' } })).status).toBe(200)
  expect((await ask(wide, '/v1/describe', { headers: { Host: 'evil.example' } })).status).toBe(421)
})

test.each([{ Origin: 'https://evil.example' }, { Origin: 'null' }, { Origin: 'http://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }])('403 for %j', async (headers) => {
  expect(await refused('/v1/describe', { headers })).toEqual([403, 'INVALID_ARGUMENT', expect.stringMatching(/^Origin: expected none but this server's own, got /)])
  // As a browser asks before it asks.
  expect((await refused('/v1/describe', { method: 'OPTIONS', token: null, headers }))[0]).toBe(403)
})

test('200 for its own Origin', async () => {
  expect((await ask(server, '/v1/describe', { headers: { Origin: server.url, 'Sec-Fetch-Site': 'same-origin' } })).status).toBe(200)
})

test.each(['/', '/v1', '/v1/events', '/v1/events.csv', '/v1/describe/', '/v1/%65vents.arrow', '//evil.example/v1/describe', '*'])('404 for %j, with what there is', async (path) => {
  const { json } = await ask(server, path)
  expect(await refused(path)).toEqual([404, 'NOT_FOUND', expect.stringMatching(/^path: expected one of \/v1\/events\.arrows, /)])
  expect(json.error.details.paths).toContain('/v1/events.parquet')
})

test.each([
  ['DELETE', '/v1/events.arrows', 'GET, HEAD, POST'],
  ['PUT', '/v1/events.parquet', 'GET, HEAD, POST'],
  ['POST', '/v1/describe', 'GET, HEAD'],
  ['GET', '/v1/aggregate', 'POST'],
  ['OPTIONS', '/v1/live', 'GET, HEAD, POST'],
])('405 for %s %s', async (method, path, allow) => {
  expect(await refused(path, { method })).toEqual([405, 'INVALID_ARGUMENT', `method: expected ${allow}, got ${method}`])
  expect((await ask(server, path, { method })).headers['allow']).toBe(allow)
})

const PATHS = ['/v1/events.arrows', '/v1/events.arrow', '/v1/events.parquet', '/v1/live']
test.each<[string, string | Buffer | undefined, string, string]>([
  ['?pidd=1', undefined, 'INVALID_ARGUMENT', 'query: unknown field "pidd"; did you mean "pid"?'],
  ['?where=%7B', undefined, 'INVALID_ARGUMENT', 'where: expected JSON: '],
  ['?where=1', undefined, 'INVALID_ARGUMENT', 'where: expected a condition'],
  ['?where=%7B%22pidd%22:1%7D', undefined, 'UNKNOWN_FIELD', 'where: no field is called "pidd"'],
  ['?where=%7B%22pid%22:1%7D', undefined, 'TYPE_MISMATCH', 'where.pid: pid is text'],
  ['?columns=nope', undefined, 'UNKNOWN_FIELD', 'projection[0]: no field is called "nope"'],
  ['?from=yesterday', undefined, 'INVALID_ARGUMENT', 'from: expected a time in ISO 8601, such as 2026-11-27T09:30:00Z, or nanoseconds since 1970, as digits, got the string "yesterday"'],
  ['?to=2023-13-45', undefined, 'INVALID_ARGUMENT', 'to: expected a time in ISO 8601'],
  ['?startTimeWall=now', undefined, 'INVALID_ARGUMENT', 'startTimeWall: expected a time in ISO 8601'],
  ['?endTimeMonotonic=2026-11-27', undefined, 'INVALID_ARGUMENT', 'endTimeMonotonic: expected nanoseconds, as digits, got'],
  ['', '{"endTimeWall":"yesterday"}', 'INVALID_ARGUMENT', 'endTimeWall: expected a time in ISO 8601'],
  ['?from=2&to=1', undefined, 'INVALID_ARGUMENT', 'to: expected a time at or after from (2), got the string "1"'],
  ['?from=2026-11-27T00:00:01Z&to=2026-11-27', undefined, 'INVALID_ARGUMENT', 'to: expected a time at or after from (2026-11-27T00:00:01Z), got'],
  ['?startTimeWall=2&endTimeWall=1', undefined, 'INVALID_ARGUMENT', 'endTimeWall: expected a time at or after'],
  ['?arity=one', undefined, 'INVALID_ARGUMENT', 'mfa.arity: expected a number'],
  ['?tag=region', undefined, 'INVALID_ARGUMENT', 'tag: expected key=value'],
  ['?textSearch=a&textSearch=b', undefined, 'INVALID_ARGUMENT', 'textSearch: expected one, got 2'],
  ['', '{', 'INVALID_ARGUMENT', 'body: expected JSON: '],
  ['', '[]', 'INVALID_ARGUMENT', 'body: expected an object, got an array'],
  ['', '{"signal":{}}', 'INVALID_ARGUMENT', 'query: unknown field "signal"'],
  ['', '{"__proto__":{}}', 'INVALID_ARGUMENT', ': unknown field "__proto__"'],
  ['', '{"pid":7}', 'INVALID_ARGUMENT', 'pid: expected a string or an array of strings, got the number 7'],
  ['', `{"where":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 'INVALID_ARGUMENT', 'body: expected JSON: more than 128 levels'],
  ['', `{"where":${'{"not":'.repeat(60)}{}${'}'.repeat(60)}}`, 'INVALID_ARGUMENT', 'where: expected at most 28 conditions'],
  ['', Buffer.from([0x22, 0xff, 0x22]), 'INVALID_ARGUMENT', 'body: expected UTF-8'],
  ['?pid=main', '{"pid":"main"}', 'INVALID_ARGUMENT', 'body: expected none beside parameters'],
])('400, case %#', async (search, body, code, message) => {
  for (const path of PATHS) {
    for (const method of body === undefined ? ['GET'] : ['GET', 'POST']) {
      expect([path, await refused(path + search, { method, ...(body === undefined ? {} : { body }) })]).toEqual([path, [400, code, expect.stringContaining(message)]])
    }
  }
})

test('400 with what only one of them takes', async () => {
  for (const path of PATHS.slice(0, 3)) {
    expect(await refused(`${path}?limit=many`)).toEqual([400, 'INVALID_ARGUMENT', 'limit: expected a non-negative safe integer, got the string "many"'])
    expect(await refused(path, { method: 'POST', body: '{"limit":1.5}' })).toEqual([400, 'INVALID_ARGUMENT', 'limit: expected a non-negative safe integer, got the number 1.5'])
    expect(await refused(path, { method: 'POST', body: '{"offset":{"pageToken":"x"}}' })).toEqual([400, 'PAGE_TOKEN_INVALID', expect.any(String)])
    expect((await refused(`${path}?startFrom=now`))[2]).toContain('unknown field "startFrom"')
  }
  expect((await refused('/v1/live?limit=1'))[2]).toContain('unknown field "limit"')
  expect((await refused('/v1/live?startFrom=then'))[2]).toContain('startFrom: expected JSON')
  expect((await refused('/v1/live', { method: 'POST', body: '{"startFrom":{"seq":-1}}' }))[2]).toContain('startFrom.seq: expected a position')
  expect((await refused('/v1/describe?pid=1'))[2]).toContain('unknown field "pid"')
  expect(await refused('/v1/aggregate', { method: 'POST', body: '{"aggregations":{"n":{"count":"nope"}}}' })).toEqual([400, 'UNKNOWN_FIELD', expect.any(String)])
  expect(await refused('/v1/aggregate', { method: 'POST', body: '{"aggregations":{"n":{"count":"*"}},"filters":[]}' })).toEqual([400, 'INVALID_ARGUMENT', expect.any(String)])
})

test('410 when the rows behind a page token are gone', async () => {
  await using small = await open({ segmentEvents: 10, retention: { maxEvents: 20 } })
  const events = Array.from({ length: 15 }, () => ({ eventType: 'log' }))
  await small.dataAccess.storeEvents(events)
  using page = await small.dataAccess.queryEvents({ limit: 5 })
  for (let n = 0; n < 10; n++) await small.dataAccess.storeEvents(events)
  await until(() => small.stats().evicted > 15)
  const by = await small.serve()
  const body = JSON.stringify({ limit: 5, offset: { pageToken: page.nextPageToken } })
  expect(await refused('/v1/events.arrows', { method: 'POST', body }, by)).toEqual([410, 'PAGE_TOKEN_EXPIRED', expect.any(String)])
})

test('413 and 415', async () => {
  const small = await another({ maxBodyBytes: 100 })
  const body = JSON.stringify({ pid: 'x'.repeat(100) })
  expect(await refused('/v1/events.arrows', { method: 'POST', body }, small)).toEqual([413, 'INVALID_ARGUMENT', 'body: expected at most 100 bytes, got more'])
  expect((await refused('/v1/live', { method: 'POST', body, headers: { 'Transfer-Encoding': 'chunked' } }, small))[0]).toBe(413)
  expect((await ask(small, '/v1/events.arrows', { method: 'POST', body: '{"pid":"main"}' })).status).toBe(200)
  expect((await refused('/v1/events.arrows', { method: 'POST', body: '{}', headers: { 'Content-Encoding': 'gzip' } }, small))[0]).toBe(415)
})

/** What comes back for bytes, until the other side ends. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.setEncoding('utf8').on('data', (chunk: string) => (all += chunk)).on('end', () => resolve(all)).on('error', reject)
  })
}

test('408 for what does not come, head or body; 400 for what is no HTTP; 431 for too much of it', async () => {
  const hasty = await another({ requestTimeoutMs: 50 })
  const head = ({ port, token }: KinescopeServer): string => `POST /v1/events.arrows HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n`
  for (const [by, text, status, code] of [
    [hasty, head(hasty), 408, 'RESOURCE_EXHAUSTED'],
    [hasty, `${head(hasty)}Content-Length: 9\r\n\r\n{"pid"`, 408, 'RESOURCE_EXHAUSTED'],
    [server, 'no such thing\r\n\r\n', 400, 'INVALID_ARGUMENT'],
    [server, `${head(server)}X-Long: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'INVALID_ARGUMENT'],
  ] as const) {
    const answered = await raw(by.port, text)
    expect(answered).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect((JSON.parse(answered.slice(answered.indexOf('\r\n\r\n'))) as { error: { code: string } }).error.code).toBe(code)
    expect(answered).toContain('X-Content-Type-Options: nosniff')
  }
})

test('429 while as many are answered as may be; not for who has no token', async () => {
  const one = await another({ maxRequests: 1 })
  const live = await started(one, '/v1/live')
  expect(await refused('/v1/describe', {}, one)).toEqual([429, 'RESOURCE_EXHAUSTED', 'requests: expected at most 1 at a time, got more'])
  expect((await ask(one, '/v1/describe')).headers['retry-after']).toBe('1')
  expect((await refused('/v1/describe', { token: null }, one))[0]).toBe(401)
  live.destroy()
  await until(async () => (await ask(one, '/v1/describe')).status === 200)
})

test.each([
  [{ port: -1 }, 'port: expected an integer from 0 to 65535, got the number -1'],
  [{ host: '' }, 'host: expected the name'],
  [{ prot: 1 }, 'options: unknown field "prot"; did you mean "port"?'],
  [{ token: 'too short' }, 'token: expected 16 to 1024 of the characters'],
  [{ token: 'with spaces in the token' }, 'token: expected 16 to 1024 of the characters'],
  [{ token: 7 }, 'got the number 7'],
  [{ allowedHosts: 'a' }, 'allowedHosts: expected an array'],
  [{ allowedHosts: [7] }, 'allowedHosts[0]: expected what a Host header has'],
  [{ maxRequests: 0 }, 'maxRequests: expected an integer from 1 to 1024, got the number 0'],
  [null, 'options: expected an object, got null'],
])('%j is refused', async (options, message) => {
  const error = (await scope.serve(options as ServeOptions).catch((caught: unknown) => caught)) as Error
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) })
  const { token } = (options ?? {}) as { token?: unknown }
  if (typeof token === 'string') expect(error.message).not.toContain(token)
})

test('a port that is taken, and a recording that is closed', async () => {
  await expect(scope.serve({ port: server.port })).rejects.toMatchObject({ code: 'IO', details: { systemCode: 'EADDRINUSE' } })
  const closed = await open()
  await closed.close()
  await expect(closed.serve()).rejects.toMatchObject({ code: 'CLOSED' })
})
