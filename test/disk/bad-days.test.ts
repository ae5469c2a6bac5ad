import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { KinescopeError, open, type Kinescope } from 'kinescope'

const index = new URL('../../dist/index.js', import.meta.url).href
const made: string[] = []
const mounted: string[] = []

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'test-kinescope-bad-'))
  // Also for other users, whom some tests are.
  chmodSync(path, 0o755)
  made.push(path)
  return path
}

afterEach(() => {
  for (const path of mounted.splice(0)) spawnSync('umount', ['-l', path])
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
})

const isRoot = process.getuid?.() === 0
const canMount = process.platform === 'linux' && isRoot

/** A small file system. */
function small(options: string): string {
  const path = join(directory(), 'small')
  mkdirSync(path)
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).status).toBe(0)
  mounted.push(path)
  return path
}

async function codeOf(action: Promise<unknown>): Promise<string> {
  const error: unknown = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(KinescopeError)
  return (error as KinescopeError).code
}

/** What opening a path says to a user who may not do everything, as `code: message`, or the number of events there. */
function askAs(path: string, mode: 'read' | 'record'): string {
  const code = `import { open } from '${index}'
    try {
      const scope = await open(${JSON.stringify({ path, mode })})
      console.log((await scope.dataAccess.queryEvents({ limit: 0 })).totalMatches)
      await scope.close()
    } catch (error) {
      console.log(error.code + ': ' + error.message)
    }`
  const nobody = isRoot ? { uid: 65_534, gid: 65_534 } : {}
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8', ...nobody })
  expect(status, stderr).toBe(0)
  return stdout.trim()
}

/** A recording of 100 events, of a process that is over. */
function recording(path: string): void {
  const code = `import { open } from '${index}'
    const scope = await open({ path: ${JSON.stringify(path)}, segmentEvents: 30 })
    for (let n = 0; n < 100; n++) scope.recorder.record({ eventType: 'log', data: { n } })
    await scope.close()`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
}

test('a path that is a file, or lies below one, is refused', async () => {
  const file = join(directory(), 'file')
  writeFileSync(file, 'x')
  await expect(open({ path: file })).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('expected a directory') })
  expect(await codeOf(open({ path: file, mode: 'read' }))).toBe('NOT_FOUND')
  expect(await codeOf(open({ path: join(file, 'below') }))).toBe('IO')
  expect(await codeOf(open({ path: join(file, 'below'), mode: 'read' }))).toBe('NOT_FOUND')
})

test.skipIf(process.platform === 'win32')('who may not write may read, and who may not look is told so', () => {
  const path = directory()
  recording(join(path, 'recording'))
  chmodSync(join(path, 'recording'), 0o555)
  chmodSync(path, 0o555)
  try {
    expect(askAs(join(path, 'recording'), 'read')).toBe('100')
    if (isRoot) expect(askAs(join(path, 'recording'), 'record')).toMatch(/^IO: .*[Pp]ermission denied/)
    expect(askAs(join(path, 'new'), 'record')).toMatch(/^IO: .*[Pp]ermission denied/)
    chmodSync(path, 0)
    expect(askAs(join(path, 'recording'), 'read')).toMatch(/^IO: .*[Pp]ermission denied/)
    expect(askAs(join(path, 'recording'), 'record')).toMatch(/^IO: .*[Pp]ermission denied/)
  } finally {
    chmodSync(path, 0o755)
    chmodSync(join(path, 'recording'), 0o755)
  }
})

test.skipIf(!canMount)('a recording on a read-only file system is read, and not written (needs to mount a file system)', async () => {
  const path = join(small('size=64m'), 'recording')
  recording(path)
  expect(spawnSync('mount', ['-o', 'remount,ro', join(path, '..')]).status).toBe(0)
  expect(await codeOf(open({ path }))).toBe('IO')
  expect(await codeOf(open({ path: `${path}-new` }))).toBe('IO')
  const reader = await open({ path, mode: 'read' })
  expect((await reader.dataAccess.queryEvents({ limit: 0 })).totalMatches).toBe(100)
  await reader.close()
})

