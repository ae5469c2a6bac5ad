/** What is read of OpenTelemetry's objects, and what of it becomes columns. No code of attributes runs: only data properties count. */
import { types } from 'node:util'
import type { OtelSpanContext } from '../../opentelemetry.js'

/** Names by OpenTelemetry's number of the kind. */
const SPAN_KINDS = ['internal', 'server', 'client', 'producer', 'consumer']
const SAMPLED_FLAG = 1
/** Texts between a namespace and a function in `code.function.name`, whatever the language. */
const LAST_SEPARATOR = /^(.*?[^.:#\\/])(?:\.|::?|[#\\/])([^.:#\\/]+)$/
const LINE_MAX = 0xffff_ffff

/** Where a span or log record comes from. */
export interface Origin {
  readonly module: string | null
  readonly function: string | null
  readonly file: string | null
  readonly line: number | null
}

/** The trace and span that something belongs to. */
export interface Ids {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
  readonly traceState: string | undefined
}

/** An own data property; `undefined` of a proxy, and of what has a getter. */
export function own(object: unknown, key: string): unknown {
  if (typeof object !== 'object' || object === null || types.isProxy(object)) return undefined
  return Object.getOwnPropertyDescriptor(object, key)?.value as unknown
}

/** A text that is not empty. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** An object with something in it. */
export function filled(object: unknown): object | undefined {
  if (typeof object !== 'object' || object === null || types.isProxy(object)) return undefined
  return Object.keys(object).length > 0 ? object : undefined
}

/** The ids of a span's context; `undefined` for what names no span. */
export function idsOf(context: OtelSpanContext | null | undefined): Ids | undefined {
  if (context == null) return undefined
  const { traceId, spanId, traceFlags, traceState } = context
  if (text(traceId) === undefined || text(spanId) === undefined) return undefined
  const sampled = typeof traceFlags !== 'number' || (traceFlags & SAMPLED_FLAG) !== 0
  return { traceId, spanId, sampled, traceState: text(traceState?.serialize()) }
}

export function kindOf(kind: unknown): string | undefined {
  return typeof kind === 'number' ? SPAN_KINDS[kind] : undefined
}

/** `{ name, version }`, as it goes into `data`. */
export function scopeOf(scope: unknown): { name: string; version: string | undefined } | undefined {
  const name = text(own(scope, 'name'))
  return name === undefined ? undefined : { name, version: text(own(scope, 'version')) }
}

/** The service's name, unless it is the SDK's own for a service that has none. */
export function serviceOf(resource: { readonly attributes: unknown } | undefined): string | undefined {
  return text(own(resource?.attributes, 'service.name'))
}

/** What attributes say about the code, by the names of both generations of OpenTelemetry's conventions. */
export function originOf(attributes: unknown, name: string | null, owner: string | undefined): Origin {
  const qualified = text(own(attributes, 'code.function.name'))
  const namespace = text(own(attributes, 'code.namespace'))
  const line = own(attributes, 'code.line.number') ?? own(attributes, 'code.lineno')
  const [module, fn] = qualified === undefined ? [namespace, text(own(attributes, 'code.function'))] : splitName(qualified, namespace)
  return {
    module: module ?? owner ?? null,
    function: fn ?? name,
    file: text(own(attributes, 'code.file.path')) ?? text(own(attributes, 'code.filepath')) ?? null,
    line: Number.isInteger(line) && (line as number) >= 1 && (line as number) <= LINE_MAX ? (line as number) : null,
  }
}

/** The namespace of a fully qualified name, and the rest. */
function splitName(qualified: string, namespace: string | undefined): [module: string | undefined, fn: string] {
  const [, module, fn] = LAST_SEPARATOR.exec(qualified) ?? []
  return fn === undefined ? [namespace, qualified] : [module, fn]
}

/** The part of `attributes` whose names are not among those given; `undefined` when nothing is left. */
export function without(attributes: unknown, names: readonly string[]): object | undefined {
  const given = filled(attributes)
  if (given === undefined) return undefined
  const rest = Object.getOwnPropertyDescriptors(given) as Record<string, PropertyDescriptor>
  for (const name of names) delete rest[name]
  return filled(Object.defineProperties({}, rest))
}

const EXCEPTION_NAMES = ['exception.type', 'exception.message', 'exception.stacktrace'] as const

/** What attributes say about an exception, and what else they say; `undefined` where they name none. */
export function exceptionOf(attributes: unknown): { error_type: string; message: string; stack: string | undefined; rest: object | undefined } | undefined {
  const [type, message, stack] = EXCEPTION_NAMES.map((name) => text(own(attributes, name)))
  if (type === undefined && message === undefined) return undefined
  return { error_type: type ?? 'Error', message: message ?? '', stack, rest: without(attributes, EXCEPTION_NAMES) }
}
