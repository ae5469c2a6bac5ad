/**
 * Recordings as small files, to be kept for as long as their version is read. `node test/disk/old-recording.mjs` makes those of the version
 * that is built, once when it is released; they are never made again. With a name behind the version it makes one that was closed, for what a
 * version writes since it was released.
 *
 * A kept recording is compressed JSON: `files` has each file's length and its pages that are not all zeros, `events` what it answers.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, openSync, closeSync, ftruncateSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32, gunzipSync, gzipSync } from 'node:zlib'
import { open } from 'kinescope'

const PAGE_BYTES = 4096
/** Where a commit record has what is changed here, and its checksum; docs/format.md draws it. */
const COMMIT = { bootId: 8, session: 24, place: 32, crc: 184 }

/** Where a kept recording is. */
export const keptFile = (version, name) => fileURLToPath(new URL(`old/version-${version}-${name}.json.gz`, import.meta.url))

/** Events as JSON. */
export const plain = (events) => JSON.parse(JSON.stringify(events, (_, value) => (typeof value === 'bigint' ? `${value}` : value)))

/** Every event of a recording in the order of the log. */
export async function eventsOf(scope) {
  return plain((await scope.dataAccess.queryEvents({ sortBy: 'seq', limit: 100_000 })).toArray())
}

function pack(directory, prefix = '') {
  const files = {}
  for (const name of readdirSync(join(directory, prefix))) {
    const path = join(prefix, name)
    if (statSync(join(directory, path)).isDirectory()) Object.assign(files, pack(directory, path))
    else {
      const bytes = readFileSync(join(directory, path))
      const pages = {}
      for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
        const page = bytes.subarray(at, at + PAGE_BYTES)
        if (page.some((byte) => byte !== 0)) pages[at] = page.toString('base64')
      }
      files[path] = { length: bytes.length, pages }
    }
  }
  return files
}

/** Puts a kept recording into a directory; gives its events. */
export function unpack(version, name, directory) {
  const { files, events } = JSON.parse(gunzipSync(readFileSync(keptFile(version, name))).toString())
  for (const [path, { length, pages }] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    const file = openSync(join(directory, path), 'w')
    ftruncateSync(file, length)
    for (const [at, page] of Object.entries(pages)) writeSync(file, Buffer.from(page, 'base64'), 0, undefined, Number(at))
    closeSync(file)
  }
  return events
}

function changeCommits(directory, change) {
  const state = readFileSync(join(directory, 'state'))
  for (const page of [1, 2]) {
    const commit = state.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
    if (crc32(commit.subarray(0, COMMIT.crc)) !== commit.readUInt32LE(COMMIT.crc)) continue
    change(commit)
    commit.writeUInt32LE(crc32(commit.subarray(0, COMMIT.crc)), COMMIT.crc)
  }
  writeFileSync(join(directory, 'state'), state)
}

/** Has a recording believe that the process that was killed ran since this machine was started, or before. */
export function setBoot(directory, isThis) {
  const bootId = isThis ? Buffer.from(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').replaceAll(/[^\da-f]/g, ''), 'hex') : Buffer.alloc(16, 7)
  changeCommits(directory, (commit) => bootId.copy(commit, COMMIT.bootId))
}

/** Records some of everything. */
async function record(scope) {
  const { recorder } = scope
  const order = recorder.define('order', { amount: 'f64', count: 'i64', paid: 'bool', product: 'utf8', kind: 'symbol' })
  const site = recorder.site({ module: 'shop', function: 'sell', arity: 2, file: 'shop.js', line: 7 })
  for (let n = 0; n < 12; n++) {
    recorder.run({ pid: `request-${n % 3}`, correlationId: `trace-${n}`, tags: { n, 'ключ': 'значение' } }, () => {
      order({ amount: n / 4, count: n, paid: n % 2 === 0, product: `лінза ${n}`, kind: 'lens' })
      recorder.exit(recorder.enter(site, { args: [n, { deep: [null, 'x'.repeat(n)] }] }), { result: n })
      recorder.record({ eventType: 'log', data: { message: `message ${n}`, n: n % 4 === 0 ? null : n } })
    })
    recorder.record({ eventType: 'bare', correlationId: null })
  }
  await scope.dataAccess.storeEvents([{ eventType: 'imported', eventId: '40000-5', pid: 'elsewhere', data: { imported: true } }, { eventType: 'imported' }])
  await scope.flush()
}

/** The name of the process in kept recordings. */
export const node = 'machine-1'

const options = (path) => ({ path, node, segmentEvents: 16, durability: 'sync', ring: { bytes: 65_536 } })

function keep(version, name, directory, events) {
  mkdirSync(dirname(keptFile(version, name)), { recursive: true })
  writeFileSync(keptFile(version, name), gzipSync(JSON.stringify({ files: pack(directory), events }), { level: 9 }))
  console.log(`${name}: ${events.length} events, ${statSync(keptFile(version, name)).size} bytes`)
}

async function makeClosed(version, name) {
  const path = mkdtempSync(join(tmpdir(), 'kinescope-old-'))
  const scope = await open(options(path))
  await record(scope)
  const events = await eventsOf(scope)
  await scope.close()
  keep(version, name, path, events)
  rmSync(path, { recursive: true })
}

async function makeKilled(version) {
  const root = mkdtempSync(join(tmpdir(), 'kinescope-old-'))
  const killed = join(root, 'killed')
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'record', killed], { stdio: ['ignore', 'inherit', 'inherit'] })
  const [, signal] = await once(child, 'exit')
  if (signal !== 'SIGKILL') throw new Error('the recording process ended by itself')
  // What is in shared memory is kept in the directory.
  const id = readFileSync(join(killed, 'recording')).subarray(16, 32).toString('hex')
  for (const session of readdirSync('/dev/shm').filter((entry) => entry.startsWith(`kinescope-${id}-`))) {
    cpSync(join('/dev/shm', session), join(killed, `live-${session.slice(-16)}`), { recursive: true })
    rmSync(join('/dev/shm', session), { recursive: true })
    changeCommits(killed, (commit) => commit.writeBigUInt64LE(0n, COMMIT.place))
  }
  const copy = join(root, 'copy')
  cpSync(killed, copy, { recursive: true })
  const again = await open({ path: copy, node })
  const recovered = await eventsOf(again)
  await again.close()
  keep(version, 'killed', killed, recovered)
  rmSync(root, { recursive: true })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'record') {
    const scope = await open(options(process.argv[3]))
    await record(scope)
    // The writer has not seen these when the process ends, or not all of them.
    scope.recorder.run({ pid: 'last', tags: { at: 'the end' } }, () => {
      for (let n = 0; n < 20; n++) scope.recorder.record({ eventType: 'last', data: { n } })
    })
    process.kill(process.pid, 'SIGKILL')
  } else {
    const [version, name = 'closed'] = process.argv.slice(2)
    if (!version || existsSync(keptFile(version, name))) throw new Error('usage: node test/disk/old-recording.mjs <version> [name], of which nothing is kept yet')
    await makeClosed(version, name)
    if (name === 'closed') await makeKilled(version)
  }
}
