/** Subscriptions of this thread. */
import type { EventStreamer, Filter, ProjectedRow, ProjectionItem, ResumePolicy, SubscribeOptions, Subscription, EventBatch } from '../index.js'
import { BufferCache } from './columns.js'
import { DeliveryQueue } from './delivery-queue.js'
import { invalidArgument, kinescopeErrorOf } from './errors.js'
import { callNative, type NativeRing, type NativeStore, type NativeStreams } from './native.js'
import { placing } from './patterns.js'
import { resolveSignal, resolveText } from './query-options.js'
import { ensureRecorded, resolveSubscribe } from './stream-options.js'
import { type Listener, notFound, Stream, type SubscribingThread } from './subscription.js'

/** What subscriptions need of the thread that makes them. */
export interface StreamingThread {
  readonly store: NativeStore
  readonly ring: NativeRing
  /** Everything that this thread recorded so far lies before it. */
  head(): number
  /** @throws {KinescopeError} `CLOSED`. */
  ensureOpen(): void
}

/** See `EventStreamer` in the contract. */
export class Streamer implements EventStreamer {
  readonly #thread: StreamingThread
  readonly #forSubscriptions: SubscribingThread
  readonly #live = new Map<number, Stream>()
  readonly #numbers = new Map<string, number>()
  readonly #keepingAlive = new Set<Stream>()
  readonly #queue = new DeliveryQueue(() => this.#takeNews())
  #native: NativeStreams | undefined
  #isReferenced = false
  #isFinishing = false

  constructor(thread: StreamingThread) {
    this.#thread = thread
    this.#forSubscriptions = { ring: thread.ring, head: () => thread.head(), buffers: new BufferCache(), changed: (stream) => this.#changed(stream) }
  }

  subscribe(
    options: SubscribeOptions & { projection: readonly ProjectionItem[] },
    listener?: (batch: EventBatch<ProjectedRow>) => void | Promise<void>,
  ): Subscription<ProjectedRow>
  subscribe(options?: SubscribeOptions, listener?: (batch: EventBatch) => void | Promise<void>): Subscription
  subscribe(options: SubscribeOptions = {}, listener?: Listener): Subscription {
    const { query, settings, start, maxInFlight, isPrompt } = resolveSubscribe(options)
    if (listener !== undefined && typeof listener !== 'function') throw invalidArgument('listener', listener, 'a function')
    const signal = resolveSignal(options.signal)
    const { store, ring, head, ensureOpen } = this.#thread
    ensureOpen()
    ensureRecorded(start)
    const streams = (this.#native ??= callNative(() => store.createStreams(() => this.#takeNews())))
    const native = placing({ where: query.where }, () => callNative(() => streams.subscribe(query.native, settings, start, ring, head())))
    const stream = new Stream(native, this.#forSubscriptions, { fields: query.projection, listener, maxInFlight, isPrompt, signal })
    this.#live.set(native.id, stream)
    this.#numbers.set(stream.id, native.id)
    this.#changed(stream)
    return stream
  }

  async updateSubscription(id: string, filter: Filter): Promise<void> {
    return this.#find(id).update(filter)
  }

  async unsubscribe(id: string): Promise<void> {
    return this.#find(id).unsubscribe()
  }

  async pauseStream(id: string): Promise<void> {
    return this.#find(id).pause()
  }

  async resumeStream(id: string, policy?: ResumePolicy): Promise<void> {
    return this.#find(id).resume(policy)
  }

  /** Lets the subscriptions end: those that wait for a batch get what is there first. */
  finish(): void {
    if (this.#native === undefined) return
    this.#isFinishing = true
    this.#native.finish()
    // Whoever waits for the end of one that is over need not wait for the event loop to turn, which it might not do.
    this.#takeNews()
    this.#queue.drain()
    this.#reconsider()
  }

  #find(id: string): Stream {
    const number = this.#numbers.get(resolveText('id', id))
    const stream = number === undefined ? undefined : this.#live.get(number)
    if (stream === undefined) throw notFound(id)
    return stream
  }

  /** Called by the addon, and therefore never throws. */
  #takeNews(): void {
    const { ready, ended } = this.#native!.news()
    for (const id of ready) this.#note(id)
    for (const { id, error } of ended) this.#note(id, error === undefined ? {} : { error: kinescopeErrorOf(new Error(error)) })
    this.#queue.run()
    if (this.#isFinishing) this.#reconsider()
  }

  #note(id: number, end?: { readonly error?: unknown }): void {
    const stream = this.#live.get(id)
    if (stream !== undefined) this.#queue.add(end === undefined ? { stream } : { stream, end })
  }

  #changed(stream: Stream): void {
    if (stream.isEnded) {
      const number = this.#numbers.get(stream.id)
      this.#numbers.delete(stream.id)
      if (number !== undefined) this.#live.delete(number)
    }
    if (stream.isReferenced && !stream.isEnded) this.#keepingAlive.add(stream)
    else this.#keepingAlive.delete(stream)
    this.#reconsider()
  }

  /** A subscription keeps the thread alive; once the recording is closed, only as long as its consumer waits for a batch. */
  #reconsider(): void {
    const isReferenced = this.#isFinishing ? [...this.#keepingAlive].some((stream) => stream.isAsking) : this.#keepingAlive.size > 0
    if (isReferenced === this.#isReferenced) return
    this.#isReferenced = isReferenced
    this.#native?.setReferenced(isReferenced)
  }
}
