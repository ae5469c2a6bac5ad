/** Texts that grow at the same time and are read one after the other: a little memory, and a temporary file for the rest. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Characters that all texts together may hold in memory. */
const MEMORY_CHARACTERS = 8_388_608
const READ_BYTES = 65_536

/** One of the texts. */
export class SpooledText {
  /** What is not in the file. */
  pending = ''
  /** Where the rest is in the file, in its order. */
  readonly pieces: { readonly at: number; readonly bytes: number }[] = []
}

/** All of them, and their file. */
export class Spool implements Disposable {
  readonly #texts: SpooledText[] = []
  readonly #memoryCharacters: number
  #inMemory = 0
  #folder: string | undefined
  #file: number | undefined
  #fileBytes = 0

  /** @param memoryCharacters Default: 8 Mi. */
  constructor(memoryCharacters: number = MEMORY_CHARACTERS) {
    this.#memoryCharacters = memoryCharacters
  }

  /** Bytes in the file. */
  get spooledBytes(): number {
    return this.#fileBytes
  }

  add(): SpooledText {
    const text = new SpooledText()
    this.#texts.push(text)
    return text
  }

  append(text: SpooledText, more: string): void {
    text.pending += more
    this.#inMemory += more.length
    if (this.#inMemory > this.#memoryCharacters) this.#spill()
  }

  /** A text from its start to its end. */
  *read(text: SpooledText): Generator<string, void, undefined> {
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    for (const { at, bytes } of text.pieces) {
      for (let done = 0; done < bytes; ) {
        const count = readSync(this.#file!, buffer, 0, Math.min(READ_BYTES, bytes - done), at + done)
        // What is spooled is ASCII, so no character is cut in two.
        yield buffer.toString('latin1', 0, count)
        done += count
      }
    }
    if (text.pending !== '') yield text.pending
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file)
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }

  #spill(): void {
    if (this.#file === undefined) {
      this.#folder = mkdtempSync(join(tmpdir(), 'kinescope-spool-'))
      this.#file = openSync(join(this.#folder, 'spool'), 'wx+', 0o600)
    }
    for (const text of this.#texts) {
      if (text.pending === '') continue
      const bytes = Buffer.from(text.pending, 'latin1')
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done, bytes.length - done, this.#fileBytes + done)
      text.pieces.push({ at: this.#fileBytes, bytes: bytes.length })
      this.#fileBytes += bytes.length
      text.pending = ''
    }
    this.#inMemory = 0
  }
}
