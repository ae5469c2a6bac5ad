/** Where output goes: standard output, a file, the terminal's last line. */
import { once } from 'node:events'
import { createWriteStream, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Writable } from 'node:stream'

/** Something that takes a command's output. */
export interface Output {
  /** Waits while whoever reads it is slower. */
  write(chunk: string | Uint8Array): Promise<void>
  /** Everything has been written. */
  end(): Promise<void>
  /** Nothing is to be left of it. */
  abandon(): void
}

/** Standard output. */
export function standardOutput(): Output {
  return {
    write: (chunk) => written(process.stdout, chunk),
    end: async () => {},
    abandon: () => {},
  }
}

/** A file, which is there when all of it is there: until then it has another name. */
export function fileOutput(path: string): Output {
  const unfinished = join(dirname(path), `.${basename(path)}.${process.pid}.unfinished`)
  const file = createWriteStream(unfinished)
  let failure: Error | undefined
  file.on('error', (error) => (failure = error))
  const remove = (): void => {
    file.destroy()
    rmSync(unfinished, { force: true })
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    remove()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  const done = (): void => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  return {
    write: async (chunk) => {
      if (failure !== undefined) throw failure
      await written(file, chunk)
    },
    end: async () => {
      file.end()
      if (!file.closed && failure === undefined) await once(file, 'close')
      if (failure !== undefined) throw failure
      renameSync(unfinished, path)
      done()
    },
    abandon: () => {
      remove()
      done()
    },
  }
}

async function written(stream: Writable, chunk: string | Uint8Array): Promise<void> {
  if (chunk.length > 0 && !stream.write(chunk)) await once(stream, 'drain')
}

/** Whether what is written to a terminal may have colours: https://no-color.org. */
export function hasColours(): boolean {
  const { NO_COLOR, TERM } = process.env
  return process.stdout.isTTY === true && (NO_COLOR === undefined || NO_COLOR === '') && TERM !== 'dumb'
}

/** Colours of words that say whether things are well. */
export function colours(): { good(text: string): string; bad(text: string): string; dim(text: string): string } {
  const of = (code: number) => (text: string) => (hasColours() ? `\u001b[${code}m${text}\u001b[0m` : text)
  return { good: of(32), bad: of(31), dim: of(2) }
}

const BAR_CHARACTERS = 30
const BETWEEN_DRAWINGS_MS = 100

/** A bar on the terminal's last line; nothing where standard error is no terminal. */
export class Progress {
  readonly #total: number
  readonly #isShown = process.stderr.isTTY === true
  #drawnAt = 0

  constructor(total: number) {
    this.#total = total
  }

  /** So many are done. */
  show(done: number): void {
    if (!this.#isShown || performance.now() - this.#drawnAt < BETWEEN_DRAWINGS_MS) return
    this.#drawnAt = performance.now()
    const share = this.#total === 0 ? 1 : Math.min(1, done / this.#total)
    const filled = Math.round(share * BAR_CHARACTERS)
    const bar = '#'.repeat(filled) + '.'.repeat(BAR_CHARACTERS - filled)
    process.stderr.write(`\r[${bar}] ${Math.floor(share * 100)} %  ${grouped(done)} of ${grouped(this.#total)} events`)
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#isShown && this.#drawnAt > 0) process.stderr.write('\r\u001b[K')
  }
}

/** A number with a comma before every three digits. */
export function grouped(number: number | bigint): string {
  return number.toLocaleString('en-US')
}

/** A number of bytes for people. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let power = 0
  while (bytes >= 1024 ** (power + 1) && power < units.length - 1) power++
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}

/** Text without what could make a terminal do things. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => JSON.stringify(character).slice(1, -1).replace(/^[^\\]$/, `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`))
}
