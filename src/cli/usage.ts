/** What a command line may be wrong in. */
import { KinescopeError } from '../errors.js'

/** The command line is at fault: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Options of the API by the command line's names for them; what a message opens with. */
const OPTIONS: Readonly<Record<string, string>> = {
  startTimeWall: '--since',
  endTimeWall: '--until',
  pid: '--pid',
  correlationId: '--correlation-id',
  eventTypes: '--event-type',
  mfa: '--mfa',
  tags: '--tag',
  textSearch: '--text',
  where: '--where',
  limit: '--limit',
  offset: '--offset',
  sortBy: '--sort',
  projection: '--fields',
  groupBy: '--group-by',
  aggregations: '--aggregate',
  orderBy: '--sort',
}
const CODES: readonly string[] = ['INVALID_ARGUMENT', 'UNKNOWN_FIELD', 'TYPE_MISMATCH']

/**
 * Calls the API with what the command line said; what it finds wrong with that becomes a {@link UsageError} that names the option.
 *
 * @throws {UsageError}
 */
export async function asked<T>(call: () => Promise<T> | T): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof KinescopeError) || !CODES.includes(error.code)) throw error
    const [, name, rest] = /^(?:filters\.)?([A-Za-z]+)(.*)$/s.exec(error.message) ?? []
    const option = name === undefined ? undefined : OPTIONS[name]
    throw new UsageError(option === undefined ? error.message : option + rest!)
  }
}
