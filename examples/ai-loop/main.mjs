/**
 * What an AI loop asks of a recording: where the time goes, what goes wrong, and one whole trace as a sequence to learn from.
 * Records the example service under load for a few seconds first. Prints one JSON object a line; people are told on stderr.
 */
import { open } from 'kinescope'
import { putUnderLoad } from '../service/load.mjs'
import { startRiskThread } from '../service/risk.mjs'
import { createServer } from '../service/server.mjs'

const SECONDS = Number(process.env.DEMO_SECONDS ?? 2)

const scope = await open({ node: 'shop' })
const { dataAccess } = scope
await recordService()

print('latency', await latencyPerFunction())
print('errors', await errorGroups())
const [slowest] = await dataAccess.queryEvents({ mfa: { module: 'http' }, eventTypes: ['function_exit'], sortBy: 'data.duration_ns', sortOrder: 'desc', limit: 1 })
for (const step of await trainingSequence(slowest.correlationId)) print('step', step)
await scope.close()

async function recordService() {
  const risk = startRiskThread(scope)
  const server = createServer(scope.recorder, risk.riskOf)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  await putUnderLoad({ url, seconds: SECONDS, progress: () => `${scope.stats().recorded} events`, out: process.stderr })
  await server.close()
  await risk.stop()
  await scope.flush()
}

/** Functions by their 95th percentile, slowest first; the sketch's relative error goes with it. */
async function latencyPerFunction() {
  const groups = await dataAccess.aggregateEvents({
    groupBy: ['module', 'function'],
    aggregations: { calls: { count: '*' }, p95Ns: { quantile: 'data.duration_ns', q: 0.95 } },
    filters: { eventTypes: ['function_exit'] },
    orderBy: [{ field: 'p95Ns', order: 'desc' }],
    limit: 10,
  })
  const latency = { relativeError: groups.quantileError, functions: groups.rows() }
  groups.release()
  return latency
}

/** How calls ended that did not end well, with one event of each kind to look at. */
async function errorGroups() {
  const groups = await dataAccess.aggregateEvents({
    groupBy: ['module', 'function', 'data.exception.error_type'],
    aggregations: { count: { count: '*' }, lastSeq: { max: 'seq' } },
    filters: { where: { 'data.exit_reason': { in: ['throw', 'reject'] } } },
    orderBy: [{ field: 'count', order: 'desc' }],
    limit: 10,
  })
  const rows = groups.rows()
  groups.release()
  const examples = rows.map(async ({ lastSeq, ...group }) => {
    const [{ eventId, correlationId, data }] = await dataAccess.queryEvents({ where: { seq: lastSeq } })
    return { ...group, example: { eventId, correlationId, message: data.exception?.message } }
  })
  return Promise.all(examples)
}

/** A trace in the order of time, each event with what it needs to be understood by itself, and no more. */
async function trainingSequence(correlationId) {
  const trace = await dataAccess.getTraceByCorrelationId(correlationId)
  const events = trace.toArray()
  trace.release()
  const startedAt = events[0].timestamp
  const place = new Map(events.map(({ eventId }, index) => [eventId, index]))
  return events.map(({ eventType, module, function: fn, parentId, timestamp, data }) => ({
    atUs: Number(timestamp - startedAt) / 1000,
    type: eventType,
    call: module === null ? null : `${module}.${fn}`,
    parent: place.get(parentId) ?? null,
    data,
  }))
}

function print(kind, value) {
  console.log(JSON.stringify({ kind, value }, (_, part) => (typeof part === 'bigint' ? String(part) : part)))
}
