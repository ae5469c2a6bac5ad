/** Reads exported files as their viewers do: what nests in what, and for how long. */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

const require = createRequire(new URL('formats/', import.meta.url))

/** A slice as a viewer shows it. */
export interface Slice {
  /** Of the call. */
  id: string
  /** Of the slice that it lies in; `null` at the bottom of its track. */
  within: string | null
  track: unknown
  begin: bigint
  /** `null`: it has no end. */
  end: bigint | null
}

/** Everything that the tests ask of a Perfetto trace. */
export interface PerfettoTrace {
  slices: Slice[]
  instants: any[]
  counters: any[]
  /** By uuid. */
  tracks: Map<unknown, any>
  clocks: Record<number, bigint>
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

export async function textOf(chunks: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk
  return text
}

/** Decodes with protobufjs; as trace_processor does, packets are ordered by time, and an end is that of the innermost slice. */
export function readPerfetto(bytes: Uint8Array): PerfettoTrace {
  const { loadSync } = require('protobufjs')
  const type = loadSync(fileURLToPath(new URL('perfetto.proto', import.meta.url))).lookupType('perfetto.protos.Trace')
  const { packet = [] } = plain(type.toObject(type.decode(bytes), { enums: String }))
  const trace: PerfettoTrace = { slices: [], instants: [], counters: [], tracks: new Map(), clocks: {} }
  for (const { trackDescriptor, clockSnapshot, trustedPacketSequenceId } of packet) {
    if (trustedPacketSequenceId !== 1) throw new Error(`a packet of sequence ${trustedPacketSequenceId}`)
    if (trackDescriptor !== undefined) trace.tracks.set(trackDescriptor.uuid, trackDescriptor)
    for (const { clockId, timestamp } of clockSnapshot?.clocks ?? []) trace.clocks[clockId] = timestamp
  }
  const timed = packet.filter(({ trackEvent }: any) => trackEvent !== undefined).map((one: any) => ({ ...one.trackEvent, at: one.timestamp }))
  const stacks = new Map<unknown, Slice[]>()
  for (const event of timed.toSorted((a: any, b: any) => Number(a.at - b.at))) {
    if (!trace.tracks.has(event.trackUuid)) throw new Error(`no track ${event.trackUuid}`)
    const args = argsOf(event.debugAnnotations ?? [])
    const stack = stacks.get(event.trackUuid) ?? []
    stacks.set(event.trackUuid, stack)
    if (event.type === 'TYPE_SLICE_BEGIN') {
      const slice: Slice & { args: any; event: any } = { id: args.event_id, within: stack.at(-1)?.id ?? null, track: event.trackUuid, begin: event.at, end: null, args, event }
      stack.push(slice)
      trace.slices.push(slice)
    } else if (event.type === 'TYPE_SLICE_END') {
      const slice = stack.pop()
      if (slice === undefined) throw new Error(`an end without a begin at ${event.at}`)
      slice.end = event.at
      Object.assign((slice as any).args, args)
    } else if (event.type === 'TYPE_INSTANT') {
      trace.instants.push({ ...event, args, within: stack.at(-1)?.id ?? null })
    } else {
      trace.counters.push(event)
    }
  }
  return trace
}

/** Messages with bigints for the two halves in which protobufjs has integers of 64 bits. */
function plain(value: any): any {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  if ('unsigned' in value) return value.unsigned ? BigInt.asUintN(64, halves(value)) : halves(value)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

function halves({ low, high }: { low: number; high: number }): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0)
}

function argsOf(annotations: any[]): any {
  const valueOf = (annotation: any): any => {
    if (annotation.dictEntries !== undefined) return argsOf(annotation.dictEntries)
    if (annotation.arrayValues !== undefined) return annotation.arrayValues.map(valueOf)
    const [, value] = Object.entries(annotation).find(([name]) => name !== 'name') ?? []
    return value
  }
  return Object.fromEntries(annotations.map((annotation) => [annotation.name, valueOf(annotation)]))
}

let validate: any

/** Checks against speedscope's own schema; the names of its frames are those of the calls, and every open frame is closed in order. */
export function readSpeedscope(text: string): Slice[] {
  validate ??= new (require('ajv').Ajv)({ strict: false }).compile(require('speedscope/dist/release/file-format-schema.json'))
  const file = JSON.parse(text)
  expect(validate(file), JSON.stringify(validate.errors)).toBe(true)
  return file.profiles.flatMap(({ name, events, startValue, endValue }: any, track: number) => {
    const slices: Slice[] = []
    const stack: Slice[] = []
    let last = startValue
    for (const { type, frame, at } of events) {
      if (at < last) throw new Error(`${name}: ${at} after ${last}`)
      last = at
      const { name: id } = file.shared.frames[frame]
      if (type === 'O') {
        slices.push({ id, within: stack.at(-1)?.id ?? null, track: `${track} ${name}`, begin: BigInt(at), end: null })
        stack.push(slices.at(-1)!)
      } else {
        if (stack.at(-1)?.id !== id) throw new Error(`${name}: ${id} is not the innermost at ${at}`)
        stack.pop()!.end = BigInt(at)
      }
    }
    expect(stack).toEqual([])
    expect(last).toBe(endValue)
    return slices
  })
}
