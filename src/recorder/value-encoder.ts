/**
 * Values as the tagged bytes of docs/ring-format.md, into a scratch buffer.
 *
 * No code of the user's runs here: proxies are recognized before anything is asked of an object, fields are read from
 * data descriptors only, and built-ins through the intrinsics of when this package was loaded.
 */
import { Buffer } from 'node:buffer'
import type { CaptureLimits } from '../../index.js'
import type { SiteFacts } from './definitions.js'
import { errorName, errorText } from './error-facts.js'
import * as own from './intrinsics.js'
import * as layout from './layout.js'
import { cutText, writeUtf8 } from './text.js'

/** Room behind the budget for what closes containers that are already open, at the greatest depth allowed. */
const SLACK_BYTES = 1024
/** Above this a bigint's text is not made: that takes time with the square of its length. */
const HUGE_BIGINT = 1n << 4096n

/** `{ "args": ` */
const ARGS_HEAD = [layout.TAG_OBJECT, layout.TAG_STR8, 4, 0x61, 0x72, 0x67, 0x73]

const { charCodeAt, getDescriptor, isProxy, setFloat64, setInt32 } = own

/** Builds the body of one record at a time. */
export class ValueEncoder {
  /** The bytes written so far are the first `length` of these. */
  readonly bytes: Uint8Array
  /** The same, four at a time. */
  readonly words: Int32Array
  /** Number of bytes written. */
  length = 0

  readonly #buffer: Buffer
  readonly #view: DataView
  readonly #limits: Readonly<CaptureLimits>
  readonly #budget: number
  readonly #redact: ReadonlySet<string>
  readonly #redacts: boolean

  /**
   * @param limits What is captured of nested values; `maxEventBytes` bounds `length`, but for what closes containers.
   * @param redact Names of fields whose values are left out.
   */
  constructor(limits: Readonly<CaptureLimits>, redact: ReadonlySet<string>) {
    this.#limits = limits
    this.#budget = limits.maxEventBytes
    this.#redact = redact
    this.#redacts = redact.size > 0
    const memory = new ArrayBuffer((limits.maxEventBytes + SLACK_BYTES + 7) & ~7)
    this.bytes = new Uint8Array(memory)
    this.words = new Int32Array(memory)
    this.#view = new DataView(memory)
    this.#buffer = Buffer.from(memory)
  }

  /** Starts a new body. */
  reset(): void {
    this.length = 0
  }

  /** Length of the body in whole words of 8 bytes. */
  get lengthWords(): number {
    return (this.length + 7) >>> 3
  }

  /** Any value, with the containers in it. */
  value(value: unknown): void {
    this.#value(value, 1)
  }

  null(): void {
    this.bytes[this.length++] = layout.TAG_NULL
  }

  int32(value: number): void {
    const { bytes, length } = this
    bytes[length] = layout.TAG_INT32
    bytes[length + 1] = value
    bytes[length + 2] = value >> 8
    bytes[length + 3] = value >> 16
    bytes[length + 4] = value >> 24
    this.length = length + 5
  }

  /** An integer of any size that a number holds exactly. */
  integer(value: number): void {
    this.#number(value)
  }

  /** A string of the envelope; returns its presence bit. */
  textField(bit: number, text: string): number {
    this.plainText(text)
    return bit
  }

