/** Events as Chrome's Trace Event Format, which chrome://tracing, Perfetto and speedscope open. */
import type { Event } from '../../index.js'
import { enter, laneOf, type Lane, leave, newTrack, type OpenCall, type Track } from './chrome-lanes.js'
import { jsonText } from '../json.js'

/** Calls that may be open at the same time; beyond it the oldest are written as unfinished. */
const OPEN_CALLS_MAX = 65_536
/** Logical processes that are remembered; one that comes again later has another track of its name. */
const THREADS_MAX = 65_536

/** A logical process in the viewer. */
interface Thread extends Track {
  readonly process: number
  readonly name: string
  /** Thread ids of its lanes. */
  readonly ids: number[]
}

/** A call that has not ended, and what is known of it. */
interface Call {
  readonly open: OpenCall
  readonly entry: Event
  readonly thread: Thread
}

/** Makes trace events of events, which have to come in the order of time. What is kept does not grow with their number. */
export class ChromeTrace {
  readonly #processes = new Map<string, number>()
  readonly #threads = new Map<string, Thread>()
  readonly #calls = new Map<string, Call>()
  #threadIds = 0
  /** Names of what is new, which come before it. */
  #names = ''
  #last = 0n
  #isFirst = true

  /** What a trace starts with. */
  start(): string {
    return '{"displayTimeUnit":"ns","traceEvents":['
  }

  /** The trace events of an event: none for an entry, whose exit brings them. */
  add(event: Event): string {
    if (event.timestamp > this.#last) this.#last = event.timestamp
    const text = this.#textOf(event, this.#threadOf(event))
    const names = this.#names
    this.#names = ''
    return names + text
  }

  #textOf(event: Event, thread: Thread): string {
    if (event.eventType === 'function_entry') return this.#enter(event, thread)
    if (event.eventType === 'function_exit') return this.#exit(event, thread)
    if (event.eventType === 'performance_metric' && typeof event.data?.value === 'number') return this.#counter(event, thread)
    return this.#instant(event, thread)
  }

  /** What a trace ends with, calls that have not ended included. */
  end(): string {
    // Inner calls first: those that are left on a lane end at the same time.
    const text = [...this.#calls.values()].reverse().map((call) => this.#unfinished(call)).join('')
    return `${this.#names}${text}\n]}\n`
  }

  #enter(entry: Event, thread: Thread): string {
    const caller = entry.parentId === null ? undefined : this.#calls.get(entry.parentId)
    this.#calls.set(entry.eventId, { open: enter(thread, entry.eventId, caller?.open, entry.timestamp), entry, thread })
    if (this.#calls.size <= OPEN_CALLS_MAX) return ''
    const [id, oldest] = this.#calls.entries().next().value!
    this.#calls.delete(id)
    return this.#unfinished(oldest)
  }

  #unfinished({ open, entry, thread }: Call): string {
    const lane = leave(open, this.#last)
    return this.#complete(entry, thread, lane, entry.timestamp, this.#last, { ...argumentsOf(entry), unfinished: true })
  }

  #exit(exit: Event, thread: Thread): string {
    const call = exit.parentId === null ? undefined : this.#calls.get(exit.parentId)
    const { exit_reason: reason, result, exception } = (exit.data ?? {}) as Record<string, unknown>
    const ending = { ...(reason === undefined || reason === 'normal' ? {} : { exit_reason: reason }), ...(result === undefined ? {} : { result }), ...(exception === undefined ? {} : { exception }) }
    if (call === undefined) {
      const duration = exit.data?.duration_ns as number | bigint | undefined
      const start = typeof duration === 'number' || typeof duration === 'bigint' ? exit.timestamp - BigInt(duration) : exit.timestamp
      const lane = laneOf(thread, start, exit.timestamp)
      return this.#complete(exit, thread, lane, start, exit.timestamp, { ...argumentsOf(exit), ...ending })
    }
    this.#calls.delete(exit.parentId!)
    const lane = leave(call.open, exit.timestamp)
    return this.#complete(call.entry, call.thread, lane, call.entry.timestamp, exit.timestamp, { ...argumentsOf(call.entry), ...ending })
  }

