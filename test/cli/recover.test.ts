import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { open, verify } from 'kinescope'
import { directory, kinescope, recorded, removeDirectories } from './command.js'

afterEach(removeDirectories)

const EVENTS = 500
const MAIN = JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)

/** A recording whose process ended so right after it had recorded its last event. */
async function ended(end: string): Promise<string> {
  const path = directory()
  const program = `
    import { open } from ${MAIN}
    const { recorder } = await open({ path: ${JSON.stringify(path)}, node: 'shop:1', redact: ['secret'] })
    for (let n = 0; n < ${EVENTS}; n++) recorder.record({ eventType: 'log', data: { n } })
    ${end}
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { cwd: fileURLToPath(new URL('.', import.meta.url)), stdio: 'ignore' })
  await once(child, 'exit')
  return path
}

const numbers = async (path: string): Promise<unknown[]> => {
  const scope = await open({ path, mode: 'read' })
  const found = await scope.dataAccess.queryEvents({ sortBy: 'seq', limit: 2 * EVENTS })
  const all = found.toArray().map(({ node, data }) => [node, (data as { n: number }).n])
  expect(scope.config.redact).toEqual(['secret'])
  await scope.close()
  return all
}

test('what a killed process recorded last is taken over', async () => {
  const path = await ended("process.kill(process.pid, 'SIGKILL')")
  expect(await verify(path)).toMatchObject({ intact: true, live: false, unrecovered: true })
  for (const command of ['info', 'verify']) expect(kinescope(command, path).stdout).toContain('kinescope recover')
  expect(JSON.parse(kinescope('info', path, '--json').stdout)).toMatchObject({ unrecovered: true })
  const { status, stdout, stderr } = kinescope('recover', path)
  expect([status, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^\d+ events recovered, 500 in all\n$/)
  expect(await numbers(path)).toEqual(Array.from({ length: EVENTS }, (_, n) => ['shop:1', n]))
  expect(await verify(path)).toMatchObject({ intact: true, unrecovered: false })
  expect(kinescope('info', path).stdout).not.toContain('kinescope recover')
  expect(kinescope('recover', path).stdout).toBe('0 events recovered, 500 in all\n')
})

test.each([
  ['nothing more to do', ''],
  ['process.exit', 'process.exit(3)'],
  ['an error', "throw new Error('on purpose')"],
])('a process that ends by %s leaves nothing to recover', async (_how, end) => {
  let path = ''
  // It waits for its recording for a second at most, which a busy machine may not give it each time.
  for (let attempt = 0; attempt < 10; attempt++) {
    path = await ended(end)
    if (!(await verify(path)).unrecovered) break
  }
  expect(await verify(path)).toMatchObject({ intact: true, live: false, unrecovered: false })
  expect(await numbers(path)).toHaveLength(EVENTS)
})

test('what is no recording does not become one, and what is being recorded is left alone', async () => {
  const path = directory()
  expect(kinescope('recover', path)).toMatchObject({ status: 1, stdout: '' })
  expect(kinescope('recover', path).stderr).toContain('NOT_FOUND')
  const live = await recorded([])
  const scope = await open({ path: live })
  const { status, stderr } = kinescope('recover', live)
  expect([status, stderr]).toEqual([1, expect.stringContaining('LOCKED')])
  await scope.close()
})
