/** Records a service under load for a few seconds, in memory, and shows what the recording knows about it. */
import { open } from 'kinescope'
import { measureCost } from './cost.mjs'
import { putUnderLoad } from './load.mjs'
import { callTree, firstRows } from './report.mjs'
import { startRiskThread } from './risk.mjs'
import { createServer } from './server.mjs'

const SECONDS = Number(process.env.DEMO_SECONDS ?? 5)

const scope = await open({ node: 'shop' })
const risk = startRiskThread(scope)
const server = createServer(scope.recorder, risk.riskOf)
const url = await server.listen({ port: 0, host: '127.0.0.1' })

const started = performance.now()
const secondsSoFar = () => ((performance.now() - started) / 1000).toFixed(1)
const load = await putUnderLoad({
  url,
  seconds: SECONDS,
  progress: () => `${secondsSoFar()} s: ${scope.stats().recorded.toLocaleString('en')} events recorded`,
})
await server.close()
await risk.stop()
await scope.flush()

const { recorded, lost, memoryBytes } = scope.stats()
const lostCount = Object.values(lost).reduce((sum, count) => sum + count, 0)
console.log(`${load.requests.total.toLocaleString('en')} requests in ${SECONDS} s: ${load['4xx']} refused, ${load['5xx']} failed`)
console.log(`${recorded.toLocaleString('en')} events recorded, ${lostCount} lost, ${(memoryBytes / 2 ** 20).toFixed(1)} MiB`)

const requests = { eventTypes: ['function_exit'], mfa: { module: 'http' } }
const [slowest] = await scope.dataAccess.queryEvents({ ...requests, sortBy: 'data.duration_ns', sortOrder: 'desc', limit: 1 })
const trace = await scope.dataAccess.getTraceByCorrelationId(slowest.correlationId)
console.log(`\nThe slowest request, ${slowest.pid}, trace ${slowest.correlationId}:\n`)
console.log(callTree(trace).join('\n'))

console.log(`\nThe first rows of its ${trace.table.numRows}, from the Arrow table:\n`)
const widths = { seq: 9, timestamp: 16, event_type: 15, pid: 14, module: 8, function: 14, parent_id: 18, data: 60 }
console.log(firstRows(trace.table, 8, widths).join('\n'))
trace.release()
await scope.close()

// A recording of its own, so that the numbers above speak of the service alone.
const calibration = await open()
const { syncNs, asyncNs } = await measureCost(calibration)
await calibration.close()
const eventsPerSecond = recorded / SECONDS
const share = (nanoseconds) => `${((eventsPerSecond * nanoseconds) / 1e7).toFixed(1)} %`
console.log(`
What an event costs the thread that records it, arguments and results captured: ${syncNs.toFixed(0)} ns of a synchronous call,
${asyncNs.toFixed(0)} ns of an asynchronous one. Measured just now: the same small function called bare and wrapped, in turns, the
median difference, halved because a call is two events. At this run's ${Math.round(eventsPerSecond).toLocaleString('en')} events/s that is ${share(syncNs)} to ${share(asyncNs)} of a core.`)
