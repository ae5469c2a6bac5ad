/**
 * The questions in SQL, to DuckDB. Its table is a file that is as good as in memory once it is warm; texts of which there are few are
 * enums, and what other columns hold as JSON is in typed columns besides. Of several ways to ask, these were the fastest.
 */
import { rmSync } from 'node:fs'
import { measureAskings } from '../query/asking.mjs'
import { correlationIdOf, pidOf, SITES, TYPES } from '../query/events.mjs'
import { RARE_WORD } from '../query/messages.mjs'
import { eventList, PAGE, QUANTILE, sortGroups, totalAndEvents, X_ABOVE } from '../query/questions.mjs'
import { functionKey, groupKey } from '../query/reference.mjs'

const THREADS = 2
const now = process.hrtime.bigint
const BUSY_EXITS = `FROM events WHERE pid = $pid AND event_type = 'function_exit' AND timestamp >= $start AND timestamp < $end`
const RARE_MESSAGES = `FROM events WHERE event_type = 'log' AND contains(lower(message), '${RARE_WORD}')`
const FIRST = `ORDER BY timestamp, seq LIMIT ${PAGE}`
const TRACE = 'SELECT * FROM events WHERE correlation_id = $correlationId ORDER BY timestamp, seq'

/**
 * @param {{ quick: boolean, events: number, questions: string[], file: string }} options `file`: the events.
 * @returns {Promise<Record<string, number | number[] | string>>} Milliseconds of each question, `eventsPerSecond` read.
 */
export async function measure({ quick, events, questions, file }) {
  const { DuckDBInstance } = await loadPackage()
  const path = `${file}.duckdb`
  try {
    const instance = await DuckDBInstance.create(path, { threads: String(THREADS) })
    const connection = await instance.connect()
    const start = now()
    await load(connection, file)
    const eventsPerSecond = events / (Number(now() - start) / 1e9)
    const samples = await measureAskings(await askingsOf(connection), { events, quick, questions })
    await connection.run('CREATE INDEX by_correlation_id ON events (correlation_id)')
    const indexed = { 'trace-indexed': { ...rowsAsking(await prepare(connection, TRACE)), question: 'trace' } }
    Object.assign(samples, await measureAskings(indexed, { events, quick, questions }))
    connection.closeSync()
    instance.closeSync()
    return { ...samples, eventsPerSecond }
  } finally {
    for (const suffix of ['', '.wal']) rmSync(path + suffix, { force: true })
  }
}

async function loadPackage() {
  try {
    return await import('@duckdb/node-api')
  } catch (error) {
    throw new Error(`DuckDB cannot be loaded; npm leaves its binary out where it has none for the platform: ${error.message}`, { cause: error })
  }
}

/**
 * @param {import('@duckdb/node-api').DuckDBConnection} connection
 * @param {string} file
 */
async function load(connection, file) {
  const modules = [...new Set(SITES.map(({ module }) => module))]
  const enums = { type_name: TYPES, module_name: modules, function_name: SITES.map((site) => site.function), file_name: [...new Set(SITES.map((site) => site.file))] }
  for (const [name, values] of Object.entries(enums)) await connection.run(`CREATE TYPE ${name} AS ENUM (${values.map((value) => `'${value}'`)})`)
  const columns = {
    seq: 'UBIGINT',
    event_id: 'UBIGINT',
    timestamp: 'BIGINT',
    wall_time: 'BIGINT',
    event_type: 'type_name',
    node: 'VARCHAR',
    pid: 'VARCHAR',
    correlation_id: 'VARCHAR',
    parent_id: 'UBIGINT',
    module: 'module_name',
    function: 'function_name',
    arity: 'USMALLINT',
    file: 'file_name',
    line: 'UINTEGER',
    data: 'JSON',
    duration_ns: 'BIGINT',
    x: 'SMALLINT',
    message: 'VARCHAR',
  }
  await connection.run(`CREATE TABLE events (${Object.entries(columns).map(([name, type]) => `${name} ${type}`)})`)
  await connection.run(`COPY events FROM '${file.replaceAll("'", "''")}' (HEADER)`)
  await connection.run('CHECKPOINT')
  // Makes short work of wide rows in an order that has a limit, which is otherwise so up to 50 rows only.
  await connection.run(`SET late_materialization_max_rows = ${10 * PAGE}`)
}

/**
 * @param {import('@duckdb/node-api').DuckDBConnection} connection
 * @returns {Promise<Record<string, import('../query/asking.mjs').Asking>>}
 */
