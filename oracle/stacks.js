// @ts-check
/**
 * The call stack of a logical process at a time.
 */
import { KinescopeError } from './errors.js'
import { compareInTime } from './order.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {import('../index.js').EventId} EventId */
/** @typedef {{ pid: string, module: string | null, function: string | null, arity: number | null, file: string | null, line: number | null, entryId: EventId, enteredAt: bigint }} StackFrame */
/** @typedef {{ frames: StackFrame[], complete: boolean, reason?: 'truncated' | 'unbalanced' }} CallStack innermost first */

/**
 * @param {import('./store.js').Log} log
 * @param {string} pid
 * @throws {KinescopeError} `NOT_FOUND`
 */
export function requirePid(log, pid) {
  if (log.evicted.pids.has(pid) || log.events.some((event) => event.pid === pid)) return
  throw new KinescopeError('NOT_FOUND', `pid ${JSON.stringify(pid)} has never recorded`)
}

/**
 * @param {import('./store.js').Log} log
 * @param {string} pid
 * @param {bigint} time inclusive
 * @returns {CallStack}
 * @throws {KinescopeError} `NOT_FOUND` for a pid that never recorded
 */
export function callStackAt(log, pid, time) {
  requirePid(log, pid)
  const past = log.events.filter((event) => event.timestamp <= time).sort(compareInTime)
  const calls = past.filter((event) => event.pid === pid && (isEntry(event) || isExit(event)))
  const hasEvictions = log.evicted.count > 0
  return calls.some((event) => event.parentId !== null) ? byParents(log.events, past, calls, hasEvictions) : byMatching(calls, hasEvictions)
}

/** @param {Event} event */
function isEntry(event) {
  return event.eventType === 'function_entry'
}

/** @param {Event} event */
function isExit(event) {
  return event.eventType === 'function_exit'
}

/**
 * The most recently entered open call and its chain of parents, across pids, leaving out exited calls and events that are
 * no entries. A parent that is not in the log, and no open call in a log that does not begin at 0, make it truncated.
 *
 * @param {readonly Event[]} events the whole log
 * @param {readonly Event[]} past everything up to the time
 * @param {readonly Event[]} calls the pid's entries and exits among it
 * @param {boolean} hasEvictions
 * @returns {CallStack}
 */
function byParents(events, past, calls, hasEvictions) {
  const byId = new Map(events.map((event) => [event.eventId, event]))
  const entered = new Set(past.filter(isEntry))
  const exited = new Set(past.filter(isExit).map((event) => event.parentId))
  const isOpen = (/** @type {Event} */ event) => entered.has(event) && !exited.has(event.eventId)
  let next = calls.findLast(isOpen)
  if (!next) return answer([], hasEvictions ? 'truncated' : undefined)
  const visited = new Set()
  while (next && !visited.has(next)) {
    visited.add(next)
    const parentId = /** @type {EventId | null} */ (next.parentId)
    next = parentId === null ? undefined : byId.get(parentId)
    if (parentId !== null && !next) return answer([...visited].filter(isOpen), 'truncated')
  }
  return answer([...visited].filter(isOpen), undefined)
}

/**
 * An exit pops the nearest entry of the same function and leaves the entries above it open. With anything evicted the
 * bottom of the stack is not known.
 *
 * @param {readonly Event[]} calls
 * @param {boolean} hasEvictions
 * @returns {CallStack}
 */
function byMatching(calls, hasEvictions) {
  /** @type {Event[]} */
  const open = []
  let unmatched = 0
  for (const event of calls) {
    if (isEntry(event)) {
      open.push(event)
      continue
    }
    const index = open.findLastIndex((entry) => ['module', 'function', 'arity'].every((key) => entry[/** @type {'module'} */ (key)] === event[/** @type {'module'} */ (key)]))
    if (index >= 0) open.splice(index, 1)
    else unmatched += 1
  }
  return answer(open.reverse(), hasEvictions ? 'truncated' : unmatched > 0 ? 'unbalanced' : undefined)
}

/**
 * @param {Event[]} entries
 * @param {'truncated' | 'unbalanced' | undefined} reason
 * @returns {CallStack}
 */
function answer(entries, reason) {
  const frames = entries.map((event) => ({
    pid: event.pid,
    module: event.module,
    function: event.function,
    arity: event.arity,
    file: event.file,
    line: event.line,
    entryId: event.eventId,
    enteredAt: event.timestamp,
  }))
  return reason === undefined ? { frames, complete: true } : { frames, complete: false, reason }
}
