/**
 * A live view in the terminal. It follows one function of one logical process, and can be paused to look back at the last
 * event that was shown, while everything goes on being recorded.
 *
 * Keys: `p` pause, `l` look back, `r` resume where it was, `n` resume at now, `q` quit.
 */
import { open } from 'kinescope'
import { startWarehouse } from './warehouse.mjs'

const PID = process.env.LIVE_PID ?? 'picker-1'
const FUNCTION = process.env.LIVE_FUNCTION ?? 'pick'

const scope = await open({ node: 'warehouse' })
const { dataAccess, eventStreamer } = scope
const stopWarehouse = startWarehouse(scope.recorder)

/** The last event on the screen. */
let last
const live = eventStreamer.subscribe({ pid: PID, mfa: { function: FUNCTION }, eventTypes: ['function_entry', 'function_exit'], batchTimeoutMs: 1 }, (batch) => {
  if (batch.gap !== undefined) console.log(`   … ${batch.gap.count} positions of the log left out: ${batch.gap.cause}`)
  for (const event of batch) {
    last = event
    console.log(line(event))
  }
})

const keys = {
  async p() {
    await live.pause()
    const { lagEvents } = live.stats()
    console.log(`── paused, ${lagEvents} positions behind`)
  },
  async l() {
    if (last !== undefined) await lookBack(last)
  },
  async r() {
    const { lagEvents, lagNs } = live.stats()
    console.log(`── resuming where it was, ${lagEvents} positions and ${(Number(lagNs) / 1e6).toFixed(0)} ms behind`)
    await live.resume('send_all')
  },
  async n() {
    console.log('── resuming at now')
    await live.resume('discard_all')
  },
}

console.log(`Following ${FUNCTION} of ${PID}. Keys: p pause, l look back, r resume where it was, n resume at now, q quit.`)
if (process.stdin.isTTY) process.stdin.setRawMode(true)
for await (const key of pressedKeys()) {
  if (key === '\u0003' || key === 'q') break
  await keys[key]?.()
}
await live.unsubscribe()
await stopWarehouse()
await scope.close()

async function* pressedKeys() {
  for await (const pressed of process.stdin) yield* String(pressed)
}

function line({ timestamp, eventType, module, function: name, data }) {
  const ms = (Number(timestamp % 100_000_000_000n) / 1e6).toFixed(3).padStart(10)
  if (eventType === 'function_entry') return `${ms}  → ${module}.${name}(${data.args.map((arg) => JSON.stringify(arg)).join(', ')})`
  const result = data.exception === undefined ? JSON.stringify(data.result) : `✗ ${data.exception.message}`
  return `${ms}  ← ${module}.${name} ${result}  ${(data.duration_ns / 1e6).toFixed(1)} ms`
}

/** What was known at the time of an event: which calls were open, the values of variables and states, and the source. */
async function lookBack(event) {
  const [stack, { variables, states }] = await Promise.all([dataAccess.getCallStackAt(PID, event.timestamp), dataAccess.getStateAt(PID, event.timestamp)])
  console.log(`── at event ${event.eventId}`)
  console.log('   stack')
  for (const frame of stack.frames) console.log(`     ${frame.module}.${frame.function}/${frame.arity}`)
  console.log('   state')
  for (const { name, value } of [...variables, ...states]) console.log(`     ${name} = ${JSON.stringify(value)}`)
  const { filePath, firstLine, lineNumber, codeSnippet } = await dataAccess.getSourceContext(event.eventId, 1, 3)
  console.log(`   source ${filePath}:${lineNumber}`)
  for (const [index, text] of codeSnippet.split('\n').entries()) {
    const number = firstLine + index
    console.log(`   ${number === lineNumber ? '>' : ' '} ${String(number).padStart(3)}  ${text}`)
  }
}
