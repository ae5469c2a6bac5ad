#!/usr/bin/env node
/** The command `kinescope`. */
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import type { Kinescope } from '../../index.js'
import { KinescopeError, nearestName } from '../errors.js'
import { open } from '../kinescope.js'
import { verify } from '../verify.js'
import { exportEvents, formatOf } from './export.js'
import { FILTER_OPTIONS, type FilterValues, filterOf, type Options, queryOf, ROW_OPTIONS, type RowValues, whole } from './filters.js'
import { HELP } from './help.js'
import { showInfo } from './info.js'
import { type Output, printable, standardOutput } from './output.js'
import { aggregateEvents, aggregateOf, QUERY_FORMATS, queryEvents } from './query.js'
import { recoverEvents } from './recover.js'
import { serveEvents } from './serve.js'
import { followEvents, TAIL_FORMATS } from './tail.js'
import { UsageError } from './usage.js'
import { showVerification } from './verify.js'

const FAILED = 1
const USAGE = 2
const DEFAULT_LAST = 10

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>

interface Command {
  readonly options: Options
  /** Gives the exit code. */
  run(path: string, values: Values, output: Output): Promise<number>
}

const text = { type: 'string' } as const
const many = { type: 'string', multiple: true } as const
const flag = { type: 'boolean' } as const

const COMMANDS: Readonly<Record<string, Command>> = {
  info: {
    options: { json: flag },
    run: (path, values, output) => reading(path, (scope) => showInfo(scope, path, values['json'] === true, output)),
  },
  verify: {
    options: { json: flag },
    run: async (path, values, output) => {
      const found = await verify(path)
      await showVerification(path, found, values['json'] === true, output)
      return found.intact ? 0 : FAILED
    },
  },
  recover: {
    options: {},
    run: async (path, _values, output) => {
      await recoverEvents(path, output)
      return 0
    },
  },
  query: {
    options: { ...ROW_OPTIONS, 'group-by': many, aggregate: many, format: text },
    run: async (path, values, output) => {
      const format = oneOf('--format', values['format'], QUERY_FORMATS, process.stdout.isTTY ? 'table' : 'json')
      const query = queryOf(values as RowValues)
      const [groupBy, aggregate] = [values['group-by'], values['aggregate']] as (string[] | undefined)[]
      if (groupBy === undefined && aggregate === undefined) return reading(path, (scope) => queryEvents(scope, query, format, output))
      const options = aggregateOf(groupBy, aggregate, query)
      return reading(path, (scope) => aggregateEvents(scope, options, format, output))
    },
  },
  tail: {
    options: { ...FILTER_OPTIONS, last: { ...text, short: 'n' }, limit: text, format: text },
    run: async (path, values, output) => {
      const format = oneOf('--format', values['format'], TAIL_FORMATS, process.stdout.isTTY ? 'line' : 'ndjson')
      const last = values['last'] === undefined ? DEFAULT_LAST : whole('--last', values['last'] as string)
      const limit = values['limit'] === undefined ? Infinity : whole('--limit', values['limit'] as string)
      const options = { filter: filterOf(values as FilterValues), format, last, limit }
      const interrupted = interruption()
      return reading(path, (scope) => followEvents(scope, options, output, interrupted))
    },
  },
  export: {
    options: { ...ROW_OPTIONS, format: { ...text, short: 'f' }, output: { ...text, short: 'o' } },
    run: async (path, values) => {
      const to = values['output'] as string | undefined
      const format = formatOf(values['format'] as string | undefined, to)
      const query = queryOf(values as RowValues)
      return reading(path, (scope) => exportEvents(scope, query, format, to))
    },
  },
  serve: {
    options: { port: text, host: text, 'token-file': text, 'allow-host': many },
    run: async (path, values) => {
      const port = values['port'] === undefined ? 0 : whole('--port', values['port'] as string)
      const { host, 'token-file': tokenFile, 'allow-host': allowedHosts } = values as { host?: string; 'token-file'?: string; 'allow-host'?: string[] }
      const interrupted = interruption()
      return reading(path, (scope) => serveEvents(scope, path, { port, host, tokenFile, allowedHosts: allowedHosts ?? [] }, interrupted))
    },
  },
}

/** Aborted when the command is to end. */
function interruption(): AbortSignal {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
  return interrupted.signal
}

async function reading(path: string, use: (scope: Kinescope) => Promise<void>): Promise<number> {
  const scope = await open({ path, mode: 'read' })
  try {
    await use(scope)
  } finally {
    await scope.close()
  }
  return 0
}

function oneOf<T extends string>(option: string, value: unknown, known: readonly T[], otherwise: T): T {
  if (value === undefined) return otherwise
  if (!known.includes(value as T)) throw new UsageError(`${option}: expected one of ${known.join(', ')}, got ${JSON.stringify(value)}`)
  return value as T
}

/** Runs a command line; gives the exit code. */
async function run(args: readonly string[]): Promise<number> {
  const output = standardOutput()
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const about = rest[0] === undefined ? '' : rest[0]
    if (name !== undefined) {
      await output.write(HELP[about] ?? HELP['']!)
      return 0
    }
    process.stderr.write(HELP['']!)
    return USAGE
  }
  if (name === '--version') {
    await output.write(`${(createRequire(import.meta.url)('../../package.json') as { version: string }).version}\n`)
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) {
    const nearest = nearestName(name, Object.keys(COMMANDS))
    throw new UsageError(`unknown command ${JSON.stringify(name)}; ${nearest === undefined ? `expected one of ${Object.keys(COMMANDS).join(', ')}` : `did you mean ${nearest}?`}`)
  }
  const { values, positionals } = parsed(rest, command.options)
  if (values['help'] === true) {
    await output.write(HELP[name]!)
    return 0
  }
  if (positionals.length !== 1) throw new UsageError(`expected one recording's directory, got ${positionals.length === 0 ? 'none' : positionals.map((path) => JSON.stringify(path)).join(', ')}`)
  return command.run(positionals[0]!, values, output)
}

function parsed(args: string[], options: Options): { values: Values; positionals: string[] } {
  try {
    return parseArgs({ args, options: { ...options, help: { type: 'boolean', short: 'h' } }, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** What goes wrong, as a line on standard error. */
function report(error: unknown): number {
  if (isBrokenPipe(error)) return 0
  if (error instanceof UsageError) {
    const [name] = process.argv.slice(2)
    const help = name !== undefined && Object.hasOwn(COMMANDS, name) ? `kinescope ${name} --help` : 'kinescope --help'
    process.stderr.write(`kinescope: ${printable(error.message)}\n${help} says what is expected.\n`)
    return USAGE
  }
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`kinescope: ${error instanceof KinescopeError ? `${error.code}: ` : ''}${printable(message)}\n`)
  return FAILED
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}

// Whoever reads has seen enough, as `head` has: nothing more is to be done, and nothing has gone wrong.
process.stdout.on('error', (error) => process.exit(isBrokenPipe(error) ? 0 : report(error)))
process.stderr.on('error', () => {})

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  process.exitCode = report(error)
}
