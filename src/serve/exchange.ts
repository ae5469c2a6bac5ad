/** A request and its answer, as routes use them. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kinescope, QueryOptions, QueryResult } from '../../index.js'
import { KinescopeError } from '../errors.js'
import { jsonText } from '../json.js'
import { type Page, pages } from '../pages.js'
import type { Files } from './files.js'
import type { ResolvedServe } from './options.js'
import type { Options } from './request.js'

/** What a page of an answer may take: what a client that does not read keeps waiting is not much more. */
const PAGE_BYTES = 4 << 20

/** What all requests of a server share. */
export interface Serving {
  readonly scope: Kinescope
  readonly options: ResolvedServe
  readonly files: Files
  /** Aborted when what follows the log is to come to an end. */
  readonly closing: AbortSignal
}

/** One request, checked and with its options read. */
export interface Exchange extends Serving {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** What it asks for; the API says whether that can be asked. */
  readonly asked: Options
  /** Aborted when the client has gone, or the answer is complete. */
  readonly gone: AbortSignal
}

/** Hands a piece of the answer over; waits until the client has taken enough to take more. */
export async function send({ response, gone }: Pick<Exchange, 'response' | 'gone'>, chunk: Uint8Array): Promise<void> {
  gone.throwIfAborted()
  if (chunk.length > 0 && !response.write(chunk)) await once(response, 'drain', { signal: gone })
}

/** Answers with JSON, in which integers have all of their digits. */
export function sendJson({ response }: Pick<Exchange, 'response'>, value: unknown): void {
  const text = `${jsonText(value)}\n`
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}

/** All pages of a query, fetched as they are asked for. */
export function pagesOf(scope: Kinescope, query: QueryOptions, signal: AbortSignal): AsyncGenerator<Page<unknown>> {
  return pages(scope, { ...query, signal }, { pageBytes: PAGE_BYTES })
}

/** What an answer says of itself in its head. */
export function factsOf({ snapshot, totalMatches, lost }: Pick<QueryResult, 'snapshot' | 'totalMatches' | 'lost'>): Record<string, string> {
  return { 'X-Kinescope-Snapshot': String(snapshot), 'X-Kinescope-Total-Matches': String(totalMatches), 'X-Kinescope-Lost': String(lost.count) }
}

/** The reason of a signal that says that nobody waits for an answer. */
export function goneError(): KinescopeError {
  return new KinescopeError('CLOSED', 'the client has gone')
}
