/** What a query can name: the fixed columns, paths into `data`, and tags. */
import { invalidArgument, KinescopeError, nearestNames } from './errors.js'

/** What the values of a field are, as far as comparing goes. A path's values may be of any type. */
export type FieldKind = 'integer' | 'time' | 'text' | 'id' | 'tags' | 'tag' | 'json'

/** A field as the addon is told of it; equal for two spellings of the same field. */
export type FieldRef = { readonly column: string } | { readonly path: readonly string[] } | { readonly tag: string }

/** A field that was asked for. */
export interface QueryField {
  /** Its column in a table: a column's name in snake_case, a path as it was asked for. */
  readonly name: string
  /** Its key in a row: a column's name in camelCase, a path as it was asked for. */
  readonly key: string
  readonly kind: FieldKind
  readonly ref: FieldRef
}

const COLUMN_KINDS: Readonly<Record<string, FieldKind>> = {
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
}

const COLUMNS = new Map<string, QueryField>()
for (const [name, kind] of Object.entries(COLUMN_KINDS)) {
  const key = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const field: QueryField = { name, key, kind, ref: { column: name } }
  COLUMNS.set(key, field).set(name, field)
}

const PATH_EXPECTED = 'a path such as data.a["b.c"].0'

/**
 * The field that a name stands for: a column in snake_case or camelCase, `data` followed by steps, or `tags.` followed
 * by a tag's key, taken verbatim.
 *
 * @param where The argument that holds the name, for the message.
 * @throws {KinescopeError} `UNKNOWN_FIELD` with the `nearest` names; `INVALID_ARGUMENT` for what is no text, and for a
 * path that cannot be read.
 * @example
 * resolveField('data.args.0', 'sortBy').ref // { path: ['args', '0'] }
 */
export function resolveField(name: unknown, where: string): QueryField {
  if (typeof name !== 'string') throw invalidArgument(where, name, "a column's name or a path such as data.a.b")
  if (name.startsWith('tags.')) return tagField(name.slice('tags.'.length))
  if (name.startsWith('data.') || name.startsWith('data[')) return { name, key: name, kind: 'json', ref: { path: parsePath(name, where) } }
  const column = COLUMNS.get(name)
  if (column !== undefined) return column
  const nearest = nearestNames(name, [...COLUMNS.keys()])
  const message = `${where}: no field is called ${JSON.stringify(name.slice(0, 60))}; nearest are ${nearest.join(', ')}; what an event carries is data.<path> and tags.<key>`
  throw new KinescopeError('UNKNOWN_FIELD', message, { field: name, nearest })
}

/**
 * The key in rows of the column that has this name.
 *
 * @example
 * columnKey('event_type') // 'eventType'
 */
export function columnKey(name: string): string | undefined {
  return COLUMNS.get(name)?.key
}

/** One tag. */
export function tagField(key: string): QueryField {
  const name = `tags.${key}`
  return { name, key: name, kind: 'tag', ref: { tag: key.toWellFormed() } }
}

/** Steps are `.key`, with a key free of `.`, `[`, `]` and `"`, or `["key"]` with a key as in JSON. */
function parsePath(path: string, where: string): string[] {
  const steps: string[] = []
  const step = /\.([^.[\]"]+)|\.?\[("(?:[^"\\]|\\.)*")\]/sy
  step.lastIndex = 'data'.length
  while (step.lastIndex < path.length) {
    const [, plain, quoted] = step.exec(path) ?? []
    const key = plain ?? (quoted === undefined ? undefined : unquoted(quoted))
    if (key === undefined) throw invalidArgument(where, path, PATH_EXPECTED)
    steps.push(key.toWellFormed())
  }
  return steps
}

function unquoted(literal: string): string | undefined {
  try {
    return JSON.parse(literal) as string
  } catch {
    return undefined
  }
}
