/** Random events, and random questions with what they are in SQL. */
import * as fc from 'fast-check'
import { logs } from '../../../test/support/arbitraries.js'
import { bitsOf, existence, FIELDS, nameOf, orderBy, quoted, valueOf } from './sql.mjs'

const TEXTS = ['', 'a', 'A', 'abc', 'ABC def', '1', 'true', 'Ünïcödé', '\u{1F600}', "it's", 'line\nbreak', '%', '_', 'trace-a', 'cart', 'log']
const NUMBERS = [-3, -1, 0, 1, 2, 7, 0.5, -1.5, 1e21, 2 ** 31, -(2 ** 40), 2 ** 53 - 1]
/** Where the two dialects mean the same. */
const PATTERNS = ['^a', 'b+c?$', '(?i)abc', '[a-c]{2,}', 'ü|é', '^[0-9]+$', '[^a]', '']

const pick = (values) => fc.constantFrom(...values)
const scalars = fc.oneof({ weight: 3, arbitrary: pick(NUMBERS) }, { weight: 2, arbitrary: pick(TEXTS) }, fc.boolean(), fc.constant(null))
const values = fc.oneof({ weight: 5, arbitrary: scalars }, fc.record({ x: scalars }), fc.array(scalars, { maxLength: 2 }))
const payloads = fc.option(fc.record({ x: values, y: values, name: values }, { requiredKeys: [] }), { nil: undefined, freq: 8 })
const tags = fc.option(fc.record({ region: pick(TEXTS), n: pick(TEXTS) }, { requiredKeys: [] }), { nil: undefined })

/** Events to import. */
export const events = logs(60).chain((inputs) =>
  fc.tuple(...inputs.map(() => fc.record({ data: payloads, tags }))).map((given) => inputs.map((input, index) => ({ wallTime: BigInt(input.timestamp) * 1000n, ...input, ...given[index] }))),
)

/** What fields can be compared with. @type {Record<string, fc.Arbitrary<any>>} */
const OPERANDS = {
  text: pick([...TEXTS, 'main', 'worker-1', 'request-7', 'function_entry', 'cart.items', 'total']),
  integer: fc.integer({ min: -3, max: 22 }),
  id: fc.tuple(pick([32768, 40000]), fc.nat(30)).map(([producer, sequence]) => `${producer}-${sequence}`),
  tag: pick(TEXTS),
  path: fc.oneof(pick(NUMBERS), pick(TEXTS), fc.boolean()),
}
const RELATIONS = { lt: '<', lte: '<=', gt: '>', gte: '>=' }

/** A condition, and the same in SQL. */
const leaves = pick(FIELDS).chain((field) => {
  const name = nameOf(field)
  const operand = OPERANDS[field.kind]
  const side = (value) => (field.kind === 'id' ? String(bitsOf(value)) : typeof value === 'string' ? quoted(value) : String(value))
  const column = (value) => valueOf(field, field.kind === 'id' ? 'number' : typeof value)
  const compared = (value, operator) => `coalesce(${column(value)} ${operator} ${side(value)}, false)`
  const equal = (value) => (value === null ? `NOT ${existence(field)}` : compared(value, '='))
  const nullable = fc.option(operand, { freq: 6 })
  const list = fc.array(nullable, { maxLength: 3 })
  const anyOf = (items) => `(${items.map(equal).join(' OR ') || 'false'})`
  const made = [
    nullable.map((value) => ({ where: { [name]: value }, sql: equal(value) })),
    nullable.map((value) => ({ where: { [name]: { ne: value } }, sql: `NOT (${equal(value)})` })),
    list.map((items) => ({ where: { [name]: { in: items } }, sql: anyOf(items) })),
    list.map((items) => ({ where: { [name]: { notIn: items } }, sql: `NOT ${anyOf(items)}` })),
    fc.boolean().map((exists) => ({ where: { [name]: { exists } }, sql: `${exists ? '' : 'NOT '}${existence(field)}` })),
    fc.tuple(operand, pick(Object.keys(RELATIONS))).map(([value, operator]) => ({ where: { [name]: { [operator]: value } }, sql: compared(value, RELATIONS[operator]) })),
  ]
  if (field.kind !== 'integer' && field.kind !== 'id') {
    const text = valueOf(field, 'string')
    made.push(
      pick(TEXTS).map((part) => ({ where: { [name]: { contains: part } }, sql: `coalesce(contains(${text}, ${quoted(part)}), false)` })),
      pick(TEXTS).map((part) => ({ where: { [name]: { startsWith: part } }, sql: `coalesce(starts_with(${text}, ${quoted(part)}), false)` })),
      pick(PATTERNS).map((pattern) => ({ where: { [name]: { matches: pattern } }, sql: `coalesce(regexp_matches(${text}, ${quoted(pattern)}), false)` })),
    )
  }
  return fc.oneof(...made)
})

/** Conditions to any depth. */
export const conditions = fc.letrec((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: leaves },
    tie('list').map((parts) => ({ where: { and: parts.map(({ where }) => where) }, sql: `(${parts.map(({ sql }) => sql).join(' AND ') || 'true'})` })),
    tie('list').map((parts) => ({ where: { or: parts.map(({ where }) => where) }, sql: `(${parts.map(({ sql }) => sql).join(' OR ') || 'false'})` })),
    tie('condition').map(({ where, sql }) => ({ where: { not: where }, sql: `NOT (${sql})` })),
  ),
  list: fc.array(tie('condition'), { maxLength: 3 }),
})).condition

