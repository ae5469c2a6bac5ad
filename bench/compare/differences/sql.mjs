/** Fields and values in DuckDB's SQL, with the meaning that they have in conditions. */

/** Columns by what their values are. */
export const COLUMNS = {
  text: ['event_type', 'node', 'pid', 'correlation_id', 'module', 'function', 'file'],
  integer: ['seq', 'timestamp', 'arity', 'line', 'wall_time'],
  id: ['event_id', 'parent_id'],
}
export const TAGS = ['region', 'n']
export const PATHS = [['x'], ['y'], ['name'], ['y', 'x']]

/**
 * @typedef {{ kind: 'text' | 'integer' | 'id', column: string } | { kind: 'tag', tag: string } | { kind: 'path', path: string[] }} SqlField
 */

/** Every field that questions name. @type {SqlField[]} */
export const FIELDS = [
  ...Object.entries(COLUMNS).flatMap(([kind, columns]) => columns.map((column) => ({ kind: /** @type {'text'} */ (kind), column }))),
  ...TAGS.map((tag) => /** @type {const} */ ({ kind: 'tag', tag })),
  ...PATHS.map((path) => /** @type {const} */ ({ kind: 'path', path })),
]

/**
 * As queries name it.
 *
 * @param {SqlField} field
 */
export function nameOf(field) {
  if (field.kind === 'tag') return `tags.${field.tag}`
  return field.kind === 'path' ? `data.${field.path.join('.')}` : field.column
}

/**
 * A text as a literal.
 *
 * @param {string} text
 */
export function quoted(text) {
  return `'${text.replaceAll("'", "''")}'`
}

/**
 * @param {SqlField} field
 * @param {'number' | 'string' | 'boolean'} type the values to compare with; those of other types are null
 * @returns {string} an expression
 */
export function valueOf(field, type) {
  if (field.kind === 'tag') return `tags[${quoted(field.tag)}]`
  if (field.kind !== 'path') return field.column
  const json = jsonOf(field.path)
  const inType = { number: `IN ('BIGINT', 'UBIGINT', 'DOUBLE')`, string: `= 'VARCHAR'`, boolean: `= 'BOOLEAN'` }[type]
  const value = { number: `CAST(${json} AS DOUBLE)`, string: `json_extract_string(${json}, '$')`, boolean: `CAST(${json} AS BOOLEAN)` }[type]
  return `(CASE WHEN json_type(${json}) ${inType} THEN ${value} END)`
}

/** @param {string[]} path */
function jsonOf(path) {
  return `json_extract(data, ${quoted(`$${path.map((key) => `."${key}"`).join('')}`)})`
}

/**
 * Whether there is a value other than null.
 *
 * @param {SqlField} field
 */
export function existence(field) {
  if (field.kind === 'path') return `coalesce(json_type(${jsonOf(field.path)}) <> 'NULL', false)`
  return `(${valueOf(field, 'string')} IS NOT NULL)`
}

/**
 * Keys by which rows are ordered: booleans before numbers before texts, what is none of them last.
 *
 * @param {SqlField} field
 * @param {'asc' | 'desc'} order
 */
export function orderBy(field, order) {
  if (field.kind !== 'path') return `${valueOf(field, 'string')} ${order} NULLS LAST`
  const types = /** @type {const} */ (['boolean', 'number', 'string'])
  const rank = `CASE ${types.map((type, index) => `WHEN ${valueOf(field, type)} IS NOT NULL THEN ${index}`).join(' ')} END`
  return [rank, ...types.map((type) => valueOf(field, type))].map((key) => `${key} ${order} NULLS LAST`).join(', ')
}

const TYPES = {
  seq: 'UBIGINT',
  event_id: 'UBIGINT',
  timestamp: 'BIGINT',
  wall_time: 'BIGINT',
  event_type: 'VARCHAR',
  node: 'VARCHAR',
  pid: 'VARCHAR',
  correlation_id: 'VARCHAR',
  parent_id: 'UBIGINT',
  module: 'VARCHAR',
  function: 'VARCHAR',
  arity: 'USMALLINT',
  file: 'VARCHAR',
  line: 'UINTEGER',
  tags: 'MAP(VARCHAR, VARCHAR)',
  data: 'JSON',
}

/**
 * Statements that make a table of events.
 *
 * @param {import('../../../index.js').QueryResult} result
 */
export function tableOf(result) {
  const columns = Object.keys(TYPES)
  const json = result.table.getChild('data')
  const rows = Array.from(result, (event, row) => `(${columns.map((column) => literal(column, event, json?.get(row))).join(', ')})`)
  const made = `CREATE OR REPLACE TABLE events (${columns.map((column) => `${column} ${TYPES[/** @type {'seq'} */ (column)]}`).join(', ')})`
  return rows.length === 0 ? [made] : [made, `INSERT INTO events VALUES ${rows.join(',\n')}`]
}

/**
 * @param {string} column
 * @param {any} event
 * @param {string | null} json
 */
function literal(column, event, json) {
  const value = column === 'data' ? json : event[column.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())]
  if (value === null || value === undefined) return 'NULL'
  if (column === 'tags') return `MAP {${Object.entries(value).map(([key, text]) => `${quoted(key)}: ${quoted(text)}`).join(', ')}}`
  if (column === 'event_id' || column === 'parent_id') return String(bitsOf(value))
  return typeof value === 'string' ? quoted(value) : String(value)
}

/**
 * The 64 bits of an id.
 *
 * @param {string} id
 */
export function bitsOf(id) {
  const [producer, sequence] = id.split('-').map(BigInt)
  return (/** @type {bigint} */ (producer) << 48n) | /** @type {bigint} */ (sequence)
}
