import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { KinescopeError, open, verify } from 'kinescope'
import { DAY, directory, kinescope, recorded, removeDirectories } from './command.js'

afterEach(removeDirectories)

const thirty = (): Promise<string> => recorded(Array.from({ length: 30 }, (_, n) => ({ eventType: 'log', timestamp: BigInt(n), wallTime: DAY, data: { message: `event ${n}.` } })), 10)

function flip(path: string, name: string, at: (bytes: Buffer) => number): void {
  const bytes = readFileSync(join(path, name))
  bytes[at(bytes)]! ^= 1
  writeFileSync(join(path, name), bytes)
}

const normal = (text: string): string => text.replace(/\([\d.]+ (?:B|KiB)\)/g, '(N)')

test('a recording that is intact', async () => {
  const path = await thirty()
  const { status, stdout, stderr } = kinescope('verify', path)
  expect([status, stderr]).toEqual([0, ''])
  const files = readdirSync(path).filter((name) => name !== 'lock' && !name.endsWith('.head'))
  for (const name of files) expect(stdout).toContain(`intact   ${name} (`)
  expect(stdout).toContain('\nintact   seq 0 to ')
  expect(stdout).toMatch(/\n\nEverything is intact: 30 events can be read\.\n$/)
  expect(JSON.parse(kinescope('verify', path, '--json').stdout)).toMatchObject({ path, intact: true, live: false, snapshot: 30, holes: [] })
})

test('which segment is damaged, and which are not', async () => {
  const path = directory()
  const scope = await open({ path, segmentEvents: 10 })
  for (let n = 0; n < 30; n++) scope.recorder.record({ eventType: 'log', data: { message: `event ${n}.` } })
  await scope.close()
  const [, second] = readdirSync(path).filter((name) => name.endsWith('.arrow')).toSorted()
  flip(path, second!, (bytes) => bytes.indexOf('event 15.'))
  const { status, stdout } = kinescope('verify', path)
  expect(status).toBe(1)
  const lines = normal(stdout).split('\n')
  expect(lines).toContain(`damaged  ${second} (N): the segment at seq 10: block 0 is damaged`)
  expect(lines.slice(-6)).toEqual([
    'intact   seq 0 to 9, 10 events',
    'damaged  seq 10 to 19, 10 events: the segment at seq 10: block 0 is damaged',
    'intact   seq 20 to 29, 10 events',
    '',
    'This recording is damaged: 20 events can be read, 10 cannot.',
    '',
  ])
  const found = await verify(path)
  expect(found).toMatchObject({ intact: false, live: false, snapshot: 30n, holes: [] })
  expect(found.segments.map(({ fromSeq, toSeq, damage }) => [fromSeq, toSeq, damage === null])).toEqual([[0n, 9n, true], [10n, 19n, false], [20n, 29n, true]])
  expect(found.files.filter(({ damage }) => damage !== null).map(({ name }) => name)).toEqual([second])
  rmSync(join(path, second!))
  rmSync(join(path, second!.replace('.arrow', '.index')))
  expect(kinescope('verify', path)).toMatchObject({ status: 1, stdout: expect.stringContaining('\nmissing  seq 10 to 19, 10 events: in no file\n') })
  expect((await verify(path)).holes).toEqual([{ fromSeq: 10n, toSeq: 19n, count: 10 }])
})

test.each([
  ['state', (bytes: Buffer) => [4096 + 40, 8192 + 40].filter((at) => at < bytes.length)],
  ['durable', () => [50, 4096 + 50]],
])('%s', async (name, places) => {
  const path = await thirty()
  const bytes = readFileSync(join(path, name))
  for (const at of places(bytes)) bytes[at]! ^= 1
  writeFileSync(join(path, name), bytes)
  const found = await verify(path)
  expect(found.files.filter(({ damage }) => damage !== null)).toMatchObject([{ name, damage: expect.stringContaining('checksum') }])
})

test('an index', async () => {
  const path = await thirty()
  const name = readdirSync(path).find((file) => file.endsWith('.index'))!
  flip(path, name, (bytes) => bytes.length - 10)
  const found = await verify(path)
  expect(found.files.filter(({ damage }) => damage !== null)).toEqual([{ name, bytes: expect.any(Number), damage: expect.stringMatching(/^section \d+ of \d+ does not have its checksum$/) }])
  expect(found.segments.every(({ damage }) => damage === null)).toBe(true)
})

test('while it is being written', async () => {
  const path = directory()
  const scope = await open({ path, segmentEvents: 50 })
  for (let n = 0; n < 20; n++) {
    for (let i = 0; i < 30; i++) scope.recorder.record({ eventType: 'log' })
    expect(await verify(path)).toMatchObject({ intact: true, live: true })
  }
  await scope.flush()
  const { status, stdout } = kinescope('verify', path)
  expect([status, stdout.split('\n')[0]]).toEqual([0, `${path}, which is being written`])
  expect(stdout).toContain(', open\n')
  await scope.close()
})

test('what cannot be verified', async () => {
  const missing = join(directory(), 'none')
  await expect(verify(missing)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(existsSync(missing)).toBe(false)
  for (const wrong of ['', 7, undefined, 'a\0b']) await expect(verify(wrong as string)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'path' } })
  expect(await verify(7 as never).catch((error: unknown) => error)).toBeInstanceOf(KinescopeError)
})
