/** `kinescope serve`. */
import { readFileSync, writeFileSync } from 'node:fs'
import type { Kinescope, ServeOptions } from '../../index.js'
import { KinescopeError } from '../errors.js'
import { resolveToken } from '../serve/options.js'
import { printable } from './output.js'
import { UsageError } from './usage.js'

/** Options of the command line. */
export interface ServeValues {
  readonly port: number
  readonly host: string | undefined
  readonly tokenFile: string | undefined
  readonly allowedHosts: readonly string[]
}

/** Serves until `signal` is aborted. */
export async function serveEvents(scope: Kinescope, path: string, { port, host, tokenFile, allowedHosts }: ServeValues, signal: AbortSignal): Promise<void> {
  const options: ServeOptions = { port, allowedHosts, ...(host === undefined ? {} : { host }), ...(tokenFile === undefined ? {} : { token: tokenOf(tokenFile) }) }
  const server = await served(scope, options)
  const { url, token } = server
  const shown = tokenFile === undefined ? token : `$(cat ${quoted(tokenFile)})`
  process.stderr.write(
    [
      `kinescope serves ${printable(path)} at ${url}`,
      tokenFile === undefined ? `token: ${token}` : `token: the content of ${printable(tokenFile)}`,
      `try: curl -H "Authorization: Bearer ${printable(shown)}" ${url}/v1/describe`,
      'Ctrl-C ends it.',
      '',
    ].join('\n'),
  )
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  await server.close()
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

async function served(scope: Kinescope, options: ServeOptions): ReturnType<Kinescope['serve']> {
  try {
    return await scope.serve(options)
  } catch (error) {
    if (!(error instanceof KinescopeError) || error.code !== 'INVALID_ARGUMENT') throw error
    throw new UsageError(`--${error.message.replace(/^allowedHosts(\[\d+\])?/, 'allow-host')}`)
  }
}

/** The token in a file; a file that is not there gets a new one, which only its owner can read. */
function tokenOf(file: string): string {
  try {
    const token = resolveToken('token', undefined)
    writeFileSync(file, `${token}\n`, { mode: 0o600, flag: 'wx' })
    return token
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unreadable(file, error)
  }
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw unreadable(file, error)
  }
  try {
    return resolveToken(`--token-file ${file}`, text.trim())
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function unreadable(file: string, error: unknown): KinescopeError {
  return new KinescopeError('IO', `--token-file ${file}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`)
}
