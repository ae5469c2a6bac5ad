/** Events as lines for people. */
import type { Event } from '../../index.js'
import { nameOf } from './chrome-trace.js'
import { jsonText } from '../json.js'
import { printable } from './output.js'
import { isoTime } from './times.js'

/** What a table of events shows of each. */
export const EVENT_COLUMNS = ['time', 'event_type', 'pid', 'correlation_id', 'call', 'data'] as const

/** An event's row of such a table. */
export function eventRow(event: Event): Record<(typeof EVENT_COLUMNS)[number], string> {
  return {
    time: isoTime(event.wallTime),
    event_type: event.eventType,
    pid: event.pid,
    correlation_id: event.correlationId ?? '',
    call: event.function === null && event.module === null ? '' : nameOf(event),
    data: event.data === null ? '' : jsonText(event.data),
  }
}

/** An event as one line. */
export function eventLine(event: Event): string {
  const { time, event_type: type, pid, correlation_id: trace, call, data } = eventRow(event)
  const tags = event.tags === null ? [] : Object.entries(event.tags).map(([key, value]) => `${key}=${value}`)
  const parts = [time, type, pid, trace, call, ...tags, data]
  return `${parts.filter((part) => part !== '').map(printable).join('  ')}\n`
}
