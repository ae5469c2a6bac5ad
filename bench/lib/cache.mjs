/** Where the benchmarks keep what takes long to make. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../../node_modules/.cache/kinescope-bench/', import.meta.url))

/** @param {string} name @returns {string} The path of a file of this name, in a folder that is there. */
export function cachePath(name) {
  mkdirSync(FOLDER, { recursive: true })
  return join(FOLDER, name)
}
