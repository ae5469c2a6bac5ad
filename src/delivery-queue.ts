/** Whose turn it is, among a thread's subscriptions that have something to deliver. */
import type { Stream } from './subscription.js'

/** For so long at a time batches are handed out; then timers, sockets and what else the thread does have their turn. */
const SLICE_MS = 2

/** What has become of a subscription. */
interface News {
  readonly stream: Stream
  /** It has ended; absent: something is ready. */
  readonly end?: { readonly error?: unknown }
}

/**
 * Hands out batches of those that want them at once before those that wait for more events anyway, and each of both in the order in which they
 * were ready: many large batches that fall due at the same time delay neither the quick ones nor the thread's other work.
 */
export class DeliveryQueue {
  readonly #prompt: News[] = []
  readonly #patient: News[] = []
  readonly #goOn: () => void
  #next: NodeJS.Immediate | undefined

  /** @param goOn Called for the next slice: adds what is new, and runs. */
  constructor(goOn: () => void) {
    this.#goOn = goOn
  }

  add(news: News): void {
    ;(news.stream.isPrompt ? this.#prompt : this.#patient).push(news)
  }

  /** Hands out what there is, in slices. Does nothing before the next slice is due. */
  run(): void {
    if (this.#next !== undefined) return
    const start = performance.now()
    while (this.#step()) {
      if (performance.now() - start < SLICE_MS) continue
      this.#next = setImmediate(() => {
        this.#next = undefined
        this.#goOn()
      })
      return
    }
  }

  /** Hands out all there is. */
  drain(): void {
    clearImmediate(this.#next)
    this.#next = undefined
    while (this.#step()) continue
  }

  #step(): boolean {
    const news = this.#prompt.shift() ?? this.#patient.shift()
    if (news === undefined) return false
    if (news.end !== undefined) news.stream.end(news.end)
    // One that has more is catching up, and takes turns with everybody.
    else if (news.stream.deliver()) this.#patient.push(news)
    return true
  }
}
