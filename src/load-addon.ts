/** Loading the addon of this platform. */
import { createRequire } from 'node:module'
import { KinescopeError } from './errors.js'

/**
 * Loads what `addon.cjs` finds: the local build first, the platform's package then.
 *
 * @throws {KinescopeError} `IO` when there is none for this platform, or it cannot be loaded; with the platform in its details.
 */
export function loadAddon(): unknown {
  try {
    return createRequire(import.meta.url)('./addon.cjs')
  } catch (error) {
    const details = platform()
    const message = `${error instanceof Error ? error.message : String(error)}\nThe addon of Kinescope could not be loaded on ${Object.values(details).join(', ')}.`
    throw Object.defineProperty(new KinescopeError('IO', message, details), 'cause', { value: error })
  }
}

function platform(): Readonly<Record<string, string>> {
  const { platform: system, arch } = process
  return system === 'linux' ? { platform: system, arch, libc: libc() } : { platform: system, arch }
}

function libc(): string {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`
}
