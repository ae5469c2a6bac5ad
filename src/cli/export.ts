/** `kinescope export`. */
import { extname } from 'node:path'
import type { Event, Kinescope, QueryOptions } from '../../index.js'
import { awaitNative, type NativeExport } from '../native.js'
import type { Answer } from '../query-result.js'
import { ChromeTrace } from './chrome-trace.js'
import { exactText } from '../json.js'
import { fileOutput, type Output, Progress, standardOutput } from './output.js'
import { type Page, pages, tellLost } from './pages.js'
import { UsageError } from './usage.js'

export const EXPORT_FORMATS = ['arrow', 'arrows', 'parquet', 'ndjson', 'chrome'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

/** Formats by the ends of files' names. */
const EXTENSIONS: Readonly<Record<string, ExportFormat>> = {
  '.arrow': 'arrow',
  '.feather': 'arrow',
  '.ipc': 'arrow',
  '.arrows': 'arrows',
  '.parquet': 'parquet',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
  '.trace': 'chrome',
}
const BINARY: readonly ExportFormat[] = ['arrow', 'arrows', 'parquet']
/** What text is gathered to before it is written. */
const CHUNK_CHARACTERS = 1 << 16

/**
 * The format that is asked for, or that the file's name says.
 *
 * @throws {UsageError}
 */
export function formatOf(format: string | undefined, output: string | undefined): ExportFormat {
  const found = format ?? (output === undefined ? undefined : EXTENSIONS[extname(output).toLowerCase()])
  if (!EXPORT_FORMATS.includes(found as ExportFormat)) {
    const got = format === undefined ? 'none' : JSON.stringify(format)
    throw new UsageError(`--format: expected one of ${EXPORT_FORMATS.join(', ')}, got ${got}`)
  }
  return found as ExportFormat
}

/**
 * Writes all events of a query, which is paged through, so that what is in memory does not grow with the recording.
 *
 * @param to A file; none: standard output.
 */
export async function exportEvents(scope: Kinescope, query: QueryOptions, format: ExportFormat, to: string | undefined): Promise<void> {
  if (format === 'chrome') {
    const unfit = (['projection', 'sortBy', 'sortOrder'] as const).find((name) => query[name] !== undefined)
    if (unfit !== undefined) throw new UsageError(`${unfit === 'projection' ? '--fields' : '--sort, --desc'}: expected none with the format chrome, which is made of whole events in the order of time`)
  }
  if (to === undefined && BINARY.includes(format) && process.stdout.isTTY) throw new UsageError(`--output: expected a file: the format ${format} is nothing for a terminal`)
  const writer = format === 'ndjson' ? new Lines() : format === 'chrome' ? new Trace() : new NativeFile(format)
  let output: Output | undefined
  let progress: Progress | undefined
  try {
    let done = 0
    for await (const page of pages<Event>(scope, query)) {
      // What is wrong with the query is said before there is a file.
      output ??= to === undefined ? standardOutput() : fileOutput(to)
      progress ??= new Progress(page.total)
      progress.show(done)
      await writer.write(page, output, (rows) => progress!.show(done + rows))
      done += page.result.table.numRows
      if (page.result.nextPageToken === null || done >= page.total) tellLost(page.result.lost)
    }
    await writer.end(output!)
    await output!.end()
  } catch (error) {
    output?.abandon()
    throw error
  } finally {
    progress?.end()
  }
}

/** Makes a file of pages. */
interface PageWriter {
  write(page: Page<Event>, output: Output, done: (rows: number) => void): Promise<void>
  end(output: Output): Promise<void>
}

/** A format that native code writes. */
class NativeFile implements PageWriter {
  readonly #format: 'arrow' | 'arrows' | 'parquet'
  #file: NativeExport | undefined

  constructor(format: 'arrow' | 'arrows' | 'parquet') {
    this.#format = format
  }

  async write({ result }: Page<Event>, output: Output): Promise<void> {
    const answer = result as Answer
    this.#file ??= answer.startExport(this.#format)
    await output.write(await answer.exportTo(this.#file))
  }

  async end(output: Output): Promise<void> {
    await output.write(await awaitNative(() => this.#file!.finish()))
  }
}

/** A format that is text. */
abstract class TextFile implements PageWriter {
  protected abstract textOf(event: Event): string
  protected abstract start(): string
  protected abstract finish(): string
  #hasStarted = false

  async write({ result }: Page<Event>, output: Output, done: (rows: number) => void): Promise<void> {
    let text = this.#hasStarted ? '' : this.start()
    this.#hasStarted = true
    let rows = 0
    for (const event of result) {
      text += this.textOf(event)
      rows++
      if (text.length >= CHUNK_CHARACTERS) {
        await output.write(text)
        text = ''
        done(rows)
      }
    }
    await output.write(text)
  }

  async end(output: Output): Promise<void> {
    await output.write(this.finish())
  }
}

class Lines extends TextFile {
  protected override textOf(event: Event): string {
    return `${exactText(event)}\n`
  }
  protected override start(): string {
    return ''
  }
  protected override finish(): string {
    return ''
  }
}

class Trace extends TextFile {
  readonly #trace = new ChromeTrace()

  protected override textOf(event: Event): string {
    return this.#trace.add(event)
  }
  protected override start(): string {
    return this.#trace.start()
  }
  protected override finish(): string {
    return this.#trace.end()
  }
}
