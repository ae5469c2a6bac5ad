/**
 * Built-ins as they were when this module was loaded. Test frameworks replace clocks, applications patch prototypes, and
 * what is captured must run none of their code.
 */
import { Buffer } from 'node:buffer'
import { types } from 'node:util'

/** Turns a method into a function that takes `this` first, and that later patches of `call` do not reach. */
const uncurryThis = Function.prototype.bind.bind(Function.prototype.call) as <T, A extends unknown[], R>(
  method: (this: T, ...args: A) => R,
) => (self: T, ...args: A) => R

function getterOf(prototype: object, name: PropertyKey): (self: object) => unknown {
  return uncurryThis(Object.getOwnPropertyDescriptor(prototype, name)!.get as (this: object) => unknown)
}

/** The monotonic clock, in nanoseconds; the same in all threads of a process. */
export const monotonicNow = process.hrtime.bigint
export const nextTick = process.nextTick
export const random = Math.random
export const imul = Math.imul
export const atomicStore = Atomics.store

export const reflectApply = Reflect.apply
const { call } = Function.prototype
/** `fn.call(self, ...)`, whatever `fn.call` is; V8 makes plain calls of these. */
export const call0 = uncurryThis(call) as (fn: unknown, self: unknown) => unknown
export const call1 = uncurryThis(call) as (fn: unknown, self: unknown, a: unknown) => unknown
export const call2 = uncurryThis(call) as (fn: unknown, self: unknown, a: unknown, b: unknown) => unknown
export const call3 = uncurryThis(call) as (fn: unknown, self: unknown, a: unknown, b: unknown, c: unknown) => unknown
export const reflectConstruct = Reflect.construct
export const ownKeys = Reflect.ownKeys
export const getPrototypeOf = Reflect.getPrototypeOf
export const getDescriptor = Object.getOwnPropertyDescriptor
export const ownNames = Object.getOwnPropertyNames
export const defineProperty = Object.defineProperty
export const objectPrototype: object = Object.prototype
export const arrayIsArray = Array.isArray
export const asIntN = BigInt.asIntN
export const asUintN = BigInt.asUintN
export const toBigInt = BigInt
export const isInteger = Number.isInteger
export const isSafeInteger = Number.isSafeInteger
export const objectIs = Object.is

export const { isProxy, isPromise, isDate, isRegExp, isMap, isSet, isNativeError, isTypedArray } = types
export const { isAsyncFunction, isGeneratorFunction } = types

export const charCodeAt = uncurryThis(String.prototype.charCodeAt)
export const sliceString = uncurryThis(String.prototype.slice) as (text: string, start: number, end: number) => string
export const bigintToString = uncurryThis(BigInt.prototype.toString) as (value: bigint) => string
export const symbolToString = uncurryThis(Symbol.prototype.toString) as (value: symbol) => string
export const numberToString = uncurryThis(Number.prototype.toString) as (value: number) => string
export const dateValue = uncurryThis(Date.prototype.getTime)
export const dateToISOString = uncurryThis(Date.prototype.toISOString)
export const setFloat64 = uncurryThis(DataView.prototype.setFloat64)
export const setInt32 = uncurryThis(DataView.prototype.setInt32)
export const setBigInt64 = uncurryThis(DataView.prototype.setBigInt64)
export const setBigUint64 = uncurryThis(DataView.prototype.setBigUint64)

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object
export const typedArrayLength = getterOf(typedArrayPrototype, 'length') as (array: object) => number
export const setBytes = uncurryThis(Uint8Array.prototype.set) as (to: Uint8Array, from: Uint8Array, at: number) => void
export const subarray = uncurryThis(Uint8Array.prototype.subarray) as (of: Uint8Array, start: number, end: number) => Uint8Array
export const copyWithin = uncurryThis(Uint8Array.prototype.copyWithin) as (of: Uint8Array, to: number, start: number, end: number) => void