async function askingsOf(connection) {
  const sql = (text) => prepare(connection, text)
  const countX = (value) => sql(`SELECT count(*) FROM events WHERE ${value} > ${X_ABOVE}`)
  const page = pageAsking(await sql(`SELECT * ${BUSY_EXITS} ${FIRST}`), await sql(`SELECT count(*) ${BUSY_EXITS}`))
  return {
    count: groupsAsking(await sql('SELECT module, function, arity, count(*) AS n FROM events GROUP BY ALL'), (row) => [[functionKey(row), Number(row.n)]]),
    page,
    'page-request': page,
    trace: rowsAsking(await sql(TRACE)),
    stack: rowsAsking(
      await sql(`
        SELECT * FROM events WHERE event_id IN (
          SELECT CASE WHEN event_type = 'function_entry' THEN event_id ELSE parent_id END FROM events
          WHERE pid = $pid AND event_type IN ('function_entry', 'function_exit') AND timestamp <= $at
          GROUP BY 1 HAVING count(*) = 1)
        ORDER BY timestamp DESC, seq DESC`),
    ),
    top: rowsAsking(await sql(`SELECT * FROM events ORDER BY duration_ns DESC NULLS LAST, seq DESC LIMIT ${PAGE}`)),
    'x-json': countAsking(await countX(`CAST(data->>'$.variables.x' AS INTEGER)`), 'x'),
    'x-typed': countAsking(await countX('x'), 'x'),
    group: groupsAsking(
      await sql('SELECT event_type, module, function, arity, count(*) AS n, avg(duration_ns) AS mean FROM events GROUP BY ALL'),
      ({ event_type: type, n, mean, ...site }) => {
        const key = groupKey(type, site)
        return [[`${key} count`, Number(n)], ...(mean === null ? [] : [[`${key} sum`, Math.round(mean * Number(n))]])]
      },
    ),
    // Its estimate (approx_quantile) takes longer.
    p95: groupsAsking(
      await sql(`SELECT module, function, arity, quantile_disc(duration_ns, ${QUANTILE}) AS p95 FROM events GROUP BY ALL`),
      (row) => (row.p95 === null ? [] : [[functionKey(row), Number(row.p95)]]),
    ),
    text: pageAsking(await sql(`SELECT * ${RARE_MESSAGES} ${FIRST}`), await sql(`SELECT count(*) ${RARE_MESSAGES}`)),
  }
}

/** @typedef {(variant: any) => Promise<import('@duckdb/node-api').DuckDBResultReader>} Statement */

/**
 * @param {import('@duckdb/node-api').DuckDBConnection} connection
 * @param {string} sql
 * @returns {Promise<Statement>}
 */
async function prepare(connection, sql) {
  const statement = await connection.prepare(sql)
  return ({ process: code, trace, start, end, at }) => {
    const all = { pid: code, correlationId: trace, start, end, at }
    const values = { ...all, ...(code !== undefined && { pid: pidOf(code) }), ...(trace !== undefined && { correlationId: correlationIdOf(trace) }) }
    for (let index = 1; index <= statement.parameterCount; index++) {
      const value = values[statement.parameterName(index)]
      if (typeof value === 'number') statement.bindBigInt(index, BigInt(value))
      else statement.bindVarchar(index, value)
    }
    return statement.runAndReadAll()
  }
}

/** @param {Statement} rows */
function rowsAsking(rows) {
  return { ask: rows, answer: (reader) => eventList(numbersOf(reader)) }
}

/**
 * @param {Statement} count
 * @param {string} question
 */
function countAsking(count, question) {
  return { ask: count, answer: (reader) => [['count', Number(reader.value(0, 0))]], question }
}

/**
 * @param {Statement} rows
 * @param {Statement} count
 */
function pageAsking(rows, count) {
  return {
    ask: async (variant) => [await rows(variant), await count(variant)],
    answer: ([page, total]) => totalAndEvents(Number(total.value(0, 0)), numbersOf(page)),
  }
}

/**
 * @param {Statement} groups
 * @param {(row: any) => import('../query/questions.mjs').Answer} itemsOf
 */
function groupsAsking(groups, itemsOf) {
  return { ask: groups, answer: (reader) => sortGroups(reader.getRowObjects().flatMap(itemsOf)) }
}

/** @param {import('@duckdb/node-api').DuckDBResultReader} reader @returns {number[]} */
function numbersOf(reader) {
  return reader.getColumnsObject().seq.map(Number)
}
