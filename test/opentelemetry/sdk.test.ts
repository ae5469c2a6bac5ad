/** A service with OpenTelemetry's own instrumentation, on every major version of the SDK. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { INSTALL_TIMEOUT_MS, installPackages } from '../support/packages.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))
const KINDS = ['internal', 'server', 'client', 'producer', 'consumer']
const STATUSES = [undefined, 'ok', 'error']

/** A span, by what the exporter and the recording both know. */
interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  [fact: string]: unknown
}

const nanoseconds = ([seconds, rest]: [number, number]): string => String(BigInt(seconds) * 1_000_000_000n + BigInt(rest))
const bySpanId = (spans: Span[]): Span[] => spans.toSorted((a, b) => (a.spanId < b.spanId ? -1 : 1))

function exportedSpan({ startTime, endTime, duration, kind, status, events, ...span }: any): Span {
  const { code, message } = status
  return {
    ...span,
    kind: KINDS[kind],
    status: STATUSES[code],
    statusMessage: message,
    start: nanoseconds(startTime),
    end: nanoseconds(endTime),
    duration: Number(nanoseconds(duration)),
    events: events.map(({ name, time, attributes }: any) => ({ name, time: nanoseconds(time), attributes: attributes ?? {} })),
  }
}

/** The spans that a recording holds, each of its entry, its exit and the events whose parent the entry is. */
function recordedSpans(events: any[]): Span[] {
  const entries = events.filter(({ eventType }) => eventType === 'function_entry')
  const spanIds = new Map(entries.map(({ eventId, data }) => [eventId, data.span_id]))
  return entries.map((entry) => {
    const own = events.filter(({ parentId, eventType }) => parentId === entry.eventId && eventType !== 'function_entry')
    const [exit, ...others] = own.filter(({ eventType }) => eventType === 'function_exit')
    expect(others).toEqual([])
    const { data } = exit
    const happened = own.filter(({ eventType, data: { name } }) => eventType !== 'function_exit' && name !== undefined)
    return {
      traceId: entry.correlationId,
      spanId: data.span_id,
      parentSpanId: entry.data.remote_parent ?? spanIds.get(entry.parentId),
      name: data.name,
      kind: entry.data.kind,
      status: data.status,
      statusMessage: data.status_message,
      attributes: data.attributes ?? {},
      start: entry.wallTime,
      end: exit.wallTime,
      duration: data.duration_ns,
      scopeName: entry.data.scope.name,
      links: (data.links ?? []).map((link: any) => link.span_id),
      events: happened.map((event) => ({ name: event.data.name, time: event.wallTime, attributes: attributesOf(event) })),
    }
  })
}

/** An event's attributes as OpenTelemetry has them: those of an exception have names of their own here. */
function attributesOf({ eventType, data }: any): object {
  if (eventType !== 'error') return data.attributes ?? {}
  return { 'exception.type': data.error_type, 'exception.message': data.message, 'exception.stacktrace': data.stack, ...data.attributes }
}

/**
 * The spans or log records of OTLP requests, each with its scope and service, in an order of their own. What both spellings of JSON allow is
 * made one: integers are numbers or text, and attributes come in any order. What the recording does not hold is left out: flags, dropped counts that
 * are 0, and when a record was observed.
 */
function otlpItems(requests: any): any[] {
  const items: any[] = requests.flatMap((request: any) =>
    (request.resourceSpans ?? request.resourceLogs).flatMap(({ resource, scopeSpans, scopeLogs }: any) =>
      (scopeSpans ?? scopeLogs).flatMap(({ scope, spans, logRecords }: any) =>
        (spans ?? logRecords).map((item: any) => ({
          service: attributesByKey(resource.attributes)['service.name'],
          scope: { name: scope.name, version: scope.version || undefined },
          ...item,
          flags: undefined,
          observedTimeUnixNano: undefined,
          droppedAttributesCount: item.droppedAttributesCount || 0,
          attributes: attributesByKey(item.attributes),
          ...(item.links && { links: item.links.map((link: any) => ({ ...link, flags: undefined })) }),
          ...(item.events && { events: item.events.map((event: any) => ({ ...event, attributes: attributesByKey(event.attributes) })) }),
        })),
      ),
    ),
  )
  return items.toSorted((a, b) => (`${a.spanId}${a.timeUnixNano}` < `${b.spanId}${b.timeUnixNano}` ? -1 : 1))
}

