/** The server: `serve` of the contract. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIPv6, type Socket } from 'node:net'
import type { Kinescope, KinescopeServer, ServeOptions } from '../../index.js'
import { closedError, KinescopeError } from '../errors.js'
import { answerError, Refusal, statusAndText } from './errors.js'
import { goneError, type Serving } from './exchange.js'
import { Files } from './files.js'
import { Guard } from './guard.js'
import { type ResolvedServe, resolveServe } from './options.js'
import { answer } from './routes.js'

const HEADERS = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
}
const CHECK_INTERVAL_MS_MAX = 1000
/** Connections for each request that may run: those that only wait cost little, and are not without limit either. */
const CONNECTIONS_PER_REQUEST = 16
const RETRY_AFTER_SECONDS = '1'

/** What the recording needs of a server of its own. */
export interface OwnServer extends KinescopeServer {
  /** Ends it when the recording has ended: what follows the log gets its end first. */
  finish(): Promise<void>
}

/**
 * Serves a recording.
 *
 * @param ended Called once, when it has ended.
 * @throws {KinescopeError} `INVALID_ARGUMENT`, `IO`.
 */
export async function startServer(scope: Kinescope, given: ServeOptions, ended: (server: OwnServer) => void): Promise<OwnServer> {
  const options = resolveServe(given)
  const { requestTimeoutMs } = options
  const http = createServer({
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS_MAX, Math.ceil(requestTimeoutMs / 2)),
  })
  http.maxConnections = options.maxRequests * CONNECTIONS_PER_REQUEST
  http.listen(options.port, options.host)
  try {
    await once(http, 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new KinescopeError('IO', `${options.host}:${options.port} cannot be listened at: ${message}`, { systemCode: code })
  }
  return new Served(http, scope, options, ended)
}

class Served implements OwnServer {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly #http: Server
  readonly #options: ResolvedServe
  readonly #serving: Serving
  readonly #guard: Guard
  readonly #files: Files
  readonly #closing = new AbortController()
  readonly #sockets = new Set<Socket>()
  readonly #ended: (server: OwnServer) => void
  #running = 0
  #isReferenced = true
  #isEnding = false
  #end: Promise<void> | undefined

  constructor(http: Server, scope: Kinescope, options: ResolvedServe, ended: (server: OwnServer) => void) {
    this.#http = http
    this.#options = options
    this.#ended = ended
    this.#files = new Files(options)
    this.#serving = { scope, options, files: this.#files, closing: this.#closing.signal }
    this.host = options.host
    this.port = (http.address() as AddressInfo).port
    this.url = `http://${isIPv6(this.host) ? `[${this.host}]` : this.host}:${this.port}`
    this.#guard = new Guard({ ...options, port: this.port })
    http.on('connection', (socket) => this.#connected(socket))
    http.on('request', (request, response) => void this.#answer(request, response))
    http.on('error', (error) => process.emitWarning(`serving has failed: ${error.message}`, 'KinescopeWarning'))
    http.on('clientError', (error, socket) => refuse(error, socket as Socket))
  }

  /** No field, so that nobody prints it who prints the server. */
  get token(): string {
    return this.#options.token
  }

  close(): Promise<void> {
    this.#closing.abort()
    return this.finish()
  }

  finish(): Promise<void> {
    this.#end ??= this.#ending()
    return this.#end
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  ref(): this {
    this.#isReferenced = true
    this.#http.ref()
    for (const socket of this.#sockets) socket.ref()
    return this
  }

  unref(): this {
    this.#isReferenced = false
    this.#http.unref()
    for (const socket of this.#sockets) socket.unref()
    return this
  }

  #connected(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (!this.#isReferenced) socket.unref()
  }

  /** Never throws. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort(goneError()))
    // Whoever goes on sending when the answer has been decided is not listened to, and no error of his connection is ours.
    response.on('error', () => {})
    request.on('error', () => {})
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    try {
      this.#guard.check(request)
      if (this.#isEnding) throw closedError('the server')
      this.#limit(response)
      await answer(this.#serving, { request, response, gone: gone.signal })
    } catch (error) {
      if (!gone.signal.aborted && request.errored === null) answerError(response, error)
    }
  }

  #limit(response: ServerResponse): void {
    const { maxRequests } = this.#options
    if (this.#running >= maxRequests) {
      throw new Refusal(429, 'RESOURCE_EXHAUSTED', `requests: expected at most ${maxRequests} at a time, got more`, { details: { maxRequests }, headers: { 'Retry-After': RETRY_AFTER_SECONDS } })
    }
    this.#running += 1
    response.once('close', () => {
      this.#running -= 1
      if (this.#isEnding) this.#http.closeIdleConnections()
    })
  }

  async #ending(): Promise<void> {
    this.#isEnding = true
    const closed = once(this.#http, 'close')
    this.#http.close()
    this.#http.closeIdleConnections()
    const bound = setTimeout(() => this.#http.closeAllConnections(), this.#options.closeTimeoutMs)
    await closed
    clearTimeout(bound)
    this.#files.close()
    this.#ended(this)
  }
}

/** What does not even become a request: too slow, too large, or no HTTP. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const { status, reason, message } = REFUSALS[error.code ?? ''] ?? { status: 400, reason: 'Bad Request', message: 'request: expected HTTP/1.1, got something else' }
  const code = status === 408 ? 'RESOURCE_EXHAUSTED' : 'INVALID_ARGUMENT'
  const { text } = statusAndText(new Refusal(status, code, message))
  const head = { ...HEADERS, Connection: 'close', 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n${text}`, () => socket.destroy())
}

const REFUSALS: Readonly<Record<string, { status: number; reason: string; message: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, reason: 'Request Timeout', message: 'request: expected all of it sooner' },
  HPE_HEADER_OVERFLOW: { status: 431, reason: 'Request Header Fields Too Large', message: 'headers: expected at most 16384 bytes, got more' },
}
