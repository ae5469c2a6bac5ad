/** The examples run as their readers run them, for a second or over less. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

function run(example: string, ...args: string[]): string {
  const env = { ...process.env, DEMO_SECONDS: '1' }
  const { status, stdout, stderr } = spawnSync(process.execPath, [`examples/${example}/main.mjs`, ...args], { cwd: root, encoding: 'utf8', env })
  expect(status, stderr).toBe(0)
  return stdout
}

test('the service: what was recorded, its slowest request as a tree of calls, rows of the table, and the cost', () => {
  const shown = run('service')
  expect(shown).toMatch(/^[\d,]+ requests in 1 s: \d+ refused, 0 failed$/m)
  expect(shown).toMatch(/^[\d,]+ events recorded, 0 lost, /m)
  // A request, indented below it one of the functions that it called.
  expect(shown).toMatch(/^http\.\S+ \S+\(.*\) {2}[\d.]+ ms → .*\n {2}\w+\.\w+\(/m)
  expect(shown).toMatch(/^seq +timestamp +event_type/m)
  expect(shown).toMatch(/^What an event costs .* [\d.]+ ns of a synchronous call,$/m)
})

test('the AI loop: latency of functions, groups of errors, and a trace as a sequence', () => {
  const lines = run('ai-loop').trimEnd().split('\n').map((line) => JSON.parse(line) as { kind: string; value: any }) // oxlint-disable-line typescript/no-explicit-any
  const [latency, errors, ...steps] = lines
  expect(latency).toMatchObject({ kind: 'latency', value: { relativeError: 1 / 64 } })
  const { functions } = latency!.value
  expect(functions.map(({ p95Ns }: { p95Ns: number }) => p95Ns)).toEqual(functions.map(({ p95Ns }: { p95Ns: number }) => p95Ns).toSorted((a: number, b: number) => b - a))
  expect(functions[0].calls).toBeGreaterThan(0)
  expect(errors!.kind).toBe('errors')
  expect(errors!.value[0]).toMatchObject({ count: expect.any(Number), example: { message: expect.any(String) } })
  expect(steps.length).toBeGreaterThan(1)
  expect(steps[0]!.value).toMatchObject({ atUs: 0, type: 'function_entry', parent: null })
  // Every exit names its entry, and every step but the first comes from an earlier one.
  for (const [index, { value }] of steps.entries()) expect(index === 0 ? -1 : value.parent).toBeLessThan(index)
})

test('the alerts: bursts of errors and slow calls, each with its trace', () => {
  const alerts = run('alerts').trimEnd().split('\n').map((line) => JSON.parse(line) as { kind: string; call: string; correlationId: string; calls: { call: string; ended: string; error?: string }[] })
  expect(new Set(alerts.map(({ kind }) => kind))).toEqual(new Set(['slow', 'burst']))
  const burst = alerts.findLast(({ kind, call }) => kind === 'burst' && call === 'catalog.loadProduct')
  expect(burst!.calls).toContainEqual(expect.objectContaining({ call: 'catalog.loadProduct', ended: 'reject', error: 'no product is called unicorn' }))
  // What set off the alert is part of the trace that comes with it.
  for (const { call, calls } of alerts) expect(calls.map(({ call: name }) => name)).toContain(call)
})

test('the worker pool: the features that one thread computes, over memory that is not copied', () => {
  const shown = run('worker-pool', '200000')
  expect(shown).toMatch(/^200,0\d\d events recorded, 0 lost$/m)
  expect(shown).toMatch(/^one thread +[\d.]+ s for 4,000 traces$/m)
  expect(shown).toMatch(/^a pool of \d+ +[\d.]+ s, [\d.]+ times as fast$/m)
  expect(shown).toMatch(/^copied +0 bytes$/m)
  expect(shown).toMatch(/^resident +[\d,]+ MiB after a quarter of the pages, [\d,]+ MiB after all$/m)
})

test('the live view: follows, pauses, looks back, and resumes where it was and at now', async ({ onTestFinished }) => {
  const view = spawn(process.execPath, ['examples/live-view/main.mjs'], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void view.kill())
  const exited = once(view, 'exit')
  let shown = ''
  view.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
  })
  /** Until this is shown after what was shown before. */
  const until = async (pattern: RegExp): Promise<void> => {
    const start = shown.length
    while (!pattern.test(shown.slice(start))) await once(view.stdout, 'data')
  }
  await until(/→ warehouse\.pick\("\w+", \d\)/)
  view.stdin.write('p')
  await until(/── paused, \d+ positions behind/)
  view.stdin.write('l')
  await until(/source .*warehouse\.mjs:\d+\n(.*\n)* *> +\d+ .*function pick\(/)
  expect(shown).toMatch(/ {3}stack\n( {5}warehouse\.pick\/2\n)? {3}state\n( {5}\w+ = .*\n)*/)
  view.stdin.write('r')
  await until(/── resuming where it was, \d+ positions and \d+ ms behind(.*\n)*.*← warehouse\.pick/)
  expect(shown).not.toContain('left out')
  // Until something has been recorded since: else nothing is left out.
  do {
    view.stdin.write('p')
    await until(/── paused, \d+ positions behind\n/)
  } while (/── paused, 0 positions behind\n(?!.*── paused)/s.test(shown))
  view.stdin.write('n')
  await until(/── resuming at now\n {3}… \d+ positions of the log left out: skipped(.*\n)*.*warehouse\.pick/)
  view.stdin.write('q')
  expect(await exited).toEqual([0, null])
})
