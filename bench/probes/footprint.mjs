/** Bytes of memory that a stored event takes, indexes and dictionaries included. */
import { finish, openForTiming } from '../lib/scope.mjs'

const EVENTS = 2_500_000
const BATCH = 5_000
const CALLS_PER_REQUEST = 25

/**
 * Entries and exits of functions of 14 filled columns: all but `tags`, and `file` and `line` of every other function. Requests
 * have traces and logical processes of their own.
 *
 * @returns {Promise<Record<string, number>>} `bytes` for an event.
 */
export async function measure() {
  const scope = await openForTiming({ retention: { maxBytes: 4 * 2 ** 30 } })
  const { recorder } = scope
  const sites = Array.from({ length: 200 }, (_, index) => {
    const place = index % 2 === 0 ? { file: `src/module-${index % 20}.js`, line: index + 1 } : {}
    return recorder.site({ module: `module-${index % 20}`, function: `function_${index}`, arity: index % 4, ...place })
  })
  for (let events = 0, request = 0; events < EVENTS; request++) {
    recorder.run({ pid: `request-${request}`, correlationId: `trace-${request}` }, () => {
      for (let call = 0; call < CALLS_PER_REQUEST; call++) {
        recorder.exit(recorder.enter(sites[(request + call * 7) % sites.length], { args: [call, request % 1_000] }))
      }
    })
    events += CALLS_PER_REQUEST * 2
    if (events % BATCH === 0) await scope.flush()
  }
  const { memoryBytes, stored, evicted } = scope.stats()
  if (evicted > 0) throw new Error(`retention has evicted ${evicted} events`)
  return { bytes: memoryBytes / stored, ...(await finish(scope)) }
}
