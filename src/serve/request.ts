/** What a request asks for: parameters behind the path, or options of the API as JSON in its body. */
import type { IncomingMessage } from 'node:http'
import { isPlainObject } from '../conditions.js'
import { parseData } from '../data-json.js'
import { invalidArgument, KinescopeError, unknownField } from '../errors.js'
import { list, projectionItem } from '../field-list.js'
import { Refusal } from './errors.js'

/** Options as the API takes them, not checked yet. */
export type Options = Record<string, unknown>

const INTEGER = /^-?\d{1,40}$/
/** What `JSON.stringify` makes of a Date, and what people write. */
const ISO = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/
const JSON_LEVELS_MAX = 128
const MONOTONIC = ['startTimeMonotonic', 'endTimeMonotonic', 'timestampMonotonic', 'seq']
const WALL = ['startTimeWall', 'endTimeWall', 'timestampWall']

type Reader = (texts: string[], options: Options, name: string) => void
const asText: Reader = (texts, options, name) => void (options[name] = single(name, texts))
const asTexts: Reader = (texts, options, name) => void (options[name] = texts)
const asNumber: Reader = (texts, options, name) => void (options[name] = number(single(name, texts)))
const asJson: Reader = (texts, options, name) => void (options[name] = json(name, single(name, texts)))
const asTime = (option: string): Reader => (texts, options, name) => void (options[option] = wallTime(name, single(name, texts)))
const asFields: Reader = (texts, options) => void (options['projection'] = texts.flatMap(list).map(projectionItem))
const asMfa: Reader = (texts, options, name) => {
  const text = single(name, texts)
  options['mfa'] = { ...(options['mfa'] as object | undefined), [name]: name === 'arity' ? number(text) : text }
}

/** Parameters of every query. */
const FILTERS: Readonly<Record<string, Reader>> = {
  pid: asTexts,
  correlationId: asTexts,
  eventTypes: (texts, options) => void (options['eventTypes'] = texts.flatMap(list)),
  module: asMfa,
  function: asMfa,
  arity: asMfa,
  tag: (texts, options) => void (options['tags'] = Object.fromEntries(texts.map(tag))),
  textSearch: asText,
  where: asJson,
  from: asTime('startTimeWall'),
  to: asTime('endTimeWall'),
  startTimeWall: asTime('startTimeWall'),
  endTimeWall: asTime('endTimeWall'),
  startTimeMonotonic: asText,
  endTimeMonotonic: asText,
  projection: asFields,
  columns: asFields,
}
/** Parameters of what has an end. */
export const QUERY_PARAMETERS: Readonly<Record<string, Reader>> = { ...FILTERS, limit: asNumber, offset: asNumber, sortBy: asText, sortOrder: asText }
/** Parameters of what follows the log. */
export const LIVE_PARAMETERS: Readonly<Record<string, Reader>> = {
  ...FILTERS,
  batchSize: asNumber,
  batchTimeoutMs: asNumber,
  progressIntervalMs: asNumber,
  startFrom: (texts, options, name) => {
    const text = single(name, texts)
    options[name] = text === 'now' ? text : INTEGER.test(text) ? { seq: text } : json(name, text)
  },
}

/**
 * The options that a request asks with.
 *
 * @param search Behind the path.
 * @param maxBodyBytes Beyond which the body is refused.
 * @throws {KinescopeError} `INVALID_ARGUMENT`, also as {@link Refusal} 413.
 */
export async function optionsOf(request: IncomingMessage, search: URLSearchParams, parameters: Readonly<Record<string, Reader>>, maxBodyBytes: number): Promise<Options> {
  const body = await textOf(request, maxBodyBytes)
  const isEmpty = body.trim() === ''
  if (!isEmpty && search.size > 0) throw new KinescopeError('INVALID_ARGUMENT', 'body: expected none beside parameters behind the path', { field: 'body' })
  const options = isEmpty ? fromParameters(search, parameters) : json('body', body)
  if (!isPlainObject(options)) throw invalidArgument('body', options, 'an object')
  // Nothing that JSON can say is a signal.
  if ('signal' in options) throw unknownField('query', 'signal', Object.keys(parameters))
  return exactTimes(options)
}

function fromParameters(search: URLSearchParams, parameters: Readonly<Record<string, Reader>>): Options {
  const options: Options = {}
  for (const name of new Set(search.keys())) {
    if (!Object.hasOwn(parameters, name)) throw unknownField('query', name, Object.keys(parameters))
    parameters[name]!(search.getAll(name), options, name)
  }
  const [from, to] = [search.get('from'), search.get('to')]
  if (from !== null && to !== null && nanoseconds(options['startTimeWall']) > nanoseconds(options['endTimeWall'])) {
    throw invalidArgument('to', to, `a time at or after from (${from})`)
  }
  return options
}

