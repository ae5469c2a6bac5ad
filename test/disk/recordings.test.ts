import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { afterEach, expect, test } from 'vitest'
import { KinescopeError, open, type Kinescope } from 'kinescope'

const root = new URL('../../', import.meta.url)
const made: string[] = []

/** Where waiting for a disk takes no time. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

function directory(): string {
  const path = mkdtempSync(join(scratch, 'test-kinescope-'))
  made.push(path)
  return path
}

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
})

/** Runs a module in a process of its own. */
function child(code: string): ReturnType<typeof spawn> {
  const index = new URL('dist/index.js', root).href
  return spawn(process.execPath, ['--input-type=module', '--eval', `import { open } from '${index}'\n${code}`], { stdio: ['pipe', 'pipe', 'inherit'] })
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it did not come about')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function codeOf(action: Promise<unknown>): Promise<string | undefined> {
  try {
    await action
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(KinescopeError)
    return (error as KinescopeError).code
  }
}

const messages = async (scope: Kinescope): Promise<string[]> => (await scope.dataAccess.queryEvents({ sortBy: 'seq', limit: 100_000 })).toArray().map(({ data }) => data.message)

test('a recording goes on: positions, ids, times and contexts', async () => {
  const path = directory()
  const first = await open({ path, segmentEvents: 2 })
  const ids = ['a', 'b', 'c'].map((message) => first.recorder.record({ eventType: 'log', data: { message } }))
  const before = first.now()
  await first.close()
  const second = await open({ path })
  expect(await messages(second)).toEqual(['a', 'b', 'c'])
  expect(second.now().timestamp).toBeGreaterThanOrEqual(before.timestamp)
  const id = second.recorder.record({ eventType: 'log', data: { message: 'd' } })
  expect(ids).not.toContain(id)
  const all = (await second.dataAccess.queryEvents({ sortBy: 'seq' })).toArray()
  expect(all.map(({ seq }) => seq)).toEqual([0n, 1n, 2n, 3n])
  expect(all.map(({ timestamp }) => timestamp)).toEqual(all.map(({ timestamp }) => timestamp).toSorted((a, b) => (a < b ? -1 : 1)))
  expect((await second.dataAccess.getEvent(ids[1]!))?.data.message).toBe('b')
  expect(second.stats().diskBytes).toBeGreaterThan(0)
  await second.close()
})

test('imported events are kept, and their numbers do not come again', async () => {
  const path = directory()
  const first = await open({ path })
  const many = Array.from({ length: 40_000 }, (_, n) => ({ eventType: 'imported', data: { message: `${n}` } }))
  const ids = [await first.dataAccess.storeEvent({ eventType: 'imported', data: { message: 'one' } }), ...(await first.dataAccess.storeEvents(many))]
  await first.close()
  const second = await open({ path })
  ids.push(await second.dataAccess.storeEvent({ eventType: 'imported', data: { message: 'last' } }))
  expect(new Set(ids).size).toBe(40_002)
  expect((await second.dataAccess.queryEvents({ limit: 0 })).totalMatches).toBe(40_002)
  await second.close()
})

