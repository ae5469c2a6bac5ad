/** `wrap`: entry, and exit or failure, around every call of a function. */
import type { Site, Wrappable, WrapOptions } from '../../index.js'
import type { Calls, RecorderParts } from './calls.js'
import { isArity, isLine, type SiteFacts } from './definitions.js'
import { GeneratorCalls } from './generators.js'
import * as own from './intrinsics.js'
import { F64_MISTYPED, F64_SAMPLED_OUT, I32_STATE, REASON_NORMAL, REASON_REJECT, REASON_THROW, STATE_OFF } from './layout.js'
import { imitate, isConstructor } from './imitate.js'

type Callable = (this: unknown, ...args: unknown[]) => unknown
/** Calls a function with the first `count` of `a`, `b` and `c`. */
type ShortCall = (target: WrappedFunction, self: unknown, count: number, a: unknown, b: unknown, c: unknown) => unknown

/** How calls of one function are recorded. */
interface Caller {
  /** For calls with up to 3 arguments and without `new`, where there is a faster way. */
  readonly short: ShortCall | undefined
  readonly any: (self: unknown, newTarget: unknown, ...args: unknown[]) => unknown
}

/** How one function is wrapped. */
export interface WrappedFunction {
  readonly fn: Callable
  readonly site: Site
  readonly captureArgs: boolean
  readonly captureResult: boolean
}

/** Wraps functions. */
export class Wrapper {
  readonly #parts: RecorderParts
  readonly #calls: Calls
  readonly #generators: GeneratorCalls
  readonly #callShort: ShortCall

  constructor(parts: RecorderParts, calls: Calls) {
    this.#parts = parts
    this.#calls = calls
    this.#generators = new GeneratorCalls(parts, calls)
    this.#callShort = this.#createShortCall()
  }

  /** `Recorder.wrap`. What is no function is returned as it is, and counted. */
  wrap<F extends Wrappable>(fn: F, options: WrapOptions | undefined): F {
    if (typeof fn !== 'function') {
      this.#parts.writer.count(F64_MISTYPED)
      return fn
    }
    const given = this.#readOptions(options)
    const target: WrappedFunction = {
      fn: fn as unknown as Callable,
      site: this.#parts.definitions.add(this.#siteOf(fn, given)),
      captureArgs: given.captureArgs !== false,
      captureResult: given.captureResult === true,
    }
    const wrapper = this.#makeWrapper(target, this.#caller(target, given), isConstructor(fn))
    imitate(wrapper, fn)
    return wrapper as unknown as F
  }

  /** How calls of a function are recorded. */
  #caller(target: WrappedFunction, given: WrapOptions): Caller {
    const { fn } = target
    if (own.isGeneratorFunction(fn)) {
      const isAsync = own.isAsyncFunction(fn)
      return { short: undefined, any: (self, _, ...args) => this.#generators.call(target, self, args, isAsync) }
    }
    if (given.async === true || (given.async !== false && own.isAsyncFunction(fn))) {
      return { short: undefined, any: (self, newTarget, ...args) => this.#callDetached(target, self, args, newTarget) }
    }
    return { short: this.#callShort, any: (self, newTarget, ...args) => this.#callSync(target, self, args, newTarget) }
  }

  /**
   * The function that stands for another. V8 makes no array of a rest parameter that is only indexed, spread into a call or given to
   * `Reflect.apply`, so `args` must not be used otherwise here.
   */
  #makeWrapper(target: WrappedFunction, { short, any }: Caller, constructs: boolean): Callable {
    const { fn } = target
    const { i32 } = this.#parts.writer
    if (!constructs) {
      // A method is no constructor and has no `prototype`, like what it stands for.
      return {
        method(this: unknown, ...args: unknown[]): unknown {
          if (i32[I32_STATE] === STATE_OFF) return own.reflectApply(fn, this, args)
          if (short !== undefined) {
            if (args.length === 1) return short(target, this, 1, args[0], undefined, undefined)
            if (args.length === 2) return short(target, this, 2, args[0], args[1], undefined)
            if (args.length === 0) return short(target, this, 0, undefined, undefined, undefined)
            if (args.length === 3) return short(target, this, 3, args[0], args[1], args[2])
          }
          return any(this, undefined, ...args)
        },
      }.method
    }
    return function wrapper(this: unknown, ...args: unknown[]): unknown {
      if (new.target !== undefined) return any(this, new.target === wrapper ? fn : new.target, ...args)
      if (i32[I32_STATE] === STATE_OFF) return own.reflectApply(fn, this, args)
      if (short !== undefined) {
        if (args.length === 1) return short(target, this, 1, args[0], undefined, undefined)
        if (args.length === 2) return short(target, this, 2, args[0], args[1], undefined)
        if (args.length === 0) return short(target, this, 0, undefined, undefined, undefined)
        if (args.length === 3) return short(target, this, 3, args[0], args[1], args[2])
      }
      return any(this, undefined, ...args)
    }
  }

  /** The fast way of `#callSync`, made once so that V8 knows what it refers to. */
  #createShortCall(): ShortCall {
    const { frames } = this.#parts
    const calls = this.#calls
    const { fast } = calls
    return (target, self, count, a, b, c) => {
      const frame = frames.depth !== 0 ? frames.frame : frames.lookup()
      const index = fast.enter(frame, target.site, target.captureArgs ? fast.putArgs(count, a, b, c) : 0)
      if (index === 0) {
        const args = [a, b, c]
        args.length = count
        return this.#callSync(target, self, args, undefined)
      }
      const outer = frames.frame
      frames.frame = frame
      frames.depth++
      let result: unknown
      try {
        if (count === 0) result = own.call0(target.fn, self)
        else if (count === 1) result = own.call1(target.fn, self, a)
        else if (count === 2) result = own.call2(target.fn, self, a, b)
        else result = own.call3(target.fn, self, a, b, c)
      } catch (thrown) {
        frames.depth--
        frames.frame = outer
        calls.leave(index)
        calls.exitThrown(index, REASON_THROW, thrown)
        throw thrown
      }
      frames.depth--
      frames.frame = outer
      return this.#returned(target, index, result)
    }
  }

