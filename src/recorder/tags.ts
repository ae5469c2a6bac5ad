/** Custom tags as they are stored: text by name. */
import { getDescriptor, isNativeError, isProxy, ownKeys } from './intrinsics.js'

/** The tags of a context; iteration order is the order in which they are stored. */
export type StoredTags = ReadonlyMap<string, string>

/**
 * Own enumerable string-keyed data properties as text.
 *
 * @param tags Strings, numbers and booleans by name; `undefined` and `null` values are left out.
 * @param redact Names that are left out.
 * @param refuse Told of every field that is something else; `''` stands for `tags` itself.
 * @returns `undefined` if `tags` is no plain object.
 * @example
 * readTags({ retries: 3 }, new Set(), () => {}) // Map { 'retries' => '3' }
 */
export function readTags(
  tags: unknown,
  redact: ReadonlySet<string>,
  refuse: (name: string, value: unknown) => void,
): Map<string, string> | undefined {
  // On Node 20 even the descriptors of an error's own fields run user code.
  if (typeof tags !== 'object' || tags === null || isProxy(tags) || Array.isArray(tags) || isNativeError(tags)) {
    refuse('', tags)
    return undefined
  }
  const stored = new Map<string, string>()
  for (const name of ownKeys(tags)) {
    if (typeof name !== 'string' || redact.has(name)) continue
    const descriptor = getDescriptor(tags, name)
    if (descriptor?.enumerable !== true) continue
    const value = descriptor.value as unknown
    if (typeof value === 'string') stored.set(name, value)
    else if (typeof value === 'number' || typeof value === 'boolean') stored.set(name, String(value))
    else if (value != null || descriptor.get !== undefined) refuse(name, value)
  }
  return stored
}