  #complete(of: Event, thread: Thread, lane: Lane, start: bigint, end: bigint, args: object): string {
    const dur = microseconds(end > start ? end - start : 0n)
    return this.#event('X', nameOf(of), of.module ?? 'call', thread.process, this.#threadId(thread, lane.number), start, `"dur":${dur},"args":${jsonText(args)}`)
  }

  #instant(event: Event, thread: Thread): string {
    const parent = event.parentId === null ? undefined : this.#calls.get(event.parentId)
    const lane = parent?.thread === thread ? parent.open.lane.number : 0
    const scope = event.eventType === 'events_lost' ? 'g' : 't'
    const args = { ...argumentsOf(event), ...(event.data === null ? {} : { data: event.data }) }
    return this.#event('i', instantName(event), event.eventType, thread.process, this.#threadId(thread, lane), event.timestamp, `"s":"${scope}","args":${jsonText(args)}`)
  }

  #counter(event: Event, thread: Thread): string {
    const name = typeof event.data.name === 'string' ? event.data.name : event.eventType
    return this.#event('C', name, event.eventType, thread.process, this.#threadId(thread, 0), event.timestamp, `"args":${jsonText({ value: event.data.value })}`)
  }

  #metadata(name: string, process: number, thread: number, args: object): string {
    return this.#event('M', name, '__metadata', process, thread, 0n, `"args":${jsonText(args)}`)
  }

  #event(phase: string, name: string, category: string, process: number, thread: number, time: bigint, rest: string): string {
    const separator = this.#isFirst ? '\n' : ',\n'
    this.#isFirst = false
    return `${separator}{"ph":"${phase}","name":${JSON.stringify(name)},"cat":${JSON.stringify(category)},"pid":${process},"tid":${thread},"ts":${microseconds(time)},${rest}}`
  }

  #threadOf({ node, pid }: Event): Thread {
    let process = this.#processes.get(node)
    if (process === undefined) {
      process = this.#processes.size + 1
      this.#processes.set(node, process)
      this.#names += this.#metadata('process_name', process, 0, { name: node })
    }
    const key = `${process}\0${pid}`
    const thread = this.#threads.get(key) ?? { ...newTrack(), process, name: pid, ids: [] }
    // The one that was used last is the last of the map.
    this.#threads.delete(key)
    this.#threads.set(key, thread)
    if (this.#threads.size > THREADS_MAX) {
      for (const [other, { lanes }] of this.#threads) {
        if (lanes.every(({ open }) => open.length === 0) && this.#threads.delete(other)) break
      }
    }
    return thread
  }

  #threadId(thread: Thread, lane: number): number {
    // Lanes get their ids in the order of their numbers, so that they are drawn in it.
    while (thread.ids.length <= lane) {
      const [id, number] = [++this.#threadIds, thread.ids.length]
      thread.ids.push(id)
      this.#names += this.#metadata('thread_name', thread.process, id, { name: number === 0 ? thread.name : `${thread.name} (${number + 1})` })
      this.#names += this.#metadata('thread_sort_index', thread.process, id, { sort_index: id })
    }
    return thread.ids[lane]!
  }
}

/** Nanoseconds as microseconds, with all of their digits. */
function microseconds(nanoseconds: bigint): string {
  const sign = nanoseconds < 0n ? '-' : ''
  const digits = String(nanoseconds < 0n ? -nanoseconds : nanoseconds).padStart(4, '0')
  const fraction = digits.slice(-3).replace(/0+$/, '')
  return `${sign}${digits.slice(0, -3)}${fraction === '' ? '' : `.${fraction}`}`
}

/** What a call is called. */
export function nameOf({ module, function: name, arity, eventType }: Event): string {
  if (name === null) return module ?? eventType
  return `${module === null ? '' : `${module}.`}${name}${arity === null ? '' : `/${arity}`}`
}

function instantName({ eventType, data }: Event): string {
  const { error_type: type, message } = (typeof data === 'object' && data !== null ? data : {}) as Record<string, unknown>
  const text = typeof message === 'string' ? message : undefined
  if (eventType === 'error') return [typeof type === 'string' ? type : 'error', text].filter((part) => part !== undefined).join(': ')
  return text === undefined ? eventType : `${eventType}: ${text}`
}

function argumentsOf(event: Event): Record<string, unknown> {
  const { eventId, parentId, correlationId, file, line, tags, data } = event
  const optional = { parentId, correlationId, file, line, tags, args: event.eventType === 'function_entry' ? data?.args : null }
  return { eventId, ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null && value !== undefined)) }
}
