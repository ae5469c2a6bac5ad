/** The source around the place that an event comes from. */
import { readFile, realpath, stat } from 'node:fs/promises'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { dirname, isAbsolute, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Event, SourceContext } from '../index.js'
import { KinescopeError } from './errors.js'

/** Larger files are no source that anybody reads. */
const FILE_BYTES_MAX = 16 << 20
const MAP_COMMENT = /^\/\/[#@] sourceMappingURL=(\S+)\s*$/gm
const INLINE_MAP = /^data:application\/json[^,]*?(;base64)?,(.*)$/s
const NANOSECONDS_PER_MILLISECOND = 1_000_000n

/** A line of a text. */
interface Place {
  readonly filePath: string
  /** 1-based. */
  readonly lineNumber: number
  readonly text: string
}

/**
 * Reads the lines around an event's `file` and `line`; through the file's source map, if it has one, those of the original.
 *
 * @param roots Directories outside of which nothing is read.
 * @throws {KinescopeError} `SOURCE_UNAVAILABLE`, with the reason.
 */
export async function sourceContextOf(event: Event, linesBefore: number, linesAfter: number, roots: readonly string[]): Promise<SourceContext> {
  const { file, line } = event
  if (file === null || line === null) throw unavailable(`event ${event.eventId} says no file and line`)
  const generated = await readPlace(pathOf(file), line, event, roots)
  const place = (await originalOf(generated, event, roots)) ?? generated
  const lines = place.text.split(/\r?\n/)
  if (place.lineNumber > lines.length) throw unavailable(`${place.filePath} has ${lines.length} lines, not ${place.lineNumber}`)
  const firstLine = Math.max(1, place.lineNumber - linesBefore)
  const codeSnippet = lines.slice(firstLine - 1, place.lineNumber + linesAfter).join('\n')
  return { filePath: place.filePath, lineNumber: place.lineNumber, codeSnippet, firstLine }
}

function unavailable(why: string): KinescopeError {
  return new KinescopeError('SOURCE_UNAVAILABLE', `source: ${why}`)
}

function pathOf(file: string): string {
  if (!file.startsWith('file:')) return resolve(file)
  try {
    return fileURLToPath(file)
  } catch {
    throw unavailable(`${JSON.stringify(file.slice(0, 200))} is no path of this machine`)
  }
}

/** Reads a file that lies within the roots, links resolved, and has not been changed since the event. */
async function readPlace(path: string, lineNumber: number, event: Event, roots: readonly string[]): Promise<Place> {
  const filePath = await within(path, roots)
  try {
    const { mtimeMs, size } = await stat(filePath)
    if (BigInt(Math.floor(mtimeMs)) * NANOSECONDS_PER_MILLISECOND > event.wallTime) throw unavailable(`${filePath} was changed after the event`)
    if (size > FILE_BYTES_MAX) throw unavailable(`${filePath} has ${size} bytes, more than ${FILE_BYTES_MAX}`)
    return { filePath, lineNumber, text: await readFile(filePath, 'utf8') }
  } catch (error) {
    throw error instanceof KinescopeError ? error : unavailable(`${filePath} cannot be read: ${(error as Error).message}`)
  }
}

async function within(path: string, roots: readonly string[]): Promise<string> {
  const real = await realpath(path).catch(() => {
    throw unavailable(`${path} does not exist`)
  })
  for (const root of roots) {
    const realRoot = await realpath(root).catch(() => undefined)
    if (realRoot !== undefined && real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return real
  }
  throw unavailable(`${path} is outside of sourceRoots`)
}

/** The place in the original that a source map names; none without a map, or where it says nothing of the line. */
async function originalOf(generated: Place, event: Event, roots: readonly string[]): Promise<Place | undefined> {
  const url = [...generated.text.matchAll(MAP_COMMENT)].at(-1)?.[1]
  if (url === undefined) return undefined
  const inline = INLINE_MAP.exec(url)
  const mapPath = resolve(dirname(generated.filePath), decodeURIComponent(inline === null ? url : ''))
  let payload: SourceMapPayload
  try {
    const text = inline === null ? (await readPlace(mapPath, 1, event, roots)).text : decodeInline(inline[2]!, inline[1] !== undefined)
    payload = JSON.parse(text) as SourceMapPayload
    const entry = new SourceMap(payload).findEntry(generated.lineNumber - 1, firstColumn(generated))
    if (!('originalSource' in entry)) return undefined
    return await originalPlace(entry, payload, inline === null ? dirname(mapPath) : mapPath, event, roots)
  } catch {
    // What was recorded is still true of the generated file.
    return undefined
  }
}

function decodeInline(text: string, isBase64: boolean): string {
  return isBase64 ? Buffer.from(text, 'base64').toString() : decodeURIComponent(text)
}

/** Of the first character that is no white space: indentation belongs to no statement. */
function firstColumn({ text, lineNumber }: Place): number {
  return Math.max(0, (text.split(/\r?\n/)[lineNumber - 1] ?? '').search(/\S/))
}

async function originalPlace(
  { originalSource, originalLine }: { originalSource: string; originalLine: number },
  { sources, sourcesContent, sourceRoot }: SourceMapPayload,
  directory: string,
  event: Event,
  roots: readonly string[],
): Promise<Place> {
  const source = originalSource.startsWith('file:') ? fileURLToPath(originalSource) : originalSource
  const path = isAbsolute(source) ? source : resolve(directory, sourceRoot ?? '', source)
  const content = sourcesContent?.[sources.indexOf(originalSource)]
  if (typeof content === 'string') return { filePath: path, lineNumber: originalLine + 1, text: content }
  return readPlace(path, originalLine + 1, event, roots)
}