const total = async (scope: Kinescope): Promise<number> => (await scope.dataAccess.queryEvents({ limit: 0 })).totalMatches

test('a directory that vanishes: recording goes on in memory, says so, and readers keep what they have', async () => {
  const path = join(directory(), 'recording')
  const scope = await open({ path, segmentEvents: 100, durability: 'sync' })
  const record = (count: number): void => {
    for (let n = 0; n < count; n++) scope.recorder.record({ eventType: 'log', data: { n } })
  }
  record(250)
  await scope.flush()
  expect(scope.stats().unsavedEvents).toBe(0)
  const reader = await open({ path, mode: 'read' })
  expect(await total(reader)).toBe(250)
  rmSync(path, { recursive: true })
  record(250)
  expect(await codeOf(scope.flush())).toBe('IO')
  expect(await total(scope)).toBe(500)
  expect(scope.stats().unsavedEvents).toBeGreaterThan(0)
  await reader.flush()
  expect(await total(reader)).toBeGreaterThanOrEqual(250)
  await reader.close()
  expect(await codeOf(scope.close())).toBe('IO')
  expect(await codeOf(Promise.resolve().then(() => scope.stats()))).toBe('CLOSED')
  expect(existsSync(path)).toBe(false)
})

/** Runs a module where shared memory is of a size, so that rings have to go elsewhere. */
function withSharedMemory(size: string, code: string): SpawnSyncReturns<string> {
  const run = `mount -t tmpfs -o size=${size} tmpfs /dev/shm && exec "$0" --input-type=module --eval "$1"`
  return spawnSync('unshare', ['-m', 'sh', '-c', run, process.execPath, `import { open, attach } from '${index}'\n${code}`], { encoding: 'utf8' })
}

test.skipIf(!canMount)('rings that find no room in shared memory are in the directory, and in memory when that is full (needs to mount a file system)', async () => {
  const path = join(small('size=24m'), 'recording')
  const { stdout, stderr, status } = withSharedMemory(
    '1m',
    `import { readdirSync, writeFileSync } from 'node:fs'
    import { Worker } from 'node:worker_threads'
    const path = ${JSON.stringify(path)}
    const scope = await open({ path, ring: { bytes: 4 << 20 } })
    const live = readdirSync(path).find((name) => name.startsWith('live-'))
    const rings = () => readdirSync(path + '/' + live).filter((name) => name.startsWith('ring-')).length
    const before = rings()
    writeFileSync(path + '/../filler', new Uint8Array(15 << 20))
    const worker = new Worker(\`
      import { workerData } from 'node:worker_threads'
      import { attach } from '${index}'
      const scope = attach(workerData)
      for (let n = 0; n < 1000; n++) scope.recorder.record({ eventType: 'worker', data: { n } })
      scope.flushSync()\`, { eval: true, workerData: scope.handle })
    await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
    for (let n = 0; n < 1000; n++) scope.recorder.record({ eventType: 'main', data: { n } })
    const { totalMatches } = await scope.dataAccess.queryEvents({ limit: 0 })
    console.log(JSON.stringify([before, rings(), totalMatches, scope.stats().lost.ring_full]))
    process.kill(process.pid, 'SIGKILL')`,
  )
  expect(status, stderr).toBe(null)
  expect(JSON.parse(stdout)).toEqual([1, 1, 2000, 0])
  rmSync(join(path, '..', 'filler'))
  const scope = await open({ path })
  expect(await total(scope)).toBe(2000)
  const ids = (await scope.dataAccess.queryEvents({ limit: 5000 })).toArray().map(({ eventId }) => eventId)
  expect(new Set([...ids, scope.recorder.record({ eventType: 'next' })]).size).toBe(2001)
  await scope.close()
  expect(readdirSync(path).filter((name) => name.startsWith('live-'))).toEqual([])
})
