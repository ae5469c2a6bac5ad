/** `kinescope info`. */
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Kinescope, Lost } from '../../index.js'
import { jsonText } from '../json.js'
import { awaitNative, native } from '../native.js'
import { bytesText, grouped, type Output } from './output.js'
import { tableText } from './table.js'
import { UNRECOVERED } from './verify.js'
import { isoTime } from './times.js'

const LISTED = 10
const BLOCK_BYTES = 512

/** Says what a recording holds. */
export async function showInfo(scope: Kinescope, path: string, asJson: boolean, output: Output): Promise<void> {
  const { dataAccess, config } = scope
  const [schema, nodes, times, diskBytes, unrecovered] = await Promise.all([
    dataAccess.describe(),
    dataAccess.fieldValues('node'),
    dataAccess.aggregateEvents({ aggregations: { first: { min: 'wall_time' }, last: { max: 'wall_time' } } }),
    bytesOnDisk(path),
    awaitNative(() => native.isUnrecovered(resolve(path))),
  ])
  const [row] = times.rows()
  times.release()
  const events = schema.columns[0]!.count
  const time = (value: unknown): string | null => (value === null || value === undefined ? null : isoTime(BigInt(value as bigint | number)))
  const wallTime = { first: time(row!['first']), last: time(row!['last']) }
  if (asJson) {
    await output.write(`${jsonText({ path, events, diskBytes, unrecovered, nodes, wallTime, ...schema, config })}\n`)
    return
  }
  const facts = [
    ['recording', path],
    ['events', `${grouped(events)}, snapshot ${schema.snapshot}`],
    ['time', wallTime.first === null ? 'none' : `${wallTime.first} to ${wallTime.last}`],
    ['segments', `${schema.segments.length}, ${schema.segments.filter(({ sealed }) => sealed).length} of them sealed`],
    ['on disk', bytesText(diskBytes)],
    ['recorded by', nodes.map(({ value }) => String(value)).slice(0, LISTED).join(', ') || 'nobody'],
    ['evicted', grouped(schema.evicted)],
    ['lost', lostText(schema.lost)],
  ]
  const lines = facts.map(([name, value]) => `${name!.padEnd(12)}${value}\n`)
  const listed = <T>(title: string, all: readonly T[], names: readonly string[], rowOf: (item: T) => Record<string, unknown>): string =>
    all.length === 0 ? '' : `\n${tableText([title, ...names], all.slice(0, LISTED).map(rowOf))}${all.length > LISTED ? `... and ${grouped(all.length - LISTED)} more\n` : ''}`
  lines.push(listed('event type', schema.eventTypes, ['events'], ({ eventType, count }) => ({ 'event type': eventType, events: count })))
  lines.push(listed('path', schema.paths, ['values', 'types'], ({ path: name, types }) => ({ path: name, values: Object.values(types).reduce((sum, count) => sum + count, 0), types: Object.keys(types).join(', ') })))
  lines.push(listed('tag', schema.tags, ['events'], ({ name, count }) => ({ tag: name, events: count })))
  if (unrecovered) lines.push(`\n${UNRECOVERED}\n`)
  await output.write(lines.join(''))
}

function lostText({ count, ranges }: Lost): string {
  const causes = new Map<string, number>()
  for (const range of ranges) causes.set(range.cause, (causes.get(range.cause) ?? 0) + range.count)
  return count === 0 ? 'nothing' : `${grouped(count)} (${[...causes].map(([cause, of]) => `${grouped(of)} ${cause}`).join(', ')})`
}

/** Bytes that a recording's files take up. */
async function bytesOnDisk(path: string): Promise<number> {
  const names = await readdir(path)
  // A file may go while it is looked at.
  const sizes = names.map((name) => stat(join(path, name)).then(({ blocks }) => blocks * BLOCK_BYTES, () => 0))
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0)
}