  #callSync(target: WrappedFunction, self: unknown, args: unknown[], newTarget: unknown): unknown {
    const { writer, frames } = this.#parts
    if (!writer.isRecording()) return this.#callUnrecorded(target, self, args, newTarget)
    const frame = frames.now()
    if (!frame.context.sampled) return this.#callUnrecorded(target, self, args, newTarget)
    const calls = this.#calls
    const index = calls.enterWrapped(frame, target.site, target.captureArgs ? args : undefined)
    const outer = frames.frame
    frames.frame = frame
    frames.depth++
    let result: unknown
    try {
      result = newTarget === undefined ? own.reflectApply(target.fn, self, args) : construct(target.fn, args, newTarget)
    } catch (thrown) {
      frames.depth--
      frames.frame = outer
      calls.leave(index)
      calls.exitThrown(index, REASON_THROW, thrown)
      throw thrown
    }
    frames.depth--
    frames.frame = outer
    return this.#returned(target, index, result)
  }

  /** Exits a synchronous call that has returned; what its caller gets. */
  #returned(target: WrappedFunction, index: number, result: unknown): unknown {
    const calls = this.#calls
    const isPromise = typeof result === 'object' && result !== null && isPlainPromise(result)
    if (!isPromise && !target.captureResult) {
      calls.exitReturning(index)
      return result
    }
    calls.leave(index)
    if (isPromise) return this.#exitSettled(target, index, result)
    calls.exitNormal(index, REASON_NORMAL, true, result)
    return result
  }

  /** A call that is the parent of all that it starts, also when it has ended. */
  #callDetached(target: WrappedFunction, self: unknown, args: unknown[], newTarget: unknown): unknown {
    const { writer, frames } = this.#parts
    if (!writer.isRecording()) return this.#callUnrecorded(target, self, args, newTarget)
    const outer = frames.now()
    if (!outer.context.sampled) return this.#callUnrecorded(target, self, args, newTarget)
    const calls = this.#calls
    const index = calls.enterDetached(outer, target.site, target.captureArgs ? args : undefined)
    const frame = index === 0 ? outer : calls.table.frame[index]!
    let result: unknown
    try {
      result =
        newTarget === undefined
          ? frames.carry(frame, target.fn, self, args)
          : frames.carry(frame, own.reflectConstruct, undefined, [target.fn, args, newTarget])
    } catch (thrown) {
      calls.exitThrown(index, REASON_THROW, thrown)
      throw thrown
    }
    if (typeof result === 'object' && result !== null && isPlainPromise(result)) return this.#exitSettled(target, index, result)
    calls.exitNormal(index, REASON_NORMAL, target.captureResult, result)
    return result
  }

  #callUnrecorded(target: WrappedFunction, self: unknown, args: unknown[], newTarget: unknown): unknown {
    const { writer } = this.#parts
    if (writer.isRecording()) {
      // The entry and the exit.
      writer.count(F64_SAMPLED_OUT)
      writer.count(F64_SAMPLED_OUT)
    } else {
      writer.countLate()
    }
    return newTarget === undefined ? own.reflectApply(target.fn, self, args) : construct(target.fn, args, newTarget)
  }

  #exitSettled(target: WrappedFunction, index: number, promise: Promise<unknown>): Promise<unknown> {
    const calls = this.#calls
    return own.thenOf(
      promise,
      (value) => {
        calls.exitNormal(index, REASON_NORMAL, target.captureResult, value)
        return value
      },
      (reason) => {
        calls.exitThrown(index, REASON_REJECT, reason)
        throw reason
      },
    )
  }

  #siteOf(fn: object, given: WrapOptions): SiteFacts {
    const name = own.isProxy(fn) ? '' : (own.getDescriptor(fn, 'name')?.value as unknown)
    const length = own.isProxy(fn) ? 0 : (own.getDescriptor(fn, 'length')?.value as unknown)
    return {
      module: this.#checked(given.module, isText) ?? null,
      fn: this.#checked(given.function, isText) ?? (isText(name) ? name : null),
      arity: this.#checked(given.arity, isArity) ?? (isArity(length) ? length : -1),
      file: this.#checked(given.file, isText) ?? null,
      line: this.#checked(given.line, isLine) ?? -1,
    }
  }

  #checked<T>(value: unknown, isValid: (value: unknown) => value is T): T | undefined {
    if (isValid(value)) return value
    if (value != null) this.#parts.writer.count(F64_MISTYPED)
    return undefined
  }

  /** Every option is read once; what cannot be read is as if it were not given. */
  #readOptions(options: WrapOptions | undefined): WrapOptions {
    try {
      return { ...options }
    } catch {
      this.#parts.writer.count(F64_MISTYPED)
      return {}
    }
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function construct(fn: Callable, args: unknown[], newTarget: unknown): unknown {
  return own.reflectConstruct(fn, args, newTarget as Callable)
}

/** A native promise that nobody has made special: one whose `then` derivative can stand for it. */
function isPlainPromise(value: object): value is Promise<unknown> {
  return (
    own.isPromise(value) &&
    own.getPrototypeOf(value) === own.promisePrototype &&
    // The runtime keeps properties of its own on promises, all named by symbols.
    own.ownNames(value).length === 0
  )
}
