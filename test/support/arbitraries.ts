/**
 * Random events, and random questions about them, for tests that compare two implementations.
 *
 * Values come from small pools wherever two of them must meet for anything to happen: ties, matches, groups. fast-check
 * prints the seed of every failure; give it back as `{ seed, path }` to repeat it.
 */
import * as fc from 'fast-check'

/** An event as `record` and `storeEvents` take it. */
export type InputEvent = { eventType: string } & Record<string, unknown>
/** Options of `queryEvents`. */
export type Query = Record<string, unknown>

const PIDS = ['main', 'worker-1', 'request-7', 'Ünïcode-\u{1F600}']
const CORRELATION_IDS = ['trace-a', 'trace-b', '40000-1']
const EVENT_TYPES = ['function_entry', 'function_exit', 'log', 'state_change', 'state_snapshot', 'local_variable_snapshot', 'custom type']
const MODULES = ['cart', 'cart.items', '@scope/pkg']
const FUNCTIONS = ['total', 'add', 'größe', '<anonymous>']
const KEYS = ['x', 'y', 'name', 'variables', 'http.method', 'Straße', '0', 'a b', '__proto__', '']
const TAG_KEYS = ['region', 'http.status', 'n', '__proto__']
const TEXTS = ['', 'a', 'A', 'abc', 'ABC def', '1', '10', 'true', 'Ünïcödé', '\uFF5E', '\u{1F600}', 'ΣΑΣ', 'with "quotes"', 'line\nbreak', '\u0000']
const TAG_TEXTS = ['1', '1.0', '1e1', '-0', '01', 'true', 'false', 'null', '9007199254740993', 'eu-west', '']
const PATTERNS = ['^a', 'b+c?$', '(?i)abc', '[a-c]{2,}', 'ü|é', '.', '\\d', '^\\w+$', '\\s', '[^a]', '']

/** Sequences of imported ids: few, so that parents and exits meet their entries. */
const MAX_IDS = 30
/** Timestamps: few, so that there are ties. */
const MAX_TIMESTAMP = 20

const pick = <T>(values: readonly T[]) => fc.constantFrom(...values)
const eventId = fc.nat(MAX_IDS).map((sequence) => `40000-${sequence}`)
const timestamp = fc.integer({ min: -3, max: MAX_TIMESTAMP })

/** Integers, on both sides of every boundary of representation. */
export function integers(): fc.Arbitrary<number | bigint> {
  const edges = [0n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n].flatMap((edge) => [edge - 1n, edge, edge + 1n, -edge, 1n - edge])
  return fc.oneof({ weight: 4, arbitrary: fc.integer({ min: -3, max: 3 }) }, fc.integer(), pick(edges.filter((value) => value >= -(2n ** 63n))))
}

/** Finite numbers of all kinds, -0 included. */
export function numbers(): fc.Arbitrary<number | bigint> {
  return fc.oneof({ weight: 3, arbitrary: integers() }, pick([0.5, 1.5, -0, -1e-7, 2 ** 53, 2 ** 60, 1e21, 5e-324, -1.5]), fc.double({ noNaN: true, noDefaultInfinity: true }))
}

/** Text, mostly out of a pool; well-formed. */
export function texts(): fc.Arbitrary<string> {
  return fc.oneof({ weight: 4, arbitrary: pick(TEXTS) }, fc.string({ unit: 'grapheme', maxLength: 8 }))
}

function scalars(): fc.Arbitrary<unknown> {
  return fc.oneof(numbers(), texts(), fc.boolean(), fc.constant(null))
}

/** Values that are captured whole: JSON, with integers beyond 2^53 as bigints. */
export function payloads(): fc.Arbitrary<unknown> {
  const { value } = fc.letrec<{ value: unknown; object: unknown; array: unknown }>((tie) => ({
    value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, { weight: 4, arbitrary: scalars() }, tie('object'), tie('array')),
    object: objects(tie('value')),
    array: fc.array(tie('value'), { maxLength: 4 }),
  }))
  return value
}

/** Objects with own data properties of any name, `__proto__` included. */
function objects(values: fc.Arbitrary<unknown>): fc.Arbitrary<object> {
  return fc.uniqueArray(fc.tuple(pick(KEYS), values), { selector: ([key]) => key, maxLength: 4 }).map((entries) => Object.fromEntries(entries))
}

function tags(): fc.Arbitrary<Record<string, unknown>> {
  const value = fc.oneof(pick(TAG_TEXTS), texts(), fc.integer({ min: -2, max: 12 }), fc.boolean())
  return fc.uniqueArray(fc.tuple(pick(TAG_KEYS), value), { selector: ([key]) => key, maxLength: 3 }).map((entries) => Object.fromEntries(entries))
}

/**
 * One event, without id: absent fields, ties, times in any order, parents that exist or do not.
 *
 * @example
 * fc.assert(fc.property(fc.array(events()), (inputs) => { ... }))
 */
