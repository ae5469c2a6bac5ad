/**
 * Where calls go in a trace viewer: calls of one lane are drawn inside each other, so no two of them may overlap in part.
 *
 * Calls come in the order of time. A call is put on its caller's lane if the caller is the innermost call there, else on a lane where
 * nothing is open. When a call ends before calls that it has started, those move on to a lane that has been idle for as long as they
 * last; so a lane is certain only when its call ends.
 */

/** Calls of a logical process that are drawn inside each other. */
export interface Lane {
  /** From 0, within its logical process. */
  readonly number: number
  /** Outermost first. */
  readonly open: OpenCall[]
  /** Nothing on it ends later. */
  busyUntil: bigint
}

/** A call that has not ended. */
export interface OpenCall {
  readonly id: string
  readonly start: bigint
  /** What the lanes belong to. */
  readonly track: Track
  lane: Lane
}

/** A logical process. */
export interface Track {
  readonly lanes: Lane[]
}

/** A track without calls. */
export function newTrack(): Track {
  return { lanes: [] }
}

/** Puts a call on a lane. */
export function enter(track: Track, id: string, caller: OpenCall | undefined, start: bigint): OpenCall {
  const isInnermost = caller !== undefined && caller.track === track && caller.lane.open.at(-1) === caller
  const lane = isInnermost ? caller.lane : idleLane(track, start)
  const call = { id, start, track, lane }
  lane.open.push(call)
  return call
}

/** Takes a call off its lane, and returns the lane. */
export function leave(call: OpenCall, end: bigint): Lane {
  const { lane, track } = call
  const outliving = lane.open.splice(lane.open.indexOf(call))
  outliving.shift()
  if (outliving.length > 0) {
    const other = idleLane(track, outliving[0]!.start, lane)
    for (const each of outliving) each.lane = other
    other.open.push(...outliving)
  }
  if (end > lane.busyUntil) lane.busyUntil = end
  return lane
}

/** A lane for a call of which only the end was seen. */
export function laneOf(track: Track, start: bigint, end: bigint): Lane {
  const lane = idleLane(track, start)
  if (end > lane.busyUntil) lane.busyUntil = end
  return lane
}

function idleLane(track: Track, since: bigint, except?: Lane): Lane {
  const idle = track.lanes.find((lane) => lane !== except && lane.open.length === 0 && lane.busyUntil <= since)
  if (idle !== undefined) return idle
  const made: Lane = { number: track.lanes.length, open: [], busyUntil: since }
  track.lanes.push(made)
  return made
}
