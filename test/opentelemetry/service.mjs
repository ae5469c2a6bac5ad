/**
 * An HTTP service with OpenTelemetry's own instrumentation, which records three requests into its in-memory exporter and into
 * Kinescope; prints both. `node service.mjs <major version of the SDK>`.
 */
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { open } from 'kinescope'
import { eventsOf, toOtlpLogs, toOtlpTraces } from 'kinescope/export'
import { KinescopeLogRecordProcessor, KinescopeSpanProcessor } from 'kinescope/opentelemetry'

const major = Number(process.argv[2])
const require = createRequire(new URL(`sdk-${major}/`, import.meta.url))
const api = require('@opentelemetry/api')
const trace = require(major >= 3 ? '@opentelemetry/sdk-trace' : '@opentelemetry/sdk-trace-base')
const { JsonLogsSerializer, JsonTraceSerializer } = require('@opentelemetry/otlp-transformer')
const sdkLogs = require('@opentelemetry/sdk-logs')
const { resourceFromAttributes, Resource } = require('@opentelemetry/resources')

const scope = await open({ node: 'shop' })
const kinescope = new KinescopeSpanProcessor(scope)
const logProcessor = new KinescopeLogRecordProcessor(scope, { spans: kinescope })
const exporter = new trace.InMemorySpanExporter()
const logExporter = new sdkLogs.InMemoryLogRecordExporter()
const { provider, loggerProvider } = setUp()
const tracer = provider.getTracer('shop', '1.2.3')
const logger = loggerProvider.getLogger('shop-log')

const server = await (major >= 3 ? express() : fastify())
const url = `http://127.0.0.1:${server.address().port}`
// fetch is not instrumented: the first request comes from elsewhere, the others from a span of this process.
await fetch(`${url}/orders/7`, { headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } })
await Promise.all([request('/orders/8'), request('/broken')])
server.close()
await once(server, 'close')
await provider.forceFlush()
await kinescope.forceFlush()

const events = (await scope.dataAccess.queryEvents({ limit: 10_000 })).toArray()
const output = {
  spans: exporter.getFinishedSpans().map(factsOf),
  logs: logExporter.getFinishedLogRecords().map(({ hrTime, severityNumber, body, attributes, spanContext }) => ({ hrTime, severityNumber, body, attributes, spanContext })),
  events,
  stats: kinescope.stats(),
  otlp: {
    traces: linesOf(JsonTraceSerializer.serializeRequest(exporter.getFinishedSpans())),
    exportedTraces: linesOf(await textOf(toOtlpTraces(eventsOf(scope.dataAccess)))),
    logs: linesOf(JsonLogsSerializer.serializeRequest(logExporter.getFinishedLogRecords())),
    exportedLogs: linesOf(await textOf(toOtlpLogs(eventsOf(scope.dataAccess)))),
  },
}
console.log(JSON.stringify(output, (_, value) => (typeof value === 'bigint' ? String(value) : value)))
await provider.shutdown()
await scope.close()

async function textOf(pieces) {
  let text = ''
  for await (const piece of pieces) text += piece
  return text
}

/** Requests in OTLP JSON, one a line. */
function linesOf(json) {
  return (typeof json === 'string' ? json : new TextDecoder().decode(json)).trimEnd().split('\n').map((line) => JSON.parse(line))
}

