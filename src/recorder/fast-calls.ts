/**
 * ENTER and EXIT records in the common case: a site with an id, a named context, room in the ring and in the call table, and
 * nothing to capture but a few short arguments. Each function either does all of its work or nothing.
 *
 * They are closures over constants, not methods, so that V8 compiles the views in.
 */
import type { CaptureLimits } from '../../index.js'
import type { RecorderParts } from './calls.js'
import * as rows from './call-table.js'
import type { Frame } from './frames.js'
import { charCodeAt, monotonicNow, setFloat64 } from './intrinsics.js'
import * as layout from './layout.js'
import type { RingWriter } from './ring-writer.js'

const { ENTER_WORDS, EXIT_WORDS, F64_ATTEMPTS, I32_ASLEEP, I32_STATE, KIND_ENTER, KIND_EXIT, STATE_RECORDING } = layout
const { ROW_ENTRY_TIME, ROW_F64_SHIFT, ROW_GENERATION, ROW_I32_SHIFT, ROW_PARENT, ROW_SEQUENCE, ROW_SITE } = rows

/** Arguments at most that are captured here. */
export const MAX_FAST_ARGS = 3
/** `putArgs` could not write the arguments. */
export const NOT_PUT = -1
/** Longer strings are left to the general encoder. */
const MAX_FAST_CHARACTERS = 40
/** `{ "args": [` fills a word exactly. */
const ARGS_HEAD_LOW = layout.TAG_OBJECT | (layout.TAG_STR8 << 8) | (4 << 16) | (0x61 << 24)
const ARGS_HEAD_HIGH = 0x72 | (0x67 << 8) | (0x73 << 16) | (layout.TAG_ARRAY << 24)
const ARGS_HEAD_BYTES = 8
/** The head, the longest arguments, and what closes the two containers. */
const MAX_BODY_WORDS = (ARGS_HEAD_BYTES + MAX_FAST_ARGS * (MAX_FAST_CHARACTERS + 2) + 2 + 7) >>> 3

/** What {@link createFastCalls} makes. */
export interface FastCalls {
  /**
   * Writes `{ args: [...] }` to where the next entry's body belongs. An `enter` must follow at once.
   *
   * @param count How many of `a`, `b` and `c` there are.
   * @returns Bytes, or `NOT_PUT`: something is no short primitive, a limit stands in the way, or there is no room.
   */
  putArgs(count: number, a: unknown, b: unknown, c: unknown): number
  /**
   * Enters a call, which becomes its frame's current one.
   *
   * @param bodyBytes What `putArgs` has returned; 0: no body.
   * @returns The call's index, or 0: nothing was done.
   */
  enter(frame: Frame, site: number, bodyBytes: number): number
  /** Enters a call that is not to be current; the caller gives it its frame. */
  enterDetached(frame: Frame, site: number, bodyBytes: number): number
  /** Exits the current call of a frame, normally. Returns whether it did. */
  exit(index: number): boolean
  /** Exits a call that is in no chain, normally. Returns whether it did. */
  exitDetached(index: number): boolean
}

