// @ts-check
/**
 * Which events belong to a trace.
 */
import { KinescopeError } from './errors.js'
import { NOTHING_RECORDED } from './envelope.js'

/** @typedef {import('../index.js').Event} Event */

/**
 * Every event with the correlation id, plus events without one whose nearest ancestor with one has it. Of an event that
 * reaches no correlation id, the trace is everything without one that reaches the same last ancestor.
 *
 * @param {readonly Event[]} events the whole snapshot
 * @param {string} idOrEventId taken as a correlation id first, then as an event id
 * @throws {KinescopeError} `NOT_FOUND`
 */
export function traceEvents(events, idOrEventId) {
  const byId = new Map(events.map((event) => [event.eventId, event]))
  const wanted = events.some((event) => event.correlationId === idOrEventId) ? idOrEventId : rootOf(requireEvent(byId, idOrEventId), byId)
  return events.filter((event) => rootOf(event, byId) === wanted)
}

/**
 * @param {Map<string, Event>} byId
 * @param {string} id
 * @returns {Event}
 */
function requireEvent(byId, id) {
  const event = byId.get(/** @type {import('../index.js').EventId} */ (id))
  if (!event || id === NOTHING_RECORDED) throw new KinescopeError('NOT_FOUND', `no correlation id and no event id ${JSON.stringify(id)}`)
  return event
}

/**
 * The correlation id that the event has or reaches through `parentId`; else the event in which its parents end, and in a
 * cycle the one of the cycle that was stored first.
 *
 * @param {Event} event
 * @param {Map<string, Event>} byId
 * @returns {string | Event}
 */
function rootOf(event, byId) {
  const path = [event]
  for (let last = event; ; ) {
    if (last.correlationId !== null) return last.correlationId
    const parent = last.parentId === null ? undefined : byId.get(last.parentId)
    if (!parent) return last
    const cycleStart = path.indexOf(parent)
    if (cycleStart >= 0) return path.slice(cycleStart).reduce((first, next) => (next.seq < first.seq ? next : first))
    path.push(parent)
    last = parent
  }
}
