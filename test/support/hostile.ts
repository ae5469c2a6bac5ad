/** Random values that do what a recorder must survive. */
import * as fc from 'fast-check'
import { numbers, texts } from './arbitraries.js'

let runs = 0

/** How often code of a hostile value has run; stays the same if capturing runs none. */
export function userCodeRuns(): number {
  return runs
}

function explode(): never {
  runs += 1
  throw new Error('user code ran')
}

const TRAPS = Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((name) => [name, explode])) as ProxyHandler<object>

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

class Instance {
  visible = 1
  #hidden = 2
  get computed() {
    return explode() ?? this.#hidden
  }
  toJSON() {
    return explode()
  }
}

/** Fresh each time: capturing must not depend on what an earlier capture left behind. */
const FACTORIES: Recipe[] = [
  () => new Proxy({}, TRAPS),
  () => new Proxy([1], TRAPS),
  () => new Proxy(() => {}, TRAPS),
  revoked,
  () => Object.create(new Proxy({}, TRAPS), { own: { value: 1, enumerable: true } }),
  () => Object.defineProperty({}, 'x', { get: explode, enumerable: true }),
  () => Object.defineProperty({}, 'x', { get: explode, enumerable: false }),
  () => Object.defineProperty([1, 2], 1, { get: explode, enumerable: true }),
  () => ({ toJSON: explode, toString: explode, valueOf: explode, [Symbol.toPrimitive]: explode, [Symbol.iterator]: explode }),
  () => new Instance(),
  () => Object.assign(Object.create(null), { bare: true }),
  () => Object.assign([], { length: 1000 }),
  () => Object.assign([1], { 3: 4, named: 5 }),
  () => new Date(Number.NaN),
  () => Object.assign(new Date(0), { toISOString: explode, getTime: explode }),
  () => Object.defineProperty(/x/giu, 'flags', { get: explode }),
  () => Object.assign(new Map<unknown, unknown>([['k', 1], [{}, new Set([1])]]), { forEach: explode, entries: explode }),
  () => new Set([1, 'two', [3]]),
  () => new Uint8Array(300),
  () => new BigInt64Array([2n ** 62n, -1n]),
  () => new Float32Array([0.5, Number.NaN, -0]),
  () => new ArrayBuffer(8),
  () => Object.defineProperty(new Error('message'), 'message', { get: explode }),
  () => Object.defineProperty(new TypeError('typed'), 'stack', { get: explode }),
  () => Promise.resolve(1),
  () => new WeakMap(),
  () => Object(1n),
  () => Object('boxed'),
  () => Symbol('symbol'),
  () => explode,
  () => class Named { static kept = 1; field = 2 },
  () => (() => () => {})(),
  () => Number.NaN,
  () => -Infinity,
  () => 2n ** 64n,
  () => -(2n ** 63n) - 1n,
  () => 'lone \uD800 surrogate',
  () => 'x'.repeat(10_000),
  () => '\u{1F600}'.repeat(5000),
  () => undefined,
]

function circular(): unknown {
  const object: Record<string, unknown> = { list: [] }
  object.self = object
  ;(object.list as unknown[]).push(object)
  return object
}

function deep(depth: number): unknown {
  let value: unknown = 'bottom'
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? { in: value } : [value]
  return value
}

/** Makes a value, a new one each time. */
export type Recipe = () => unknown

/**
 * Anything: proxies, accessors, overridden built-ins, cycles, depth, width, ill-formed text, mixed with harmless values.
 * Their code counts in {@link userCodeRuns} and throws. Recipes, because fast-check itself looks into values.
 *
 * @example
 * fc.assert(fc.property(hostileValues(), (make) => {
 *   const value = make()
 *   const before = userCodeRuns()
 *   recorder.record({ eventType: 'log', data: value })
 *   expect(userCodeRuns()).toBe(before)
 * }))
 */
export function hostileValues(): fc.Arbitrary<Recipe> {
  const one = fc.oneof(fc.constantFrom<Recipe[]>(...FACTORIES, circular, () => wide(200)), fc.nat(70).map((depth) => () => deep(depth)))
  const harmless = fc.oneof(numbers(), texts(), fc.boolean(), fc.constant(null)).map((value) => () => value)
  const { recipe } = fc.letrec<{ recipe: Recipe }>((tie) => ({
    recipe: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 3, arbitrary: one },
      { weight: 2, arbitrary: harmless },
      fc.array(tie('recipe'), { maxLength: 4 }).map((items) => () => items.map((make) => make())),
      fc.array(fc.tuple(key, tie('recipe')), { maxLength: 4 }).map((entries) => () => Object.fromEntries(entries.map(([name, make]) => [name, make()]))),
      fc.array(tie('recipe'), { maxLength: 3 }).map((items) => () => new Set(items.map((make) => make()))),
      fc.array(fc.tuple(tie('recipe'), tie('recipe')), { maxLength: 3 }).map((entries) => () => new Map(entries.map(([k, v]) => [k(), v()]))),
    ),
  }))
  return recipe
}

const key = fc.constantFrom('a', 'b.c', '$cut', '0', '__proto__')

function wide(fields: number): unknown {
  return Object.fromEntries(Array.from({ length: fields }, (_, index) => [`field_${index}`, index]))
}
