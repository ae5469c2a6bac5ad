/** Asks a server as programs do that know HTTP and nothing else. */
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Table, tableFromIPC } from 'apache-arrow'
import type { Kinescope, KinescopeServer } from 'kinescope'

export interface Asked {
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
  /** Default: that of the server. */
  token?: string | null
}

export interface Answered {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** The body as JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse has it
  json: any
}

/** The answer's head; its body is not read. */
export async function started({ port, token: own }: KinescopeServer, path: string, { method = 'GET', headers = {}, body, token = own }: Asked = {}): Promise<IncomingMessage> {
  const authorization = token === null ? {} : { Authorization: `Bearer ${token}` }
  const length = body === undefined || 'Transfer-Encoding' in headers ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
  const asking = request({ host: '127.0.0.1', port, path, method, agent: false, headers: { ...authorization, ...length, ...headers } })
  asking.end(body)
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  return response
}

export async function ask(server: KinescopeServer, path: string, asked?: Asked): Promise<Answered> {
  const response = await started(server, path, asked)
  const body = await bytesOf(response)
  const isJson = response.headers['content-type'] === 'application/json' && body.length > 0
  return { status: response.statusCode!, headers: response.headers, body, json: isJson ? JSON.parse(body.toString()) : undefined }
}

/** Everything that is left of an answer. @throws When it breaks off. */
export async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  if (!response.complete) throw new Error('the answer has broken off')
  return Buffer.concat(chunks)
}

export async function tableOf(server: KinescopeServer, path: string, asked?: Asked): Promise<Table> {
  const { status, body } = await ask(server, path, asked)
  if (status !== 200) throw new Error(body.toString())
  return tableFromIPC(body)
}

/** Rows with lists of entries for maps, so that tables can be compared. */
export function rowsOf(table: Table): unknown[] {
  const plain = (value: unknown): unknown => (value !== null && typeof value === 'object' ? [...(value as Iterable<[string, string]>)] : value)
  return table.toArray().map((row) => Object.fromEntries(Object.entries(row!.toJSON() as object).map(([name, value]) => [name, plain(value)])))
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 30_000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('it did not come about')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Waits until nothing of any result is held, what only awaits the garbage collector left out. */
export function untilNothingIsLeased(scope: Kinescope): Promise<void> {
  return until(() => {
    gc()
    return scope.stats().leasedBytes === 0
  })
}

/** JSON of what has bigints, -0 and Dates. */
export function json(value: unknown): string {
  if (typeof value === 'bigint') return String(value)
  if (Object.is(value, -0)) return '-0'
  if (Array.isArray(value)) return `[${value.map(json).join(',')}]`
  if (typeof value !== 'object' || value === null || value instanceof Date) return JSON.stringify(value)
  return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${json(item)}`).join(',')}}`
}
