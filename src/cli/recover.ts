/** `kinescope recover`. */
import { resolve } from 'node:path'
import { open } from '../kinescope.js'
import { awaitNative, native } from '../native.js'
import { type ResolvedOptions, resolveOptions } from '../open-options.js'
import { monotonicNow } from '../recorder/intrinsics.js'
import { grouped, type Output } from './output.js'

/** Takes over what a process that was killed has left in its rings. */
export async function recoverEvents(path: string, output: Output): Promise<void> {
  // Read first: what is no recording is not to become one.
  const before = await heldEvents(path)
  const configJson = await configOf(path)
  const { store } = resolveOptions({ path, ...nodeOf(configJson) }) as ResolvedOptions
  const opened = await awaitNative(() => native.openStore({ ...store, configJson }, monotonicNow()))
  await awaitNative(() => opened.close())
  const after = await heldEvents(path)
  await output.write(`${grouped(after - before)} events recovered, ${grouped(after)} in all\n`)
}

async function heldEvents(path: string): Promise<number> {
  const scope = await open({ path, mode: 'read' })
  try {
    const { totalMatches } = await scope.dataAccess.queryEvents({ limit: 0 })
    return totalMatches
  } finally {
    await scope.close()
  }
}

/** What the recording says of who opened it last: it is to go on saying so. */
async function configOf(path: string): Promise<string> {
  const reader = await awaitNative(() => native.openReader(resolve(path), monotonicNow()))
  const { configJson } = reader
  await awaitNative(() => reader.close())
  return configJson
}

/** The node of what is recovered, unless the description is damaged. */
function nodeOf(configJson: string): { node?: string } {
  try {
    const { node } = JSON.parse(configJson) as { node?: unknown }
    return typeof node === 'string' && node !== '' ? { node } : {}
  } catch {
    return {}
  }
}
