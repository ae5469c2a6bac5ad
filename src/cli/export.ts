/** `kinescope export`. */
import { basename, extname } from 'node:path'
import type { Event, Kinescope, QueryOptions } from '../../index.js'
import { toOtlpLogs, toOtlpTraces, toPerfetto, toSpeedscope } from '../export/index.js'
import { awaitNative } from '../native.js'
import type { Answer } from '../query-result.js'
import { ChromeTrace } from './chrome-trace.js'
import { exactText } from '../json.js'
import { fileOutput, type Output, Progress, standardOutput } from './output.js'
import { type Page, pages, tellLost } from './pages.js'
import { UsageError } from './usage.js'

type Pages = AsyncIterable<Page<Event>>
type Chunks = AsyncIterable<string | Uint8Array>

/** A format: how its files' names end, and what makes a file of pages, piece by piece. */
interface Format {
  readonly extensions: readonly string[]
  readonly isBinary: boolean
  /** It is made of whole events in the order of time. */
  readonly ofWholeEvents: boolean
  write(source: Pages): Chunks
}

const FORMATS = {
  arrow: native('arrow', ['.arrow', '.feather', '.ipc']),
  arrows: native('arrows', ['.arrows']),
  parquet: native('parquet', ['.parquet']),
  ndjson: { extensions: ['.ndjson', '.jsonl'], isBinary: false, ofWholeEvents: false, write: lines },
  chrome: { extensions: ['.trace'], isBinary: false, ofWholeEvents: true, write: chromeTrace },
  perfetto: converted(toPerfetto, ['.perfetto-trace', '.pftrace'], true),
  speedscope: converted(toSpeedscope, ['.speedscope.json']),
  'otlp-traces': converted(toOtlpTraces, ['.otlp-traces.jsonl']),
  'otlp-logs': converted(toOtlpLogs, ['.otlp-logs.jsonl']),
} as const satisfies Record<string, Format>

export type ExportFormat = keyof typeof FORMATS
export const EXPORT_FORMATS = Object.keys(FORMATS) as ExportFormat[]

/** What text is gathered to before it is written. */
const CHUNK_CHARACTERS = 1 << 16

/**
 * The format that is asked for, or that the file's name says.
 *
 * @throws {UsageError}
 */
export function formatOf(format: string | undefined, output: string | undefined): ExportFormat {
  const found = format ?? (output === undefined ? undefined : formatOfName(basename(output).toLowerCase()))
  if (!EXPORT_FORMATS.includes(found as ExportFormat)) {
    if (format === undefined && output !== undefined) throw unknownEnd(output)
    const got = format === undefined ? 'none' : JSON.stringify(format)
    throw new UsageError(`--format: expected one of ${EXPORT_FORMATS.join(', ')}, got ${got}`)
  }
  return found as ExportFormat
}

function unknownEnd(output: string): UsageError {
  const end = extname(output)
  const got = end === '' ? 'a name without any' : JSON.stringify(end)
  const known = EXPORT_FORMATS.flatMap((name) => FORMATS[name].extensions)
  return new UsageError(`--output: expected one of the extensions ${known.join(', ')}, or --format (${EXPORT_FORMATS.join(', ')}), got ${got}`)
}

/** By the longest end of the name that is a format's. */
function formatOfName(name: string): ExportFormat | undefined {
  const ends = EXPORT_FORMATS.flatMap((format) => FORMATS[format].extensions.map((extension) => ({ format, extension })))
  const found = ends.filter(({ extension }) => name.endsWith(extension))
  return found.toSorted((a, b) => b.extension.length - a.extension.length)[0]?.format
}

/**
 * Writes all events of a query, which is paged through, so that what is in memory does not grow with the recording.
 *
 * @param to A file; none: standard output.
 */
export async function exportEvents(scope: Kinescope, query: QueryOptions, name: ExportFormat, to: string | undefined): Promise<void> {
  const format: Format = FORMATS[name]
  if (format.ofWholeEvents) {
    const unfit = (['projection', 'sortBy', 'sortOrder'] as const).find((option) => query[option] !== undefined)
    if (unfit !== undefined) throw new UsageError(`${unfit === 'projection' ? '--fields' : '--sort, --desc'}: expected none with the format ${name}, which is made of whole events in the order of time`)
  }
  if (to === undefined && format.isBinary && process.stdout.isTTY) throw new UsageError(`--output: expected a file: the format ${name} is nothing for a terminal`)
  let output: Output | undefined
  let progress: Progress | undefined
  async function* shown(): AsyncGenerator<Page<Event>> {
    let done = 0
    for await (const page of pages<Event>(scope, query)) {
      // What is wrong with the query is said before there is a file.
      output ??= to === undefined ? standardOutput() : fileOutput(to)
      progress ??= new Progress(page.total)
      progress.show(done)
      yield page
      done += page.result.table.numRows
      if (page.result.nextPageToken === null || done >= page.total) tellLost(page.result.lost)
    }
  }
  try {
    for await (const chunk of format.write(shown())) await output!.write(chunk)
    await output!.end()
  } catch (error) {
    output?.abandon()
    throw error
  } finally {
    progress?.end()
  }
}

/** A format that native code writes. */
function native(format: 'arrow' | 'arrows' | 'parquet', extensions: readonly string[]): Format {
  async function* write(source: Pages): Chunks {
    let file
    for await (const { result } of source) {
      const answer = result as Answer
      file ??= answer.startExport(format)
      yield await answer.exportTo(file)
    }
    // There is at least one page.
    yield await awaitNative(() => file!.finish())
  }
  return { extensions, isBinary: true, ofWholeEvents: false, write }
}

/** A format of another tool. */
function converted(convert: (events: AsyncIterable<Event>) => Chunks, extensions: readonly string[], isBinary = false): Format {
  return { extensions, isBinary, ofWholeEvents: true, write: (source) => convert(eventsIn(source)) }
}

async function* eventsIn(source: Pages): AsyncGenerator<Event> {
  for await (const { result } of source) yield* result
}

async function* lines(source: Pages): Chunks {
  for await (const { result } of source) yield* gathered(result, (event) => `${exactText(event)}\n`)
}

async function* chromeTrace(source: Pages): Chunks {
  const trace = new ChromeTrace()
  let isFirst = true
  for await (const { result } of source) {
    if (isFirst) yield trace.start()
    isFirst = false
    yield* gathered(result, (event) => trace.add(event))
  }
  yield trace.end()
}

function* gathered(events: Iterable<Event>, textOf: (event: Event) => string): Generator<string> {
  let text = ''
  for (const event of events) {
    text += textOf(event)
    if (text.length < CHUNK_CHARACTERS) continue
    yield text
    text = ''
  }
  yield text
}
