/** Checked by the type checker alone: right uses of the contract are accepted, and each wrong one is refused. */
import { attach, KinescopeError, open, type Call, type Event, type EventId, type Kinescope } from '../../index.js'

class Box<T> {
  readonly content: T
  constructor(content: T) {
    this.content = content
  }
}

export async function opening(): Promise<Kinescope> {
  await using scope = await open({ ring: { bytes: 1 << 20, overflow: 'block' }, limits: { maxDepth: 4 } })
  // @ts-expect-error -- an unknown policy
  await open({ ring: { overflow: 'drop_oldest' } })
  // @ts-expect-error -- an unknown option
  await open({ ringBytes: 1 })
  // @ts-expect-error -- the configuration is read-only
  scope.config.samplingRate = 0.5
  return attach(scope.handle)
}

export function recording({ recorder }: Kinescope, id: EventId): Call {
  const tick = recorder.define('tick', { queued: 'i64', load: 'f64', busy: 'bool', host: 'symbol' })
  tick({ queued: 3n, load: 0.5, busy: true, host: 'a' })
  tick({ queued: 3 })
  tick({ host: null })
  // @ts-expect-error -- a text for a number
  tick({ load: '0.5' })
  // @ts-expect-error -- a field that was not defined
  tick({ lod: 0.5 })
  // @ts-expect-error -- an unknown field type
  recorder.define('tick', { queued: 'i32' })

  recorder.record({ eventType: 'log', parentId: id, timestamp: 5n, wallTime: new Date(), tags: { region: 'eu', attempt: 2 } })
  // @ts-expect-error -- an event has a type
  recorder.record({ data: 1 })
  // @ts-expect-error -- an event id is two numbers
  recorder.record({ eventType: 'log', parentId: 'abc' })

  const double = recorder.wrap((value: number) => value * 2, { captureResult: true })
  const doubled: number = double(4)
  const Wrapped = recorder.wrap(Box)
  const content: number = new Wrapped(doubled).content
  const answer: Promise<string> = recorder.run({ ...recorder.context(), pid: 'job' }, async () => String(content))
  void answer

  const site = recorder.site({ module: 'cart', function: 'total', arity: 1 })
  // @ts-expect-error -- a call is not a site
  recorder.enter(recorder.enter(site))
  // @ts-expect-error -- a number is not a call
  recorder.exit(7)
  return recorder.enter(site, { args: [1] })
}

export async function querying({ dataAccess }: Kinescope): Promise<Event[]> {
  using result = await dataAccess.queryEvents({ startTimeWall: new Date(0), pid: ['main'], signal: AbortSignal.timeout(5) })
  const rows: number = result.table.numRows
  const [first] = result
  const seq: bigint | undefined = first?.seq
  // @ts-expect-error -- only the blocking form has a time-out
  await dataAccess.queryEvents({ timeoutMs: 5 })
  // @ts-expect-error -- the blocking form cannot be aborted
  dataAccess.queryEventsSync({ signal: AbortSignal.timeout(5) })
  for (const range of result.lost.ranges) {
    const from: bigint | number = 'fromSeq' in range ? range.fromSeq : range.firstSequence
    void from
  }
  void [rows, seq]
  return result.toArray()
}

export async function aggregating({ dataAccess }: Kinescope): Promise<unknown> {
  const p95 = { quantile: 'data.duration_ns', q: 0.95 }
  using result = await dataAccess.aggregateEvents({ groupBy: ['mfa', { timeBucketNs: 10n }, 'data.x'], aggregations: { p95, n: { count: '*' } }, orderBy: [{ field: 'p95', order: 'desc' }] })
  // @ts-expect-error -- which events is for the filters to say, how many groups for the limit beside them
  await dataAccess.aggregateEvents({ aggregations: { n: { count: '*' } }, filters: { limit: 5 } })
  // @ts-expect-error -- a quantile says which
  await dataAccess.aggregateEvents({ aggregations: { p: { quantile: 'line' } } })
  // @ts-expect-error -- only the blocking form has a time-out
  await dataAccess.aggregateEvents({ aggregations: {}, timeoutMs: 5 })
  // @ts-expect-error -- the blocking form cannot be aborted
  dataAccess.aggregateEventsSync({ aggregations: {}, filters: { signal: AbortSignal.timeout(5) }, timeoutMs: 5 })
  const groups: number = result.table.numRows
  return [groups, result.quantileError, result.rows()[0]?.['p95']]
}

export function failing(error: unknown): string {
  if (!(error instanceof KinescopeError)) return 'foreign'
  // @ts-expect-error -- not one of the codes
  if (error.code === 'NO_SUCH_CODE') return 'impossible'
  return error.code === 'CLOSED' ? 'closed' : String(error.details['field'])
}
