/** Polars, and what else events are handed to in Python, in an environment of their own. */
import { fileURLToPath } from 'node:url'
import { pythonEnvironment } from '../../scripts/lib/python.mjs'

const environment = pythonEnvironment(fileURLToPath(new URL('../compare/', import.meta.url)))

/** @returns {string | undefined} The interpreter that has them, where they are installed. */
export const polarsPython = environment.interpreter

/**
 * Installs them, unless they are there.
 *
 * @param {(text: string) => void} progress
 * @returns {string | undefined} Why they cannot be had on this machine.
 */
export function installPolars(progress) {
  return environment.install(() => progress('installing Polars'))
}
