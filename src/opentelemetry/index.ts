/** What `kinescope/opentelemetry` exports; `opentelemetry.d.ts` at the root is its contract. */
export { KinescopeLogRecordProcessor } from './log-record-processor.js'
export { KinescopeSpanProcessor } from './span-processor.js'
