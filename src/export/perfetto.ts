/**
 * Perfetto's trace format: packets with track events. Fields are numbered as in protos/perfetto/trace of
 * https://github.com/google/perfetto: trace.proto, trace_packet.proto, clock_snapshot.proto and, in track_event/, track_event.proto,
 * track_descriptor.proto, debug_annotation.proto, process_descriptor.proto, counter_descriptor.proto and source_location.proto.
 */
import { createHash } from 'node:crypto'
import type { Event } from '../../index.js'
import type { EventSource } from '../../export.js'
import { checkedEvents } from './events.js'
import { ProtobufWriter } from './protobuf.js'
import { nameOf, type Step, type Track, Tracks } from './tracks.js'

const TRACE = { packet: 1 }
const PACKET = { clockSnapshot: 6, timestamp: 8, sequenceId: 10, trackEvent: 11, sequenceFlags: 13, trackDescriptor: 60 }
const CLOCKS = { clock: 1 }
const CLOCK = { id: 1, timestamp: 2 }
const DESCRIPTOR = { uuid: 1, name: 2, process: 3, parentUuid: 5, counter: 8 }
const PROCESS = { pid: 1, name: 6 }
const COUNTER = { unitName: 6 }
const EVENT = { annotation: 4, type: 9, trackUuid: 11, category: 22, name: 23, sourceLocation: 33, counterValue: 44, flowId: 47 }
const LOCATION = { file: 2, function: 3, line: 4 }
const ANNOTATION = { bool: 2, uint: 3, int: 4, double: 5, string: 6, name: 10, entry: 11, item: 12 }

const SLICE_BEGIN = 1
const SLICE_END = 2
const INSTANT = 3
const COUNTER_VALUE = 4
const CLOCK_REALTIME = 1
/** The clock of packets that name none. */
const CLOCK_BOOTTIME = 6
const INCREMENTAL_STATE_CLEARED = 1
/** All packets are of one sequence, in the order of time. */
const SEQUENCE_ID = 1
/** Bytes after which what has been written is handed on. */
const CHUNK_BYTES = 65_536
const DEPTH_MAX = 64
/** A node has no process id that a viewer could know; it needs one of its own. */
const PROCESS_ID_BITS = 0x3fff_ffffn
/** Tracks that are known to have been described; beyond it they are described again, which says nothing new. */
const DESCRIBED_MAX = 65_536

/** See the contract. */
export async function* toPerfetto(events: EventSource): AsyncGenerator<Uint8Array, void, undefined> {
  const trace = new PerfettoTrace()
  const tracks = new Tracks()
  for await (const event of checkedEvents(events)) {
    trace.start(event)
    for (const step of tracks.place(event)) trace.step(step)
    if (trace.length >= CHUNK_BYTES) yield trace.take()
  }
  if (trace.length > 0) yield trace.take()
}

class PerfettoTrace {
  readonly #writer = new ProtobufWriter()
  readonly #described = new Set<bigint>()
  readonly #uuids = new WeakMap<Track, bigint>()
  #isStarted = false

  get length(): number {
    return this.#writer.length
  }

  take(): Uint8Array {
    return this.#writer.take()
  }