/** Writes UTF-8 at an offset and returns the bytes written; a lone surrogate becomes U+FFFD. */
export const utf8Write = uncurryThis(
  (Buffer.prototype as unknown as { utf8Write: (this: Buffer, text: string, offset: number, length: number) => number }).utf8Write,
)
export const utf8ByteLength = Buffer.byteLength as (text: string) => number

/** An iterator of built-in Maps or Sets whose `next` is the built-in one. */
export type BuiltInIterator<T> = { readonly iterator: object; readonly next: (self: object) => IteratorResult<T> }
const mapEntries = uncurryThis(Map.prototype.entries)
const mapNext = uncurryThis((Object.getPrototypeOf(new Map().entries()) as { next(): unknown }).next)
const setValues = uncurryThis(Set.prototype.values)
const setNext = uncurryThis((Object.getPrototypeOf(new Set().values()) as { next(): unknown }).next)
export function iterateMap(map: Map<unknown, unknown>): BuiltInIterator<[unknown, unknown]> {
  return { iterator: mapEntries(map), next: mapNext as (self: object) => IteratorResult<[unknown, unknown]> }
}
export function iterateSet(set: Set<unknown>): BuiltInIterator<unknown> {
  return { iterator: setValues(set), next: setNext as (self: object) => IteratorResult<unknown> }
}
export const mapGet = uncurryThis(Map.prototype.get) as (map: Map<string, number>, key: string) => number | undefined
export const setHas = uncurryThis(Set.prototype.has) as (set: ReadonlySet<string>, key: string) => boolean

const regExpSource = getterOf(RegExp.prototype, 'source')
const REGEXP_FLAGS: readonly (readonly [string, (self: object) => unknown])[] = (
  [
    ['d', 'hasIndices'],
    ['g', 'global'],
    ['i', 'ignoreCase'],
    ['m', 'multiline'],
    ['s', 'dotAll'],
    ['u', 'unicode'],
    ['v', 'unicodeSets'],
    ['y', 'sticky'],
  ] as const
)
  // Node 20 is the oldest that has all of them.
  .map(([flag, name]) => [flag, getterOf(RegExp.prototype, name)] as const)
/** The text of a regular expression from its internal slots: `flags` and `toString` would read properties. */
export function regExpToText(pattern: object): string {
  let flags = ''
  for (let i = 0; i < REGEXP_FLAGS.length; i++) {
    const [flag, hasFlag] = REGEXP_FLAGS[i]!
    if (hasFlag(pattern) === true) flags += flag
  }
  return `/${regExpSource(pattern) as string}/${flags}`
}

export const domExceptionPrototype: object = DOMException.prototype
/** What AbortSignal, structuredClone and fetch throw keeps name and message behind accessors of its prototype. */
export const domExceptionGetters = {
  name: getterOf(domExceptionPrototype, 'name'),
  message: getterOf(domExceptionPrototype, 'message'),
}

export const promisePrototype: object = Promise.prototype
/** `promise.then(...)`, whatever has become of `then`. */
export const thenOf = uncurryThis(Promise.prototype.then) as <T, R>(
  promise: Promise<T>,
  fulfilled: (value: T) => R,
  rejected: (reason: unknown) => R,
) => Promise<R>

type Resume = (this: unknown, value?: unknown) => unknown
type GeneratorMethods = { readonly next: Resume; readonly return: Resume; readonly throw: Resume }
function methodsOf(generatorFunction: object): GeneratorMethods {
  const prototype = Object.getPrototypeOf((generatorFunction as { prototype: object }).prototype) as GeneratorMethods
  return { next: prototype.next, return: prototype.return, throw: prototype.throw }
}
/** `next`, `return` and `throw` of generators. */
export const generatorMethods = methodsOf(function* () {})
/** The same of asynchronous ones. */
export const asyncGeneratorMethods = methodsOf(async function* () {})
