import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, expect, test } from 'vitest'
import { KinescopeError, open, type Kinescope, type QueryOptions } from 'kinescope'
import { nextPage, recordSome, type Page } from './page-walk.mjs'

const made: string[] = []

function directory(): string {
  const path = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'test-kinescope-pages-'))
  made.push(path)
  return path
}

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
})

const EVENTS = 400
const QUERIES: readonly QueryOptions[] = [
  {},
  { sortOrder: 'desc', eventTypes: ['type-0', 'type-2'] },
  { sortBy: 'data.mixed', projection: ['seq', 'data.mixed', 'data.n', { field: 'tags.t', as: 'i64' }] },
  { sortBy: 'data.n', sortOrder: 'desc', where: { 'data.n': { gte: 5 } }, projection: ['eventId', 'data.n'] },
  { sortBy: 'pid', textSearch: 'ERSTE', tags: { t: 1 } },
  { sortBy: 'wallTime', sortOrder: 'desc', offset: 3 },
]

/** Pages of all queries, each from whom they are asked next. */
class Walk {
  readonly #expected: string[][] = []
  readonly #found: string[][] = QUERIES.map(() => [])
  #tokens: (string | null | undefined)[] = QUERIES.map(() => undefined)

  async begin(scope: Kinescope): Promise<void> {
    for (const query of QUERIES) this.#expected.push((await nextPage(scope, query, undefined, 100_000)).rows)
    await this.ask(scope)
  }

  get tokens(): readonly (string | null | undefined)[] {
    return this.#tokens
  }

  async ask(scope: Kinescope, limit = 11): Promise<void> {
    for (const [index, query] of QUERIES.entries()) {
      const token = this.#tokens[index]
      if (token !== null) this.take(index, await nextPage(scope, query, token, limit))
    }
  }

  take(index: number, page: Page): void {
    expect(page.total - ((QUERIES[index]!.offset as number | undefined) ?? 0)).toBe(this.#expected[index]!.length)
    this.#found[index]!.push(...page.rows)
    this.#tokens[index] = page.token
  }

  async end(scope: Kinescope): Promise<void> {
    while (this.#tokens.some((token) => token !== null)) await this.ask(scope, 50)
    for (const [index, expected] of this.#expected.entries()) {
      expect(expected.length).toBeGreaterThan(40)
      expect(this.#found[index]).toEqual(expected)
    }
  }
}

/** Runs a module in a process of its own. */
function child(code: string): ReturnType<typeof spawn> {
  const [index, walk] = ['../../dist/index.js', './page-walk.mjs'].map((path) => new URL(path, import.meta.url).href)
  const imports = `import { open } from '${index}'\nimport { nextPage, recordSome } from '${walk}'`
  return spawn(process.execPath, ['--input-type=module', '--eval', `${imports}\n${code}`], { stdio: ['pipe', 'pipe', 'inherit'] })
}

test('pages go on from whoever opens the recording: its writer, readers, other processes, the next writers', { timeout: 60_000 }, async () => {
  const path = directory()
  const walk = new Walk()
  const writer = await open({ path, segmentEvents: 50 })
  recordSome(writer, 0, EVENTS)
  await walk.begin(writer)
  const reader = await open({ path, mode: 'read' })
  await walk.ask(reader)
  const other = child(`
    const scope = await open({ path: ${JSON.stringify(path)}, mode: 'read' })
    const queries = ${JSON.stringify(QUERIES)}
    const tokens = ${JSON.stringify(walk.tokens)}
    const pages = []
    for (const [index, query] of queries.entries()) pages.push(await nextPage(scope, query, tokens[index], 11))
    console.log(JSON.stringify(pages))
    await scope.close()`)
  for (const [index, page] of (JSON.parse(await text(other.stdout!)) as Page[]).entries()) walk.take(index, page)
  await walk.ask(writer, 2)
  recordSome(writer, EVENTS, 30)
  await walk.ask(reader, 2)
  await writer.close()
  await walk.ask(reader, 2)
  await reader.close()
  const files = readdirSync(path).length
  // Each opening adds a small segment; they are merged meanwhile.
  for (let opening = 0; opening < 12; opening++) {
    const next = await open({ path, segmentEvents: 100_000 })
    await walk.ask(next, 1)
    recordSome(next, EVENTS + 30 + opening, 1)
    await next.close()
  }
  expect(readdirSync(path).length).toBeLessThan(files)
  await using finished = await open({ path, mode: 'read' })
  await walk.end(finished)
})

test('pages go on after their process was killed', { timeout: 60_000 }, async () => {
  const path = directory()
  const killed = child(`
    const scope = await open({ path: ${JSON.stringify(path)}, segmentEvents: 90 })
    recordSome(scope, 0, 200)
    const first = await nextPage(scope, { sortBy: 'data.n' }, undefined, 30)
    const rest = await nextPage(scope, { sortBy: 'data.n', offset: 30 }, undefined, 1000)
    console.log(JSON.stringify([first.token, rest.rows]))
    process.stdin.resume()`)
  const [line] = (await once(killed.stdout!, 'data')) as [Buffer]
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  const [token, rest] = JSON.parse(line.toString()) as [string, string[]]
  await using reader = await open({ path, mode: 'read' })
  expect((await nextPage(reader, { sortBy: 'data.n' }, token, 1000)).rows).toEqual(rest)
  await using writer = await open({ path })
  recordSome(writer, 200, 20)
  expect((await nextPage(writer, { sortBy: 'data.n' }, token, 1000)).rows).toEqual(rest)
})

async function codeOf(action: Promise<unknown>): Promise<string | undefined> {
  const error = await action.then(() => undefined, (thrown: unknown) => thrown)
  return error instanceof KinescopeError ? error.code : undefined
}

test('a token expires when the next writer evicts what it would deliver, and is no other recording\'s', async () => {
  const path = directory()
  const first = await open({ path, segmentEvents: 50 })
  recordSome(first, 0, EVENTS)
  const { token } = await nextPage(first, {}, undefined, 10)
  const { token: late } = await nextPage(first, {}, undefined, EVENTS - 10)
  await first.close()
  await using another = await open({ path: directory() })
  recordSome(another, 0, EVENTS)
  expect(await codeOf(nextPage(another, {}, token!, 10))).toBe('PAGE_TOKEN_INVALID')
  await using second = await open({ path, segmentEvents: 50, retention: { maxEvents: 100 } })
  recordSome(second, EVENTS, 10)
  await using reader = await open({ path, mode: 'read' })
  for (const scope of [second, reader]) {
    expect(await codeOf(nextPage(scope, {}, token!, 10))).toBe('PAGE_TOKEN_EXPIRED')
    expect((await nextPage(scope, {}, late!, 100)).rows).toHaveLength(10)
  }
})
