/** Results in other threads of the process, over the same memory. */
import type { RecordBatch, Table } from 'apache-arrow'
import type { AggregateResult, EventBatch, Opened, QueryResult, SharedBatch } from '../index.js'
import { Groups } from './aggregate-result.js'
import { BufferCache } from './columns.js'
import { invalidArgument } from './errors.js'
import { DeliveredBatch } from './event-batch.js'
import { HeldColumns, type SharedDescription } from './held-columns.js'
import { callNative, native } from './native.js'
import { Answer } from './query-result.js'

/** Of everything that this thread has opened. */
const BUFFERS = new BufferCache()

/**
 * `share` of the contract.
 *
 * @throws {KinescopeError} See there.
 */
export function share<Row>(batch: EventBatch<Row>): SharedBatch<RecordBatch>
export function share<Row>(result: QueryResult<Row> | AggregateResult): SharedBatch<Table>
export function share(batchOrResult: unknown): SharedBatch {
  if (!(batchOrResult instanceof Answer || batchOrResult instanceof Groups || batchOrResult instanceof DeliveredBatch)) {
    throw invalidArgument('batchOrResult', batchOrResult, 'the result of a query or an aggregate, or the batch of a subscription')
  }
  return Object.freeze({ processId: process.pid, shareId: batchOrResult.share() })
}

/**
 * `openShared` of the contract.
 *
 * @throws {KinescopeError} See there.
 */
export function openShared<T extends Table | RecordBatch>(shared: SharedBatch<T>): Opened<T> {
  const { shareId, processId } = resolveShared(shared)
  const opened = callNative(() => native.openShare(shareId, processId))
  const { as, kinds } = JSON.parse(callNative(() => opened.description())) as SharedDescription
  const held = new HeldColumns(opened, kinds, BUFFERS)
  const made = as === 'table' ? held.table : held.recordBatch
  const release = { value: () => held.release() }
  return Object.defineProperties(made as Opened<T>, { release, [Symbol.dispose]: release })
}

/**
 * `endShared` of the contract.
 *
 * @throws {KinescopeError} See there.
 */
export function endShared(shared: SharedBatch): void {
  const { shareId, processId } = resolveShared(shared)
  callNative(() => native.endShare(shareId, processId))
}

function resolveShared(shared: unknown): SharedBatch {
  if (typeof shared !== 'object' || shared === null) throw invalidArgument('shared', shared, 'what share() has returned')
  const { processId, shareId } = shared as Record<string, unknown>
  if (!Number.isInteger(processId) || (processId as number) < 0 || (processId as number) > 0xffff_ffff) {
    throw invalidArgument('shared.processId', processId, 'an integer from 0 to 4294967295')
  }
  if (typeof shareId !== 'string' || !/^[0-9a-f]{32}$/.test(shareId)) throw invalidArgument('shared.shareId', shareId, '32 hexadecimal digits')
  return { processId: processId as number, shareId }
}
