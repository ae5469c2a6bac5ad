/** Traces to have something to compute of. */

const CALLS = 24
const EVENTS_PER_TRACE = 2 * CALLS + 2
const FUNCTIONS = 200
/** One call of so many traces fails. */
const FAILS_EVERY = 50

/** Records so many events, of traces with 50 each. */
export function recordTraces(recorder, events) {
  const sites = Array.from({ length: FUNCTIONS }, (_, n) => recorder.site({ module: `module-${n % 20}`, function: `function_${n}`, arity: 1 }))
  const log = recorder.define('log', { attempt: 'i64', amount: 'f64' })
  const error = new Error('the payment was refused')
  for (let trace = 0; trace * EVENTS_PER_TRACE < events; trace++) {
    recorder.run({ pid: `request-${trace}`, correlationId: `trace-${trace}` }, () => {
      const calls = Array.from({ length: CALLS }, (_, n) => recorder.enter(sites[(trace + 7 * n) % FUNCTIONS]))
      log({ attempt: 1, amount: trace / 100 })
      if (trace % FAILS_EVERY === 0) recorder.fail(calls.pop(), error)
      else log({ attempt: 2, amount: trace / 100 })
      for (const call of calls.reverse()) recorder.exit(call)
    })
  }
}
