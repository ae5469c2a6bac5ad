/** Event ids as text: `"<producer>-<sequence>"`. */
import type { EventId } from '../../index.js'
import { charCodeAt } from './intrinsics.js'

/** Stands for an event that was not recorded because recording is off, sampled out or closed. */
export const NOT_RECORDED: EventId = '0-0'
/** Producers of imported events start here. */
export const FIRST_IMPORT_PRODUCER = 0x8000

const MAX_PRODUCER = 0xffff
const MAX_SEQUENCE = 2 ** 48 - 1

/**
 * A parent as it is given to a recording call: the id of what was not recorded is as good as none given, so that ids can be
 * handed on without asking whether recording was on.
 */
export function givenParent<T>(parentId: T): T | undefined {
  return parentId === NOT_RECORDED ? undefined : parentId
}

/**
 * Whether an id, in any spelling, is that of what was not recorded. The log has a row of this number when anything was lost; asked
 * for by its id it is not there, so that ids can be asked for without a look at what they stand for.
 */
export function isNotRecorded(id: string): boolean {
  return /^0+-0+$/.test(id)
}

/** The text of an id. */
export function formatEventId(producer: number, sequence: number): EventId {
  return `${producer}-${sequence}`
}

/**
 * An id as 64 bits: 16 of producer, 48 of sequence.
 *
 * @returns `undefined` for what is no id in its canonical form.
 * @example
 * parseEventId('1-2') // 281474976710658n
 */
export function parseEventId(id: unknown): bigint | undefined {
  if (typeof id !== 'string' || id.length > 21) return undefined
  const parts: [number, number] = [0, 0]
  let part: 0 | 1 = 0
  let digits = 0
  for (let i = 0; i < id.length; i++) {
    const code = charCodeAt(id, i)
    if (code === 0x2d && part === 0 && digits > 0) {
      part = 1
      digits = 0
    } else if (code >= 0x30 && code <= 0x39 && !(digits === 1 && parts[part] === 0)) {
      parts[part] = parts[part] * 10 + code - 0x30
      digits++
    } else {
      return undefined
    }
  }
  const [producer, sequence] = parts
  if (part === 0 || digits === 0 || producer > MAX_PRODUCER || sequence > MAX_SEQUENCE) return undefined
  return (BigInt(producer) << 48n) | BigInt(sequence)
}

/** The text of an id in its 64 bits. */
export function eventIdText(id: bigint): EventId {
  return formatEventId(Number(id >> 48n), Number(id & 0xffffffffffffn))
}
