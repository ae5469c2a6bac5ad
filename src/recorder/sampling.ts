/** Which traces are recorded. */
import { charCodeAt, imul, random } from './intrinsics.js'

/**
 * Whether a root `run` is recorded. The same correlation id has the same answer in every thread and process with the same
 * rate, and what a lower rate records a higher one records too; without an id it is a matter of chance.
 *
 * @param samplingRate The share of traces that are recorded, from 0 to 1.
 * @param correlationId The id of the trace, if it has one.
 * @example
 * isSampled(1, 'order-7') // true
 */
export function isSampled(samplingRate: number, correlationId: string | null): boolean {
  if (samplingRate >= 1) return true
  return (correlationId === null ? random() : hash32(correlationId) / 2 ** 32) < samplingRate
}

/**
 * FNV-1a (Fowler, Noll, Vo) over the two bytes of each UTF-16 code unit, low byte first, and then the 32-bit finalizer of
 * MurmurHash3 (Austin Appleby): FNV alone leaves its upper bits unevenly distributed for short texts.
 */
function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    const code = charCodeAt(text, i)
    hash = imul(hash ^ (code & 0xff), 0x01000193)
    hash = imul(hash ^ (code >>> 8), 0x01000193)
  }
  hash = imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
