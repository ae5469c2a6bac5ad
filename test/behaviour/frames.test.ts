import { open, type Event, type EventId } from 'kinescope'
import { expect, test } from 'vitest'
import { FramesProgram, type CallTruth, type Truth } from './frames-program.js'

const SEED = Number(process.env['KINESCOPE_SEED'] ?? Date.now() % 2 ** 31)
const MIN_CALLS = 15_000

function truthOf({ eventType, data }: Event): Truth | null {
  if (eventType === 'log') return data
  return eventType === 'function_entry' ? data.args[0] : null
}

test(`every parent, trace and process of ${MIN_CALLS} interleaved calls is right (KINESCOPE_SEED=${SEED})`, { timeout: 180_000 }, async () => {
  await using scope = await open({ ring: { bytes: 2 ** 27, overflow: 'block' } })
  const program = new FramesProgram(scope.recorder, SEED)
  await program.run(300, MIN_CALLS)
  const events = (await scope.dataAccess.queryEvents({ limit: 10 ** 7 })).toArray()

  const byId = new Map(events.map((event) => [event.eventId, event]))
  const entries = new Map<string, EventId>()
  for (const event of events) if (event.eventType === 'function_entry') entries.set((truthOf(event) as CallTruth).label, event.eventId)
  expect(entries.size).toBe(program.calls)
  expect(program.calls).toBeGreaterThanOrEqual(MIN_CALLS)

  /** Labels of the calls that an event is in, outermost first, by its chain of parents. */
  const callStack = ({ parentId }: Event): string[] => {
    const labels: string[] = []
    for (let id = parentId; id !== null; id = byId.get(id)!.parentId) labels.unshift(byId.get(id)!.data.args[0].label)
    return labels
  }
  const wrong: string[] = []
  let checked = 0
  for (const event of events) {
    const truth = truthOf(event)
    if (truth === null) continue
    const outer = event.eventType === 'log' ? truth.chain : truth.chain.slice(0, -1)
    const expected = { stack: outer.join('/'), parent: entries.get(outer.at(-1)!) ?? null, trace: truth.trace, pid: truth.pid }
    const actual = { stack: callStack(event).join('/'), parent: event.parentId, trace: event.correlationId, pid: event.pid }
    if (JSON.stringify(actual) !== JSON.stringify(expected)) wrong.push(`${event.eventType} ${event.eventId}: ${JSON.stringify({ actual, expected })}`)
    checked += 1
  }
  expect(wrong.slice(0, 5), `${wrong.length} of ${checked} events are wrong`).toEqual([])
  expect(checked).toBeGreaterThan(3 * MIN_CALLS)
  expectExits(events, byId)
  const { lost, unbalanced, mistyped } = scope.stats()
  expect({ lost: Object.values(lost), unbalanced, mistyped }).toEqual({ lost: [0, 0, 0, 0, 0], unbalanced: 0, mistyped: 0 })
})

/** Every call has one exit, in the trace and process of its entry, with the reason that its function gave it. */
function expectExits(events: Event[], byId: Map<EventId, Event>) {
  const left = new Set(events.filter(({ eventType }) => eventType === 'function_entry').map(({ eventId }) => eventId))
  for (const { eventType, eventId, parentId, correlationId, pid, data } of events) {
    if (eventType !== 'function_exit') continue
    const entry = byId.get(parentId!)!
    expect(left.delete(parentId!), `exit ${eventId} of ${entry?.function}`).toBe(true)
    expect({ correlationId, pid }).toEqual({ correlationId: entry.correlationId, pid: entry.pid })
    const reasons: Record<string, string[]> = { failing: ['reject'], bracketed: ['normal', 'throw'], items: ['normal', 'abandoned'], asyncItems: ['normal', 'abandoned'] }
    expect(data.exit_reason).toBeOneOf(reasons[entry.function!] ?? ['normal'])
  }
  expect(left.size).toBe(0)
}
