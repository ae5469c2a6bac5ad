/** A subscription, as its thread uses it. */
import { AsyncResource } from 'node:async_hooks'
import type { Schema } from 'apache-arrow'
import type { EventBatch, Filter, ResumePolicy, Subscription, SubscriptionStats } from '../index.js'
import { schemaOf } from './arrow-table.js'
import type { BufferCache } from './columns.js'
import { invalidArgument, KinescopeError } from './errors.js'
import { DeliveredBatch, kindsOf, type SettledProjection } from './event-batch.js'
import { awaitNative, callNative, type NativeCStream, type NativeRing, type NativeSubscription } from './native.js'
import { placing } from './patterns.js'
import type { ProjectedField } from './projection.js'
import { resolveFilter } from './query-options.js'
import { ensureRecorded, resolveResume } from './stream-options.js'

/** Gets every batch. */
export type Listener = (batch: EventBatch) => unknown

/** What a subscription needs of the thread that has it. */
export interface SubscribingThread {
  readonly ring: NativeRing
  readonly buffers: BufferCache
  head(): number
  /** The subscription has ended, or what it does for keeping the thread alive may have changed. */
  changed(subscription: Stream): void
}

/** What a subscription is made with, checked. */
export interface StreamOptions {
  readonly fields: readonly ProjectedField[] | null
  readonly listener: Listener | undefined
  readonly maxInFlight: number
  readonly isPrompt: boolean
  readonly signal: AbortSignal | undefined
}

/** A call of `next()` that has no batch yet. */
interface Waiting {
  resolve(result: IteratorResult<EventBatch, undefined>): void
  reject(reason: unknown): void
}

const DONE = { done: true, value: undefined } as const

