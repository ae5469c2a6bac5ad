/** Options that say which events are meant, and what of them. */
import type { ParseArgsConfig } from 'node:util'
import type { Condition, Filter, QueryOptions } from '../../index.js'
import { parseData } from '../data-json.js'
import { list, projectionItem } from '../field-list.js'
import { UsageError } from './usage.js'
import { wallTime } from './times.js'

/** What `parseArgs` takes. */
export type Options = NonNullable<ParseArgsConfig['options']>

const many = { type: 'string', multiple: true } as const
const one = { type: 'string' } as const

/** What every command takes that shows events. */
export const FILTER_OPTIONS = {
  since: one,
  until: one,
  pid: many,
  'correlation-id': many,
  'event-type': many,
  mfa: one,
  tag: many,
  text: one,
  where: one,
  fields: many,
} satisfies Options

/** What queries and exports take besides. */
export const ROW_OPTIONS = { ...FILTER_OPTIONS, limit: one, offset: one, sort: one, desc: { type: 'boolean' } } satisfies Options

/** Values of {@link FILTER_OPTIONS}. */
export interface FilterValues {
  since?: string
  until?: string
  pid?: string[]
  'correlation-id'?: string[]
  'event-type'?: string[]
  mfa?: string
  tag?: string[]
  text?: string
  where?: string
  fields?: string[]
}

/** Values of {@link ROW_OPTIONS}. */
export interface RowValues extends FilterValues {
  limit?: string
  offset?: string
  sort?: string
  desc?: boolean
}

/**
 * The filter that the options ask for.
 *
 * @throws {UsageError} naming the option.
 */
export function filterOf(values: FilterValues, nowMs = Date.now()): Filter {
  const filter: Filter = {}
  if (values.since !== undefined) filter.startTimeWall = wallTime('--since', values.since, nowMs)
  if (values.until !== undefined) filter.endTimeWall = wallTime('--until', values.until, nowMs)
  if (values.pid !== undefined) filter.pid = values.pid
  if (values['correlation-id'] !== undefined) filter.correlationId = values['correlation-id']
  if (values['event-type'] !== undefined) filter.eventTypes = values['event-type']
  if (values.mfa !== undefined) filter.mfa = mfaOf(values.mfa)
  if (values.tag !== undefined) filter.tags = tagsOf(values.tag)
  if (values.text !== undefined) filter.textSearch = values.text
  if (values.where !== undefined) filter.where = conditionOf(values.where)
  if (values.fields !== undefined) filter.projection = values.fields.flatMap(list).map(projectionItem)
  return filter
}

/**
 * The query that the options ask for; `limit` and `offset` only if they are given.
 *
 * @throws {UsageError} naming the option.
 */
export function queryOf(values: RowValues): QueryOptions {
  const query: QueryOptions = filterOf(values)
  if (values.limit !== undefined) query.limit = whole('--limit', values.limit)
  if (values.offset !== undefined) query.offset = whole('--offset', values.offset)
  if (values.sort !== undefined) query.sortBy = values.sort
  if (values.desc === true) query.sortOrder = 'desc'
  return query
}

/** @throws {UsageError} */
export function whole(option: string, text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(number)) throw new UsageError(`${option}: expected a whole number, got ${JSON.stringify(text)}`)
  return number
}

/** `module.function/arity`, of which each may be left out. */
function mfaOf(text: string): NonNullable<Filter['mfa']> {
  const [, name, arity] = /^(.*?)(?:\/(\d+))?$/s.exec(text)!
  const dot = name!.lastIndexOf('.')
  const [module, fn] = dot < 0 ? ['', name!] : [name!.slice(0, dot), name!.slice(dot + 1)]
  if (module === '' && fn === '' && arity === undefined) throw new UsageError('--mfa: expected MODULE.FUNCTION/ARITY, of which parts may be left out, got ""')
  return { ...(module === '' ? {} : { module }), ...(fn === '' ? {} : { function: fn }), ...(arity === undefined ? {} : { arity: Number(arity) }) }
}

function tagsOf(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new UsageError(`--tag: expected KEY=VALUE, got ${JSON.stringify(text)}`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

function conditionOf(text: string): Condition {
  try {
    // Checks the syntax; what follows keeps integers exact.
    JSON.parse(text)
    return parseData(text) as Condition
  } catch (error) {
    throw new UsageError(`--where: expected a condition as JSON, such as '{"data.duration_ns":{"gt":1000000}}': ${(error as Error).message}`)
  }
}
