/** Spans and log records as the SDK makes them, by hand. */
import type { OtelLogRecord, OtelSpan, OtelTime } from 'kinescope/opentelemetry'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

let made = 0

/** The present as OpenTelemetry reads it: in milliseconds. */
export function now(offsetMs = 0): OtelTime {
  const milliseconds = Date.now() + offsetMs
  return [Math.floor(milliseconds / 1000), (milliseconds % 1000) * 1_000_000]
}

export function nanoseconds([seconds, rest]: OtelTime): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(rest)
}

/** A span that has started just now and lasts 5 ns, with other facts where they are given. */
export function spanOf({ traceId = 'a'.repeat(32), spanId = (++made).toString(16).padStart(16, '0'), traceFlags = 1, ...facts }: Partial<Writable<OtelSpan>> & { traceId?: string; spanId?: string; traceFlags?: number } = {}): OtelSpan {
  const startTime = facts.startTime ?? now()
  return {
    name: 'work',
    kind: 0,
    spanContext: () => ({ traceId, spanId, traceFlags }),
    startTime,
    endTime: [startTime[0], startTime[1] + 5],
    duration: [0, 5],
    status: { code: 0 },
    attributes: {},
    links: [],
    events: [],
    resource: { attributes: {} },
    instrumentationScope: { name: 'shop' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
    ...facts,
  }
}

/** A log record of just now. */
export function recordOf(facts: Partial<OtelLogRecord>): OtelLogRecord {
  return { hrTime: now(), hrTimeObserved: now(), attributes: {}, resource: { attributes: {} }, instrumentationScope: { name: 'shop' }, ...facts }
}
