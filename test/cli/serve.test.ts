import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { RecordBatchReader, type RecordBatch, tableFromIPC } from 'apache-arrow'
import { afterEach, expect, test } from 'vitest'
import { open } from 'kinescope'
import { directory, gathered, kinescope, recorded, removeDirectories, started, THREE, until } from './command.js'

afterEach(removeDirectories)

/** A server that listens, with what it has said. */
async function serving(...args: string[]): Promise<{ child: ReturnType<typeof started>; url: string; token: string; said: { text: string } }> {
  const child = started('serve', ...args)
  const said = gathered(child.stderr)
  await until(() => said.text.includes('Ctrl-C ends it.\n'))
  const [, url] = / at (http:\/\/\S+)\n/.exec(said.text)!
  const [, token] = /token: (\S+)\n/.exec(said.text) ?? []
  return { child, url: url!, token: token ?? '', said }
}

async function ended(child: ReturnType<typeof started>, signal: NodeJS.Signals): Promise<unknown> {
  const exited = once(child, 'exit')
  child.kill(signal)
  return exited
}

test('events of a recording, until it is interrupted', async () => {
  const path = await recorded(THREE)
  const { child, url, token, said } = await serving(path)
  expect(said.text).toBe(`kinescope serves ${path} at ${url}\ntoken: ${token}\ntry: curl -H "Authorization: Bearer ${token}" ${url}/v1/describe\nCtrl-C ends it.\n`)
  const headers = { Authorization: `Bearer ${token}` }
  const table = await tableFromIPC(await fetch(`${url}/v1/events.arrows?pid=req-1`, { headers }))
  expect(table.toArray().map((row) => row!['event_type'])).toEqual(['function_entry', 'function_exit'])
  expect((await fetch(`${url}/v1/describe`)).status).toBe(401)
  const live = await fetch(`${url}/v1/live`, { headers })
  expect(await ended(child, 'SIGINT')).toEqual([0, null])
  // However it ends: what is being answered has a second.
  await live.arrayBuffer().catch(() => undefined)
})

test('a recording that is being written, live', async () => {
  const path = directory()
  const scope = await open({ path })
  scope.recorder.record({ eventType: 'log', data: { n: 0 } })
  await scope.flush()
  const { child, url, token } = await serving(path)
  const live = await fetch(`${url}/v1/live?startFrom=0&batchSize=1`, { headers: { Authorization: `Bearer ${token}` } })
  const reader = await RecordBatchReader.from(Readable.fromWeb(live.body as never))
  const batches = reader[Symbol.asyncIterator]() as AsyncIterator<RecordBatch>
  for (let n = 0; n < 3; n++) {
    let batch: RecordBatch
    do batch = (await batches.next()).value as RecordBatch
    while (batch.numRows === 0)
    expect(batch.toArray()[0]!['data']).toBe(`{"n":${n}}`)
    scope.recorder.record({ eventType: 'log', data: { n: n + 1 } })
  }
  expect(await ended(child, 'SIGTERM')).toEqual([0, null])
  await scope.close()
})

test('a token in a file, which is made when it is not there; it is not shown', async () => {
  const path = await recorded(THREE)
  const file = join(directory(), 'token')
  for (let run = 0; run < 2; run++) {
    const { child, url, said } = await serving(path, '--token-file', file, '--host', 'localhost')
    const token = readFileSync(file, 'utf8').trim()
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(said.text).not.toContain(token)
    expect((await fetch(`${url}/v1/describe`, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200)
    await ended(child, 'SIGINT')
  }
})

test('what is wrong with the command line, or cannot be done', async () => {
  const path = await recorded(THREE)
  const file = join(directory(), 'token')
  writeFileSync(file, 'a short one')
  for (const [args, message, status] of [
    [['--port', 'x'], '--port: expected a whole number, got "x"', 2],
    [['--port', '70000'], '--port: expected an integer from 0 to 65535, got the number 70000', 2],
    [['--host', ''], '--host: expected the name', 2],
    [['--allow-host', ''], '--allow-host: expected what a Host header has', 2],
    [['--token-file', file], `--token-file ${file}: expected 16 to 1024`, 2],
    [['--token-file', join(file, 'none')], `IO: --token-file ${join(file, 'none')}: ENOTDIR`, 1],
    [['--host', '192.0.2.1'], 'IO: 192.0.2.1:0 cannot be listened at: ', 1],
  ] as const) {
    const ran = kinescope('serve', path, ...args)
    expect([args, ran.stderr]).toEqual([args, expect.stringContaining(`kinescope: ${message}`)])
    expect([args, ran.status, ran.stdout]).toEqual([args, status, ''])
    expect(ran.stderr).not.toContain('a short one')
  }
  const missing = join(directory(), 'none')
  const unused = join(directory(), 'token')
  expect(kinescope('serve', missing, '--token-file', unused)).toMatchObject({ status: 1, stderr: expect.stringContaining('kinescope: NOT_FOUND: ') })
  expect(existsSync(unused)).toBe(false)
})
