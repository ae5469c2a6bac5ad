/** Speedscope's own file format, of evented profiles: https://www.speedscope.app/file-format-schema.json */
import type { Event } from '../../index.js'
import type { EventSource } from '../../export.js'
import { checkedEvents } from './events.js'
import { Spool, type SpooledText } from './spool.js'
import { nameOf, type Step, type Track, Tracks } from './tracks.js'

const SCHEMA = 'https://www.speedscope.app/file-format-schema.json'
/** Distinct places that calls come from; what comes beyond them has no place of its own. */
const FRAMES_MAX = 65_536

/** A track's profile: its events, of which the file has to have all in one piece. */
interface Profile {
  readonly track: Track
  readonly events: SpooledText
  readonly startValue: number
  endValue: number
  /** The frames of the slices that are open. */
  readonly open: number[]
}

/** See the contract. */
export async function* toSpeedscope(events: EventSource): AsyncGenerator<string, void, undefined> {
  using spool = new Spool()
  const profiles = new Profiles(spool)
  const tracks = new Tracks()
  for await (const event of checkedEvents(events)) {
    for (const step of tracks.place(event)) profiles.step(step)
  }
  yield* profiles.file()
}

class Profiles {
  readonly #spool: Spool
  readonly #profiles = new Map<string, Profile>()
  /** The same, by tracks, which may be made anew for the same logical process. */
  readonly #ofTracks = new WeakMap<Track, Profile>()
  readonly #frames = new Map<string, number>()
  #start: bigint | undefined
  #end = 0

  constructor(spool: Spool) {
    this.#spool = spool
  }

  step(step: Step): void {
    this.#start ??= step.at
    // Numbers hold nanoseconds since the start exactly for a hundred days.
    const at = Number(step.at - this.#start)
    if (at > this.#end) this.#end = at
    if (step.kind === 'begin') this.#open(this.#profileOf(step.track, at), this.#frameOf(step.call), at)
    else if (step.kind === 'end') this.#close(this.#profileOf(step.track, at), at)
  }

  /** The whole file, once there is nothing more to come. */
  *file(): Generator<string, void, undefined> {
    yield `{"$schema":${JSON.stringify(SCHEMA)},"exporter":"kinescope","profiles":[`
    const nodes = new Set([...this.#profiles.values()].map(({ track }) => track.node))
    let separator = ''
    for (const profile of this.#profiles.values()) {
      while (profile.open.length > 0) this.#close(profile, this.#end)
      const { track, startValue, endValue } = profile
      const name = `${nodes.size > 1 ? `${track.node} ` : ''}${track.pid}${track.number > 0 ? ` (${track.number + 1})` : ''}`
      yield `${separator}${JSON.stringify({ type: 'evented', name, unit: 'nanoseconds', startValue, endValue }).slice(0, -1)},"events":[`
      yield* this.#spool.read(profile.events)
      yield ']}'
      separator = ','
    }
    yield '],"shared":{"frames":['
    separator = ''
    for (const frame of this.#frames.keys()) {
      yield separator + frame
      separator = ','
    }
    yield ']}}'
  }

  #open(profile: Profile, frame: number, at: number): void {
    this.#append(profile, 'O', frame, at)
    profile.open.push(frame)
  }

  #close(profile: Profile, at: number): void {
    this.#append(profile, 'C', profile.open.pop()!, at)
  }

  #append(profile: Profile, type: 'O' | 'C', frame: number, at: number): void {
    const separator = profile.events.pieces.length > 0 || profile.events.pending !== '' ? ',' : ''
    this.#spool.append(profile.events, `${separator}{"type":"${type}","frame":${frame},"at":${at}}`)
    profile.endValue = at
  }

  #profileOf(track: Track, at: number): Profile {
    const known = this.#ofTracks.get(track)
    if (known !== undefined) return known
    const key = JSON.stringify([track.node, track.pid, track.number])
    const profile = this.#profiles.get(key) ?? { track, events: this.#spool.add(), startValue: at, endValue: at, open: [] }
    this.#profiles.set(key, profile)
    this.#ofTracks.set(track, profile)
    return profile
  }

  /** The index of a call's frame, which is found by its own text in the file. */
  #frameOf(call: Event): number {
    const { file, line } = call
    const text = JSON.stringify({ name: nameOf(call), file: file ?? undefined, line: line ?? undefined })
    const known = this.#frames.get(text)
    if (known !== undefined) return known
    const isFull = this.#frames.size >= FRAMES_MAX
    const key = isFull ? '{"name":"(other)"}' : text
    const index = this.#frames.get(key) ?? this.#frames.size
    this.#frames.set(key, index)
    return index
  }
}