  float64(value: number): void {
    this.bytes[this.length] = layout.TAG_F64
    setFloat64(this.#view, this.length + 1, value, true)
    this.length += 9
  }

  int64(value: bigint): void {
    this.bytes[this.length] = layout.TAG_I64
    own.setBigInt64(this.#view, this.length + 1, value, true)
    this.length += 9
  }

  uint64(value: bigint): void {
    this.bytes[this.length] = layout.TAG_U64
    own.setBigUint64(this.#view, this.length + 1, value, true)
    this.length += 9
  }

  /** A string of the envelope: cut to the string limit, or to nothing where the body is full, and never marked. */
  plainText(text: string): void {
    if (this.#text(cutText(text, this.#limits.maxStringLength))) return
    this.bytes[this.length++] = layout.TAG_STR8
    this.bytes[this.length++] = 0
  }

  textOrNull(text: string | null): void {
    if (text === null) this.null()
    else this.plainText(text)
  }

  /** The tags of an event: names and values that are known to be strings. */
  tags(tags: ReadonlyMap<string, string>): void {
    this.openObject()
    for (const [name, value] of tags) {
      const start = this.length
      if (this.#key(name) && this.#text(cutText(value, this.#limits.maxStringLength))) continue
      this.length = start
      break
    }
    this.end()
  }

  /** The facts of a site that has no id: module, function, arity, file, line. */
  site(facts: SiteFacts): void {
    this.textOrNull(facts.module)
    this.textOrNull(facts.fn)
    if (facts.arity < 0) this.null()
    else this.int32(facts.arity)
    this.textOrNull(facts.file)
    if (facts.line < 0) this.null()
    else this.integer(facts.line)
  }

  /** Whether the value at `start` is an object, in part or whole. */
  isObjectAt(start: number): boolean {
    return this.bytes[this.bytes[start] === layout.TAG_MARK ? start + 2 : start] === layout.TAG_OBJECT
  }

  openObject(): void {
    this.bytes[this.length++] = layout.TAG_OBJECT
  }

  end(): void {
    this.bytes[this.length++] = layout.TAG_END
  }

  /** `{ [name]: value }`, with `name` one of the recorder's own. */
  field(name: string, value: unknown): void {
    this.openObject()
    this.#ownKey(name)
    this.#value(value, 2)
    this.end()
  }

  /** `{ args: [...] }`. The array is fresh from a rest parameter, so its items can be read plainly. */
  args(args: readonly unknown[]): void {
    const { maxItems } = this.#limits
    const start = this.length + ARGS_HEAD.length
    for (let i = 0; i < ARGS_HEAD.length; i++) this.bytes[this.length + i] = ARGS_HEAD[i]!
    this.length = start
    if (this.#limits.maxDepth < 2) {
      this.#cut(layout.CUT_DEPTH)
    } else {
      this.bytes[this.length++] = layout.TAG_ARRAY
      const count = args.length > maxItems ? maxItems : args.length
      let i = 0
      for (; i < count && this.length < this.#budget; i++) this.#value(args[i], 3)
      this.end()
      if (i < args.length) this.#mark(start, i < count ? layout.CUT_SIZE : layout.CUT_LENGTH)
    }
    this.end()
  }

  /** `{ exception: { error_type, message } }`. */
  exception(errorType: string, message: string): void {
    this.openObject()
    this.#ownKey('exception')
    this.openObject()
    this.#ownKey('error_type')
    this.#string(errorType)
    this.#ownKey('message')
    this.#string(message)
    this.end()
    this.end()
  }

  /** `{ error_type, message, stack }`; a stack that is no string is left out. */
  failure(errorType: string, message: string, stack: unknown): void {
    this.openObject()
    this.#ownKey('error_type')
    this.#string(errorType)
    this.#ownKey('message')
    this.#string(message)
    if (typeof stack === 'string') {
      this.#ownKey('stack')
      this.#string(stack)
    }
    this.end()
  }

  #value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'number':
        this.#number(value)
        return
      case 'string':
        this.#string(value)
        return
      case 'boolean':
        this.bytes[this.length++] = value ? layout.TAG_TRUE : layout.TAG_FALSE
        return
      case 'undefined':
        this.null()
        return
      case 'bigint':
        this.#bigint(value)
        return
      case 'symbol':
        this.#string(own.symbolToString(value))
        return
      case 'function':
        this.#function(value)
        return
      default:
        if (value === null) this.null()
        else this.#object(value as object, depth)
    }
  }

  #number(value: number): void {
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) this.int32(value)
    else if (value - value === 0) this.float64(value)
    else this.#cut(layout.CUT_NON_FINITE)
  }

  #bigint(value: bigint): void {
    if (own.asIntN(64, value) === value) this.int64(value)
    else if (own.asUintN(64, value) === value) this.uint64(value)
    else if (value > HUGE_BIGINT || value < -HUGE_BIGINT) this.#cut(layout.CUT_BIGINT)
    else {
      // One mark only, also where the text is cut: it is the less obvious of the two reasons.
      const start = this.length
      if (this.#text(cutText(own.bigintToString(value), this.#limits.maxStringLength))) this.#mark(start, layout.CUT_BIGINT)
      else this.#cut(layout.CUT_SIZE)
    }
  }

  #function(value: unknown): void {
    if (isProxy(value)) {
      this.#cut(layout.CUT_PROXY)
      return
    }
    const name = getDescriptor(value as object, 'name')?.value as unknown
    this.#string(typeof name === 'string' && name !== '' ? `[Function ${name}]` : '[Function]')
  }

  #object(value: object, depth: number): void {
    if (isProxy(value)) {
      this.#cut(layout.CUT_PROXY)
      return
    }
    const prototype = own.getPrototypeOf(value)
    // Most objects are plain; what has internal slots as well is captured by its fields then.
    if (prototype === own.objectPrototype || prototype === null) this.#container(value, depth)
    else if (own.isDate(value)) this.#date(value)
    else if (own.isRegExp(value)) this.#string(own.regExpToText(value))
    else this.#container(value, depth)
  }

