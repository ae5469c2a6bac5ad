/** Random calls that overlap, outlive their callers, are never left, or were entered before the recording begins. */
import * as fc from 'fast-check'
import type { Event, EventId } from 'kinescope'

/** One thing that happens; numbers choose among what is there. */
type Happening = { kind: 'enter'; parent: number | null; pid: number; after: number } | { kind: 'exit' | 'log' | 'lost exit'; call: number; after: number }

const after = fc.nat(3)
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('enter' as const), parent: fc.option(fc.nat(30), { freq: 4 }), pid: fc.nat(9), after }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('exit' as const), call: fc.nat(30), after }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('log' as const), call: fc.nat(30), after }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lost exit' as const), call: fc.nat(30), after }) },
)

/** An event with defaults for what is not given. */
export function eventOf(facts: Partial<Event> & Pick<Event, 'eventId' | 'timestamp'>): Event {
  const absent = { correlationId: null, parentId: null, module: null, function: null, arity: null, file: null, line: null, tags: null, data: null }
  return { ...absent, seq: 0n, wallTime: facts.timestamp + 1_000_000n, eventType: 'log', node: 'n', pid: 'main', ...facts }
}

/** Events in (`timestamp`, `seq`) order; a call's function is the id of its entry. Children are mostly in the pid of their parent. */
export const callEvents: fc.Arbitrary<Event[]> = fc.array(happening, { maxLength: 60 }).map((happenings) => {
  const events: Event[] = []
  const entries: Event[] = []
  const open: Event[] = []
  let timestamp = 1000n
  for (const [index, what] of happenings.entries()) {
    timestamp += BigInt(what.after)
    const eventId: EventId = `1-${index}`
    if (what.kind === 'enter') {
      const parent = what.parent === null || entries.length === 0 ? null : entries[entries.length - 1 - (what.parent % Math.min(entries.length, 6))]!
      const pid = parent !== null && what.pid > 1 ? parent.pid : `pid-${what.pid % 3}`
      const entry = eventOf({ eventId, timestamp, pid, eventType: 'function_entry', function: eventId, parentId: parent?.eventId ?? null })
      events.push(entry)
      entries.push(entry)
      open.push(entry)
    } else if (what.kind === 'lost exit') {
      events.push(eventOf({ eventId, timestamp, eventType: 'function_exit', parentId: `2-${index}`, data: { duration_ns: 5 } }))
    } else if (open.length > 0) {
      const at = what.call % open.length
      const { eventId: parentId, pid, function: name } = open[at]!
      if (what.kind === 'exit') open.splice(at, 1)
      events.push(eventOf({ eventId, timestamp, pid, parentId, function: name, eventType: what.kind === 'exit' ? 'function_exit' : 'log' }))
    }
  }
  return events
})
