/**
 * Calls as slices on tracks, on which they nest as viewers expect it: what begins within another slice ends within it, and is its child.
 *
 * Calls of one logical process can overlap, so it has as many tracks as it needs: a call goes on top of its parent where that is the
 * innermost slice of its track, else on a track of its own. A call that outlives its parent is cut where that ends, and goes on as another
 * slice, marked as continued, on a free track.
 */
import type { Event, EventId } from '../../index.js'

/** Calls that may be open at the same time; beyond it the oldest are ended, so that memory is bounded where exits were lost. */
export const OPEN_CALLS_MAX = 65_536
/** Logical processes that are kept in mind without an open call. */
const IDLE_PROCESSES = 4096
const FIRST_IMPORT_PRODUCER = 0x8000

/** A sequence of slices that nest. */
export interface Track {
  readonly node: string
  readonly pid: string
  /** Among the tracks of its logical process, from 0. */
  readonly number: number
}

/** What happens on a track. Times never go back on a track. */
export type Step =
  | { readonly kind: 'begin'; readonly track: Track; readonly at: bigint; readonly call: Event; readonly isContinued: boolean }
  /** Ends the innermost slice; `exit` is `null` where its call goes on elsewhere, or is given up. */
  | { readonly kind: 'end'; readonly track: Track; readonly at: bigint; readonly exit: Event | null }
  | { readonly kind: 'instant'; readonly track: Track; readonly at: bigint; readonly event: Event }

interface OpenCall {
  readonly entry: Event
  track: OpenTrack
}

class OpenTrack implements Track {
  readonly process: LogicalProcess
  readonly number: number
  readonly stack: OpenCall[] = []
  at: bigint

  constructor(process: LogicalProcess, number: number, at: bigint) {
    this.process = process
    this.number = number
    this.at = at
  }

  get node(): string {
    return this.process.node
  }

  get pid(): string {
    return this.process.pid
  }

  /** A time that is not before what has happened on the track. */
  clamp(at: bigint): bigint {
    if (at > this.at) this.at = at
    return this.at
  }
}

class LogicalProcess {
  readonly node: string
  readonly pid: string
  readonly tracks: OpenTrack[] = []
  /** Whether any of its entries or exits so far names a parent; if none does they nest by time. */
  hasParents = false
  /** Numbers of tracks on which nothing is open, the lowest last. */
  readonly #idle: number[] = []

  constructor(node: string, pid: string) {
    this.node = node
    this.pid = pid
  }

  /** The first track, busy or not. */
  first(at: bigint): OpenTrack {
    if (this.tracks.length === 0) this.giveBack(this.#add(at))
    return this.tracks[0]!
  }

  /** The lowest track on which nothing is open; its caller opens something. */
  take(at: bigint): OpenTrack {
    const number = this.#idle.pop()
    return number === undefined ? this.#add(at) : this.tracks[number]!
  }

  /** Notes that nothing is open on a track any more. */
  giveBack({ number }: OpenTrack): void {
    let [low, high] = [0, this.#idle.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#idle[middle]! > number) low = middle + 1
      else high = middle
    }
    this.#idle.splice(low, 0, number)
  }

  isIdle(): boolean {
    return this.#idle.length === this.tracks.length
  }

  #add(at: bigint): OpenTrack {
    const track = new OpenTrack(this, this.tracks.length, at)
    this.tracks.push(track)
    return track
  }
}

/** Places one event after the other, which come in (`timestamp`, `seq`) order. */
export class Tracks {
  #processesMax = IDLE_PROCESSES
  readonly #processes = new Map<string, LogicalProcess>()
  readonly #open = new Map<EventId, OpenCall>()

  /** What an event makes happen. */
  place(event: Event): Step[] {
    const steps: Step[] = []
    const process = this.#processOf(event)
    const call = event.eventType === 'function_entry' ? undefined : this.#callOf(event, process)
    if (event.eventType === 'function_entry') {
      this.#enter(event, process, steps)
    } else if (event.eventType === 'function_exit' && call !== undefined) {
      this.#end(call, event.timestamp, event, steps)
    } else {
      const track = call?.track.process === process ? call.track : process.first(event.timestamp)
      steps.push({ kind: 'instant', track, at: track.clamp(event.timestamp), event })
    }
    return steps
  }

  #enter(entry: Event, process: LogicalProcess, steps: Step[]): void {
    if (entry.parentId !== null) process.hasParents = true
    const track = this.#trackFor(entry, process)
    const call = { entry, track }
    this.#open.set(entry.eventId, call)
    track.stack.push(call)
    steps.push({ kind: 'begin', track, at: track.clamp(entry.timestamp), call: entry, isContinued: false })
    if (this.#open.size <= OPEN_CALLS_MAX) return
    const [oldest] = this.#open.values()
    this.#end(oldest!, entry.timestamp, null, steps)
  }

  #trackFor(entry: Event, process: LogicalProcess): OpenTrack {
    const parent = entry.parentId === null ? this.#implicitParent(entry, process) : this.#open.get(entry.parentId)
    if (parent !== undefined && parent.track.process === process && parent.track.stack.at(-1) === parent) return parent.track
    return process.take(entry.timestamp)
  }

  /** Events from elsewhere may have no parents at all; then a call is in the one that was entered last. */
  #implicitParent({ eventId }: Event, process: LogicalProcess): OpenCall | undefined {
    const isImported = Number.parseInt(eventId, 10) >= FIRST_IMPORT_PRODUCER
    return isImported && !process.hasParents ? process.tracks[0]?.stack.at(-1) : undefined
  }

  /** The open call that an event belongs to. */
  #callOf(event: Event, process: LogicalProcess): OpenCall | undefined {
    if (event.parentId !== null) {
      if (event.eventType === 'function_exit') process.hasParents = true
      return this.#open.get(event.parentId)
    }
    if (event.eventType !== 'function_exit') return undefined
    return process.tracks[0]?.stack.findLast(({ entry }) => entry.module === event.module && entry.function === event.function && entry.arity === event.arity)
  }

  #end(call: OpenCall, at: bigint, exit: Event | null, steps: Step[]): void {
    this.#open.delete(call.entry.eventId)
    const { track } = call
    const time = track.clamp(at)
    const [, ...outliving] = track.stack.splice(track.stack.indexOf(call))
    for (const _ of outliving) steps.push({ kind: 'end', track, at: time, exit: null })
    steps.push({ kind: 'end', track, at: time, exit })
    if (track.stack.length === 0) track.process.giveBack(track)
    if (outliving.length === 0) return
    const free = track.process.take(time)
    for (const inner of outliving) {
      inner.track = free
      free.stack.push(inner)
      steps.push({ kind: 'begin', track: free, at: free.clamp(time), call: inner.entry, isContinued: true })
    }
  }

  #processOf({ node, pid }: Event): LogicalProcess {
    const key = `${node.length} ${node}${pid}`
    let process = this.#processes.get(key)
    if (process === undefined) {
      process = new LogicalProcess(node, pid)
      if (this.#processes.size >= this.#processesMax) this.#forgetIdle()
      this.#processes.set(key, process)
    }
    return process
  }

  #forgetIdle(): void {
    for (const [key, process] of this.#processes) if (process.isIdle()) this.#processes.delete(key)
    this.#processesMax = Math.max(IDLE_PROCESSES, this.#processes.size * 2)
  }
}

/** A call's name: module and function, else what it is. */
export function nameOf({ module, function: name, eventType }: Event): string {
  if (name === null) return module ?? eventType
  return module === null ? name : `${module}.${name}`
}