export function events(): fc.Arbitrary<InputEvent> {
  return fc.record(
    {
      eventType: pick(EVENT_TYPES),
      pid: pick(PIDS),
      correlationId: fc.option(pick(CORRELATION_IDS)),
      parentId: fc.option(eventId),
      module: fc.option(pick(MODULES)),
      function: fc.option(pick(FUNCTIONS)),
      arity: fc.option(fc.integer({ min: 0, max: 3 })),
      file: fc.option(pick(['src/a.js', 'src/ß.js'])),
      line: fc.option(pick([1, 2, 4_294_967_295])),
      tags: fc.option(tags()),
      data: fc.oneof({ weight: 4, arbitrary: objects(payloads()) }, payloads(), stateData()),
      timestamp,
      wallTime: fc.oneof(timestamp.map((time) => BigInt(time) * 1_000_000n), fc.integer({ min: 0, max: 9 }).map((ms) => new Date(ms))),
    },
    { requiredKeys: ['eventType', 'timestamp'] },
  ) as fc.Arbitrary<InputEvent>
}

function stateData(): fc.Arbitrary<object> {
  return fc.oneof(fc.record({ variables: objects(payloads()) }), fc.record({ state: payloads() }), fc.record({ name: pick(TEXTS), new_state: payloads() }, { requiredKeys: ['new_state'] }))
}

/** A log to import: some of its events have ids, so that others can name them as parents. */
export function logs(maxLength = 40): fc.Arbitrary<InputEvent[]> {
  return fc.tuple(fc.array(events(), { maxLength }), fc.shuffledSubarray(Array.from({ length: MAX_IDS + 1 }, (_, i) => i))).map(([inputs, ids]) => {
    return inputs.map((input, index) => (ids[index] === undefined ? input : { ...input, eventId: `40000-${ids[index]}` }))
  })
}

/** Names of fields, in both spellings, of all kinds. */
export function fields(): fc.Arbitrary<string> {
  return fc.oneof(...Object.values(FIELDS).map(pick))
}

const FIELDS = {
  text: ['event_type', 'eventType', 'node', 'pid', 'correlationId', 'module', 'function', 'file'],
  integer: ['seq', 'timestamp', 'arity', 'line'],
  time: ['wall_time', 'wallTime'],
  id: ['event_id', 'parentId'],
  tag: ['tags.region', 'tags.http.status', 'tags.n', 'tags.none', 'tags.__proto__'],
  json: ['data', 'data.x', 'data.y', 'data.name', 'data.x.y', 'data.x.0', 'data["http.method"]', 'data["Straße"].x', 'data["0"]', 'data.none', 'data.variables.x', 'data["__proto__"]', 'data[""]'],
}

const OPERANDS: Record<keyof typeof FIELDS, () => fc.Arbitrary<unknown>> = {
  text: () => fc.oneof(pick([...PIDS, ...CORRELATION_IDS, ...EVENT_TYPES, ...MODULES, ...FUNCTIONS]), texts()),
  integer: () => fc.oneof(timestamp, numbers()),
  time: () => fc.oneof(timestamp.map((time) => time * 1_000_000), integers(), fc.constant(new Date(3))),
  id: () => eventId,
  tag: () => fc.oneof(pick(TAG_TEXTS), texts(), numbers(), fc.boolean()),
  json: () => fc.oneof(numbers(), texts(), fc.boolean()),
}

function operators(kind: keyof typeof FIELDS): fc.Arbitrary<unknown> {
  const operand = OPERANDS[kind]()
  const nullable = fc.option(operand, { freq: 6 })
  const text = fc.oneof(texts(), pick(['log', 'art', 'w', '-']))
  const textual = ['text', 'tag', 'json'].includes(kind)
  const each = {
    eq: nullable,
    ne: nullable,
    lt: operand,
    lte: operand,
    gt: operand,
    gte: operand,
    in: fc.array(nullable, { maxLength: 3 }),
    notIn: fc.array(nullable, { maxLength: 3 }),
    exists: fc.boolean(),
    ...(textual && { contains: text, startsWith: text, matches: pick(PATTERNS) }),
  }
  const single = Object.entries(each).map(([name, value]) => value.map((given: unknown) => ({ [name]: given })))
  return fc.oneof(nullable, ...single, fc.tuple(fc.oneof(...single), fc.oneof(...single)).map(([a, b]) => ({ ...a, ...b })))
}

/** Conditions that are valid, to any depth. */
export function conditions(): fc.Arbitrary<Record<string, unknown>> {
  const kinds = Object.keys(FIELDS) as (keyof typeof FIELDS)[]
  const leaf = fc.oneof(...kinds.map((kind) => fc.tuple(pick(FIELDS[kind]), operators(kind)).map(([field, operator]) => ({ [field]: operator }))))
  const { condition } = fc.letrec<{ condition: Record<string, unknown>; list: Record<string, unknown>[] }>((tie) => ({
    condition: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 4, arbitrary: leaf },
      tie('list').map((and) => ({ and })),
      tie('list').map((or) => ({ or })),
      tie('condition').map((not) => ({ not })),
      fc.tuple(leaf, tie('condition')).map(([a, b]) => ({ ...a, ...b })),
    ),
    list: fc.array(tie('condition'), { maxLength: 3 }),
  }))
  return condition
}

