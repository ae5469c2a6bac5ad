// @ts-check
/**
 * The state of a logical process at a time.
 */
import { compareAbsentLast, compareInTime } from './order.js'
import { requirePid } from './stacks.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {import('../index.js').EventId} EventId */
/** @typedef {{ module: string | null, function: string | null, arity: number | null, name: string, value: any, eventId: EventId, timestamp: bigint }} VariableState */
/** @typedef {{ module: string | null, name: string | null, value: any, eventId: EventId, timestamp: bigint }} NamedState */

export const STATE_EVENT_TYPES = ['local_variable_snapshot', 'state_snapshot', 'state_change']

/**
 * The last value at or before `time` of every variable, by (module, function, arity, name), and of every state, by
 * (module, name); each list in the order of its key. A state's value is `data.state` of a `state_snapshot` and
 * `data.new_state` of a `state_change`; its name is `data.name`, null without one.
 *
 * @param {import('./store.js').Log} log
 * @param {string} pid
 * @param {bigint} time inclusive
 * @returns {{ variables: VariableState[], states: NamedState[] }}
 * @throws {import('./errors.js').KinescopeError} `NOT_FOUND` for a pid that never recorded
 */
export function stateAt(log, pid, time) {
  requirePid(log, pid)
  const past = log.events.filter((event) => event.pid === pid && event.timestamp <= time).sort(compareInTime)
  return {
    variables: lastByKey(past.flatMap(variablesOf), ['module', 'function', 'arity', 'name']),
    states: lastByKey(past.flatMap(statesOf), ['module', 'name']),
  }
}

/**
 * @param {Event} event
 * @returns {VariableState[]}
 */
function variablesOf(event) {
  if (event.eventType !== 'local_variable_snapshot') return []
  const { module, function: functionName, arity, eventId, timestamp } = event
  return Object.entries(objectOf(objectOf(event.data).variables)).map(([name, value]) => {
    return { module, function: functionName, arity, name, value, eventId, timestamp }
  })
}

/**
 * @param {Event} event
 * @returns {NamedState[]}
 */
function statesOf(event) {
  const key = { state_snapshot: 'state', state_change: 'new_state' }[event.eventType]
  const data = objectOf(event.data)
  if (key === undefined || !Object.hasOwn(data, key)) return []
  const name = Object.hasOwn(data, 'name') && typeof data.name === 'string' ? data.name : null
  return [{ module: event.module, name, value: data[key], eventId: event.eventId, timestamp: event.timestamp }]
}

/**
 * @param {any} value
 * @returns {Record<string, any>}
 */
function objectOf(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

/**
 * @template {Record<string, any>} T
 * @param {T[]} values oldest first
 * @param {string[]} keys
 * @returns {T[]}
 */
function lastByKey(values, keys) {
  const last = new Map(values.map((value) => [JSON.stringify(keys.map((key) => value[key])), value]))
  return [...last.values()].sort((a, b) => keys.reduce((order, key) => order || compareAbsentLast(a[key], b[key], 1), 0))
}
