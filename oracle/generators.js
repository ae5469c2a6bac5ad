// @ts-check
/**
 * Generators of wrapped functions: entered at the call, exited when done, thrown or returned.
 */
import { frameOf, leave, leaveFailed } from './wrap.js'

/** @typedef {import('./wrap.js').Wrapped} Wrapped */
/** @typedef {import('./frames.js').OpenCall} OpenCall */
/** @typedef {{ done?: boolean, value?: unknown }} Step */

const { apply } = Reflect
const { then } = Promise.prototype
const METHODS = /** @type {const} */ (['next', 'return', 'throw'])

/**
 * Gives the generator object methods of its own, hidden from enumeration, around those of its prototype.
 *
 * @param {Wrapped} wrapped
 * @param {OpenCall} call
 * @param {any} generator
 */
export function instrumentGenerator(wrapped, call, generator) {
  const isAsync = Symbol.asyncIterator in generator
  const resume = isAsync ? asyncResumption(wrapped, call) : syncResumption(wrapped, call)
  for (const name of METHODS) {
    const method = generator[name]
    const value = {
      /** @this {unknown} @param {unknown[]} args */
      [name](...args) {
        return resume(name, () => apply(method, this, args))
      },
    }[name]
    Object.defineProperty(generator, name, { value, writable: true, configurable: true, enumerable: false })
  }
  return generator
}

/**
 * @param {Wrapped} wrapped
 * @param {OpenCall} call
 */
function syncResumption(wrapped, call) {
  // A frame of its own, so that calls which the body leaves open between two `yield`s stay its own.
  const frame = frameOf(call)
  return (/** @type {string} */ name, /** @type {() => Step} */ body) => {
    try {
      const step = wrapped.recorder.frames.runSynchronously(frame, body)
      finish(wrapped, call, name, step)
      return step
    } catch (error) {
      if (call.isOpen) leaveFailed(wrapped, call, 'throw', error)
      throw error
    }
  }
}

/**
 * @param {Wrapped} wrapped
 * @param {OpenCall} call
 */
function asyncResumption(wrapped, call) {
  const frame = frameOf(call)
  return (/** @type {string} */ name, /** @type {() => Promise<Step>} */ body) => {
    const onFulfilled = (/** @type {Step} */ step) => {
      finish(wrapped, call, name, step)
      return step
    }
    const onRejected = (/** @type {unknown} */ reason) => {
      if (call.isOpen) leaveFailed(wrapped, call, 'reject', reason)
      throw reason
    }
    return apply(then, wrapped.recorder.frames.run(frame, body), [onFulfilled, onRejected])
  }
}

/**
 * @param {Wrapped} wrapped
 * @param {OpenCall} call
 * @param {string} name the method that was called
 * @param {Step} step
 */
function finish(wrapped, call, name, { done, value }) {
  if (!done || !call.isOpen) return
  leave(wrapped, call, name === 'return' ? 'abandoned' : 'normal', value)
}