test('another process is told who writes, and may read', async () => {
  const path = directory()
  const scope = await open({ path })
  scope.recorder.record({ eventType: 'log', data: { message: 'mine' } })
  scope.flushSync()
  const { stdout, status, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { open } from '${new URL('dist/index.js', root).href}'
      const path = ${JSON.stringify(path)}
      const refused = await open({ path }).catch((error) => error)
      const reader = await open({ path, mode: 'read' })
      const events = (await reader.dataAccess.queryEvents()).toArray()
      const id = reader.recorder.record({ eventType: 'log' })
      reader.flushSync()
      console.log(JSON.stringify([refused.code, refused.details.processId, events.map((event) => event.data.message), id, reader.stats().afterClose]))
      await reader.close()`,
    ],
    { encoding: 'utf8' },
  )
  expect(status, stderr).toBe(0)
  expect(JSON.parse(stdout)).toEqual(['LOCKED', process.pid, ['mine'], '0-0', 1])
  expect(await codeOf(open({ path }))).toBe('LOCKED')
  await scope.close()
})

test('a reader sees what another process records while it does, over rolled and evicted segments', async () => {
  const path = directory()
  const writer = child(`
    const scope = await open({ path: ${JSON.stringify(path)}, segmentEvents: 50, retention: { maxEvents: 1000 } })
    process.stdin.on('data', (chunk) => {
      for (let n = 0; n < Number(chunk); n++) scope.recorder.record({ eventType: 'log', data: { message: 'm' } })
    })
    process.stdin.on('end', () => scope.close())
    console.log('ready')`)
  await once(writer.stdout!, 'data')
  const reader = await open({ path, mode: 'read' })
  let expected = 0
  for (const count of [1, 10, 100, 1000, 3000]) {
    writer.stdin!.write(`${count}\n`)
    expected += count
    await until(async () => (await reader.dataAccess.queryEvents({ limit: 0 })).snapshot === BigInt(expected))
    const { totalMatches, lost } = await reader.dataAccess.queryEvents({ limit: 0 })
    expect(totalMatches + lost.ranges.filter(({ cause }) => cause === 'retention').reduce((sum, range) => sum + range.count, 0)).toBe(expected)
  }
  const held = await reader.dataAccess.queryEvents({ sortBy: 'seq', limit: 10_000 })
  writer.stdin!.end('2000\n')
  await once(writer, 'exit')
  await reader.flush()
  expect(held.toArray().every(({ data }) => data.message === 'm')).toBe(true)
  expect((await reader.dataAccess.queryEvents({ limit: 0 })).snapshot).toBe(BigInt(expected + 2000))
  await reader.close()
})

test('a reader that is killed disturbs nobody', async () => {
  const path = directory()
  const scope = await open({ path, segmentEvents: 20 })
  const reader = child(`
    const reader = await open({ path: ${JSON.stringify(path)}, mode: 'read' })
    console.log('ready')
    for (;;) await reader.dataAccess.queryEvents()`)
  await once(reader.stdout!, 'data')
  const ended = once(reader, 'exit')
  for (let n = 0; n < 200; n++) {
    scope.recorder.record({ eventType: 'log', data: { message: `${n}` } })
    if (n === 100) reader.kill('SIGKILL')
    if (n % 10 === 0) await scope.flush()
  }
  await ended
  expect((await messages(scope)).length).toBe(200)
  await scope.close()
})

test('sealed segments are Arrow files of the public columns', async () => {
  const path = directory()
  const scope = await open({ path, segmentEvents: 3, node: 'n' })
  for (let n = 0; n < 8; n++) scope.recorder.record({ eventType: 'log', tags: { n }, data: { n } })
  const whole = (await scope.dataAccess.queryEvents({ sortBy: 'seq' })).toArray()
  await scope.close()
  const files = readdirSync(path).filter((name) => name.endsWith('.arrow')).toSorted()
  expect(files.length).toBe(3)
  const tables = files.map((name) => tableFromIPC(readFileSync(join(path, name))))
  expect(tables.flatMap((table) => [...table.getChild('data')!])).toEqual(whole.map(({ data }) => JSON.stringify(data)))
  for (const table of tables) expect(table.schema.fields.map(({ name }) => name)).toEqual(tables[0]!.schema.fields.map(({ name }) => name))
})

test('what is damaged is left out, and said', async () => {
  const path = directory()
  const scope = await open({ path, segmentEvents: 10 })
  for (let n = 0; n < 30; n++) scope.recorder.record({ eventType: 'log', data: { message: `${n}` } })
  await scope.close()
  const [, second] = readdirSync(path).filter((name) => name.endsWith('.arrow')).toSorted()
  const bytes = readFileSync(join(path, second!))
  const at = bytes.indexOf('"message":"15"') + 11
  bytes[at] = bytes[at]! ^ 1
  writeFileSync(join(path, second!), bytes)
  for (const mode of ['read', 'record'] as const) {
    const again = await open({ path, mode })
    const result = await again.dataAccess.queryEvents({ sortBy: 'seq' })
    expect(result.toArray().map(({ seq }) => seq)).toEqual([...Array(10).keys(), ...Array.from({ length: 10 }, (_, n) => n + 20)].map(BigInt))
    expect(result.lost.ranges).toEqual([{ cause: 'corrupt', count: 10, fromSeq: 10n, toSeq: 19n }])
    await again.close()
  }
  truncateSync(join(path, second!), 100)
  const cut = await open({ path })
  const result = await cut.dataAccess.queryEvents({ sortBy: 'seq' })
  expect(result.totalMatches).toBe(20)
  expect(result.lost.ranges).toEqual([{ cause: 'corrupt', count: 10, fromSeq: 10n, toSeq: 19n }])
  await cut.close()
})

test('a later version, another directory and a missing one are refused', async () => {
  const path = directory()
  await (await open({ path })).close()
  const meta = readFileSync(join(path, 'recording'))
  meta.writeUInt32LE(2, 8)
  writeFileSync(join(path, 'recording'), meta)
  expect(await codeOf(open({ path }))).toBe('UNSUPPORTED_VERSION')
  expect(await codeOf(open({ path, mode: 'read' }))).toBe('UNSUPPORTED_VERSION')
  meta.writeUInt32LE(1, 8)
  meta[20] = meta[20]! ^ 1
  writeFileSync(join(path, 'recording'), meta)
  expect(await codeOf(open({ path }))).toBe('CORRUPT_RECORDING')
  const other = directory()
  writeFileSync(join(other, 'notes.txt'), 'mine')
  expect(await codeOf(open({ path: other }))).toBe('INVALID_ARGUMENT')
  expect(readdirSync(other)).toContain('notes.txt')
  expect(await codeOf(open({ path: join(other, 'none'), mode: 'read' }))).toBe('NOT_FOUND')
  expect(existsSync(join(other, 'none'))).toBe(false)
  expect(await codeOf(open({ path: join(other, 'notes.txt') }))).toBe('IO')
})

test.each([
  [{ path: '' }, 'path'],
  [{ path: 7 }, 'path'],
  [{ mode: 'read' }, 'path'],
  [{ path: 'x', mode: 'write' }, 'mode'],
  [{ path: 'x', durability: 'always' }, 'durability'],
  [{ durability: 'sync' }, 'durability'],
  [{ path: 'x', mode: 'read', node: 'n' }, 'node'],
])('options that do not fit are refused: %j', async (options, field) => {
  const refused = await open(options as never).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'INVALID_ARGUMENT', details: { field } })
})

test.each(['process', 'interval', 'sync'] as const)("durability '%s' records and reopens", async (durability) => {
  const path = directory()
  const scope = await open({ path, durability })
  for (let n = 0; n < 100; n++) {
    scope.recorder.record({ eventType: 'log', data: { message: `${n}` } })
    if (n % 25 === 0) await scope.flush()
  }
  scope.flushSync()
  await scope.close()
  const again = await open({ path, durability })
  expect((await messages(again)).length).toBe(100)
  await again.close()
})

test('process.exit without closing loses nothing', async () => {
  const path = directory()
  const exited = child(`
    const scope = await open({ path: ${JSON.stringify(path)} })
    for (let n = 0; n < 5000; n++) scope.recorder.record({ eventType: 'log', data: { message: String(n) } })
    process.exit(0)`)
  await once(exited, 'exit')
  const scope = await open({ path })
  expect(await messages(scope)).toEqual(Array.from({ length: 5000 }, (_, n) => `${n}`))
  await scope.close()
})

test('a stray store of JavaScript into a result harms no file', async () => {
  const path = directory()
  const scope = await open({ path, segmentEvents: 50 })
  const record = (count: number): void => {
    for (let n = 0; n < count; n++) scope.recorder.record({ eventType: 'log', data: { message: 'untouched' } })
  }
  record(70)
  const deface = async (): Promise<void> => {
    const result = await scope.dataAccess.queryEvents({ sortBy: 'seq' })
    for (const batch of result.table.batches) {
      for (const column of batch.data.children) {
        const { values } = column as { values?: Uint8Array | undefined }
        if (values !== undefined && ArrayBuffer.isView(values)) new Uint8Array(values.buffer, values.byteOffset, values.byteLength).fill(0xee)
      }
    }
  }
  await deface()
  record(70)
  await deface()
  await scope.close()
  const again = await open({ path })
  expect(await messages(again)).toEqual(Array.from({ length: 140 }, () => 'untouched'))
  await again.close()
})

const canMount = process.platform === 'linux' && process.getuid?.() === 0

test.skipIf(!canMount)('on a full disk recording goes on in memory, and on disk when there is space again (needs to mount a file system)', async () => {
  const path = directory()
  mkdirSync(join(path, 'small'))
  const small = join(path, 'small')
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', small]).status).toBe(0)
  try {
    const recording = join(small, 'recording')
    const scope = await open({ path: recording, segmentEvents: 2000 })
    writeFileSync(join(small, 'filler'), new Uint8Array(7 << 20))
    const text = 'x'.repeat(1000)
    let recorded = 0
    for (let burst = 0; burst < 40; burst++) {
      for (let n = 0; n < 500; n++) {
        scope.recorder.record({ eventType: 'log', data: { message: text } })
        recorded++
      }
      await scope.flush()
    }
    expect(scope.stats().lost).toEqual({ ring_full: 0, too_large: 0, torn: 0, encoder: 0, disk_full: 0 })
    expect((await scope.dataAccess.queryEvents({ limit: 0 })).totalMatches).toBe(recorded)
    rmSync(join(small, 'filler'))
    spawnSync('mount', ['-o', 'remount,size=200m', small])
    await until(() => readdirSync(recording).filter((name) => name.endsWith('.arrow')).length >= 9)
    await scope.close()
    const again = await open({ path: recording })
    expect((await again.dataAccess.queryEvents({ limit: 0 })).totalMatches).toBe(recorded)
    await again.close()
  } finally {
    spawnSync('umount', ['-l', small])
  }
})
