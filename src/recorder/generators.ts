/** Wrapped generator functions: entered at the call, exited when the generator is done, has thrown or was abandoned. */
import type { Calls, RecorderParts } from './calls.js'
import type { Frame } from './frames.js'
import { asyncGeneratorMethods, defineProperty, generatorMethods, reflectApply, thenOf } from './intrinsics.js'
import { F64_SAMPLED_OUT, REASON_ABANDONED, REASON_NORMAL, REASON_REJECT, REASON_THROW } from './layout.js'
import type { WrappedFunction } from './wrap.js'

type Resume = (this: unknown, value?: unknown) => unknown
type ResumeName = 'next' | 'return' | 'throw'
const RESUME_NAMES: readonly ResumeName[] = ['next', 'return', 'throw']

/** One generator, from its call to its exit. */
interface OpenGenerator {
  readonly target: WrappedFunction
  readonly index: number
  /** The body runs in this frame, so that calls which it leaves open between two `yield`s stay its own. */
  readonly frame: Frame
  isOpen: boolean
  isRunning: boolean
}

/** Calls of generator functions, synchronous or not. */
export class GeneratorCalls {
  readonly #parts: RecorderParts
  readonly #calls: Calls

  constructor(parts: RecorderParts, calls: Calls) {
    this.#parts = parts
    this.#calls = calls
  }

  /** Calls the function and returns its own generator object, with resuming methods that record. */
  call(target: WrappedFunction, self: unknown, args: unknown[], isAsync: boolean): unknown {
    const { writer, frames } = this.#parts
    const outer = frames.now()
    if (!writer.isRecording() || !outer.context.sampled) {
      if (writer.isRecording()) {
        writer.count(F64_SAMPLED_OUT)
        writer.count(F64_SAMPLED_OUT)
      } else {
        writer.countLate()
      }
      return reflectApply(target.fn, self, args)
    }
    const index = this.#calls.enterDetached(outer, target.site, target.captureArgs ? args : undefined)
    const frame = index === 0 ? outer : this.#calls.table.frame[index]!
    const open: OpenGenerator = { target, index, frame, isOpen: true, isRunning: false }
    let generator: object
    try {
      // Default values of parameters are computed here.
      generator = this.#runIn(frame, target.fn, self, args) as object
    } catch (thrown) {
      this.#calls.exitThrown(index, REASON_THROW, thrown)
      throw thrown
    }
    const methods = isAsync ? asyncGeneratorMethods : generatorMethods
    for (const name of RESUME_NAMES) {
      const resume = isAsync ? this.#asyncResume(open, name, methods[name]) : this.#resume(open, name, methods[name])
      defineProperty(generator, name, { value: resume, writable: true, configurable: true, enumerable: false })
    }
    return generator
  }

  #resume(open: OpenGenerator, name: ResumeName, method: Resume): Resume {
    const run = (self: unknown, args: unknown[]): unknown => {
      // A generator that resumes itself gets the error that it would get anyway.
      if (!open.isOpen || open.isRunning) return reflectApply(method, self, args)
      open.isRunning = true
      let step: IteratorResult<unknown>
      try {
        step = this.#runIn(open.frame, method, self, args) as IteratorResult<unknown>
      } catch (thrown) {
        open.isOpen = false
        this.#calls.exitThrown(open.index, REASON_THROW, thrown)
        throw thrown
      } finally {
        open.isRunning = false
      }
      if (step.done === true) this.#finish(open, name, step.value)
      return step
    }
    return named(name, run)
  }

  #asyncResume(open: OpenGenerator, name: ResumeName, method: Resume): Resume {
    const run = (self: unknown, args: unknown[]): unknown => {
      if (!open.isOpen) return reflectApply(method, self, args)
      const promise = this.#parts.frames.carry(open.frame, method, self, args) as Promise<IteratorResult<unknown>>
      return thenOf(
        promise,
        (step) => {
          if (step.done === true) this.#finish(open, name, step.value)
          return step
        },
        (reason) => {
          if (open.isOpen) {
            open.isOpen = false
            this.#calls.exitThrown(open.index, REASON_REJECT, reason)
          }
          throw reason
        },
      )
    }
    return named(name, run)
  }

  #finish(open: OpenGenerator, name: ResumeName, value: unknown): void {
    if (!open.isOpen) return
    open.isOpen = false
    const reason = name === 'return' ? REASON_ABANDONED : REASON_NORMAL
    this.#calls.exitNormal(open.index, reason, open.target.captureResult, value)
  }

  #runIn(frame: Frame, fn: unknown, self: unknown, args: unknown[]): unknown {
    const { frames } = this.#parts
    const outer = frames.frame
    frames.frame = frame
    frames.depth++
    try {
      return reflectApply(fn as Resume, self, args)
    } finally {
      frames.depth--
      frames.frame = outer
    }
  }
}

/** The methods of a generator are called `next`, `return` and `throw`, and take one parameter. */
function named(name: ResumeName, run: (self: unknown, args: unknown[]) => unknown): Resume {
  const method = {
    [name](this: unknown, ...args: unknown[]): unknown {
      return run(this, args)
    },
  }[name] as Resume
  defineProperty(method, 'length', { value: 1, configurable: true })
  return method
}
