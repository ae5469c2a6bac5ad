/** The distinct values of a field: an aggregate of its own kind. */
import type { AggregateOptions, Field, FieldValuesOptions } from '../index.js'
import { isPlainObject } from './conditions.js'
import { invalidArgument, unknownField } from './errors.js'
import { resolveField } from './fields.js'
import { textOperand } from './operands.js'

const OPTIONS = ['prefix', 'limit', 'filters']
const DEFAULT_LIMIT = 100

/** How `fieldValues` is answered. */
export interface FieldValuesPlan {
  readonly aggregate: AggregateOptions
  readonly limit: number
  readonly textColumn: string | null
}

/**
 * Checks the options of `fieldValues`.
 *
 * @returns `aggregate` has one group more than asked for: objects and arrays are one that has no value. Its first column is the
 * value. `textColumn` is the column whose dictionaries know the answer without any event being looked at.
 * @throws {KinescopeError} `INVALID_ARGUMENT` naming the option.
 */
export function resolveFieldValues(field: Field, options: FieldValuesOptions): FieldValuesPlan {
  if (!isPlainObject(options)) throw invalidArgument('options', options, 'an object')
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) throw unknownField('options', name, OPTIONS)
  }
  const { prefix, limit = DEFAULT_LIMIT, filters = {} } = options as FieldValuesOptions
  const known = resolveField(field, 'field')
  if (prefix !== undefined) textOperand(known, prefix, 'options.prefix')
  if (!Number.isSafeInteger(limit) || limit < 0) throw invalidArgument('options.limit', limit, 'a non-negative safe integer')
  if (!isPlainObject(filters)) throw invalidArgument('options.filters', filters, 'an object')
  const own = { [field]: prefix === undefined ? { exists: true } : { startsWith: prefix } }
  const aggregate: AggregateOptions = {
    groupBy: [field],
    aggregations: { count: { count: '*' } },
    filters: { ...filters, where: allOf((filters as { where?: unknown }).where, own) } as NonNullable<AggregateOptions['filters']>,
    orderBy: [{ field: 'count', order: 'desc' }],
    limit: limit + 1,
  }
  const { kind, name } = known
  return { aggregate, limit, textColumn: kind === 'text' && Object.keys(filters).length === 0 ? name : null }
}

/** Both conditions. What is wrong with the given one is said later, under the name that it was given by. */
function allOf(given: unknown, own: object): unknown {
  if (given === undefined) return own
  if (!isPlainObject(given)) return given
  const { and = [] } = given
  return Array.isArray(and) ? { ...given, and: [...(and as unknown[]), own] } : given
}
