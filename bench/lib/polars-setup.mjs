/** Polars in an environment of Python of its own. */
import { fileURLToPath } from 'node:url'
import { pythonEnvironment } from '../../scripts/lib/python.mjs'

const environment = pythonEnvironment(fileURLToPath(new URL('../compare/', import.meta.url)))

/** @returns {string | undefined} The interpreter that has Polars, where it is installed. */
export const polarsPython = environment.interpreter

/**
 * Installs Polars, unless it is there.
 *
 * @param {(text: string) => void} progress
 * @returns {string | undefined} Why it cannot be had on this machine.
 */
export function installPolars(progress) {
  return environment.install(() => progress('installing Polars'))
}
