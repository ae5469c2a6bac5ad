/** What can be asked for, and where. */
import type { AggregateOptions } from '../../index.js'
import { sendStream } from './arrow-body.js'
import { Refusal } from './errors.js'
import { type Exchange, sendJson, type Serving } from './exchange.js'
import { sendFile } from './file-body.js'
import { sendLive } from './live.js'
import { LIVE_PARAMETERS, optionsOf, QUERY_PARAMETERS } from './request.js'

interface Route {
  readonly methods: readonly string[]
  readonly parameters: Parameters<typeof optionsOf>[2]
  send(exchange: Exchange): Promise<void>
}

const READ = ['GET', 'HEAD']
const ASK = [...READ, 'POST']

const ROUTES: ReadonlyMap<string, Route> = new Map([
  ['/v1/events.arrows', { methods: ASK, parameters: QUERY_PARAMETERS, send: sendStream }],
  ['/v1/events.arrow', { methods: ASK, parameters: QUERY_PARAMETERS, send: (exchange) => sendFile('arrow', exchange) }],
  ['/v1/events.parquet', { methods: ASK, parameters: QUERY_PARAMETERS, send: (exchange) => sendFile('parquet', exchange) }],
  ['/v1/live', { methods: ASK, parameters: LIVE_PARAMETERS, send: sendLive }],
  ['/v1/describe', { methods: READ, parameters: {}, send: async (exchange) => sendJson(exchange, await exchange.scope.dataAccess.describe()) }],
  ['/v1/aggregate', { methods: ['POST'], parameters: {}, send: sendAggregate }],
] satisfies [string, Route][])

/**
 * Answers a request that may be answered.
 *
 * @throws {KinescopeError} Whatever is wrong with it.
 */
export async function answer(serving: Serving, { request, response, gone }: Pick<Exchange, 'request' | 'response' | 'gone'>): Promise<void> {
  const target = request.url ?? ''
  // Only the path counts: whatever host a target names is none of ours.
  const url = target.startsWith('/') && URL.canParse(`http://localhost${target}`) ? new URL(`http://localhost${target}`) : undefined
  const route = url === undefined ? undefined : ROUTES.get(url.pathname)
  if (url === undefined || route === undefined) {
    const paths = [...ROUTES.keys()]
    throw new Refusal(404, 'NOT_FOUND', `path: expected one of ${paths.join(', ')}, got ${JSON.stringify((url?.pathname ?? target).slice(0, 100))}`, { details: { paths } })
  }
  if (!route.methods.includes(request.method ?? '')) {
    throw new Refusal(405, 'INVALID_ARGUMENT', `method: expected ${route.methods.join(', ')}, got ${request.method}`, { details: { field: 'method' }, headers: { Allow: route.methods.join(', ') } })
  }
  const asked = await optionsOf(request, url.searchParams, route.parameters, serving.options.maxBodyBytes)
  await route.send({ ...serving, request, response, gone, asked })
}

async function sendAggregate(exchange: Exchange): Promise<void> {
  const { scope, asked, gone } = exchange
  const filters = asked['filters'] ?? {}
  // What is no object is refused as it came.
  const cancelled = typeof filters === 'object' && filters !== null && !Array.isArray(filters) ? { ...filters, signal: gone } : filters
  using groups = await scope.dataAccess.aggregateEvents({ ...asked, filters: cancelled } as unknown as AggregateOptions)
  const { quantileError, snapshot, lost } = groups
  sendJson(exchange, { rows: groups.rows(), quantileError, snapshot, lost })
}
