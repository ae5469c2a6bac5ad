/** What `--help` says. */

const FILTERS = `Which events
  --since TIME, --until TIME   by wall clock: ISO 8601, how long ago (90s, 5m, 2h, 1d), or nanoseconds since 1970
  --pid PID                    a logical process; may be repeated, as the next two
  --correlation-id ID          a trace
  --event-type TYPE
  --mfa MODULE.FUNCTION/ARITY  a function, of which parts may be left out
  --tag KEY=VALUE              may be repeated: all of them
  --text WORDS                 words and "quoted phrases" that occur somewhere
  --where JSON                 any condition, such as '{"data.duration_ns":{"gt":1000000}}'
  --fields A,B                 columns, paths such as data.items.0.price, tags.region; a type may follow:
                               data.x:i64 (or f64, bool, utf8, json)`

const ROWS = `  --sort FIELD, --desc         default: by time
  --limit N, --offset N`

const NUMBERS = `In JSON an event has the fields of the API's Event. Integers are written with all of their digits: those of wallTime, and of
timestamp after 104 days of uptime, are beyond what a JavaScript number holds.`

const CODES = `Exit codes: 0 done, 1 failed (the message begins with the error's code), 2 the command line is wrong.`

/** By command; '' is the command itself. */
export const HELP: Readonly<Record<string, string>> = {
  '': `Usage: kinescope COMMAND RECORDING [OPTIONS]

Looks at recordings on disk, finished or being written. Only recover changes anything in them.

Commands
  info     what a recording holds
  verify   checks every checksum, and says what is damaged and what is intact
  recover  takes over what a killed process recorded last
  query    events, or groups of events, as a table, JSON or CSV
  tail     events as they are recorded
  export   events as Arrow, Parquet or NDJSON, or for Perfetto, speedscope, Chrome and OpenTelemetry (OTLP)
  serve    events over HTTP, for pyarrow, Polars, DuckDB and curl

kinescope COMMAND --help says more; --version says which one this is.

${CODES}
`,
  info: `Usage: kinescope info RECORDING [--json]

What a recording holds: events, times, event types, paths in data, tags, and what is missing.

${CODES}
`,
  verify: `Usage: kinescope verify RECORDING [--json]

Checks every file of a recording, also while it is being written: checksums of sealed segments and their indexes, commit records,
losses and producers' numbers; of an open segment, which has no checksums, what readers rely on. Changes nothing.

Exit codes: 0 everything is intact, 1 something is damaged or the command failed, 2 the command line is wrong.
`,
  recover: `Usage: kinescope recover RECORDING

Takes over what a process that was killed has left in its rings: the events of its last moments, which readers do not see. So does whoever
opens the recording to record; info and verify say whether it is needed. Where nothing is left, nothing is recovered.

Exit codes: 0 done; 1 failed (LOCKED: a process records there); 2 the command line is wrong.
`,
  query: `Usage: kinescope query RECORDING [OPTIONS]

${FILTERS}

Rows
${ROWS.replace('--limit N, --offset N', '--limit N, --offset N        at most 1000 unless --limit says otherwise')}

Groups
  --group-by A,B               fields; mfa for module, function and arity; time:1m for minutes of the recording's time line, which are
                               numbers of nanoseconds, not times of day
  --aggregate A,B              count(*), count(F), count_distinct(F), sum(F), avg(F), min(F), max(F), p95(F), quantile(F,0.95);
                               slow=p99(data.duration_ns) names a column, by which --sort can order. Default: count(*). Quantiles are
                               estimated: off by 1/64 of the value at most

  --format FORMAT              table, json, ndjson or csv. Default: table on a terminal, else json

${NUMBERS}

${CODES}
`,
  tail: `Usage: kinescope tail RECORDING [OPTIONS]

Shows events as they are recorded, by whatever process, until it is interrupted. What is missing is said on standard error.

${FILTERS}

  -n, --last N                 events of the past to show first. Default: 10
  --limit N                    ends after so many events
  --format FORMAT              line or ndjson. Default: line on a terminal, else ndjson; with --fields always ndjson

${NUMBERS}

Exit codes: 0 interrupted (SIGINT, SIGTERM), or --limit is reached; 1 failed (the message begins with the error's code); 2 the
command line is wrong.
`,
  export: `Usage: kinescope export RECORDING [--format FORMAT] [--output FILE] [OPTIONS]

Writes all events, or those that are asked for, in the order of time.

  -f, --format FORMAT          arrow        Arrow IPC file (.arrow): can be memory-mapped; its dictionaries are held in memory meanwhile
                               arrows       Arrow IPC stream (.arrows)
                               parquet      Parquet with zstd (.parquet)
                               ndjson       an event per line (.ndjson, .jsonl)
                               chrome       Chrome trace JSON (.trace), for chrome://tracing and Perfetto
                               perfetto     Perfetto's own trace format (.perfetto-trace, .pftrace), for https://ui.perfetto.dev
                               speedscope   calls as flame graphs (.speedscope.json), for https://www.speedscope.app
                               otlp-traces  OpenTelemetry spans as OTLP JSON, a request a line (.otlp-traces.jsonl)
                               otlp-logs    OpenTelemetry log records likewise (.otlp-logs.jsonl)
                               Default: by the end of the file's name
  -o, --output FILE            is replaced once everything has been written. Default: standard output

${FILTERS}

Rows
${ROWS.replace('--limit N, --offset N', '--limit N, --offset N        all unless --limit says otherwise')}

${NUMBERS}

Exit codes: 0 done; 1 failed (the message begins with the error's code); 2 the command line is wrong; 130 or 143 interrupted (SIGINT, SIGTERM).
`,
  serve: `Usage: kinescope serve RECORDING [OPTIONS]

Answers analysts on this machine over HTTP until it is interrupted. Says on standard error where it listens, and the token that every
request has to bring as "Authorization: Bearer TOKEN".

  --port N                     Default: any that is free
  --host HOST                  the interface to listen at. Default: 127.0.0.1, which only this machine reaches. Beyond it, events and token
                               cross the network unencrypted: prefer ssh -L 8080:127.0.0.1:8080 MACHINE
  --token-file FILE            has the token, and gets a new one if it is not there, readable by its owner only. Default: a new token,
                               shown on standard error
  --allow-host NAME[:PORT]     what else the Host header of a request may have; may be repeated

  GET /v1/events.arrows        Arrow IPC stream, written while it is read
  GET /v1/events.arrow         Arrow IPC file; as the next one with ranges of bytes
  GET /v1/events.parquet
  GET /v1/live                 Arrow IPC stream that goes on with what is recorded
  GET /v1/describe             what the recording holds, as JSON
  POST /v1/aggregate           groups of events, as JSON; the body has the API's AggregateOptions

Parameters: pid, correlationId, eventTypes, module, function, arity, tag=KEY=VALUE, from, to (ISO 8601 or nanoseconds), textSearch, where (JSON),
columns, sortBy, sortOrder, limit, offset; for live startFrom (now, a seq, or JSON). Or a JSON body with the API's QueryOptions.

  curl -H "Authorization: Bearer $TOKEN" "$URL/v1/events.parquet?eventTypes=error&from=2026-11-27" -o errors.parquet

Exit codes: 0 interrupted (SIGINT, SIGTERM); 1 failed (the message begins with the error's code); 2 the command line is wrong.
`,
}
