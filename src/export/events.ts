/** The events that are exported. */
import type { DataAccess, Event, QueryOptions, QueryResult } from '../../index.js'
import type { EventSource, ExportQuery } from '../../export.js'
import { invalidArgument } from '../errors.js'

const PAGE_EVENTS = 4096
/** What an export decides by itself. */
const DECIDED: readonly (keyof QueryOptions)[] = ['limit', 'offset', 'sortBy', 'sortOrder', 'projection']
const TEXTS = ['eventId', 'eventType', 'node', 'pid'] as const
const TIMES = ['timestamp', 'wallTime'] as const

/** See the contract. */
export async function* eventsOf(dataAccess: Pick<DataAccess, 'queryEvents'>, query: ExportQuery = {}): AsyncGenerator<Event, void, undefined> {
  if (typeof query !== 'object' || query === null) throw invalidArgument('query', query, 'an object')
  for (const name of DECIDED) {
    if (name in query) throw invalidArgument(`query.${name}`, (query as QueryOptions)[name], 'no such option: an export has all events that match, in the order of time')
  }
  let offset: QueryOptions['offset'] = 0
  for (;;) {
    using page: QueryResult = await dataAccess.queryEvents({ ...query, limit: PAGE_EVENTS, offset })
    yield* page
    if (page.nextPageToken === null) return
    offset = { pageToken: page.nextPageToken }
  }
}

/**
 * Whole events, one after the other.
 *
 * @throws {KinescopeError} `INVALID_ARGUMENT` for what is not iterable, and for rows of a projection.
 */
export async function* checkedEvents(events: EventSource): AsyncGenerator<Event, void, undefined> {
  if (typeof events !== 'object' || events === null || !(Symbol.iterator in events || Symbol.asyncIterator in events)) {
    throw invalidArgument('events', events, 'events to iterate over')
  }
  let index = 0
  for await (const event of events) {
    for (const name of TEXTS) if (typeof event?.[name] !== 'string') throw invalidArgument(`events[${index}].${name}`, event?.[name], 'a string: exports need whole events')
    for (const name of TIMES) if (typeof event[name] !== 'bigint') throw invalidArgument(`events[${index}].${name}`, event[name], 'a bigint: exports need whole events')
    yield event
    index++
  }
}
