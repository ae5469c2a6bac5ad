/** Results and subscriptions for native code in this process: Arrow's C stream interface. */
import type { AggregateResult, ArrowCStream, ExportStreamOptions, QueryResult, Subscription } from '../index.js'
import { Groups } from './aggregate-result.js'
import { isPlainObject } from './conditions.js'
import { invalidArgument, unknownField } from './errors.js'
import type { NativeCStream } from './native.js'
import { Answer } from './query-result.js'
import { Stream } from './subscription.js'

/** Subscriptions of this thread that native code reads, until they end. */
const live = new Set<Stream>()

/**
 * When the process exits, Node.js waits for the threads of libuv's pool before it tells addons: whoever waits there for a batch has to be
 * told before.
 */
function endAtExit(stream: Stream): void {
  if (live.size === 0) process.on('exit', abandonAll)
  live.add(stream)
  const forget = (): void => {
    live.delete(stream)
    if (live.size === 0) process.off('exit', abandonAll)
  }
  stream.closed.then(forget, forget)
}

function abandonAll(): void {
  for (const stream of live) stream.abandon()
}

/**
 * `exportStream` of the contract.
 *
 * @throws {KinescopeError} See there.
 */
export function exportStream<Row>(source: QueryResult<Row> | AggregateResult | Subscription<Row>, options: ExportStreamOptions = {}): ArrowCStream {
  const stream = streamOf(source, options)
  const release = (): void => stream.release()
  return { address: stream.address, release, [Symbol.dispose]: release }
}

function streamOf(source: unknown, options: ExportStreamOptions): NativeCStream {
  if (source instanceof Answer || source instanceof Groups) return source.cStream()
  if (!(source instanceof Stream)) throw invalidArgument('source', source, 'the result of a query or an aggregate, or a subscription')
  if (!isPlainObject(options)) throw invalidArgument('options', options, 'a plain object')
  for (const name of Object.keys(options)) if (name !== 'onGap') throw unknownField('options', name, ['onGap'])
  const { onGap = 'fail' } = options
  if (onGap !== 'fail' && onGap !== 'skip') throw invalidArgument('options.onGap', onGap, "'fail' or 'skip'")
  const stream = source.cStream(onGap === 'skip')
  endAtExit(source)
  return stream
}