/** Makes the fast ways for one thread. */
export function createFastCalls(parts: RecorderParts, table: rows.CallTable, limits: Readonly<CaptureLimits>): FastCalls {
  const { writer, frames, definitions } = parts
  const { i32, f64, i64 } = writer
  const { siteIds } = definitions
  const { slotOwner } = frames

  /** Writes the record and its row, all but the row's place in a chain. */
  function writeEntry(frame: Frame, site: number, bodyBytes: number): number {
    const { context } = frame
    const { slot } = context
    const { at } = writer
    const index = table.free
    const siteId = siteIds[site]!
    const words = ENTER_WORDS + ((bodyBytes + 7) >>> 3)
    const isPossible = siteId >= 0 && index !== 0 && at + words < writer.limit && slotOwner[slot] === context
    if (!isPossible || bodyBytes === NOT_PUT || i32[I32_STATE] !== STATE_RECORDING) return 0
    const i = at * 2
    i64[at + 1] = monotonicNow()
    const sequence = f64[F64_ATTEMPTS]!
    f64[F64_ATTEMPTS] = sequence + 1
    i32[i + 1] = slot
    f64[at + 2] = frame.parentSequence
    i32[i + 6] = siteId
    i32[i + 7] = bodyBytes
    i32[i + words * 2] = 0
    i32[i] = KIND_ENTER | (words << 8)
    writer.at = at + words
    const row = index << ROW_I32_SHIFT
    const rowI32 = table.i32
    const rowF64 = table.f64
    table.free = rowI32[row + ROW_PARENT]!
    rowI32[row + ROW_GENERATION] = ~rowI32[row + ROW_GENERATION]!
    rowI32[row + ROW_SITE] = site
    rowF64[(index << ROW_F64_SHIFT) + ROW_SEQUENCE] = sequence
    rowF64[(index << ROW_F64_SHIFT) + ROW_ENTRY_TIME] = f64[at + 1]!
    return index
  }

  function enter(frame: Frame, site: number, bodyBytes: number): number {
    const index = writeEntry(frame, site, bodyBytes)
    if (index === 0) return 0
    table.link(index, frame)
    if (i32[I32_ASLEEP] !== 0) writer.wake()
    return index
  }

  function enterDetached(frame: Frame, site: number, bodyBytes: number): number {
    const index = writeEntry(frame, site, bodyBytes)
    if (index !== 0 && i32[I32_ASLEEP] !== 0) writer.wake()
    return index
  }

  function writeExit(index: number, frame: Frame): boolean {
    const { context } = frame
    const { slot } = context
    const { at } = writer
    const rowI32 = table.i32
    const rowF64 = table.f64
    const siteId = siteIds[rowI32[(index << ROW_I32_SHIFT) + ROW_SITE]!]!
    const isPossible = siteId >= 0 && at + EXIT_WORDS < writer.limit && slotOwner[slot] === context
    if (!isPossible || i32[I32_STATE] !== STATE_RECORDING) return false
    i64[at + 1] = monotonicNow()
    const i = at * 2
    f64[F64_ATTEMPTS]!++
    i32[i + 1] = slot
    f64[at + 2] = rowF64[(index << ROW_F64_SHIFT) + ROW_SEQUENCE]!
    i32[i + 6] = siteId
    i32[i + 7] = 0
    f64[at + 4] = rowF64[(index << ROW_F64_SHIFT) + ROW_ENTRY_TIME]!
    i32[i + 10] = layout.REASON_NORMAL
    i32[i + 11] = 0
    i32[i + EXIT_WORDS * 2] = 0
    i32[i] = KIND_EXIT | (EXIT_WORDS << 8)
    writer.at = at + EXIT_WORDS
    return true
  }

  function exit(index: number): boolean {
    const frame = table.frame[index]!
    if (frame.current !== index || !writeExit(index, frame)) return false
    table.setCurrent(frame, table.i32[(index << ROW_I32_SHIFT) + ROW_PARENT]!)
    table.release(index)
    if (i32[I32_ASLEEP] !== 0) writer.wake()
    return true
  }

  function exitDetached(index: number): boolean {
    if (!writeExit(index, table.frame[index]!)) return false
    table.release(index)
    if (i32[I32_ASLEEP] !== 0) writer.wake()
    return true
  }

  return { putArgs: createArgsEncoder(writer, limits), enter, enterDetached, exit, exitDetached }
}

/** Makes {@link FastCalls.putArgs}. */
function createArgsEncoder(writer: RingWriter, limits: Readonly<CaptureLimits>): FastCalls['putArgs'] {
  const { i32, u8 } = writer
  const view = new DataView(u8.buffer)
  const maxCharacters = Math.min(MAX_FAST_CHARACTERS, limits.maxStringLength)
  const isAllowed = limits.maxDepth >= 2 && limits.maxItems >= MAX_FAST_ARGS

  /** Writes short ASCII and returns where it ends, or 0. */
  function putText(position: number, text: string): number {
    const { length } = text
    if (length > maxCharacters) return 0
    for (let i = 0; i < length; i++) {
      const code = charCodeAt(text, i)
      if (code > 127) return 0
      u8[position + 2 + i] = code
    }
    u8[position] = layout.TAG_STR8
    u8[position + 1] = length
    return position + 2 + length
  }

  function putNumber(position: number, value: number): number {
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      u8[position] = layout.TAG_INT32
      u8[position + 1] = value
      u8[position + 2] = value >> 8
      u8[position + 3] = value >> 16
      u8[position + 4] = value >> 24
      return position + 5
    }
    if (value - value !== 0) return 0
    u8[position] = layout.TAG_F64
    setFloat64(view, position + 1, value, true)
    return position + 9
  }

  /** Writes a primitive value and returns where it ends; 0 for anything else. */
  function put(position: number, value: unknown): number {
    if (typeof value === 'number') return putNumber(position, value)
    if (typeof value === 'string') return putText(position, value)
    if (typeof value === 'boolean') u8[position] = value ? layout.TAG_TRUE : layout.TAG_FALSE
    else if (value == null) u8[position] = layout.TAG_NULL
    else return 0
    return position + 1
  }

  return function putArgs(count: number, a: unknown, b: unknown, c: unknown): number {
    const body = writer.at + ENTER_WORDS
    if (!isAllowed || body + MAX_BODY_WORDS >= writer.limit) return NOT_PUT
    let position = body * 8 + ARGS_HEAD_BYTES
    if (count > 0) position = put(position, a)
    if (count > 1 && position !== 0) position = put(position, b)
    if (count > 2 && position !== 0) position = put(position, c)
    if (position === 0) return NOT_PUT
    i32[body * 2] = ARGS_HEAD_LOW
    i32[body * 2 + 1] = ARGS_HEAD_HIGH
    u8[position] = layout.TAG_END
    u8[position + 1] = layout.TAG_END
    return position + 2 - body * 8
  }
}
