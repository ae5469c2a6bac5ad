/** The values that fields are compared with. */
import { describeValue, invalidArgument, KinescopeError } from './errors.js'
import type { QueryField } from './fields.js'
import type { Scalar } from './plan.js'

/** Well within 128 bits, and beyond every stored integer. */
const INT_LIMIT = 2 ** 100
const SCALAR_EXPECTED = 'a string, a finite number, a bigint or a boolean'
const NANOSECONDS_PER_MILLISECOND = 1_000_000n
const PRODUCERS = 2n ** 16n
const SEQUENCE_BITS = 48n

/** What columns are that have no text. */
const KINDS = { integer: 'an integer', time: 'a time', id: 'an event id', tags: 'a map, of which tags.<key> is one value' } as const

/**
 * Checks a value that a field is compared with.
 *
 * @param where The argument that holds it.
 * @throws {KinescopeError} `TYPE_MISMATCH` when the field is a column of another type, `INVALID_ARGUMENT` when no field
 * could be compared with it.
 * @example
 * operand(resolveField('event_id', 'where'), '1-42', 'where.event_id') // { int: '281474976710698' }
 */
export function operand(field: QueryField, value: unknown, where: string): Scalar {
  const scalar = value instanceof Date ? timeOf(value, where) : scalarOf(value, where)
  switch (field.kind) {
    case 'text':
      if ('text' in scalar) return scalar
      throw typeMismatch(field, value, where, 'text')
    case 'integer':
      if (isNumeric(scalar) && !(value instanceof Date)) return scalar
      throw typeMismatch(field, value, where, KINDS.integer)
    case 'time':
      if (isNumeric(scalar)) return scalar
      throw typeMismatch(field, value, where, 'a time: nanoseconds, or a Date')
    case 'id': {
      const id = 'text' in scalar ? eventIdBits(scalar.text) : undefined
      if (id === undefined) throw typeMismatch(field, value, where, 'an event id such as "1-42"')
      return { int: String(id) }
    }
    case 'tags':
      throw typeMismatch(field, value, where, KINDS.tags)
    default:
      if (value instanceof Date) throw invalidArgument(where, value, SCALAR_EXPECTED)
      return scalar
  }
}

/**
 * Checks a text that is looked for in a field.
 *
 * @throws {KinescopeError} `INVALID_ARGUMENT` when it is no text, `TYPE_MISMATCH` when the field is a column without text.
 */
export function textOperand(field: QueryField, value: unknown, where: string): string {
  if (typeof value !== 'string') throw invalidArgument(where, value, 'a string')
  if (field.kind !== 'text' && field.kind !== 'tag' && field.kind !== 'json') {
    throw new KinescopeError('TYPE_MISMATCH', `${where}: expected a field of text, but ${field.name} is ${KINDS[field.kind]}`, { field: field.name, expected: 'text' })
  }
  return value.toWellFormed()
}

/** The 64 bits of an event id in its canonical form; undefined for any other text. */
function eventIdBits(text: string): bigint | undefined {
  const match = /^(0|[1-9]\d{0,4})-(0|[1-9]\d{0,14})$/.exec(text)
  if (match === null) return undefined
  const [producer, sequence] = [BigInt(match[1]!), BigInt(match[2]!)]
  return producer < PRODUCERS && sequence < 1n << SEQUENCE_BITS ? (producer << SEQUENCE_BITS) | sequence : undefined
}

function scalarOf(value: unknown, where: string): Scalar {
  switch (typeof value) {
    case 'string':
      return { text: value.toWellFormed() }
    case 'boolean':
      return { bool: value }
    case 'bigint':
      return { int: String(value) }
    case 'number':
      // Beyond, the addon keeps integers no more exactly than floats.
      if (Number.isInteger(value) && Math.abs(value) < INT_LIMIT) return { int: String(BigInt(value)) }
      if (Number.isFinite(value)) return { float: value }
  }
  throw invalidArgument(where, value, SCALAR_EXPECTED)
}

function timeOf(date: Date, where: string): Scalar {
  const milliseconds = date.getTime()
  if (Number.isNaN(milliseconds)) throw invalidArgument(where, date, 'a valid Date')
  return { int: String(BigInt(milliseconds) * NANOSECONDS_PER_MILLISECOND) }
}

function isNumeric(scalar: Scalar): boolean {
  return 'int' in scalar || 'float' in scalar
}

function typeMismatch(field: QueryField, value: unknown, where: string, is: string): KinescopeError {
  const message = `${where}: ${field.name} is ${is}, and cannot be compared with ${describeValue(value)}`
  return new KinescopeError('TYPE_MISMATCH', message, { field: field.name, expected: is })
}
