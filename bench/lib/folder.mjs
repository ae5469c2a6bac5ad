/** A place on disk for a measurement. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Calls `measure` with the path of a recording that is not there yet, and removes it afterwards.
 *
 * @template T
 * @param {(path: string) => Promise<T>} measure
 * @returns {Promise<T>}
 */
export async function withFolder(measure) {
  const folder = mkdtempSync(join(tmpdir(), 'kinescope-bench-'))
  try {
    return await measure(join(folder, 'recording'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
