// @ts-check
/**
 * What a query can name: the fixed columns, paths into `data`, and tags.
 */
import { KinescopeError, invalidArgument, nearestNames } from './errors.js'
import { eventIdBits, wellFormed } from './values.js'

/** @typedef {import('../index.js').Event} Event */
/** @typedef {'integer' | 'time' | 'text' | 'id' | 'tags' | 'tag' | 'json'} FieldKind */
/**
 * @typedef {object} Field
 * @property {string} name as it was asked for
 * @property {string} key the name in a row: a column's in camelCase, a path's as it was asked for
 * @property {string} identity equal for two spellings of the same field
 * @property {FieldKind} kind
 * @property {(event: any) => any} read the value as rows show it; null or undefined when absent
 */

/** Every column: snake_case as in Arrow, with the kind of its values. */
const COLUMN_KINDS = /** @type {const} */ ({
  seq: 'integer',
  event_id: 'id',
  timestamp: 'integer',
  wall_time: 'time',
  event_type: 'text',
  node: 'text',
  pid: 'text',
  correlation_id: 'text',
  parent_id: 'id',
  module: 'text',
  function: 'text',
  arity: 'integer',
  file: 'text',
  line: 'integer',
  tags: 'tags',
  data: 'json',
})

/** @param {string} name in snake_case */
export function camelCase(name) {
  return name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())
}

/** Columns in their order: Arrow's name, the event's key, the kind. */
export const COLUMNS = Object.entries(COLUMN_KINDS).map(([name, kind]) => ({ name, key: camelCase(name), kind }))

/** The columns that text search looks into. */
export const TEXT_COLUMNS = COLUMNS.filter(({ kind }) => kind === 'text')

/**
 * Resolves a name as it may stand in a condition, a sort, a projection or an aggregate.
 *
 * @param {unknown} name
 * @param {string} where the argument that holds it
 * @returns {Field}
 */
export function resolveField(name, where) {
  if (typeof name !== 'string') throw invalidArgument(where, "a column's name or a path", name)
  if (name.startsWith('tags.')) {
    const tag = wellFormed(name.slice('tags.'.length))
    return { name, key: name, identity: `tags.${tag}`, kind: 'tag', read: (event) => ownValue(event.tags, tag) }
  }
  if (name.startsWith('data.') || name.startsWith('data[')) {
    const steps = parsePath(name, where)
    return { name, key: name, identity: formatPath('data', steps), kind: 'json', read: (event) => walk(event.data, steps) }
  }
  const column = COLUMNS.find((candidate) => candidate.name === name || candidate.key === name)
  if (!column) {
    const nearest = nearestNames(name, COLUMNS.map((candidate) => candidate.name))
    throw new KinescopeError('UNKNOWN_FIELD', `${where}: no field ${JSON.stringify(name)}; nearest: ${nearest.join(', ')}`, { field: name, nearest })
  }
  return { name, key: column.key, identity: column.name, kind: column.kind, read: (event) => event[column.key] }
}

/**
 * The value of a field in the form in which it sorts: ids by their bits.
 *
 * @param {Field} field
 * @param {any} row
 */
export function sortValue(field, row) {
  const value = field.read(row)
  return field.kind === 'id' && value !== null ? eventIdBits(value) : value
}

/**
 * `data.a["b.c"].0` to `['a', 'b.c', '0']`.
 *
 * @param {string} path begins with `data`
 * @param {string} where
 * @returns {string[]}
 */
export function parsePath(path, where) {
  const steps = []
  let rest = path.slice('data'.length)
  while (rest !== '') {
    const [match, plain, quoted] = /^(?:\.([^.[\]"]+)|\.?\[("(?:[^"\\]|\\.)*")\])/.exec(rest) ?? []
    if (plain !== undefined) steps.push(wellFormed(plain))
    else if (quoted !== undefined) steps.push(unquote(quoted, path, where))
    else throw invalidArgument(where, 'a path such as data.a["b.c"].0', path)
    rest = rest.slice(match?.length)
  }
  return steps
}

/**
 * @param {string} literal
 * @param {string} path
 * @param {string} where
 */
function unquote(literal, path, where) {
  try {
    return wellFormed(JSON.parse(literal))
  } catch {
    throw invalidArgument(where, 'a key quoted as in JSON', path)
  }
}

/**
 * The reverse of {@link parsePath}; also how `$cut` names places.
 *
 * @param {string} root
 * @param {readonly (string | number)[]} steps a number is an array's index
 */
export function formatPath(root, steps) {
  return steps.reduce((/** @type {string} */ path, step) => {
    if (typeof step === 'string' && !/^[A-Za-z_$][A-Za-z0-9_$]*$/.test(step)) return `${path}[${JSON.stringify(step)}]`
    return path === '' ? String(step) : `${path}.${step}`
  }, root)
}

/**
 * @param {any} value
 * @param {readonly string[]} steps
 */
function walk(value, steps) {
  for (const step of steps) {
    if (Array.isArray(value)) value = /^(0|[1-9][0-9]*)$/.test(step) ? value[Number(step)] : undefined
    else value = ownValue(value, step)
  }
  return value
}

/**
 * @param {any} object
 * @param {string} key
 */
function ownValue(object, key) {
  return typeof object === 'object' && object !== null && Object.hasOwn(object, key) ? object[key] : undefined
}