/** A query's options, and the events that it answers with: how many, and their `seq` in order. */
export const queries = fc
  .record({ condition: conditions, field: fc.option(pick(FIELDS)), order: pick(['asc', 'desc']), limit: fc.nat(20), offset: fc.nat(4), range: fc.option(fc.tuple(fc.nat(20), fc.nat(20))) })
  .map(({ condition, field, order, limit, offset, range }) => {
    const [start, end] = range === null ? [null, null] : [Math.min(...range), Math.max(...range)]
    const matching = `${condition.sql}${range === null ? '' : ` AND timestamp >= ${start} AND timestamp < ${end}`}`
    const keys = orderBy(field ?? { kind: 'integer', column: 'timestamp' }, order)
    return {
      options: { where: condition.where, sortOrder: order, limit, offset, ...(field !== null && { sortBy: nameOf(field) }), ...(range !== null && { startTimeMonotonic: start, endTimeMonotonic: end }) },
      total: `SELECT count(*) AS total FROM events WHERE ${matching}`,
      seqs: `SELECT seq FROM events WHERE ${matching} ORDER BY ${keys}, seq ${order} LIMIT ${limit} OFFSET ${offset}`,
    }
  })

const GROUPS = FIELDS.filter(({ kind }) => kind === 'text' || kind === 'tag').concat([{ kind: 'integer', column: 'arity' }])
const NUMERIC = FIELDS.filter(({ kind }) => kind === 'integer' || kind === 'path')

/** @param {import('./sql.mjs').SqlField} field */
function functionsOf(field) {
  const name = nameOf(field)
  const number = valueOf(field, 'number')
  // The value of the nearest rank, as the contract has it.
  const quantile = (q) => `list_sort(list(${number}) FILTER (${number} IS NOT NULL))[greatest(1, CAST(ceil(${q} * count(${number})) AS BIGINT))]`
  return [
    { spec: { count: name }, sql: `count(*) FILTER (${existence(field)})` },
    { spec: { sum: name }, sql: `sum(${number})` },
    { spec: { avg: name }, sql: `avg(${number})` },
    { spec: { min: name }, sql: `min(${number})` },
    { spec: { max: name }, sql: `max(${number})` },
    ...[0, 0.25, 0.5, 0.95, 1].map((q) => ({ spec: { quantile: name, q, exact: true }, sql: quantile(q) })),
  ]
}

const functions = fc.oneof(
  fc.constant({ spec: { count: '*' }, sql: 'count(*)' }),
  pick(GROUPS).map((field) => ({ spec: { countDistinct: nameOf(field) }, sql: `count(DISTINCT ${valueOf(field, 'string')})` })),
  pick(NUMERIC).chain((field) => pick(functionsOf(field))),
)
const WIDTH = 7
const keys = fc.oneof(
  pick(GROUPS).map((field) => ({ key: nameOf(field), name: nameOf(field), sql: valueOf(field, 'string') })),
  fc.constant({ key: { timeBucketNs: WIDTH }, name: 'time_bucket', sql: `CAST(floor(timestamp / ${WIDTH}.0) AS BIGINT) * ${WIDTH}` }),
)

/** An aggregate's options, and its groups in order: their keys and values by position. */
export const aggregates = fc
  .record({ condition: fc.option(conditions), groups: fc.uniqueArray(keys, { selector: ({ name }) => name, maxLength: 2 }), asked: fc.array(functions, { minLength: 1, maxLength: 3 }) })
  .map(({ condition, groups, asked }) => {
    const columns = [...groups.map(({ sql }) => sql), ...asked.map(({ sql }) => sql)]
    const grouped = groups.length === 0 ? '' : ` GROUP BY ${groups.map((_, index) => index + 1).join(', ')} ORDER BY ${groups.map((_, index) => `${index + 1} ASC NULLS LAST`).join(', ')}`
    return {
      options: {
        groupBy: groups.map(({ key }) => key),
        aggregations: Object.fromEntries(asked.map(({ spec }, index) => [`value_${index}`, spec])),
        ...(condition !== null && { filters: { where: condition.where } }),
      },
      names: [...groups.map(({ name }) => name), ...asked.map((_, index) => `value_${index}`)],
      sql: `SELECT ${columns.map((column, index) => `${column} AS c${index}`).join(', ')} FROM events WHERE ${condition?.sql ?? 'true'}${grouped}`,
    }
  })

/** The events of a trace: those with the id, and those without any that reach it through their parents. */
export const traces = pick(['trace-a', 'trace-b']).map((id) => ({
  id,
  sql: `WITH RECURSIVE trace AS (
      SELECT seq, event_id, timestamp FROM events WHERE correlation_id = ${quoted(id)}
      UNION SELECT child.seq, child.event_id, child.timestamp FROM events child JOIN trace ON child.parent_id = trace.event_id WHERE child.correlation_id IS NULL
    ) SELECT seq FROM trace ORDER BY timestamp, seq`,
}))
