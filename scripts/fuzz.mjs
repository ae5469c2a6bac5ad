/**
 * Fuzzes readers of bytes: `npm run fuzz -- [TARGET]... [--seconds 60]`, all of them unless some are named. Exits with 1 if something is
 * found, and with 2 if this machine lacks what it takes.
 */
import { parseArgs } from 'node:util'
import { FUZZ_TARGETS, buildFuzzer, fuzz } from './lib/fuzz.mjs'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seconds: { type: 'string', default: '60' } } })
const seconds = Number(values.seconds)
const unknown = positionals.find((target) => !FUZZ_TARGETS.includes(target))
if (!Number.isSafeInteger(seconds) || seconds <= 0) fail(`--seconds: expected a whole number from 1, got ${values.seconds}`)
if (unknown !== undefined) fail(`expected targets of ${FUZZ_TARGETS.join(', ')}, got ${unknown}`)
const { binary, missing } = await buildFuzzer()
if (missing !== undefined) fail(`${missing}. Nothing has been fuzzed.`)
if (binary === undefined) process.exit(1)
const { passed, failed } = await fuzz(binary, { seconds, targets: positionals.length > 0 ? positionals : FUZZ_TARGETS })
console.log(`fuzz: ${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

/** @param {string} message */
function fail(message) {
  console.error(message)
  process.exit(2)
}
