// @ts-check
/**
 * Checking an event that was handed over by itself, field by field.
 */
import { types } from 'node:util'
import { ownData } from './built-ins.js'
import { invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { eventIdBits, requireEventId, requireTime, wellFormed } from './values.js'

/** @typedef {import('../index.js').EventId} EventId */

const FIELDS = [
  ...['eventType', 'eventId', 'node', 'pid', 'correlationId', 'parentId', 'module', 'function', 'arity', 'file', 'line'],
  ...['tags', 'data', 'timestamp', 'wallTime'],
]
const MAX_ARITY = 65_535
const MAX_LINE = 4_294_967_295
export const FIRST_IMPORT_PRODUCER = 0x8000
/** Stands for nothing recorded. */
export const NOTHING_RECORDED = /** @type {EventId} */ ('0-0')

/**
 * @typedef {object} Envelope undefined: not given
 * @property {string} eventType
 * @property {EventId | undefined} eventId
 * @property {string | undefined} node
 * @property {string | undefined} pid
 * @property {string | null | undefined} correlationId
 * @property {EventId | null | undefined} parentId
 * @property {string | null} module
 * @property {string | null} function
 * @property {number | null} arity
 * @property {string | null} file
 * @property {number | null} line
 * @property {Record<string, string> | null} tags
 * @property {unknown} data
 * @property {bigint | undefined} timestamp
 * @property {bigint | undefined} wallTime
 */

/**
 * @param {unknown} input `EventInput`
 * @param {string} where
 * @param {ReadonlySet<string>} redact names of tags that are left out
 * @returns {Envelope}
 * @throws {import('./errors.js').KinescopeError} `INVALID_ARGUMENT` naming the field
 */
export function readEnvelope(input, where, redact) {
  if (!isPlainArgument(input)) throw invalidArgument(where, 'an event object', input)
  rejectUnknownKeys(input, FIELDS, where)
  const { eventType, eventId, node, pid, correlationId, parentId, tags, data, timestamp, wallTime } = input
  return {
    eventType: requireText(eventType, `${where}.eventType`),
    eventId: eventId === undefined ? undefined : requireImportedId(eventId, `${where}.eventId`),
    node: node === undefined ? undefined : requireText(node, `${where}.node`),
    pid: pid === undefined ? undefined : requireText(pid, `${where}.pid`),
    correlationId: correlationId === undefined ? undefined : optionalText(correlationId, `${where}.correlationId`),
    parentId: parentId === undefined ? undefined : optionalId(parentId, `${where}.parentId`),
    module: optionalText(input.module, `${where}.module`),
    function: optionalText(input.function, `${where}.function`),
    arity: optionalInteger(input.arity, 0, MAX_ARITY, `${where}.arity`),
    file: optionalText(input.file, `${where}.file`),
    line: optionalInteger(input.line, 1, MAX_LINE, `${where}.line`),
    tags: tags === undefined || tags === null ? null : requireTags(tags, redact, `${where}.tags`),
    data,
    timestamp: timestamp === undefined ? undefined : requireTime(timestamp, `${where}.timestamp`, false),
    wallTime: wallTime === undefined ? undefined : requireTime(wallTime, `${where}.wallTime`, true),
  }
}

/**
 * @param {unknown} value
 * @param {string} where
 */
export function requireText(value, where) {
  if (typeof value !== 'string') throw invalidArgument(where, 'a string', value)
  return wellFormed(value)
}

/**
 * @param {unknown} value
 * @param {string} where
 */
export function optionalText(value, where) {
  return value === undefined || value === null ? null : requireText(value, where)
}

/**
 * @param {unknown} value
 * @param {number} min
 * @param {number} max
 * @param {string} where
 */
export function optionalInteger(value, min, max, where) {
  if (value === undefined || value === null) return null
  const isWithin = Number.isInteger(value) && /** @type {number} */ (value) >= min && /** @type {number} */ (value) <= max
  if (!isWithin) throw invalidArgument(where, `an integer from ${min} to ${max}`, value)
  return /** @type {number} */ (value)
}

/**
 * @param {unknown} value
 * @param {string} where
 * @returns {EventId | null}
 */
export function optionalId(value, where) {
  if (value !== null) requireEventId(value, where)
  return /** @type {EventId | null} */ (value)
}

/**
 * @param {unknown} value
 * @param {string} where
 * @returns {EventId}
 */
function requireImportedId(value, where) {
  const bits = eventIdBits(value)
  if (bits === undefined || bits >> 48n < FIRST_IMPORT_PRODUCER) throw invalidArgument(where, `an event id of producer ${FIRST_IMPORT_PRODUCER} to 65535`, value)
  return /** @type {EventId} */ (value)
}

/**
 * @param {unknown} tags
 * @param {ReadonlySet<string>} redact
 * @param {string} where
 */
function requireTags(tags, redact, where) {
  return readTags(tags, redact, (name, value) => {
    if (name === '') throw invalidArgument(where, 'an object', value)
    throw invalidArgument(`${where}.${name}`, 'a string, number or boolean', value)
  })
}

/**
 * Own enumerable data properties: strings, and numbers and booleans as their text. What is undefined, null or redacted is
 * left out.
 *
 * @param {unknown} tags
 * @param {ReadonlySet<string>} redact
 * @param {(name: string, value: unknown) => void} refuse told of everything else; `''`: of `tags` itself
 * @returns {Record<string, string> | null} null when there are none, or `tags` is no object
 */
export function readTags(tags, redact, refuse) {
  if (!isPlainArgument(tags) || types.isProxy(tags)) {
    refuse('', tags)
    return null
  }
  const names = Object.keys(tags).filter((name) => !redact.has(name))
  /** @type {[string, string][]} */
  const entries = []
  for (const name of names) {
    const value = ownData(tags, name)
    if (['string', 'number', 'boolean'].includes(typeof value)) entries.push([wellFormed(name), wellFormed(String(value))])
    else if (value !== undefined && value !== null) refuse(name, value)
  }
  return mergeTags(entries)
}

/**
 * An object without prototype; the last of equal keys wins. No tags are the same as absent ones.
 *
 * @param {[string, string][]} entries
 * @returns {Record<string, string> | null}
 */
export function mergeTags(entries) {
  if (entries.length === 0) return null
  const tags = Object.create(null)
  for (const [key, value] of entries) tags[key] = value
  return tags
}
