/** `examples/service`, recorded, and what the API answers about it: other engines are to find the same. */
import { putUnderLoad } from '../../examples/service/load.mjs'
import { startRiskThread } from '../../examples/service/risk.mjs'
import { createServer } from '../../examples/service/server.mjs'
import { open } from 'kinescope'

const SEGMENT_EVENTS = 2000
const EVENTS_MIN = 2.5 * SEGMENT_EVENTS

/**
 * Records it under load for a second, or as many as it takes to have some segments. When it is closed, all of it lies in sealed segments.
 *
 * @param {string} path
 */
export async function recordExampleService(path) {
  const scope = await open({ path, node: 'shop', segmentEvents: SEGMENT_EVENTS })
  const risk = startRiskThread(scope)
  const server = createServer(scope.recorder, risk.riskOf)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  // On a busy machine it takes longer to get there.
  while (scope.stats().recorded < EVENTS_MIN) await putUnderLoad({ url, seconds: 1, progress: () => 'the example service is under load', out: process.stderr })
  await server.close()
  await risk.stop()
  await scope.close()
}

/**
 * @param {string} path
 * @returns Per event type its events; per function its calls and what they took in all; distinct traces.
 */
export async function totalsOfService(path) {
  const scope = await open({ path, mode: 'read' })
  const { dataAccess } = scope
  const { totalMatches } = await dataAccess.queryEvents({ limit: 0 })
  const rows = async (options) => (await dataAccess.aggregateEvents(options)).rows().map((row) => Object.values(row))
  const totals = {
    totalMatches,
    types: await rows({ groupBy: ['eventType'], aggregations: { n: { count: '*' } }, orderBy: [{ field: 'eventType' }] }),
    functions: await rows({
      groupBy: ['module', 'function'],
      aggregations: { calls: { count: '*' }, ns: { sum: 'data.duration_ns' } },
      filters: { eventTypes: ['function_exit'] },
      orderBy: [{ field: 'module' }, { field: 'function' }],
    }),
    traces: (await rows({ aggregations: { n: { countDistinct: 'correlationId' } } }))[0][0],
  }
  await scope.close()
  return totals
}
