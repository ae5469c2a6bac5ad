/** The example's HTTP service. Each request is a logical process with a trace of its own. */
import { randomUUID } from 'node:crypto'
import fastify from 'fastify'
import { createShop } from './shop.mjs'

/**
 * @param {import('kinescope').Recorder} recorder
 * @param {(order: object) => Promise<number>} riskOf
 */
export function createServer(recorder, riskOf) {
  const server = fastify({ forceCloseConnections: true })
  const shop = createShop((module, fn) => recorder.wrap(fn, { module, captureResult: true }), riskOf)
  let requests = 0

  /** Registers a route whose handler is recorded with its input, in a context of its own. */
  const route = (method, url, handle) => {
    const handler = recorder.wrap(async (input) => handle(input), { module: 'http', function: `${method} ${url}`, arity: 1 })
    server.route({
      method,
      url,
      handler: (request) => {
        const context = { pid: `request-${++requests}`, correlationId: randomUUID(), tags: { route: url } }
        return recorder.run(context, () => handler({ ...request.params, ...request.query, ...request.body }))
      },
    })
  }

  route('GET', '/products/:name', ({ name }) => shop.loadProduct(name))
  route('GET', '/search', ({ text }) => shop.search(text))
  route('POST', '/quotes', (order) => shop.quote(order))
  route('POST', '/orders', (order) => shop.placeOrder(order))
  return server
}
