/** Whatever is given to `openShared` and `endShared` instead of what `share` has returned is an error and nothing else. `KINESCOPE_CASES` sets how many. */
import { spawnSync } from 'node:child_process'
import * as fc from 'fast-check'
import { endShared, type Kinescope, KinescopeError, open, openShared, type QueryResult, share, type SharedBatch } from 'kinescope'
import { afterAll, beforeAll, expect, test } from 'vitest'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const CASES = Number(process.env['KINESCOPE_CASES'] ?? 1000)

let scope: Kinescope
let result: QueryResult
let shared: SharedBatch

beforeAll(async () => {
  scope = await open()
  scope.recorder.record({ eventType: 'log' })
  result = await scope.dataAccess.queryEvents()
  shared = share(result)
})

afterAll(() => scope.close())

const hexadecimal = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 })
/** Turns a true share into something else, most often into something like it. */
const mutations = fc.oneof(
  hexadecimal.map((shareId) => ({ shareId })),
  fc.record({ at: fc.nat(31), by: fc.integer({ min: 1, max: 15 }) }),
  fc.oneof(fc.string(), fc.constantFrom('', '0x', '+1', '-1', '\0'.repeat(32), 'g'.repeat(32), '0'.repeat(33), 'F'.repeat(32)), fc.anything()).map((shareId) => ({ shareId })),
  fc.oneof(fc.integer(), fc.double(), fc.bigInt(), fc.anything()).map((processId) => ({ processId })),
  fc.anything().map((whole) => ({ whole })),
)

type Mutation = typeof mutations extends fc.Arbitrary<infer T> ? T : never

function mutated(mutation: Mutation): unknown {
  if ('whole' in mutation) return mutation.whole
  if (!('at' in mutation)) return { ...shared, ...mutation }
  const digits = [...shared.shareId]
  digits[mutation.at] = (parseInt(digits[mutation.at]!, 16) ^ mutation.by).toString(16)
  return { ...shared, shareId: digits.join('') }
}

test(`a mutated share is refused (KINESCOPE_SEED=${SEED})`, () => {
  const codes = new Set<string>()
  const property = fc.property(mutations, (mutation) => {
    const forged = mutated(mutation) as SharedBatch
    try {
      openShared(forged)
    } catch (error) {
      if (!(error instanceof KinescopeError)) throw error
      codes.add(error.code)
      expect(['INVALID_ARGUMENT', 'CLOSED']).toContain(error.code)
      try {
        endShared(forged)
      } catch (second) {
        expect(second).toMatchObject({ code: 'INVALID_ARGUMENT' })
      }
      return
    }
    expect(forged).toMatchObject(shared)
  })
  fc.assert(property, { seed: SEED, numRuns: CASES })
  expect(codes).toEqual(new Set(['INVALID_ARGUMENT', 'CLOSED']))
  expect(openShared(shared).numRows).toBe(1)
})

test('errors name the field, what was expected and what came', () => {
  const refusals: [unknown, string][] = [
    [undefined, 'shared: expected what share() has returned, got undefined'],
    [{ ...shared, processId: -1 }, 'shared.processId: expected an integer from 0 to 4294967295, got the number -1'],
    [{ ...shared, shareId: 'x' }, 'shared.shareId: expected 32 hexadecimal digits, got the string "x"'],
    [{ ...shared, processId: process.pid + 1 }, `shared: expected one of this process (${process.pid}), got one of process ${process.pid + 1}; it does not cross processes`],
  ]
  for (const [given, message] of refusals) {
    for (const use of [openShared, endShared]) {
      expect(() => use(given as SharedBatch)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message }))
    }
  }
  const unknown = { ...shared, shareId: '0'.repeat(32) }
  expect(() => openShared(unknown)).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  endShared(unknown)
})

test('what looking at it throws is what the caller gets', () => {
  const trap = new Error('trap')
  const hostile = new Proxy({}, { get: () => { throw trap } }) // prettier-ignore
  for (const use of [openShared, endShared]) expect(() => use(hostile as SharedBatch)).toThrow(trap)
})

test("another process's share is refused there", () => {
  const code = `import { openShared } from 'kinescope'
    try { openShared(${JSON.stringify(shared)}) } catch ({ code }) { console.log(code) }
    try { openShared({ ...${JSON.stringify(shared)}, processId: process.pid }) } catch ({ code }) { console.log(code) }`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: new URL('../../', import.meta.url), encoding: 'utf8' })
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'INVALID_ARGUMENT\nCLOSED\n', stderr: '' })
})
