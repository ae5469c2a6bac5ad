/** The spans that children and log records may still refer to, in bounded memory. */
import type { EventId } from '../../index.js'
import type { Moment } from './times.js'

/** A span whose entry has been recorded. */
export interface KnownSpan extends Moment {
  readonly traceId: string
  readonly spanId: string
  /** Of its entry. */
  readonly entryId: EventId
  /** The logical process; `undefined`: the frame's. */
  readonly pid: string | undefined
}

/**
 * Live spans by their ids, and those that have ended last: what a span leaves to run in the background may begin when it has ended.
 *
 * Of ended spans there are two generations, of which the older is dropped when the younger is full, so that no removal has to look
 * for the oldest.
 */
export class SpanMap {
  /** Spans that were forgotten before they ended. */
  evicted = 0
  readonly #max: number
  readonly #live = new Map<string, KnownSpan>()
  #ended = new Map<string, KnownSpan>()
  #endedBefore = new Map<string, KnownSpan>()

  /** @param max Of live spans, and again of those that have ended. */
  constructor(max: number) {
    this.#max = max
  }

  /** Spans that have not ended. */
  get live(): number {
    return this.#live.size
  }

  find(traceId: string, spanId: string): KnownSpan | undefined {
    const key = keyOf(traceId, spanId)
    return this.#live.get(key) ?? this.#ended.get(key) ?? this.#endedBefore.get(key)
  }

  /** Takes up a span that has started. */
  start(span: KnownSpan): void {
    this.#live.set(keyOf(span.traceId, span.spanId), span)
    if (this.#live.size <= this.#max) return
    for (const oldest of this.#live.keys()) {
      this.#live.delete(oldest)
      break
    }
    this.evicted++
  }

  /** Notes that a span has ended. */
  end(span: KnownSpan): void {
    const key = keyOf(span.traceId, span.spanId)
    this.#live.delete(key)
    this.#ended.set(key, span)
    if (this.#ended.size * 2 < this.#max) return
    this.#endedBefore = this.#ended
    this.#ended = new Map()
  }
}

function keyOf(traceId: string, spanId: string): string {
  return `${traceId}${spanId}`
}
