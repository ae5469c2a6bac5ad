import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { open } from 'kinescope'
import { directory, gathered, kinescope, recorded, removeDirectories, started, THREE, until } from './command.js'

const INDEX = new URL('../../dist/index.js', import.meta.url).href
afterEach(removeDirectories)

/** A process that records as many events as it is told, numbered. */
async function recorder(path: string): Promise<ReturnType<typeof spawn>> {
  const code = `
    import { open } from '${INDEX}'
    const scope = await open({ path: ${JSON.stringify(path)}, segmentEvents: 30 })
    let n = 0
    process.stdin.on('data', (chunk) => {
      for (const end = n + Number(chunk); n < end; n++) scope.recorder.run({ pid: 'p' + n % 2 }, () => scope.recorder.record({ eventType: 'log', data: { n } }))
    }).on('end', () => scope.close())
    console.log('ready')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout!, 'data')
  return child
}

const numbers = (text: string): number[] => text.split('\n').filter(Boolean).map((line) => (JSON.parse(line) as { data: { n: number } }).data.n)

test('what another process records comes as it does, once each, until it is interrupted', async () => {
  const path = directory()
  const writer = await recorder(path)
  writer.stdin!.write('100')
  const reader = await open({ path, mode: 'read' })
  while ((await reader.dataAccess.queryEvents({ limit: 0 })).totalMatches < 100) await new Promise((resolve) => setTimeout(resolve, 5))
  await reader.close()
  const all = started('tail', path, '--last', '3')
  const even = started('tail', path, '--pid', 'p0', '--last', '0')
  const [allText, evenText] = [gathered(all.stdout), gathered(even.stdout)]
  await until(() => numbers(allText.text).length === 3)
  // What even ones have been told of is not known before one is.
  let sent = 100
  while (evenText.text === '') {
    writer.stdin!.write('2')
    sent += 2
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  writer.stdin!.write('500')
  sent += 500
  await until(() => numbers(allText.text).at(-1) === sent - 1 && numbers(evenText.text).at(-1) === sent - 2)
  expect(numbers(allText.text)).toEqual(Array.from({ length: sent - 97 }, (_, n) => n + 97))
  const seen = numbers(evenText.text)
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, n) => seen[0]! + 2 * n))
  all.kill('SIGINT')
  even.kill('SIGTERM')
  expect(await Promise.all([all, even].map((child) => once(child, 'exit')))).toEqual([[0, null], [0, null]])
  writer.stdin!.end()
  await once(writer, 'exit')
})

test('--limit ends it', async () => {
  const path = await recorded(THREE)
  const tail = started('tail', path, '--limit', '2', '--fields', 'pid,data.args,data.message')
  const text = gathered(tail.stdout)
  expect(await once(tail, 'exit')).toEqual([0, null])
  expect(text.text).toBe('{"pid":"req-1","data.args":[1],"data.message":null}\n{"pid":"req-1","data.args":null,"data.message":null}\n')
})

test('lines for people', async () => {
  const path = await recorded(THREE)
  const tail = started('tail', path, '--limit', '3', '--format', 'line')
  const text = gathered(tail.stdout)
  await once(tail, 'close')
  expect(text.text).toBe(
    [
      '2023-11-15T00:00:00.000000Z  log  main  region=eu  {"message":"a \\"quoted\\", text","n":1152921504606846976}',
      '2023-11-15T00:00:01.000000Z  function_entry  req-1  t-1  cart.total/1  {"args":[1]}',
      '2023-11-15T00:00:02.000000Z  function_exit  req-1  t-1  cart.total/1  {"duration_ns":3000,"exit_reason":"normal"}',
      '',
    ].join('\n'),
  )
})

test('what is missing of the past is said on standard error', async () => {
  const path = directory()
  const scope = await open({ path, segmentEvents: 50 })
  for (let n = 0; n < 150; n++) scope.recorder.record({ eventType: 'log', data: { n } })
  await scope.close()
  const [first] = readdirSync(path).filter((name) => name.endsWith('.arrow')).sort()
  const bytes = readFileSync(join(path, first!))
  bytes[bytes.length >> 1]! ^= 0x40
  writeFileSync(join(path, first!), bytes)
  const { status, stdout, stderr } = kinescope('tail', path, '--last', '120', '--limit', '100')
  expect([status, stderr]).toEqual([0, 'kinescope: 50 events of this time are missing: 50 corrupt\n'])
  expect(numbers(stdout)).toEqual(Array.from({ length: 100 }, (_, n) => n + 50))
})