  #date(value: Date): void {
    const milliseconds = own.dateValue(value)
    if (milliseconds === milliseconds) this.#string(own.dateToISOString(value))
    else this.#cut(layout.CUT_NON_FINITE)
  }

  #container(value: object, depth: number): void {
    if (depth > this.#limits.maxDepth) {
      this.#cut(layout.CUT_DEPTH)
      return
    }
    if (this.length >= this.#budget) {
      this.#cut(layout.CUT_SIZE)
      return
    }
    const start = this.length
    let reason: number
    if (own.arrayIsArray(value)) reason = this.#array(value, depth)
    else if (own.isTypedArray(value)) reason = this.#typedArray(value)
    else if (own.isMap(value)) reason = this.#map(value, depth)
    else if (own.isSet(value)) reason = this.#set(value, depth)
    else if (own.isNativeError(value)) reason = this.#error(value)
    else reason = this.#fields(value, depth)
    this.end()
    if (reason !== 0) this.#mark(start, reason)
  }

  /** Own enumerable data properties with string keys. Returns why it ended early, or 0. */
  #fields(value: object, depth: number): number {
    this.openObject()
    const keys = own.ownKeys(value)
    let left = this.#limits.maxFields
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]
      if (typeof key !== 'string') continue
      const descriptor = getDescriptor(value, key)
      if (descriptor === undefined || descriptor.enumerable !== true) continue
      const field = descriptor.value as unknown
      const isAccessor = descriptor.get !== undefined || descriptor.set !== undefined
      if (field === undefined && !isAccessor) continue
      if (left-- === 0) return layout.CUT_FIELDS
      if (!this.#key(key)) return layout.CUT_SIZE
      if (this.#redacts && own.setHas(this.#redact, key)) this.#cut(layout.CUT_REDACTED)
      else if (isAccessor) this.#cut(layout.CUT_GETTER)
      else this.#value(field, depth + 1)
    }
    return 0
  }

  #array(value: readonly unknown[], depth: number): number {
    this.bytes[this.length++] = layout.TAG_ARRAY
    const { maxItems } = this.#limits
    const count = value.length > maxItems ? maxItems : value.length
    for (let i = 0; i < count; i++) {
      if (this.length >= this.#budget) return layout.CUT_SIZE
      // An index may be an accessor, or a hole over one of the prototype's.
      const descriptor = getDescriptor(value, i)
      if (descriptor === undefined) this.null()
      else if (descriptor.get !== undefined || descriptor.set !== undefined) this.#cut(layout.CUT_GETTER)
      else this.#value(descriptor.value, depth + 1)
    }
    return count < value.length ? layout.CUT_LENGTH : 0
  }

  #typedArray(value: object): number {
    this.bytes[this.length++] = layout.TAG_ARRAY
    const length = own.typedArrayLength(value)
    const { maxItems } = this.#limits
    const count = length > maxItems ? maxItems : length
    for (let i = 0; i < count; i++) {
      if (this.length >= this.#budget) return layout.CUT_SIZE
      this.#value((value as ArrayLike<number | bigint>)[i], 0)
    }
    return count < length ? layout.CUT_LENGTH : 0
  }

  /** Pairs of key and value. */
  #map(map: Map<unknown, unknown>, depth: number): number {
    this.bytes[this.length++] = layout.TAG_ARRAY
    const { iterator, next } = own.iterateMap(map)
    for (let left = this.#limits.maxItems; ; left--) {
      const step = next(iterator)
      if (step.done === true) return 0
      if (left === 0) return layout.CUT_LENGTH
      if (this.length >= this.#budget) return layout.CUT_SIZE
      const key = step.value[0]
      if (depth + 1 <= this.#limits.maxDepth && typeof key === 'string' && own.setHas(this.#redact, key)) {
        this.bytes[this.length++] = layout.TAG_ARRAY
        this.#string(key)
        this.#cut(layout.CUT_REDACTED)
        this.end()
      } else {
        this.#value(step.value, depth + 1)
      }
    }
  }

  #set(set: Set<unknown>, depth: number): number {
    this.bytes[this.length++] = layout.TAG_ARRAY
    const { iterator, next } = own.iterateSet(set)
    for (let left = this.#limits.maxItems; ; left--) {
      const step = next(iterator)
      if (step.done === true) return 0
      if (left === 0) return layout.CUT_LENGTH
      if (this.length >= this.#budget) return layout.CUT_SIZE
      this.#value(step.value, depth + 1)
    }
  }

  #error(value: Error): number {
    this.openObject()
    this.#ownKey('name')
    this.#string(errorName(value))
    this.#ownKey('message')
    this.#string(errorText(value))
    return 0
  }

  #string(text: string): void {
    const cut = cutText(text, this.#limits.maxStringLength)
    const start = this.length
    if (!this.#text(cut)) this.#cut(layout.CUT_SIZE)
    else if (cut.length < text.length) this.#mark(start, layout.CUT_LENGTH)
  }

  /** A field name of the recorder's own: short ASCII, exempt from all limits, because a reader relies on it. */
  #ownKey(name: string): void {
    const { bytes, length } = this
    bytes[length] = layout.TAG_STR8
    bytes[length + 1] = name.length
    for (let i = 0; i < name.length; i++) bytes[length + 2 + i] = charCodeAt(name, i)
    this.length = length + 2 + name.length
  }

  #key(name: string): boolean {
    return name.length <= this.#limits.maxStringLength && this.#text(name)
  }

  /** Writes a string that fits; writes nothing and returns false if it does not. */
  #text(text: string): boolean {
    const { bytes, length } = this
    const characters = text.length
    if (length + characters + 5 > this.#budget) return false
    if (characters <= 40) {
      let i = 0
      for (; i < characters; i++) {
        const code = charCodeAt(text, i)
        if (code > 127) break
        bytes[length + 2 + i] = code
      }
      if (i === characters) {
        bytes[length] = layout.TAG_STR8
        bytes[length + 1] = characters
        this.length = length + 2 + characters
        return true
      }
    }
    if (characters * 3 + length + 5 > bytes.length && own.utf8ByteLength(text) + length + 5 > this.#budget) return false
    const short = characters * 3 <= 255
    const head = short ? 2 : 5
    const written = writeUtf8(bytes, this.#buffer, length + head, text)
    if (length + head + written > this.#budget) return false
    bytes[length] = short ? layout.TAG_STR8 : layout.TAG_STR32
    if (short) bytes[length + 1] = written
    else setInt32(this.#view, length + 1, written, true)
    this.length = length + head + written
    return true
  }

  #cut(reason: number): void {
    this.bytes[this.length++] = layout.TAG_CUT
    this.bytes[this.length++] = reason
  }

  /** Puts a MARK before the value that starts at `start`. */
  #mark(start: number, reason: number): void {
    own.copyWithin(this.bytes, start + 2, start, this.length)
    this.bytes[start] = layout.TAG_MARK
    this.bytes[start + 1] = reason
    this.length += 2
  }
}
