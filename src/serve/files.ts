/** Answers as files: written once, to a private temporary file, and read from there by any number of requests. */
import { createHash } from 'node:crypto'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KinescopeError } from '../errors.js'
import { Refusal } from './errors.js'

/** What makes a file: gives its head's facts first, then its bytes. It may say that an earlier file is the same. */
export interface Making {
  /** Of the snapshot; two answers of which these are equal are the same. */
  readonly facts: Readonly<Record<string, string>>
  bytes(): AsyncIterable<Uint8Array>
}

/** A file that is held; to be given back. */
export interface Held extends Disposable {
  readonly file: SpooledFile
}

/** Bounds on all files of a server. */
export interface FileBounds {
  readonly maxFiles: number
  /** Of all of them together. */
  readonly maxFileBytes: number
  readonly maxFileIdleMs: number
}

/** An answer in a file. */
export class SpooledFile {
  /** A strong entity tag: it is made of the content. */
  tag = ''
  size = 0
  facts: Readonly<Record<string, string>> = {}
  users = 0
  usedAt = performance.now()
  readonly madeAt = performance.now()
  readonly key: string
  readonly #handle: FileHandle
  readonly #folder: string | undefined

  /** @param folder To be removed with it. */
  constructor(key: string, handle: FileHandle, folder: string | undefined) {
    this.key = key
    this.#handle = handle
    this.#folder = folder
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) done += (await this.#handle.write(bytes, done, bytes.length - done, this.size + done)).bytesWritten
    this.size += bytes.length
  }

  /** Up to `length` bytes from a position inside the file. */
  async read(position: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(length)
    const { bytesRead } = await this.#handle.read(buffer, 0, length, position)
    if (bytesRead === 0) throw new KinescopeError('IO', 'a temporary file has become shorter')
    return buffer.subarray(0, bytesRead)
  }

  async remove(): Promise<void> {
    await this.#handle.close()
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true })
  }
}

/** The files of a server. The one that was made last for a query stands for that query. */
export class Files {
  readonly #bounds: FileBounds
  /** The least recently used first. */
  readonly #kept = new Set<SpooledFile>()
  readonly #byKey = new Map<string, SpooledFile>()
  readonly #unfinished = new Set<SpooledFile>()
  #expiry: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(bounds: FileBounds) {
    this.#bounds = bounds
  }

  /** The file of a query, if it is younger than `maxAgeMs`. */
  ofQuery(key: string, maxAgeMs = Infinity): Held | undefined {
    const file = this.#byKey.get(key)
    return file !== undefined && performance.now() - file.madeAt < maxAgeMs ? this.#hold(file) : undefined
  }

  /** The file with this tag, if it still is there. */
  ofTag(key: string, tags: readonly string[]): Held | undefined {
    const file = [...this.#kept].find((kept) => kept.key === key && tags.includes(kept.tag))
    return file === undefined ? undefined : this.#hold(file)
  }

  /**
   * Writes an answer into a file, unless the one that stands for its query is the same.
   *
   * @throws {KinescopeError} `RESOURCE_EXHAUSTED` when it is too large; `IO`.
   */
  async make(key: string, { facts, bytes }: Making): Promise<Held> {
    const earlier = this.#byKey.get(key)
    if (earlier !== undefined && Object.entries(facts).every(([name, value]) => earlier.facts[name] === value)) return this.#hold(earlier)
    const file = await temporary(key)
    this.#unfinished.add(file)
    try {
      const hash = createHash('sha256')
      for await (const chunk of bytes()) {
        this.#makeRoom(chunk.length)
        await file.append(chunk)
        hash.update(chunk)
      }
      if (this.#isClosed) throw new KinescopeError('CLOSED', 'the server is closed')
      file.tag = `"${hash.digest('base64url')}"`
      file.facts = facts
    } catch (error) {
      this.#unfinished.delete(file)
      await file.remove()
      throw error instanceof KinescopeError || !isSystemError(error) ? error : new KinescopeError('IO', `a temporary file cannot be written: ${error.code}`, { systemCode: error.code })
    }
    this.#unfinished.delete(file)
    this.#kept.add(file)
    this.#byKey.set(key, file)
    const held = this.#hold(file)
    this.#trim()
    this.#expireLater()
    return held
  }

  /** Removes all of them; those that are being read when that has ended. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#expiry)
    for (const file of this.#kept) this.#drop(file)
  }

  #hold(file: SpooledFile): Held {
    file.users += 1
    this.#used(file)
    return {
      file,
      [Symbol.dispose]: () => {
        file.users -= 1
        if (this.#kept.has(file)) {
          this.#used(file)
          this.#trim()
        } else if (file.users === 0) removed(file)
      },
    }
  }

  #used(file: SpooledFile): void {
    file.usedAt = performance.now()
    this.#kept.delete(file)
    this.#kept.add(file)
  }

  #trim(): void {
    while (this.#kept.size > this.#bounds.maxFiles && this.#dropOldest());
  }

  #makeRoom(bytes: number): void {
    const { maxFileBytes } = this.#bounds
    const all = (): number => [...this.#kept, ...this.#unfinished].reduce((sum, { size }) => sum + size, bytes)
    while (all() > maxFileBytes) {
      if (this.#dropOldest()) continue
      const message = `the answer's file: expected at most ${maxFileBytes} bytes of all files together, got more; ask for less, or for /v1/events.arrows, which needs no file`
      throw new Refusal(507, 'RESOURCE_EXHAUSTED', message, { details: { maxFileBytes } })
    }
  }

  /** Whether there was one that nobody reads. */
  #dropOldest(): boolean {
    for (const file of this.#kept) {
      if (file.users > 0) continue
      this.#drop(file)
      return true
    }
    return false
  }

  #drop(file: SpooledFile): void {
    this.#kept.delete(file)
    if (this.#byKey.get(file.key) === file) this.#byKey.delete(file.key)
    if (file.users === 0) removed(file)
  }

  #expireLater(): void {
    this.#expiry ??= setTimeout(() => {
      this.#expiry = undefined
      const oldest = performance.now() - this.#bounds.maxFileIdleMs
      for (const file of this.#kept) if (file.users === 0 && file.usedAt <= oldest) this.#drop(file)
      if (this.#kept.size > 0) this.#expireLater()
    }, this.#bounds.maxFileIdleMs / 2 + 1).unref()
  }
}

function removed(file: SpooledFile): void {
  file.remove().catch((error: unknown) => process.emitWarning(`a temporary file could not be removed: ${String(error)}`, 'KinescopeWarning'))
}

/** A file that nobody else can open. Where the system allows it, it has no name from now on, so that no crash leaves it behind. */
async function temporary(key: string): Promise<SpooledFile> {
  const folder = await mkdtemp(join(tmpdir(), 'kinescope-serve-'))
  const handle = await open(join(folder, 'file'), 'wx+', 0o600)
  if (process.platform === 'win32') return new SpooledFile(key, handle, folder)
  await rm(folder, { recursive: true, force: true })
  return new SpooledFile(key, handle, undefined)
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error
}
