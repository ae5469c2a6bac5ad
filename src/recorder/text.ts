/** Strings as UTF-8 bytes, without allocating. */
import type { Buffer } from 'node:buffer'
import { charCodeAt, sliceString, utf8Write } from './intrinsics.js'

/** Up to this length a loop over ASCII characters is cheaper than a call into the runtime. */
const LOOP_CHARACTERS = 40

/**
 * Writes `text` as UTF-8 and returns the number of bytes; a lone surrogate becomes U+FFFD.
 *
 * @param bytes Where to; the text must fit behind `offset`; `3 * text.length` bytes are always enough.
 * @param buffer The same memory as `bytes`.
 * @example
 * writeUtf8(bytes, buffer, 0, 'naïve') // 6
 */
export function writeUtf8(bytes: Uint8Array, buffer: Buffer, offset: number, text: string): number {
  const length = text.length
  if (length > LOOP_CHARACTERS) return writeLongUtf8(buffer, offset, text)
  for (let i = 0; i < length; i++) {
    const code = charCodeAt(text, i)
    if (code > 127) return writeLongUtf8(buffer, offset, text)
    bytes[offset + i] = code
  }
  return length
}

/** Node 24 and newer refuse a length beyond the buffer's end, which older versions clamp. */
function writeLongUtf8(buffer: Buffer, offset: number, text: string): number {
  const room = buffer.length - offset
  const needed = text.length * 3
  return utf8Write(buffer, text, offset, needed < room ? needed : room)
}

/**
 * The first `maxCharacters` UTF-16 code units of `text`, or one less where the cut would split a surrogate pair.
 *
 * @example
 * cutText('a😀', 2) // 'a'
 */
export function cutText(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text
  const last = charCodeAt(text, maxCharacters - 1)
  const next = charCodeAt(text, maxCharacters)
  const splitsPair = last >= 0xd800 && last <= 0xdbff && next >= 0xdc00 && next <= 0xdfff
  return sliceString(text, 0, splitsPair ? maxCharacters - 1 : maxCharacters)
}
