/** DuckDB's own C interface, of the library that comes with `@duckdb/node-api`, in this process. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import koffi from 'koffi'

const LIBRARIES = { linux: 'libduckdb.so', darwin: 'libduckdb.dylib', win32: 'duckdb.dll' }
const bindings = dirname(createRequire(import.meta.url).resolve(`@duckdb/node-bindings-${process.platform}-${process.arch}/package.json`))
const library = koffi.load(join(bindings, LIBRARIES[process.platform]))
const duckdb = {
  open: library.func('int duckdb_open(const char *path, _Out_ void **database)'),
  connect: library.func('int duckdb_connect(void *database, _Out_ void **connection)'),
  arrowScan: library.func('int duckdb_arrow_scan(void *connection, const char *name, void *stream)'),
  query: library.func('int duckdb_query(void *connection, const char *sql, void *result)'),
  error: library.func('const char *duckdb_result_error(void *result)'),
  rows: library.func('uint64_t duckdb_row_count(void *result)'),
  columns: library.func('uint64_t duckdb_column_count(void *result)'),
  value: library.func('const char *duckdb_value_varchar(void *result, uint64_t column, uint64_t row)'),
  destroyResult: library.func('void duckdb_destroy_result(void *result)'),
  disconnect: library.func('void duckdb_disconnect(_Inout_ void **connection)'),
  close: library.func('void duckdb_close(_Inout_ void **database)'),
}
/** Of its `struct duckdb_result`. */
const RESULT_BYTES = 48

/** A database in memory. */
export class DuckDB {
  #database
  #connection

  constructor() {
    this.#database = called((out) => duckdb.open(null, out))
    this.#connection = called((out) => duckdb.connect(this.#database, out))
    // DuckDB (1.5) leaves it to a stream to give only the columns and rows that a query needs, and takes what comes for that. A C stream gives all.
    this.ask("set disabled_optimizers = 'unused_columns,filter_pushdown,statistics_propagation'")
  }

  /** A stream can be scanned once: the view is for one query. */
  scan(name, { address }) {
    if (duckdb.arrowScan(this.#connection, name, address) !== 0) throw new Error('DuckDB takes no stream')
  }

  /** Rows as texts. */
  ask(sql) {
    const result = Buffer.alloc(RESULT_BYTES)
    return rowsOf(result, duckdb.query(this.#connection, sql, result))
  }

  /** The same in another thread. */
  async askElsewhere(sql) {
    const result = Buffer.alloc(RESULT_BYTES)
    const status = await new Promise((resolve, reject) => {
      duckdb.query.async(this.#connection, sql, result, (error, value) => (error ? reject(error) : resolve(value)))
    })
    return rowsOf(result, status)
  }

  close() {
    duckdb.disconnect([this.#connection])
    duckdb.close([this.#database])
  }
}

function called(call) {
  const out = [null]
  if (call(out) !== 0) throw new Error('DuckDB refuses')
  return out[0]
}

function rowsOf(result, status) {
  try {
    if (status !== 0) throw new Error(duckdb.error(result))
    const [rows, columns] = [Number(duckdb.rows(result)), Number(duckdb.columns(result))]
    return Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (__, column) => duckdb.value(result, column, row)))
  } finally {
    duckdb.destroyResult(result)
  }
}