function ranges(): fc.Arbitrary<Query> {
  const sorted = fc.tuple(timestamp, timestamp).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
  return fc.oneof(
    sorted.map(([start, end]) => ({ startTimeMonotonic: start, endTimeMonotonic: BigInt(end) })),
    sorted.map(([start, end]) => ({ startTimeWall: BigInt(start) * 1_000_000n, endTimeWall: new Date(end) })),
    timestamp.map((start) => ({ startTimeMonotonic: start })),
    timestamp.map((end) => ({ endTimeWall: BigInt(end) * 1_000_000n })),
  )
}

/** The filtering part of a query, valid. */
export function filters(): fc.Arbitrary<Query> {
  const mfa = fc.oneof(fc.record({ module: pick(MODULES), function: pick(FUNCTIONS), arity: fc.nat(3) }, { requiredKeys: [] }), fc.tuple(pick(MODULES), pick(FUNCTIONS), fc.nat(3)))
  const given = fc.record(
    {
      pid: fc.oneof(pick(PIDS), fc.array(pick(PIDS), { maxLength: 3 })),
      correlationId: fc.oneof(pick(CORRELATION_IDS), fc.array(pick(CORRELATION_IDS), { maxLength: 2 })),
      eventTypes: fc.array(pick(EVENT_TYPES), { maxLength: 4 }),
      mfa,
      tags: tags(),
      textSearch: fc.oneof(texts(), fc.array(pick([...TEXTS, '"abc def"', 'LOG', 'cart']), { maxLength: 3 }).map((parts) => parts.join(' '))),
      where: conditions(),
    },
    { requiredKeys: [] },
  )
  // With all of them at once hardly anything would ever match.
  const few = fc.tuple(given, fc.subarray(['pid', 'correlationId', 'eventTypes', 'mfa', 'tags', 'textSearch', 'where'], { maxLength: 2 })).map(([all, names]) => {
    return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)))
  })
  return fc.tuple(few, fc.option(ranges(), { nil: {}, freq: 2 })).map(([a, b]) => ({ ...a, ...b }))
}

/** Projections of fields, with and without a type; no field twice. */
export function projections(): fc.Arbitrary<unknown[]> {
  const item = fc.oneof(fields(), fc.record({ field: fields(), as: pick(['i64', 'f64', 'bool', 'utf8', 'json']) }))
  const keyOf = (chosen: unknown) => {
    const name = typeof chosen === 'string' ? chosen : (chosen as { field: string }).field
    return name.includes('.') || name.includes('[') ? name : name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
  }
  return fc.uniqueArray(item, { selector: keyOf, minLength: 1, maxLength: 4 })
}

/** Valid options of `queryEvents`. */
export function queries(): fc.Arbitrary<Query> {
  const shape = fc.record(
    { sortBy: fields(), sortOrder: pick(['asc', 'desc']), limit: fc.nat(12), offset: fc.nat(5), projection: projections() },
    { requiredKeys: [] },
  )
  return fc.tuple(filters(), shape).map(([a, b]) => ({ ...a, ...b }))
}

/** Valid options of `aggregateEvents`. */
export function aggregations(): fc.Arbitrary<Record<string, unknown>> {
  const numeric = pick([...FIELDS.integer, ...FIELDS.time, ...FIELDS.tag, ...FIELDS.json])
  const each = fc.oneof(
    fc.oneof(fc.constant('*'), fields()).map((count) => ({ count })),
    fields().map((countDistinct) => ({ countDistinct })),
    ...['sum', 'avg', 'min', 'max'].map((name) => numeric.map((field) => ({ [name]: field }))),
    fc.tuple(numeric, pick([0, 0.25, 0.5, 0.95, 1])).map(([quantile, q]) => ({ quantile, q, exact: true })),
  )
  const key = fc.oneof(pick(['pid', 'event_type', 'correlationId', 'arity', 'data.x', 'tags.n']), fc.constant('mfa'), pick([1n, 7n]).map((timeBucketNs) => ({ timeBucketNs })))
  const nameOf = (chosen: unknown) => (typeof chosen === 'object' ? 'time_bucket' : chosen === 'mfa' || chosen === 'arity' ? 'arity' : chosen)
  return fc.record(
    {
      aggregations: fc.array(each, { minLength: 1, maxLength: 3 }).map((list) => Object.fromEntries(list.map((spec, index) => [`value_${index}`, spec]))),
      groupBy: fc.uniqueArray(key, { selector: nameOf, maxLength: 2 }),
      filters: filters(),
      orderBy: pick(['asc', 'desc']).map((order) => [{ field: 'value_0', order }]),
      limit: fc.nat(5),
    },
    { requiredKeys: ['aggregations'] },
  )
}