  /** Says before the first event how timestamps and wall times belong together. */
  start({ timestamp, wallTime }: Event): void {
    if (this.#isStarted) return
    this.#isStarted = true
    const writer = this.#writer
    this.#packet(() => {
      writer.uint32(PACKET.sequenceFlags, INCREMENTAL_STATE_CLEARED)
      writer.message(PACKET.clockSnapshot, () => {
        this.#clock(CLOCK_BOOTTIME, timestamp)
        this.#clock(CLOCK_REALTIME, wallTime)
      })
    })
  }

  step(step: Step): void {
    const { track, at } = step
    if (step.kind === 'instant' && this.#counter(step.event, at)) return
    const uuid = this.#trackUuid(track)
    if (step.kind === 'end') {
      const { exit } = step
      this.#event(at, SLICE_END, uuid, () => exit !== null && this.#annotations(exit.data))
    } else if (step.kind === 'begin') {
      this.#event(at, SLICE_BEGIN, uuid, () => {
        this.#facts(step.call)
        if (step.isContinued) this.#annotation('continued', true, 0)
      })
    } else {
      this.#event(at, INSTANT, uuid, () => {
        this.#facts(step.event)
        this.#flow(step.event)
      })
    }
  }

  #clock(id: number, time: bigint): void {
    this.#writer.message(CLOCKS.clock, () => {
      this.#writer.uint32(CLOCK.id, id)
      this.#writer.int64(CLOCK.timestamp, unsigned(time))
    })
  }

  #packet(write: () => void): void {
    this.#writer.message(TRACE.packet, () => {
      this.#writer.uint32(PACKET.sequenceId, SEQUENCE_ID)
      write()
    })
  }

  #event(at: bigint, type: number, trackUuid: bigint, write: () => void): void {
    this.#packet(() => {
      this.#writer.int64(PACKET.timestamp, unsigned(at))
      this.#writer.message(PACKET.trackEvent, () => {
        this.#writer.uint32(EVENT.type, type)
        this.#writer.int64(EVENT.trackUuid, trackUuid)
        write()
      })
    })
  }

  #facts(event: Event): void {
    const writer = this.#writer
    writer.string(EVENT.category, event.eventType)
    writer.string(EVENT.name, event.eventType === 'function_entry' ? nameOf(event) : instantName(event))
    if (event.file !== null) {
      writer.message(EVENT.sourceLocation, () => {
        writer.string(LOCATION.file, event.file!)
        if (event.function !== null) writer.string(LOCATION.function, event.function)
        if (event.line !== null) writer.uint32(LOCATION.line, event.line)
      })
    }
    const { eventId, correlationId, parentId, tags } = event
    this.#annotations({ event_id: eventId, correlation_id: correlationId, parent_id: parentId, tags })
    this.#annotations(event.data)
  }

  /** Arrows lead from where a message is sent to where it is received. */
  #flow({ eventType, data }: Event): void {
    const id: unknown = data?.message_id
    if ((eventType === 'message_send' || eventType === 'message_receive') && id != null) this.#writer.fixed64(EVENT.flowId, hash64('message', String(id)))
  }

  #annotations(values: unknown): void {
    if (typeof values !== 'object' || values === null || Array.isArray(values)) this.#annotation('data', values, 0)
    else for (const [name, value] of Object.entries(values)) this.#annotation(name, value, 0)
  }

  #annotation(name: string, value: unknown, depth: number): void {
    if (value == null) return
    this.#writer.message(EVENT.annotation, () => {
      this.#writer.string(ANNOTATION.name, name)
      this.#value(value, depth)
    })
  }

  #value(value: unknown, depth: number): void {
    const writer = this.#writer
    if (typeof value === 'string') writer.string(ANNOTATION.string, value)
    else if (typeof value === 'boolean') writer.uint32(ANNOTATION.bool, Number(value))
    else if (typeof value === 'number' && !Number.isSafeInteger(value)) writer.double(ANNOTATION.double, value)
    else if (typeof value === 'number' || typeof value === 'bigint') this.#integer(BigInt(value))
    else if (depth >= DEPTH_MAX) writer.string(ANNOTATION.string, '…')
    else if (Array.isArray(value)) for (const item of value) writer.message(ANNOTATION.item, () => this.#value(item, depth + 1))
    else if (value !== null) for (const [name, entry] of Object.entries(value as object)) this.#entry(name, entry, depth + 1)
  }

  #entry(name: string, value: unknown, depth: number): void {
    this.#writer.message(ANNOTATION.entry, () => {
      this.#writer.string(ANNOTATION.name, name)
      this.#value(value, depth)
    })
  }

  #integer(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) this.#writer.int64(ANNOTATION.int, value)
    else if (BigInt.asUintN(64, value) === value) this.#writer.int64(ANNOTATION.uint, value)
    else this.#writer.string(ANNOTATION.string, String(value))
  }

  /** A metric is a value of a counter. */
  #counter({ eventType, node, pid, data }: Event, at: bigint): boolean {
    if (eventType !== 'performance_metric' || typeof data?.value !== 'number' || typeof data.name !== 'string') return false
    const parentUuid = this.#processUuid(node)
    const uuid = hash64('counter', node, pid, data.name)
    this.#describe(uuid, () => {
      this.#writer.string(DESCRIPTOR.name, data.name)
      this.#writer.int64(DESCRIPTOR.parentUuid, parentUuid)
      this.#writer.message(DESCRIPTOR.counter, () => typeof data.unit === 'string' && this.#writer.string(COUNTER.unitName, data.unit))
    })
    this.#event(at, COUNTER_VALUE, uuid, () => this.#writer.double(EVENT.counterValue, data.value))
    return true
  }

  /** All tracks of a logical process have its name, by which viewers put them together. */
  #trackUuid(track: Track): bigint {
    const known = this.#uuids.get(track)
    if (known !== undefined && this.#described.has(known)) return known
    const { node, pid, number } = track
    const parentUuid = this.#processUuid(node)
    const uuid = hash64('track', node, pid, String(number))
    this.#uuids.set(track, uuid)
    this.#describe(uuid, () => {
      this.#writer.string(DESCRIPTOR.name, pid)
      this.#writer.int64(DESCRIPTOR.parentUuid, parentUuid)
    })
    return uuid
  }

  #processUuid(node: string): bigint {
    const uuid = hash64('node', node)
    this.#describe(uuid, () => {
      this.#writer.string(DESCRIPTOR.name, node)
      this.#writer.message(DESCRIPTOR.process, () => {
        this.#writer.uint32(PROCESS.pid, Number(uuid & PROCESS_ID_BITS))
        this.#writer.string(PROCESS.name, node)
      })
    })
    return uuid
  }

  #describe(uuid: bigint, write: () => void): void {
    if (this.#described.has(uuid)) return
    if (this.#described.size >= DESCRIBED_MAX) this.#described.clear()
    this.#described.add(uuid)
    this.#packet(() => {
      this.#writer.message(PACKET.trackDescriptor, () => {
        this.#writer.int64(DESCRIPTOR.uuid, uuid)
        write()
      })
    })
  }
}

function instantName(event: Event): string {
  const { eventType, data } = event
  if (eventType === 'function_exit') return `exit ${nameOf(event)}`
  const message: unknown = data?.message
  return typeof message === 'string' && message !== '' ? message : eventType
}

/** Perfetto's times are not negative. */
function unsigned(time: bigint): bigint {
  return time < 0n ? 0n : time
}

/** 64 bits that texts have in common with no others, in all likelihood; never 0, which is nobody's. */
function hash64(...texts: string[]): bigint {
  return createHash('sha256').update(JSON.stringify(texts)).digest().readBigUInt64LE() || 1n
}
