/** What is answered when something is wrong. */
import type { ServerResponse } from 'node:http'
import type { KinescopeErrorCode } from '../../index.js'
import { KinescopeError } from '../errors.js'
import { jsonText } from '../json.js'

const STATUSES: Readonly<Record<KinescopeErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  UNKNOWN_FIELD: 400,
  TYPE_MISMATCH: 400,
  PAGE_TOKEN_INVALID: 400,
  PAGE_TOKEN_EXPIRED: 410,
  NOT_FOUND: 404,
  SOURCE_UNAVAILABLE: 404,
  SUBSCRIPTION_NOT_FOUND: 404,
  CLOSED: 503,
  LOCKED: 503,
  CORRUPT_RECORDING: 500,
  UNSUPPORTED_VERSION: 500,
  RESOURCE_EXHAUSTED: 503,
  IO: 500,
}

/** An error with a status of HTTP that its code alone does not say. */
export class Refusal extends KinescopeError {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: KinescopeErrorCode, message: string, { details = {}, headers = {} }: { details?: Readonly<Record<string, unknown>>; headers?: Readonly<Record<string, string>> } = {}) {
    super(code, message, details)
    this.status = status
    this.headers = headers
  }
}

/** An error as the status and the text of an answer. What is no {@link KinescopeError} is a bug, of which strangers learn nothing. */
export function statusAndText(error: unknown): { status: number; headers: Readonly<Record<string, string>>; text: string } {
  if (!(error instanceof KinescopeError)) {
    process.emitWarning(`serving has failed: ${error instanceof Error ? error.stack : String(error)}`, 'KinescopeWarning')
    return statusAndText(new KinescopeError('IO', 'the request could not be answered'))
  }
  const { code, message, details } = error
  const [status, headers] = error instanceof Refusal ? [error.status, error.headers] : [STATUSES[code], {}]
  return { status, headers, text: `${jsonText({ error: { code, message, details } })}\n` }
}

/** Answers with an error; an answer that has begun is cut off, so that nobody takes it for a whole one. */
export function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    if (!response.writableEnded) response.destroy()
    return
  }
  const { status, headers, text } = statusAndText(error)
  // What the failed answer would have had does not hold for this one.
  for (const name of ['accept-ranges', 'etag', 'content-range']) if (status !== 416) response.removeHeader(name)
  response.writeHead(status, { ...headers, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}
