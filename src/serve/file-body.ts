/** `/v1/events.arrow` and `/v1/events.parquet`: files, whole or by ranges of bytes (RFC 9110, 13 and 14). */
import { awaitNative } from '../native.js'
import type { Answer } from '../query-result.js'
import { exactText } from '../json.js'
import type { Page } from '../pages.js'
import { Refusal } from './errors.js'
import { type Exchange, factsOf, pagesOf, send } from './exchange.js'
import type { Held, SpooledFile } from './files.js'

export type FileFormat = 'arrow' | 'parquet'

const TYPES: Readonly<Record<FileFormat, string>> = { arrow: 'application/vnd.apache.arrow.file', parquet: 'application/vnd.apache.parquet' }
const READ_BYTES = 256 << 10
/** How long asking for the head of a file finds the one that was made before: readers of ranges ask once for each of their threads. */
const READING_MS = 30_000

interface Range {
  readonly first: number
  /** Inclusive. */
  readonly last: number
}

/** Answers with a file, or a part of it. */
export async function sendFile(format: FileFormat, exchange: Exchange): Promise<void> {
  const { request, response, asked } = exchange
  using held = await fileFor(`${format} ${exactText(asked)}`, format, exchange)
  const { file } = held
  const { headers, method } = request
  response.setHeader('ETag', file.tag)
  response.setHeader('Accept-Ranges', 'bytes')
  for (const [name, value] of Object.entries(file.facts)) response.setHeader(name, value)
  if (method !== 'POST' && names(headers['if-none-match'], file)) {
    response.writeHead(304).end()
    return
  }
  const range = method === 'GET' && names(text(headers['if-range']) ?? file.tag, file) ? rangeOf(headers.range, file.size) : undefined
  const { first, last } = range ?? { first: 0, last: file.size - 1 }
  response.writeHead(range === undefined ? 200 : 206, {
    'Content-Type': TYPES[format],
    'Content-Length': last - first + 1,
    ...(range === undefined ? {} : { 'Content-Range': `bytes ${first}-${last}/${file.size}` }),
  })
  if (method !== 'HEAD') {
    for (let at = first; at <= last; ) {
      const chunk = await file.read(at, Math.min(READ_BYTES, last - at + 1))
      at += chunk.length
      await send(exchange, chunk)
    }
  }
  response.end()
}

/**
 * The file that is meant. Whoever names a tag gets that file or none; who asks for a part the one that his query got before; who asks for
 * all, the present.
 *
 * @throws {Refusal} 412.
 */
async function fileFor(key: string, format: FileFormat, exchange: Exchange): Promise<Held> {
  const { files, request } = exchange
  const { headers, method } = request
  const isPart = method === 'GET' && headers.range !== undefined
  const ifMatch = headers['if-match']
  const named = ifMatch ?? (isPart ? text(headers['if-range']) : undefined)
  const known = named === undefined || named.trim() === '*' ? undefined : files.ofTag(key, tags(named))
  if (known !== undefined) return known
  const before = isPart && named === undefined ? files.ofQuery(key) : method === 'HEAD' ? files.ofQuery(key, READING_MS) : undefined
  const held = before ?? (await made(key, format, exchange))
  if (ifMatch === undefined || names(ifMatch, held.file)) return held
  held[Symbol.dispose]()
  throw new Refusal(412, 'INVALID_ARGUMENT', 'If-Match: expected the tag of a file that is still there, got another one', { details: { field: 'If-Match' } })
}

async function made(key: string, format: FileFormat, { scope, asked, gone, files }: Exchange): Promise<Held> {
  const all = pagesOf(scope, asked, gone)
  try {
    const first = (await all.next()).value as Page<unknown>
    return await files.make(key, { facts: factsOf(first.result), bytes: () => bytesOf(format, first, all) })
  } finally {
    await all.return(undefined)
  }
}

async function* bytesOf(format: FileFormat, first: Page<unknown>, others: AsyncGenerator<Page<unknown>>): AsyncGenerator<Uint8Array> {
  const file = (first.result as unknown as Answer).startExport(format)
  for (let page: Page<unknown> | undefined = first; page !== undefined; page = (await others.next()).value as Page<unknown> | undefined) {
    const answer = page.result as unknown as Answer
    const bytes = await answer.exportTo(file)
    page.bytes = bytes.length
    answer.release()
    yield bytes
  }
  yield await awaitNative(() => file.finish())
}

/** Of a header that may not come twice. */
function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header
}

function tags(header: string): string[] {
  return header.match(/(?:W\/)?"[^"]*"/g) ?? []
}

function names(header: string | undefined, file: SpooledFile): boolean {
  return header !== undefined && (header.trim() === '*' || tags(header).includes(file.tag))
}

/**
 * The range that is asked for; undefined for all of it, as for several ranges and for what cannot be understood.
 *
 * @throws {Refusal} 416.
 */
function rangeOf(header: string | undefined, size: number): Range | undefined {
  const [, from, to] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? '') ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const last = from === '' || to === '' ? size - 1 : Math.min(size - 1, Number(to))
  if (first <= last) return { first, last }
  throw new Refusal(416, 'INVALID_ARGUMENT', `Range: expected one within ${size} bytes, got ${header!.trim().slice(0, 60)}`, {
    details: { field: 'Range', size },
    headers: { 'Content-Range': `bytes */${size}` },
  })
}
