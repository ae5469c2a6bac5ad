// @ts-check
/**
 * Conditions: compiled to a predicate, two-valued throughout.
 */
import { KinescopeError, invalidArgument, isPlainArgument, nearestNames } from './errors.js'
import { compileRegex } from './regex.js'
import { compareScalars, eventIdBits, isNumeric, isScalar, numberOfText, requireTime, typeMismatch, wellFormed } from './values.js'

/** @typedef {import('./fields.js').Field} Field */
/** @typedef {import('./values.js').Scalar} Scalar */
/** @typedef {(row: any) => boolean} Predicate */
/** @typedef {(name: string, where: string) => Field} Resolve */

const OPERATORS = ['eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'notIn', 'exists', 'contains', 'startsWith', 'matches']

/**
 * @param {unknown} condition
 * @param {Resolve} resolve finds the field that a name stands for
 * @param {string} where
 * @returns {Predicate}
 */
export function compileCondition(condition, resolve, where) {
  if (!isPlainArgument(condition)) throw invalidArgument(where, 'a condition object', condition)
  const parts = Object.entries(condition).map(([name, value]) => {
    const here = `${where}.${name}`
    if (value === undefined && ['and', 'or', 'not'].includes(name)) return every([])
    if (name === 'and') return every(compileList(value, resolve, here))
    if (name === 'or') return some(compileList(value, resolve, here))
    if (name === 'not') return negate(compileCondition(value, resolve, here))
    return compileField(resolve(name, here), value, here)
  })
  return every(parts)
}

/**
 * @param {unknown} list
 * @param {Resolve} resolve
 * @param {string} where
 */
function compileList(list, resolve, where) {
  if (!Array.isArray(list)) throw invalidArgument(where, 'an array of conditions', list)
  return list.map((item, index) => compileCondition(item, resolve, `${where}[${index}]`))
}

/** @param {Predicate[]} parts */
export function every(parts) {
  return (/** @type {any} */ row) => parts.every((part) => part(row))
}

/** @param {Predicate[]} parts */
function some(parts) {
  return (/** @type {any} */ row) => parts.some((part) => part(row))
}

/** @param {Predicate} part */
function negate(part) {
  return (/** @type {any} */ row) => !part(row)
}

/**
 * @param {Field} field
 * @param {unknown} value a scalar, null, or an object of operators
 * @param {string} where
 */
function compileField(field, value, where) {
  if (!isPlainArgument(value)) return compileOperator(field, 'eq', value, where)
  const operators = Object.entries(value).filter(([operator, operand]) => operand !== undefined || !OPERATORS.includes(operator))
  if (operators.length === 0) throw invalidArgument(where, `at least one operator of ${OPERATORS.join(', ')}`, value)
  return every(operators.map(([operator, operand]) => compileOperator(field, operator, operand, `${where}.${operator}`)))
}

/**
 * @param {Field} field
 * @param {string} operator
 * @param {unknown} operand
 * @param {string} where
 * @returns {Predicate}
 */
function compileOperator(field, operator, operand, where) {
  switch (operator) {
    case 'eq':
      return equals(field, operand, where)
    case 'ne':
      return negate(equals(field, operand, where))
    case 'in':
      return oneOf(field, operand, where)
    case 'notIn':
      return negate(oneOf(field, operand, where))
    case 'exists':
      if (typeof operand !== 'boolean') throw invalidArgument(where, 'a boolean', operand)
      return (row) => isPresent(field.read(row)) === operand
    case 'lt':
      return ordered(field, operand, where, (order) => order < 0)
    case 'lte':
      return ordered(field, operand, where, (order) => order <= 0)
    case 'gt':
      return ordered(field, operand, where, (order) => order > 0)
    case 'gte':
      return ordered(field, operand, where, (order) => order >= 0)
    case 'contains':
      return onText(field, operand, where, (text, wanted) => text.includes(wanted))
    case 'startsWith':
      return onText(field, operand, where, (text, wanted) => text.startsWith(wanted))
    case 'matches': {
      const regex = typeof operand === 'string' ? compileRegex(operand, where) : /./u
      return onText(field, operand, where, (text) => regex.test(text))
    }
    default: {
      const nearest = nearestNames(operator, OPERATORS)
      throw new KinescopeError('INVALID_ARGUMENT', `${where}: unknown operator; known are ${OPERATORS.join(', ')}`, { field: field.name, nearest })
    }
  }
}

/** @param {unknown} value */
function isPresent(value) {
  return value !== null && value !== undefined
}

/**
 * @param {Field} field
 * @param {unknown} operand
 * @param {string} where
 * @returns {Predicate}
 */
export function equals(field, operand, where) {
  if (operand === null) return (row) => !isPresent(field.read(row))
  return ordered(field, operand, where, (order) => order === 0)
}

/**
 * @param {Field} field
 * @param {unknown} operands
 * @param {string} where
 */
export function oneOf(field, operands, where) {
  if (!Array.isArray(operands)) throw invalidArgument(where, 'an array', operands)
  return some(operands.map((operand, index) => equals(field, operand, `${where}[${index}]`)))
}

/**
 * Compares within the type of the given value; a value of another type answers no.
 *
 * @param {Field} field
 * @param {unknown} operand
 * @param {string} where
 * @param {(order: number) => boolean} accept
 * @returns {Predicate}
 */
function ordered(field, operand, where, accept) {
  const wanted = checkOperand(field, operand, where)
  return (row) => {
    const value = comparable(field, field.read(row), wanted)
    return value !== undefined && accept(compareScalars(value, wanted))
  }
}

/**
 * @param {Field} field
 * @param {unknown} operand
 * @param {string} where
 * @returns {Scalar}
 */
function checkOperand(field, operand, where) {
  if (!isScalar(operand) && !(operand instanceof Date)) throw invalidArgument(where, 'a string, number, bigint or boolean', operand)
  if (typeof operand === 'number' && !Number.isFinite(operand)) throw invalidArgument(where, 'a finite number', operand)
  switch (field.kind) {
    case 'text':
      if (typeof operand !== 'string') throw typeMismatch(field.name, 'text', operand)
      return wellFormed(operand)
    case 'integer':
      if (!isNumeric(operand)) throw typeMismatch(field.name, 'an integer', operand)
      return operand
    case 'time':
      if (operand instanceof Date) return requireTime(operand, where, true)
      if (!isNumeric(operand)) throw typeMismatch(field.name, 'a time', operand)
      return operand
    case 'id': {
      const bits = eventIdBits(operand)
      if (bits === undefined) throw typeMismatch(field.name, 'an event id', operand)
      return bits
    }
    case 'tags':
      throw typeMismatch(field.name, 'a map (name one tag as tags.<key>)', operand)
    default:
      if (operand instanceof Date) throw invalidArgument(where, 'a string, number, bigint or boolean', operand)
      return typeof operand === 'string' ? wellFormed(operand) : operand
  }
}

/**
 * The row's value in the type of `wanted`, or undefined when it has none.
 *
 * @param {Field} field
 * @param {any} value
 * @param {Scalar} wanted
 * @returns {Scalar | undefined}
 */
function comparable(field, value, wanted) {
  if (value === null || value === undefined) return undefined
  if (field.kind === 'id') return eventIdBits(value)
  if (field.kind === 'tag' && isNumeric(wanted)) return numberOfText(value)
  if (field.kind === 'tag' && typeof wanted === 'boolean') return value === 'true' || value === 'false' ? value === 'true' : undefined
  if (isNumeric(wanted)) return isNumeric(value) ? value : undefined
  return typeof value === typeof wanted ? value : undefined
}

/**
 * @param {Field} field
 * @param {unknown} operand
 * @param {string} where
 * @param {(text: string, wanted: string) => boolean} accept
 * @returns {Predicate}
 */
function onText(field, operand, where, accept) {
  if (typeof operand !== 'string') throw invalidArgument(where, 'a string', operand)
  if (!['text', 'tag', 'json'].includes(field.kind)) throw typeMismatch(field.name, 'not text', operand)
  const wanted = wellFormed(operand)
  return (row) => {
    const value = field.read(row)
    return typeof value === 'string' && accept(value, wanted)
  }
}
