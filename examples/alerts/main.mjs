/**
 * Alerts out of a subscription: bursts of errors, and calls that take longer than they may, per function. With each alert
 * comes the whole trace that set it off. Watches the example service under load for a few seconds; prints one JSON object a
 * line, people are told on stderr.
 */
import { open } from 'kinescope'
import { putUnderLoad } from '../service/load.mjs'
import { startRiskThread } from '../service/risk.mjs'
import { createServer } from '../service/server.mjs'

const SECONDS = Number(process.env.DEMO_SECONDS ?? 5)
/** So many errors of one function within so long are a burst. */
const BURST = { errors: 5, withinNs: 1_000_000_000n }
/** What a call may take. */
const SLOW_NS = 5_000_000
/** The same alert of the same function is not repeated for so long. */
const QUIET_NS = 1_000_000_000n

const scope = await open({ node: 'shop' })
/** By function: when its last errors were, and when it last set off each kind of alert. */
const watched = new Map()
let isServiceOver = false
const watching = watch()
await runService()
isServiceOver = true
// One more event, so that there is a batch after the end.
scope.recorder.record({ eventType: 'log', data: { message: 'the service is over' } })
await watching
await scope.close()

/** Alerts until the service is over and everything that it recorded has been looked at. */
async function watch() {
  const calls = scope.eventStreamer.subscribe({
    eventTypes: ['function_exit'],
    where: { or: [{ 'data.duration_ns': { gt: SLOW_NS } }, { 'data.exit_reason': { in: ['throw', 'reject'] } }] },
    // Nothing but this leaves the recording: numbers and names, no payload.
    projection: ['timestamp', 'module', 'function', 'correlationId', { field: 'data.duration_ns', as: 'i64' }, { field: 'data.exit_reason', as: 'utf8' }],
    batchTimeoutMs: 20,
    progressIntervalMs: 100,
  })
  let seen = 0
  for await (const batch of calls) {
    if (batch.gap !== undefined) print('missed', { count: batch.gap.count, cause: batch.gap.cause })
    for (const call of batch) {
      seen += 1
      for (const kind of kindsOf(call)) await alert(kind, call)
    }
    batch.release()
    if (isServiceOver && batch.caughtUp) break
  }
  console.error(`${seen} calls were slow or failed`)
}

/** The alerts that a call sets off. */
function kindsOf({ timestamp, module, function: name, ...call }) {
  const key = `${module}.${name}`
  const state = watched.get(key) ?? { errors: [], alerted: {} }
  watched.set(key, state)
  const kinds = []
  if (call['data.duration_ns'] > SLOW_NS) kinds.push('slow')
  if (call['data.exit_reason'] !== 'normal') {
    state.errors = [...state.errors.filter((at) => timestamp - at < BURST.withinNs), timestamp]
    if (state.errors.length >= BURST.errors) kinds.push('burst')
  }
  const isNew = (kind) => state.alerted[kind] === undefined || timestamp - state.alerted[kind] >= QUIET_NS
  return kinds.filter((kind) => isNew(kind) && (state.alerted[kind] = timestamp) !== undefined)
}

/** Tells of it, with the trace as it is by now; its last events may still be to come. */
async function alert(kind, call) {
  const trace = await scope.dataAccess.getTraceByCorrelationId(call.correlationId)
  const events = trace.toArray()
  trace.release()
  const startedAt = events[0].timestamp
  const calls = events
    .filter(({ eventType }) => eventType === 'function_exit')
    .map(({ module, function: name, timestamp, data }) => ({
      call: `${module}.${name}`,
      endedAtMs: Number(timestamp - startedAt) / 1e6,
      ms: data.duration_ns / 1e6,
      ended: data.exit_reason,
      error: data.exception?.message,
    }))
  print(kind, { call: `${call.module}.${call.function}`, ms: call['data.duration_ns'] / 1e6, correlationId: call.correlationId, events: events.length, calls })
}

async function runService() {
  const risk = startRiskThread(scope)
  const server = createServer(scope.recorder, risk.riskOf)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  await putUnderLoad({ url, seconds: SECONDS, progress: () => `${scope.stats().recorded} events`, out: process.stderr })
  // An incident: many ask at once for what is not there.
  await Promise.all(Array.from({ length: BURST.errors }, () => fetch(`${url}/products/unicorn`)))
  await server.close()
  await risk.stop()
  await scope.flush()
}

function print(kind, value) {
  console.log(JSON.stringify({ kind, ...value }))
}