function nanoseconds(time: unknown): bigint {
  return time instanceof Date ? BigInt(time.getTime()) * 1_000_000n : (time as bigint)
}

/** Times and positions as the API has them: JSON has neither bigints nor Dates, so their digits or ISO texts come instead. */
export function exactTimes(options: Options, path = ''): Options {
  const exact: Options = { ...options }
  for (const [name, value] of Object.entries(options)) {
    if (typeof value !== 'string') continue
    if (WALL.includes(name)) exact[name] = wallTime(path + name, value)
    else if (MONOTONIC.includes(name)) exact[name] = integer(path + name, value)
  }
  for (const name of ['startFrom', 'filters']) if (isPlainObject(exact[name])) exact[name] = exactTimes(exact[name], `${name}.`)
  if ('where' in exact) exact['where'] = exactCondition(exact['where'])
  return exact
}

function integer(name: string, text: string): bigint {
  if (!INTEGER.test(text)) throw invalidArgument(name, text, name.endsWith('seq') ? 'a position of the log, as digits' : 'nanoseconds, as digits')
  return BigInt(text)
}

function wallTime(name: string, text: string): bigint | Date {
  if (INTEGER.test(text)) return BigInt(text)
  const date = new Date(ISO.test(text) ? text : Number.NaN)
  if (Number.isNaN(date.getTime())) throw invalidArgument(name, text, 'a time in ISO 8601, such as 2026-11-27T09:30:00Z, or nanoseconds since 1970, as digits')
  return date
}

/** A condition in which `wall_time` is compared with Dates where JSON has ISO texts. */
function exactCondition(condition: unknown): unknown {
  if (Array.isArray(condition)) return condition.map(exactCondition)
  if (!isPlainObject(condition)) return condition
  const dated = (value: unknown): unknown => {
    if (typeof value === 'string') return ISO.test(value) ? new Date(value) : value
    if (Array.isArray(value)) return value.map(dated)
    return isPlainObject(value) ? mapped(value, (_, item) => dated(item)) : value
  }
  return mapped(condition, (name, value) => {
    if (name === 'wall_time' || name === 'wallTime') return dated(value)
    return name === 'and' || name === 'or' || name === 'not' ? exactCondition(value) : value
  })
}

function mapped(object: Readonly<Options>, of: (name: string, value: unknown) => unknown): Options {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, of(name, value)]))
}

function single(name: string, texts: string[]): string {
  if (texts.length > 1) throw new KinescopeError('INVALID_ARGUMENT', `${name}: expected one, got ${texts.length}`, { field: name })
  return texts[0]!
}

/** A number, or else the text, which the API refuses by the option's name. */
function number(text: string): number | string {
  return /^\d{1,16}$/.test(text) ? Number(text) : text
}

function tag(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw invalidArgument('tag', text, 'key=value')
  return [text.slice(0, at), text.slice(at + 1)]
}

function json(where: string, text: string): unknown {
  try {
    // Checks the syntax; what follows keeps integers exact.
    JSON.parse(text)
    if (isDeep(text)) throw new SyntaxError(`more than ${JSON_LEVELS_MAX} levels`)
    return parseData(text)
  } catch (error) {
    throw new KinescopeError('INVALID_ARGUMENT', `${where}: expected JSON: ${(error as Error).message}`, { field: where, expected: 'JSON' })
  }
}

/** Whether JSON is nested deeper than anything that the API takes, and than what goes through it by recursion should meet. */
function isDeep(text: string): boolean {
  let level = 0
  let isInText = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (isInText && character === '\\') at++
    else if (character === '"') isInText = !isInText
    else if (isInText) continue
    else if ((character === '[' || character === '{') && ++level > JSON_LEVELS_MAX) return true
    else if (character === ']' || character === '}') level--
  }
  return false
}

async function textOf(request: IncomingMessage, maxBytes: number): Promise<string> {
  const tooLarge = (): Refusal => {
    // What still comes is thrown away: whoever sends it reads the answer only when he is done.
    request.resume()
    return new Refusal(413, 'INVALID_ARGUMENT', `body: expected at most ${maxBytes} bytes, got more`, { details: { field: 'body', maxBytes }, headers: { Connection: 'close' } })
  }
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge()
  if (request.headers['content-encoding'] !== undefined) {
    throw new Refusal(415, 'INVALID_ARGUMENT', 'Content-Encoding: expected none', { details: { field: 'Content-Encoding' } })
  }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new KinescopeError('INVALID_ARGUMENT', 'body: expected UTF-8', { field: 'body', expected: 'UTF-8' })
  }
}
