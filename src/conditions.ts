/** Conditions: checked, and reduced to the few kinds of nodes that the addon evaluates. */
import { invalidArgument, KinescopeError, nearestNames } from './errors.js'
import { type QueryField, resolveField, tagField } from './fields.js'
import { operand, textOperand } from './operands.js'
import { allOf, anyOf, negated, type Node } from './plan.js'

const OPERATORS = ['eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'notIn', 'exists', 'contains', 'startsWith', 'matches'] as const
/** Conditions of conditions, by their key. */
const JOINS = ['and', 'or', 'not']
type Operator = (typeof OPERATORS)[number]

type ResolveField = (name: string, where: string) => QueryField

/** A level becomes four levels of JSON at most, and readers of JSON commonly stop at 128. */
const MAX_CONDITION_LEVELS = 28
const MFA_FIELDS = ['module', 'function', 'arity']

/**
 * Whether it is an object made of its own fields, of any realm: no array, Map, RegExp or instance of a class.
 *
 * @example
 * isPlainObject({ eq: 1 }) // true
 */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype = Object.getPrototypeOf(value) as object | null
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/**
 * Reduces a `Condition`: `ne`, `notIn` and `null` become `not`, `eq`, `in` and `exists`.
 *
 * @param where The argument that holds it.
 * @param resolve Finds the field that a name stands for.
 * @throws {KinescopeError} `INVALID_ARGUMENT`, `UNKNOWN_FIELD`, `TYPE_MISMATCH`.
 * @example
 * resolveCondition({ pid: { ne: 'main' } }, 'where')
 * // { not: { test: { field: { column: 'pid' }, op: 'eq', value: { text: 'main' } } } }
 */
export function resolveCondition(condition: unknown, where: string, resolve: ResolveField = resolveField, level = 1): Node {
  if (!isPlainObject(condition)) throw invalidArgument(where, condition, 'a condition: an object of fields, and, or, not')
  if (level > MAX_CONDITION_LEVELS) {
    const root = where.split(/[.[]/, 1)[0]!
    throw new KinescopeError('INVALID_ARGUMENT', `${root}: expected at most ${MAX_CONDITION_LEVELS} conditions inside each other, got more`, { field: root })
  }
  const parts = Object.entries(condition).map(([name, value]) => {
    const here = `${where}.${name}`
    if (value === undefined && JOINS.includes(name)) return allOf([])
    if (name === 'and') return allOf(resolveList(value, here, resolve, level))
    if (name === 'or') return anyOf(resolveList(value, here, resolve, level))
    if (name === 'not') return negated(resolveCondition(value, here, resolve, level + 1))
    return resolveTests(resolve(name, where), value, here)
  })
  return allOf(parts)
}

/** Reduces `mfa`: what is given of module, function and arity. */
export function resolveMfa(mfa: unknown): Node {
  if (Array.isArray(mfa) ? mfa.length !== MFA_FIELDS.length : !isPlainObject(mfa)) {
    throw invalidArgument('mfa', mfa, '{ module?, function?, arity? } or [module, function, arity]')
  }
  const given: [string, unknown][] = Array.isArray(mfa) ? MFA_FIELDS.map((name, index) => [name, mfa[index]]) : Object.entries(mfa as object)
  const tests = given.map(([name, value]) => {
    if (!MFA_FIELDS.includes(name)) throw unknownName('mfa', 'field', name, MFA_FIELDS)
    if (value === undefined && !Array.isArray(mfa)) return { and: [] }
    const type = name === 'arity' ? 'number' : 'string'
    if (typeof value !== type) throw invalidArgument(`mfa.${name}`, value, `a ${type}`)
    return equal(resolveField(name, 'mfa'), value, `mfa.${name}`)
  })
  return allOf(tests)
}

/** Reduces `tags`: every one of them has to be there, with that value. */
export function resolveTags(tags: unknown): Node {
  if (!isPlainObject(tags)) throw invalidArgument('tags', tags, 'an object of strings, numbers and booleans')
  const tests = Object.entries(tags).map(([key, value]): Node => {
    const field = tagField(key)
    return { test: { field: field.ref, op: 'eq', value: operand(field, value, field.name) } }
  })
  return allOf(tests)
}

function resolveList(list: unknown, where: string, resolve: ResolveField, level: number): Node[] {
  if (!Array.isArray(list)) throw invalidArgument(where, list, 'an array of conditions')
  return Array.from(list as unknown[], (item, index) => resolveCondition(item, `${where}[${index}]`, resolve, level + 1))
}

function resolveTests(field: QueryField, value: unknown, where: string): Node {
  if (!isPlainObject(value)) return equal(field, value, where)
  const operators = Object.entries(value).filter(([operator, against]) => against !== undefined || !OPERATORS.includes(operator as Operator))
  if (operators.length === 0) throw invalidArgument(where, value, `a value, or an object with at least one of ${OPERATORS.join(', ')}`)
  return allOf(operators.map(([operator, against]) => resolveOperator(field, operator as Operator, against, `${where}.${operator}`)))
}

function resolveOperator(field: QueryField, op: Operator, value: unknown, where: string): Node {
  switch (op) {
    case 'eq':
      return equal(field, value, where)
    case 'ne':
      return negated(equal(field, value, where))
    case 'in':
      return oneOf(field, value, where)
    case 'notIn':
      return negated(oneOf(field, value, where))
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return { test: { field: field.ref, op, value: operand(field, value, where) } }
    case 'exists':
      if (typeof value !== 'boolean') throw invalidArgument(where, value, 'a boolean')
      return value ? exists(field) : negated(exists(field))
    case 'contains':
    case 'startsWith':
    case 'matches':
      return { test: { field: field.ref, op, text: textOperand(field, value, where) } }
    default:
      throw unknownName(where.slice(0, -1 - (op as string).length), 'operator', op, OPERATORS)
  }
}

function exists(field: QueryField): Node {
  return { test: { field: field.ref, op: 'exists' } }
}

function equal(field: QueryField, value: unknown, where: string): Node {
  if (value === null) return negated(exists(field))
  return { test: { field: field.ref, op: 'eq', value: operand(field, value, where) } }
}

function oneOf(field: QueryField, values: unknown, where: string): Node {
  if (!Array.isArray(values)) throw invalidArgument(where, values, 'an array')
  const all = Array.from(values as unknown[], (value, index) => (value === null ? null : operand(field, value, `${where}[${index}]`)))
  const present = all.filter((value) => value !== null)
  const nodes: Node[] = present.length === 0 ? [] : [{ test: { field: field.ref, op: 'in', values: present } }]
  return anyOf(present.length === all.length ? nodes : [...nodes, negated(exists(field))])
}

function unknownName(where: string, what: string, name: string, known: readonly string[]): KinescopeError {
  const nearest = nearestNames(name, known)
  const message = `${where}: unknown ${what} ${JSON.stringify(name.slice(0, 60))}; known are ${known.join(', ')}`
  return new KinescopeError('INVALID_ARGUMENT', message, { field: name, nearest })
}