/** See `Subscription` in the contract. */
export class Stream implements Subscription {
  readonly id: string
  readonly closed: Promise<void>
  /** Whether its batches do not wait for more events. */
  readonly isPrompt: boolean
  /** Whether it keeps the thread alive, as far as it is up to its user. */
  isReferenced = true
  readonly #native: NativeSubscription
  readonly #thread: SubscribingThread
  readonly #listener: Listener | undefined
  readonly #scope = new AsyncResource('KINESCOPE_SUBSCRIPTION')
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => this.fail(this.#signal!.reason)
  readonly #waiting: Waiting[] = []
  readonly #maxInFlight: number
  /** Batches that the listener has and has not finished. */
  #inFlight = 0
  #settleClosed!: { resolve(): void; reject(reason: unknown): void }
  #projection: SettledProjection | null
  #isPaused = false
  /** Its batches are for native code, of which nothing is seen here but the end. */
  #isExported = false
  #ended: { readonly error?: unknown } | undefined

  constructor(native: NativeSubscription, thread: SubscribingThread, { fields, listener, maxInFlight, isPrompt, signal }: StreamOptions) {
    this.id = `subscription-${native.id}`
    this.#native = native
    this.#thread = thread
    this.#listener = listener
    this.#maxInFlight = maxInFlight
    this.isPrompt = isPrompt
    this.#projection = settled(native, fields)
    this.closed = new Promise((resolve, reject) => {
      this.#settleClosed = { resolve, reject }
    })
    // Who does not look at it has not lost an error in his own program.
    this.closed.catch(() => {})
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (listener !== undefined) native.want(maxInFlight)
  }

  /** Of the batches to come, until its filter is updated. */
  get schema(): Schema {
    return schemaOf(kindsOf(this.#projection))
  }

  get isEnded(): boolean {
    return this.#ended !== undefined
  }

  /** Whether its consumer waits for a batch. */
  get isAsking(): boolean {
    return !this.isEnded && (this.#listener === undefined ? this.#waiting.length > 0 : this.#inFlight < this.#maxInFlight)
  }

  /** Hands out the next batch that is ready; `false`: there is none. Never throws. */
  deliver(): boolean {
    if (this.isEnded || this.#isPaused) return false
    try {
      const native = this.#native.take()
      if (native === null) return false
      this.#hand(new DeliveredBatch(this.id, native, this.#thread.buffers, this.#projection))
      return true
    } catch (error) {
      this.fail(error)
      return false
    }
  }

  #hand(batch: EventBatch): void {
    if (this.#listener === undefined) this.#waiting.shift()?.resolve({ done: false, value: batch })
    else this.#call(this.#listener, batch)
  }

  #call(listener: Listener, batch: EventBatch): void {
    let returned: unknown
    this.#inFlight += 1
    try {
      returned = this.#scope.runInAsyncScope(listener, undefined, batch)
    } catch (error) {
      return this.#failInListener(error)
    }
    if (!isThenable(returned)) return this.#finished()
    Promise.resolve(returned).then(
      () => this.#finished(),
      (error: unknown) => this.#failInListener(error),
    )
  }

  #finished(): void {
    if (this.isEnded) return
    this.#inFlight -= 1
    this.#native.want(1)
    this.#thread.changed(this)
  }

  #failInListener(error: unknown): void {
    if (this.isEnded) return
    process.emitWarning(`${this.id} has ended, because its listener failed: ${String(error)}`, 'KinescopeWarning')
    this.fail(error)
  }

  /** Ends it with an error. */
  fail(error: unknown): void {
    this.#native.unsubscribe('the subscription was aborted')
    this.end({ error })
  }

  /** It has ended. Does nothing the second time. */
  end(how: { readonly error?: unknown }): void {
    if (this.isEnded) return
    this.#ended = how
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#scope.emitDestroy()
    const waiting = this.#waiting.splice(0)
    if ('error' in how) {
      this.#settleClosed.reject(how.error)
      for (const { reject } of waiting) reject(how.error)
    } else {
      this.#settleClosed.resolve()
      for (const { resolve } of waiting) resolve(DONE)
    }
    this.#thread.changed(this)
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<EventBatch> {
    let isOver = false
    const iterator: AsyncIterableIterator<EventBatch> = {
      next: async () => {
        if (isOver) return DONE
        try {
          const result = await this.#next()
          isOver = result.done === true
          return result
        } catch (error) {
          isOver = true
          throw error
        }
      },
      return: async () => {
        isOver = true
        await this.unsubscribe()
        return DONE
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  #next(): Promise<IteratorResult<EventBatch, undefined>> {
    if (this.#ended !== undefined) return 'error' in this.#ended ? Promise.reject(this.#ended.error as Error) : Promise.resolve(DONE)
    if (this.#listener !== undefined || this.#isExported) {
      return Promise.reject(invalidArgument('subscription', this, 'one without a listener to iterate over, which has not been exported'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#native.want(1)
      this.#thread.changed(this)
    })
  }

  /** Its batches for native code. */
  cStream(skipsGaps: boolean): NativeCStream {
    this.#ensureLive()
    if (this.#listener !== undefined || this.#isExported || this.#waiting.length > 0) {
      throw invalidArgument('source', this, 'a subscription without a listener, whose batches nobody waits for and which has not been exported')
    }
    const stream = callNative(() => this.#native.cStream(this.#projection?.fields.map(({ name }) => name), skipsGaps))
    if (stream === null) throw notFound(this.id)
    this.#isExported = true
    return stream
  }

  /** Ends it without a word to anybody but native code. */
  abandon(): void {
    this.#native.unsubscribe('the thread of the subscription has ended')
  }

  async update(filter: Filter): Promise<void> {
    this.#ensureLive()
    const { native, projection, where } = resolveFilter('filter', filter)
    if (this.#isExported && columnsOf(projection) !== columnsOf(this.#projection?.fields ?? null)) {
      throw invalidArgument('filter.projection', filter.projection, 'the one that the subscription was exported with, because a stream has one schema')
    }
    placing({ where }, () => callNative(() => this.#native.update(native)))
    this.#projection = settled(this.#native, projection)
  }

  async pause(): Promise<void> {
    this.#ensureLive()
    this.#isPaused = true
    this.#native.pause()
  }

  async resume(policy?: ResumePolicy): Promise<void> {
    this.#ensureLive()
    const how = resolveResume(policy)
    if (!this.#isPaused) return
    const { ring, head } = this.#thread
    if (how === 'here') this.#native.resume()
    else if (how === 'after all') callNative(() => this.#native.resumeAfterAll(ring, head()))
    else if ('start' in how) {
      ensureRecorded(how.start)
      callNative(() => this.#native.resumeFrom(how.start, ring, head()))
    } else {
      this.#isPaused = false
      return awaitNative(() => this.#native.resumeLatest(how.latest, ring, head()))
    }
    this.#isPaused = false
  }

  async unsubscribe(): Promise<void> {
    this.#native.unsubscribe()
    this.end({})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unsubscribe()
  }

  stats(): SubscriptionStats {
    this.#ensureLive()
    const stats = this.#native.stats()
    if (stats === null) throw notFound(this.id)
    return { ...stats, paused: this.#isPaused }
  }

  ref(): this {
    return this.#reference(true)
  }

  unref(): this {
    return this.#reference(false)
  }

  #reference(isReferenced: boolean): this {
    this.isReferenced = isReferenced
    this.#thread.changed(this)
    return this
  }

  #ensureLive(): void {
    if (this.isEnded) throw notFound(this.id)
  }
}

/** The error of what is asked of a subscription that is not there. */
export function notFound(id: string): KinescopeError {
  return new KinescopeError('SUBSCRIPTION_NOT_FOUND', `id: expected that of a live subscription of this thread, got ${JSON.stringify(id)}`, { id })
}

function settled(native: NativeSubscription, fields: readonly ProjectedField[] | null): SettledProjection | null {
  const types = fields === null ? null : native.projectedTypes()
  return fields === null || types === null ? null : { fields, types }
}

/** Equal for projections of the same columns. */
function columnsOf(fields: readonly ProjectedField[] | null): string {
  return JSON.stringify(fields?.map(({ name, as }) => [name, as]) ?? null)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
