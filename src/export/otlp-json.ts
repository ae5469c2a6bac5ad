/**
 * OTLP's JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. Each line is a request of its own, as
 * https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/ has it.
 */
import type { Event } from '../../index.js'

const DEPTH_MAX = 64
const TIME_MAX = 0xffff_ffff_ffff_ffffn
/** Items of a line. */
export const BATCH_ITEMS = 512

/** OTLP's `AnyValue`. */
export type AnyValue = Readonly<Record<string, unknown>>

/** OTLP's `KeyValue`. */
export interface KeyValue {
  readonly key: string
  readonly value: AnyValue
}

/** Any JSON as OTLP has it; integers of 64 bits are text, as in JSON of Protocol Buffers. */
export function anyValue(value: unknown, depth = 0): AnyValue {
  switch (typeof value) {
    case 'string':
      return { stringValue: value }
    case 'boolean':
      return { boolValue: value }
    case 'number':
      return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? { intValue: String(value) } : { stringValue: String(value) }
    default:
      if (value == null) return {}
      if (depth >= DEPTH_MAX) return { stringValue: '…' }
      if (Array.isArray(value)) return { arrayValue: { values: value.map((item) => anyValue(item, depth + 1)) } }
      return { kvlistValue: { values: keyValues(value, '', depth + 1) } }
  }
}

/** The fields of an object that have a value. */
export function keyValues(values: unknown, prefix = '', depth = 0): KeyValue[] {
  if (typeof values !== 'object' || values === null) return []
  const pairs = Object.entries(values).filter(([, value]) => value != null)
  return pairs.map(([key, value]) => ({ key: prefix + key, value: anyValue(value, depth) }))
}

/** A payload's fields; of one that is no object the payload itself, as `data`. */
export function fieldsOf(data: unknown): Record<string, unknown> {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data as Record<string, unknown>
  return data == null ? {} : { data }
}

/** Nanoseconds since the Unix epoch, as far as OTLP can say them: unsigned, in 64 bits. */
export function unixNano(time: bigint): string {
  if (time < 0n) return '0'
  return String(time > TIME_MAX ? TIME_MAX : time)
}

export function textOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === 'string' ? value : otherwise
}

/** A number of things, 0 for what is none. */
export function count(value: unknown): number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff ? (value as number) : 0
}

/** The scope that an event from OpenTelemetry names. */
export function scopeOf(value: unknown): Item['scope'] {
  const { name, version } = fieldsOf(value)
  return typeof name === 'string' ? { name, version: textOr(version, undefined) } : undefined
}

/** What says where an event was recorded, in OpenTelemetry's names. */
export function originAttributes({ pid, module, function: name, file, line, correlationId, tags }: Event, isTraceId: boolean): KeyValue[] {
  return keyValues({
    'code.function.name': name === null ? undefined : module === null ? name : `${module}.${name}`,
    'code.file.path': file,
    'code.line.number': line,
    'kinescope.pid': pid,
    'kinescope.correlation_id': isTraceId ? undefined : correlationId,
    ...tags,
  })
}

/** A span or a log record, and who made it. */
export interface Item {
  readonly node: string
  readonly service: string | undefined
  readonly scope: { readonly name: string; readonly version?: string | undefined } | undefined
  readonly json: object
}

/** Gathers items into lines, by resource and scope. */
export class Lines {
  readonly #kind: 'Spans' | 'Logs'
  readonly #field: 'spans' | 'logRecords'
  #items: Item[] = []

  constructor(kind: 'Spans' | 'Logs') {
    this.#kind = kind
    this.#field = kind === 'Spans' ? 'spans' : 'logRecords'
  }

  /** Takes an item; returns a line when it is full. */
  *add(item: Item): Generator<string, void, undefined> {
    this.#items.push(item)
    if (this.#items.length >= BATCH_ITEMS) yield* this.end()
  }

  /** The last line, if there is anything left for it. */
  *end(): Generator<string, void, undefined> {
    if (this.#items.length === 0) return
    const resources = [...groups(this.#items, ({ node, service }) => JSON.stringify([node, service]))].map((items) => ({
      resource: { attributes: keyValues({ 'service.name': items[0]!.service ?? items[0]!.node, 'service.instance.id': items[0]!.node }) },
      [`scope${this.#kind}`]: [...groups(items, ({ scope }) => JSON.stringify([scope?.name, scope?.version]))].map((scoped) => ({
        scope: scoped[0]!.scope ?? { name: 'kinescope' },
        [this.#field]: scoped.map(({ json }) => json),
      })),
    }))
    this.#items = []
    yield `${JSON.stringify({ [`resource${this.#kind}`]: resources })}\n`
  }
}

function groups(items: readonly Item[], keyOf: (item: Item) => string): Iterable<Item[]> {
  const byKey = new Map<string, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = byKey.get(key)
    if (group === undefined) byKey.set(key, [item])
    else group.push(item)
  }
  return byKey.values()
}
