/** What tests of streams share. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventBatch, Kinescope, SubscribeOptions, Subscription } from 'kinescope'

/** Only a failing test waits this long. */
const PATIENCE_MS = 20_000

/** Until the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (!condition()) {
    if (Date.now() > end) throw new Error(`this did not come about: ${condition.toString()}`)
    await sleep(1)
  }
}

export interface Consumer {
  readonly subscription: Subscription
  readonly batches: EventBatch[]
  /** `data.n` of every event so far, in the order in which they came. */
  numbers(): unknown[]
  /** Until it has got everything that was recorded before, by any thread that has flushed. */
  caughtUp(): Promise<void>
}

/** A subscription with a listener that keeps what it gets. */
export function consume(scope: Kinescope, options: SubscribeOptions = {}, work?: (batch: EventBatch) => void | Promise<void>): Consumer {
  const batches: EventBatch[] = []
  const subscription = scope.eventStreamer.subscribe({ batchTimeoutMs: 0, progressIntervalMs: 0, ...options }, (batch) => {
    batches.push(batch)
    return work?.(batch)
  })
  return {
    subscription,
    batches,
    numbers: () => batches.flatMap((batch) => [...batch].map((event) => event.data?.n)),
    caughtUp: async () => {
      await scope.flush()
      await until(() => subscription.stats().lagEvents === 0)
    },
  }
}

/** Records so many events of a type, numbered from `first` on. */
export function record(scope: Kinescope, count: number, eventType = 'e', first = 0): void {
  for (let n = first; n < first + count; n++) scope.recorder.record({ eventType, data: { n } })
}

/** The numbers from `first` up to and without `end`. */
export function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index)
}

/** Checks that batches adjoin, each behind the last one. */
export function expectAdjoining(batches: readonly EventBatch[]): void {
  for (const [index, batch] of batches.entries()) {
    if (batch.toSeq < batch.fromSeq - 1n) throw new Error(`batch ${index} goes backwards`)
    const before = batches[index - 1]
    if (before !== undefined && batch.fromSeq !== before.toSeq + 1n) throw new Error(`batch ${index} starts at ${batch.fromSeq}, behind ${before.toSeq}`)
    if (batch.gap !== undefined && batch.gap.fromSeq !== batch.fromSeq) throw new Error(`the gap of batch ${index} does not open it`)
  }
}
