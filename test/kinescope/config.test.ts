import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attach, open, type CaptureConfig, type Kinescope } from 'kinescope'
import { expect, it } from 'vitest'

const OPTIONS = { samplingRate: 0.5, limits: { maxStringLength: 8 }, redact: ['password'] }

/** Writes that a plain object would take. */
const WRITES: readonly ((config: any) => void)[] = [
  (config) => (config.enabled = false),
  (config) => (config.samplingRate = 0),
  (config) => (config.limits = {}),
  (config) => (config.limits.maxStringLength = 1),
  (config) => (config.limits.other = 1),
  (config) => config.redact.push('user'),
  (config) => (config.redact[0] = 'user'),
]

async function dataOf(scope: Kinescope, data: object): Promise<unknown> {
  const id = scope.recorder.record({ eventType: 'log', data })
  return (await scope.dataAccess.getEvent(id))!.data
}

function expectUnchangeable(scope: Kinescope): void {
  const before = structuredClone(scope.config) as CaptureConfig
  for (const write of WRITES) expect(() => write(scope.config)).toThrow(TypeError)
  expect(scope.config).toEqual(before)
}

it('is complete, and cannot be changed: capture goes on as it was opened', async () => {
  await using scope = await open(OPTIONS)
  await using attached = attach(scope.handle)
  for (const one of [scope, attached]) {
    expect(one.config).toMatchObject({ enabled: true, samplingRate: 0.5, limits: { maxStringLength: 8, maxDepth: 8 }, redact: ['password'] })
    expectUnchangeable(one)
    expect(await dataOf(one, { a: 'nine char', password: 'x', user: 'y' })).toMatchObject({ a: 'nine cha', password: null, user: 'y' })
  }
  expect(OPTIONS).toEqual({ samplingRate: 0.5, limits: { maxStringLength: 8 }, redact: ['password'] })
  OPTIONS.redact.push('later')
  expect(scope.config.redact).toEqual(['password'])
  OPTIONS.redact.pop()
})

it('tells whether recording is on, in the scope of every thread', async () => {
  await using scope = await open()
  await using attached = attach(scope.handle)
  attached.recorder.enabled = false
  expect([scope.config.enabled, attached.config.enabled]).toEqual([false, false])
  scope.recorder.enabled = true
  expect([scope.config.enabled, attached.config.enabled]).toEqual([true, true])
})

it('is to a reader what the recording says, although a reader itself records nothing', async () => {
  const path = mkdtempSync(join(tmpdir(), 'test-kinescope-'))
  const scope = await open({ path, ...OPTIONS })
  const readers = [await open({ path, mode: 'read' })]
  const { config } = scope
  await scope.close()
  readers.push(await open({ path, mode: 'read' }))
  for (const reader of readers) {
    expect(reader.config).toEqual(config)
    expect(reader.config.enabled).toBe(true)
    expect(reader.recorder.enabled).toBe(false)
    const attached = attach(reader.handle)
    expect(attached.config).toEqual(config)
    await attached.close()
    expectUnchangeable(reader)
    await reader.close()
  }
  rmSync(path, { recursive: true })
})
