/** What `kinescope/export` exports; `export.d.ts` at the root is its contract. */
export { eventsOf } from './events.js'
export { toOtlpLogs } from './otlp-logs.js'
export { toOtlpTraces } from './otlp.js'
export { toPerfetto } from './perfetto.js'
export { toSpeedscope } from './speedscope.js'