/** Makes the providers global, as an SDK's set-up does, and loads the instrumentation. */
function setUp() {
  const attributes = { 'service.name': 'shop-service' }
  const resource = major >= 2 ? resourceFromAttributes(attributes) : new Resource(attributes)
  const exporting = major >= 3 ? new trace.SimpleSpanProcessor({ exporter }) : new trace.SimpleSpanProcessor(exporter)
  const Provider = major >= 3 ? trace.TracerProvider : trace.BasicTracerProvider
  const tracerProvider = new Provider({ resource, spanProcessors: [kinescope, exporting] })
  const exportingLogs = major >= 3 ? new sdkLogs.SimpleLogRecordProcessor({ exporter: logExporter }) : new sdkLogs.SimpleLogRecordProcessor(logExporter)
  const logs = new sdkLogs.LoggerProvider({ resource, processors: [logProcessor, exportingLogs] })
  if (major === 1) for (const processor of [logProcessor, exportingLogs]) logs.addLogRecordProcessor(processor)
  api.trace.setGlobalTracerProvider(tracerProvider)
  api.context.setGlobalContextManager(new (require('@opentelemetry/context-async-hooks').AsyncLocalStorageContextManager)().enable())
  api.propagation.setGlobalPropagator(new (require('@opentelemetry/core').W3CTraceContextPropagator)())
  const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
  const instrumentations = [new HttpInstrumentation()]
  if (major >= 3) instrumentations.push(new (require('@opentelemetry/instrumentation-express').ExpressInstrumentation)())
  else instrumentations.push(new (require('@opentelemetry/instrumentation-fastify').FastifyInstrumentation)())
  for (const instrumentation of instrumentations) instrumentation.setTracerProvider(tracerProvider)
  return { provider: tracerProvider, loggerProvider: logs }
}

async function fastify() {
  const app = createRequire(import.meta.url)('fastify')({ forceCloseConnections: true })
  app.addHook('onRequest', async () => {})
  app.get('/orders/:id', async ({ params }) => order(params.id))
  app.get('/broken', async () => broken())
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server
}

async function express() {
  const app = require('express')()
  app.get('/orders/:id', async ({ params }, response) => response.json(await order(params.id)))
  app.get('/broken', async () => broken())
  app.use((error, _request, response, _next) => response.status(500).end(error.message))
  const listening = app.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  return listening
}

/** Two spans at once, one in the other, with events, links, a log record, and one that outlives its parent. */
async function order(id) {
  return tracer.startActiveSpan('order', { attributes: { 'order.id': id, 'order.tags': ['a', 'b'], 'code.function': 'order', 'code.filepath': 'shop.js', 'code.lineno': 7 } }, async (span) => {
    const prices = ['tea', 'cup'].map((product) => tracer.startActiveSpan('price', { kind: api.SpanKind.CLIENT, links: [{ context: span.spanContext() }] }, async (inner) => {
      inner.addEvent('cache miss', { product })
      logger.emit({ severityNumber: 9, severityText: 'INFO', body: `price of ${product}`, attributes: { product } })
      await new Promise((resolve) => void setTimeout(resolve, 3))
      inner.setAttribute('price', product === 'tea' ? 9.5 : 12)
      inner.setStatus({ code: api.SpanStatusCode.OK })
      inner.end()
    }))
    await Promise.all(prices)
    const late = tracer.startSpan('late')
    span.updateName('order placed')
    span.end()
    late.end()
    return { id }
  })
}

async function broken() {
  return tracer.startActiveSpan('broken', (span) => {
    const error = new RangeError('no such order')
    span.recordException(error)
    span.setStatus({ code: api.SpanStatusCode.ERROR, message: 'no luck' })
    span.end()
    throw error
  })
}

/** Asks with the instrumented client, inside of a span. */
function request(path) {
  return tracer.startActiveSpan(`ask ${path}`, (span) => new Promise((resolve, reject) => {
    require('node:http').get(url + path, { agent: false }, (response) => {
      response.resume().on('end', () => {
        span.end()
        resolve(undefined)
      })
    }).on('error', reject)
  }))
}

function factsOf(span) {
  const { name, kind, status, attributes, startTime, endTime, duration, links, events: own } = span
  const { traceId, spanId } = span.spanContext()
  const parentSpanId = span.parentSpanContext?.spanId ?? span.parentSpanId
  const scopeName = (span.instrumentationScope ?? span.instrumentationLibrary).name
  const simple = own.map((event) => ({ name: event.name, time: event.time, attributes: event.attributes }))
  return { traceId, spanId, parentSpanId, name, kind, status, attributes, startTime, endTime, duration, scopeName, links: links.map((link) => link.context.spanId), events: simple }
}
