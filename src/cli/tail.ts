/** `kinescope tail`. */
import type { Event, Filter, Kinescope, ProjectionItem, StartFrom, StreamGap } from '../../index.js'
import { eventLine } from './events-text.js'
import { exactText } from '../json.js'
import type { Output } from './output.js'
import { tellLost } from './pages.js'
import { asked } from './usage.js'

export const TAIL_FORMATS = ['line', 'ndjson'] as const
export type TailFormat = (typeof TAIL_FORMATS)[number]

/** What is followed, and how far. */
export interface TailOptions {
  readonly filter: Filter
  readonly format: TailFormat
  /** Events of the past that are shown first. */
  readonly last: number
  /** Events, after which it ends. */
  readonly limit: number
}

/** Shows events as they are recorded, until `signal` is aborted or so many have been shown. */
export async function followEvents(scope: Kinescope, { filter, format, last, limit }: TailOptions, output: Output, signal: AbortSignal): Promise<void> {
  const projection = filter.projection?.map(asJson)
  const textOf = (row: unknown): string => {
    if (projection !== undefined) return `${projectedText(row as Record<string, unknown>, projection)}\n`
    return format === 'line' ? eventLine(row as Event) : `${exactText(row)}\n`
  }
  const wanted = { ...filter, ...(projection === undefined ? {} : { projection }) }
  let left = limit
  const show = async (rows: Iterable<unknown>): Promise<void> => {
    let text = ''
    for (const row of rows) {
      if (left <= 0) break
      left--
      text += textOf(row)
    }
    await output.write(text)
  }
  const past = await asked(() => scope.dataAccess.queryEvents({ ...wanted, sortBy: 'seq', sortOrder: 'desc', limit: Math.min(last, limit) }))
  const startFrom: StartFrom = { seq: past.snapshot }
  if (last > 0) tellLost(past.lost)
  await show(past.toArray().reverse())
  past.release()
  if (left <= 0) return
  const subscription = await asked(() => scope.eventStreamer.subscribe({ ...wanted, startFrom, signal }))
  try {
    for await (const batch of subscription) {
      if (batch.gap !== undefined) tellGap(batch.gap)
      await show(batch)
      batch.release()
      if (left <= 0) break
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Of a path the JSON of its values, whatever type they have: those to come are not known yet. */
function asJson(item: ProjectionItem): ProjectionItem {
  return typeof item === 'string' && /^(?:data)[.[]/.test(item) ? { field: item, as: 'json' } : item
}

function projectedText(row: Readonly<Record<string, unknown>>, projection: readonly ProjectionItem[]): string {
  const fields = Object.entries(row).map(([name, value], index) => {
    const item = projection[index]!
    const isJson = typeof item === 'object' && item.as === 'json' && typeof value === 'string'
    return `${JSON.stringify(name)}:${isJson ? value : exactOrNull(value)}`
  })
  return `{${fields.join(',')}}`
}

function exactOrNull(value: unknown): string {
  return value === undefined ? 'null' : exactText(value)
}

function tellGap({ count, cause, fromSeq, toSeq }: StreamGap): void {
  process.stderr.write(`kinescope: ${count} positions of the log are missing, seq ${fromSeq} to ${toSeq}: ${cause}\n`)
}
