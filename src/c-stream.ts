/** Results for native code in this process: Arrow's C stream interface. */
import type { AggregateResult, ArrowCStream, QueryResult } from '../index.js'
import { Groups } from './aggregate-result.js'
import { invalidArgument } from './errors.js'
import { Answer } from './query-result.js'

/**
 * `exportStream` of the contract.
 *
 * @throws {KinescopeError} See there.
 */
export function exportStream<Row>(result: QueryResult<Row> | AggregateResult): ArrowCStream {
  if (!(result instanceof Answer || result instanceof Groups)) throw invalidArgument('result', result, 'the result of a query or an aggregate')
  const stream = result.cStream()
  const release = (): void => stream.release()
  return { address: stream.address, release, [Symbol.dispose]: release }
}
