// @ts-check
/**
 * Query options, checked and compiled.
 */
import { invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { resolveField } from './fields.js'
import { compileCondition, equals, every, oneOf } from './filter.js'
import { compileOrder } from './order.js'
import { parseProjection } from './projection.js'
import { compileTextSearch } from './text-search.js'
import { isNumeric, isScalar, requireTime } from './values.js'

/** @typedef {import('./filter.js').Predicate} Predicate */
/** @typedef {{ start: bigint | null, end: bigint | null }} TimeRange half-open; null: unbounded */
/**
 * @typedef {object} CompiledQuery
 * @property {Predicate} matches
 * @property {Predicate} isInRange the time ranges alone
 * @property {{ monotonic: TimeRange, wall: TimeRange }} ranges
 * @property {number} limit
 * @property {number} skip
 * @property {string | null} pageToken
 * @property {import('./order.js').Compare} compare
 * @property {import('./projection.js').Item[] | null} projection
 * @property {string} identity equal for two queries that differ at most in limit, offset and waiting
 */

const FILTER_OPTIONS = [
  ...['startTimeMonotonic', 'endTimeMonotonic', 'startTimeWall', 'endTimeWall'],
  ...['pid', 'correlationId', 'eventTypes', 'mfa', 'tags', 'textSearch', 'where'],
]
const OTHER_OPTIONS = ['limit', 'offset', 'sortBy', 'sortOrder', 'projection', 'signal', 'timeoutMs']

/**
 * @param {unknown} options
 * @param {{ limit: number, where?: string }} defaults `limit`: of a query that gives none
 * @returns {CompiledQuery}
 */
export function compileQuery(options, { limit, where = 'query' }) {
  const given = options ?? {}
  if (!isPlainArgument(given)) throw invalidArgument(where, 'an object', options)
  rejectUnknownKeys(given, [...FILTER_OPTIONS, ...OTHER_OPTIONS], where)
  const ranges = {
    monotonic: parseRange(given, 'TimeMonotonic', false, where),
    wall: parseRange(given, 'TimeWall', true, where),
  }
  const paging = parseOffset(given.offset, `${where}.offset`)
  const isInRange = every([inRange('timestamp', ranges.monotonic), inRange('wallTime', ranges.wall)])
  return {
    matches: every([isInRange, ...compileFilters(given, where)]),
    isInRange,
    ranges,
    limit: given.limit === undefined ? limit : requireCount(given.limit, `${where}.limit`),
    ...paging,
    compare: compileOrder(given.sortBy, given.sortOrder, where),
    projection: parseProjection(given.projection, `${where}.projection`),
    identity: identityOf(given),
  }
}

/**
 * @param {Record<string, unknown>} given
 * @param {string} where
 * @returns {Predicate[]}
 */
function compileFilters(given, where) {
  const filters = []
  for (const name of ['pid', 'correlationId']) {
    const value = given[name]
    if (value === undefined) continue
    const list = Array.isArray(value) ? value : [value]
    filters.push(textIn(name, list, `${where}.${name}`))
  }
  if (given.eventTypes !== undefined) filters.push(textIn('eventType', given.eventTypes, `${where}.eventTypes`))
  if (given.mfa !== undefined) filters.push(...compileMfa(given.mfa, `${where}.mfa`))
  if (given.tags !== undefined) filters.push(...compileTags(given.tags, `${where}.tags`))
  if (given.textSearch !== undefined) {
    if (typeof given.textSearch !== 'string') throw invalidArgument(`${where}.textSearch`, 'a string', given.textSearch)
    filters.push(compileTextSearch(given.textSearch))
  }
  if (given.where !== undefined) filters.push(compileCondition(given.where, resolveField, `${where}.where`))
  return filters
}

/**
 * @param {string} name
 * @param {unknown} list
 * @param {string} where
 */
function textIn(name, list, where) {
  const wrong = Array.isArray(list) ? list.find((item) => typeof item !== 'string') : list
  if (!Array.isArray(list) || list.some((item) => typeof item !== 'string')) throw invalidArgument(where, 'strings', wrong)
  return oneOf(resolveField(name, where), list, where)
}

/**
 * @param {unknown} mfa
 * @param {string} where
 */
function compileMfa(mfa, where) {
  const names = ['module', 'function', 'arity']
  if (Array.isArray(mfa) && mfa.length !== 3) throw invalidArgument(where, '[module, function, arity]', mfa)
  const parts = Array.isArray(mfa) ? Object.fromEntries(names.map((name, index) => [name, mfa[index]])) : mfa
  if (!isPlainArgument(parts)) throw invalidArgument(where, '{ module?, function?, arity? } or [module, function, arity]', mfa)
  rejectUnknownKeys(parts, names, where)
  return Object.entries(parts)
    .filter(([, value]) => Array.isArray(mfa) || value !== undefined)
    .map(([name, value]) => {
      const expected = name === 'arity' ? 'a number' : 'a string'
      if (typeof value !== (name === 'arity' ? 'number' : 'string')) throw invalidArgument(`${where}.${name}`, expected, value)
      return equals(resolveField(name, where), value, `${where}.${name}`)
    })
}

/**
 * @param {unknown} tags
 * @param {string} where
 */
function compileTags(tags, where) {
  if (!isPlainArgument(tags)) throw invalidArgument(where, 'an object', tags)
  return Object.entries(tags).map(([key, value]) => {
    if (!isScalar(value)) throw invalidArgument(`${where}.${key}`, 'a string, number or boolean', value)
    return equals(resolveField(`tags.${key}`, where), value, `${where}.${key}`)
  })
}

/**
 * @param {Record<string, unknown>} given
 * @param {string} suffix
 * @param {boolean} wall
 * @param {string} where
 * @returns {TimeRange}
 */
function parseRange(given, suffix, wall, where) {
  const [startName, endName] = [`start${suffix}`, `end${suffix}`]
  const start = given[startName] === undefined ? null : requireTime(given[startName], `${where}.${startName}`, wall)
  const end = given[endName] === undefined ? null : requireTime(given[endName], `${where}.${endName}`, wall)
  if (start !== null && end !== null && start > end) throw invalidArgument(`${where}.${endName}`, `a time not before ${startName} (${start})`, end)
  return { start, end }
}

/**
 * @param {'timestamp' | 'wallTime'} key
 * @param {TimeRange} range
 * @returns {Predicate}
 */
function inRange(key, { start, end }) {
  return (event) => (start === null || event[key] >= start) && (end === null || event[key] < end)
}

/**
 * @param {unknown} offset
 * @param {string} where
 */
function parseOffset(offset, where) {
  if (!isPlainArgument(offset)) return { skip: offset === undefined ? 0 : requireCount(offset, where), pageToken: null }
  rejectUnknownKeys(offset, ['pageToken'], where)
  if (offset.pageToken === undefined) return { skip: 0, pageToken: null }
  if (typeof offset.pageToken !== 'string') throw invalidArgument(`${where}.pageToken`, 'a string', offset.pageToken)
  return { skip: 0, pageToken: offset.pageToken }
}

/**
 * @param {unknown} value
 * @param {string} where
 */
export function requireCount(value, where) {
  if (!Number.isSafeInteger(value) || /** @type {number} */ (value) < 0) throw invalidArgument(where, 'a non-negative safe integer', value)
  return /** @type {number} */ (value)
}

/** @param {Record<string, unknown>} given */
function identityOf(given) {
  const { limit: _limit, offset: _offset, signal: _signal, timeoutMs: _timeoutMs, ...rest } = given
  return canonical(rest)
}

/**
 * The same text for the same value, whatever the order of keys, and for 1 and 1n.
 *
 * @param {unknown} value
 * @returns {string}
 */
function canonical(value) {
  if (isNumeric(value)) return `#${value}`
  if (value instanceof Date) return `@${value.getTime()}`
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).sort().join()}}`
}