function attributesByKey(attributes: any[]): any {
  const normal = (value: any): any => {
    if (value.arrayValue !== undefined) return { arrayValue: value.arrayValue.values.map(normal) }
    return value.intValue === undefined ? value : { intValue: String(value.intValue) }
  }
  return Object.fromEntries(attributes.map(({ key, value }: any) => [key, normal(value)]))
}

describe.each([1, 2, 3])('SDK %i.x', (major) => {
  const folder = `test/opentelemetry/sdk-${major}`
  let recorded: { spans: any[]; logs: any[]; events: any[]; stats: object; otlp: Record<string, any[]> }

  beforeAll(async () => {
    await installPackages(folder)
    const { stdout } = await run(process.execPath, ['test/opentelemetry/service.mjs', String(major)], { cwd: root, maxBuffer: 2 ** 26 })
    recorded = JSON.parse(stdout)
  }, INSTALL_TIMEOUT_MS)

  test('its types take the processors, and are what they read', async () => {
    await expect(run('npx', ['tsc', '--noEmit', '-p', folder], { cwd: root })).resolves.toMatchObject({ stdout: '' })
  })

  test("the traces are the spans of OpenTelemetry's in-memory exporter", () => {
    const exported = bySpanId(recorded.spans.map(exportedSpan))
    expect(exported.length).toBeGreaterThan(15)
    expect(bySpanId(recordedSpans(recorded.events))).toEqual(exported)
    expect(recorded.stats).toEqual({ live: 0, evicted: 0, failed: 0 })
  })

  test('a request from elsewhere names its caller, and is a logical process with all that it started', () => {
    const [request, ...rest] = recorded.events.filter(({ data }) => data.remote_parent !== undefined)
    expect(rest).toEqual([])
    expect(request).toMatchObject({ correlationId: '0af7651916cd43dd8448eb211c80319c', parentId: null, data: { kind: 'server', remote_parent: 'b7ad6b7169203331' } })
    const trace = recorded.events.filter(({ correlationId }) => correlationId === request.correlationId)
    expect(new Set(trace.map(({ pid }) => pid))).toEqual(new Set([`span-${request.data.span_id}`]))
  })

  test('what the instrumentation saw fail is an error with its exit', () => {
    const exits = recorded.events.filter(({ eventType, data }) => eventType === 'function_exit' && data.exit_reason === 'throw')
    expect(exits.map(({ function: name }) => name)).toContain('broken')
    for (const exit of exits) {
      const errors = recorded.events.filter(({ eventType, parentId }) => eventType === 'error' && parentId === exit.parentId)
      expect(errors.length).toBeGreaterThan(0)
      expect(exit.data.exception).toEqual({ error_type: errors.at(-1).data.error_type, message: errors.at(-1).data.message })
    }
  })

  test('no event of a span lies before its entry, on either clock', () => {
    const entries = new Map(recorded.events.filter(({ eventType }) => eventType === 'function_entry').map((entry) => [entry.eventId, entry]))
    for (const { parentId, timestamp, wallTime } of recorded.events) {
      const entry = entries.get(parentId)
      if (entry !== undefined) expect([BigInt(timestamp) >= BigInt(entry.timestamp), BigInt(wallTime) >= BigInt(entry.wallTime)]).toEqual([true, true])
    }
  })

  test.each(['traces', 'logs'])("exported as OTLP the %s are what OpenTelemetry's own serializer makes of them", (signal) => {
    const { otlp } = recorded
    const expected = otlpItems(otlp[signal])
    expect(otlpItems(otlp[`exported${signal === 'traces' ? 'Traces' : 'Logs'}`])).toEqual(expected)
    expect(expected.length).toBeGreaterThan(3)
  })

  test('log records are in the spans that they were emitted in', () => {
    const logs = recorded.events.filter(({ module }) => module === 'shop-log')
    const bySpan = (a: any, b: any): number => (a.spanId < b.spanId ? -1 : 1)
    expect(logs.map(({ wallTime, correlationId, data }) => ({ wallTime, correlationId, spanId: data.span_id, severity: data.severity, body: data.message, attributes: data.attributes })).toSorted(bySpan)).toEqual(
      recorded.logs.map(({ hrTime, spanContext, severityNumber, body, attributes }) => ({ wallTime: nanoseconds(hrTime), correlationId: spanContext.traceId, spanId: spanContext.spanId, severity: severityNumber, body, attributes })).toSorted(bySpan),
    )
    for (const { parentId, data } of logs) expect(recorded.events.find(({ eventId }) => eventId === parentId).data.span_id).toBe(data.span_id)
    expect(logs).toHaveLength(4)
  })
})
