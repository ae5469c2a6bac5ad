/** What a recording's files are worth. */
import { resolve } from 'node:path'
import type { Verification } from '../index.js'
import { invalidArgument } from './errors.js'
import { awaitNative, native } from './native.js'

/**
 * `verify` of the contract.
 *
 * @throws {KinescopeError} See there.
 */
export async function verify(path: string): Promise<Verification> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw invalidArgument('path', path, 'a directory')
  const found = await awaitNative(() => native.verifyRecording(resolve(path)))
  const segments = found.segments.map(({ fromSeq, events, sealed, damage }) => ({
    fromSeq,
    toSeq: events === undefined ? null : fromSeq + BigInt(events) - 1n,
    events: events ?? 0,
    sealed,
    damage: damage ?? null,
  }))
  const files = found.files.map(({ name, bytes, damage }) => ({ name, bytes, damage: damage ?? null }))
  const holes = found.holes.map(([fromSeq, toSeq]) => ({ fromSeq: fromSeq!, toSeq: toSeq!, count: Number(toSeq! - fromSeq!) + 1 }))
  const isDamaged = [...segments, ...files].some(({ damage }) => damage !== null)
  return { intact: !isDamaged && holes.length === 0, live: found.live, unrecovered: found.unrecovered, snapshot: found.nextSeq, segments, files, holes }
}
