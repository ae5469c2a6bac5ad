/** What both processors are given. */
import type { Kinescope } from '../../index.js'
import { invalidArgument, KinescopeError, unknownField } from '../errors.js'

/** The part of a recording that processors use. */
export type Scope = Pick<Kinescope, 'recorder' | 'now' | 'flush' | 'close'>

/** Checks a recording as far as that can be. */
export function checkScope(scope: unknown): Scope {
  if (typeof scope !== 'object' || scope === null || !('recorder' in scope)) throw invalidArgument('scope', scope, 'an open recording')
  return scope as Scope
}

/** Checks that options are an object without unknown fields. */
export function checkOptions(options: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof options !== 'object' || options === null) throw invalidArgument('options', options, 'an object')
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw unknownField('options', name, known)
  }
  return options as Record<string, unknown>
}

export function checkFlag(name: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw invalidArgument(`options.${name}`, value, 'a boolean')
  return value ?? false
}

/** `flush`, for which a closed recording has nothing left: closing has drained every ring. */
export async function flush(scope: Scope): Promise<void> {
  try {
    await scope.flush()
  } catch (error) {
    if (!(error instanceof KinescopeError && error.code === 'CLOSED')) throw error
  }
}
