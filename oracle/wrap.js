// @ts-check
/**
 * Wrapping functions: what they do stays, and every call is recorded.
 */
import { types } from 'node:util'
import { captureField } from './capture.js'
import { optionalInteger, optionalText } from './envelope.js'
import { nearestOpen } from './frames.js'
import { instrumentGenerator } from './generators.js'

/** @typedef {import('./frames.js').Frame} Frame */
/** @typedef {import('./frames.js').OpenCall} OpenCall */
/** @typedef {import('./recorder.js').OracleRecorder} OracleRecorder */
/**
 * @typedef {object} Wrapped
 * @property {OracleRecorder} recorder
 * @property {import('../index.js').SiteInput | null} site
 * @property {boolean} captureArgs
 * @property {boolean} captureResult
 */

const { apply, construct, getOwnPropertyDescriptor, getPrototypeOf } = Reflect
const { then } = Promise.prototype
const NOTHING = { value: undefined, cuts: {} }

/**
 * @template {Function} F
 * @param {OracleRecorder} recorder
 * @param {F} fn
 * @param {import('../index.js').WrapOptions} options
 * @returns {F}
 */
export function wrapFunction(recorder, fn, options) {
  if (typeof fn !== 'function') {
    recorder.countMistyped()
    return fn
  }
  /** @type {Wrapped} */
  const wrapped = {
    recorder,
    site: recorder.siteFacts(recorder.addSite(siteOf(recorder, fn, options))),
    captureArgs: options.captureArgs ?? true,
    captureResult: options.captureResult ?? false,
  }
  const isGenerator = types.isGeneratorFunction(fn)
  const isAsync = options.async ?? types.isAsyncFunction(fn)
  const invoke = isGenerator ? callGenerator : isAsync ? callAsync : callSync
  const start = (/** @type {unknown[]} */ args, /** @type {() => any} */ body) => (recorder.isRecording ? invoke(wrapped, args, body) : body())
  return /** @type {any} */ (disguise(fn, start))
}

/**
 * @param {OracleRecorder} recorder
 * @param {Function} fn
 * @param {import('../index.js').WrapOptions} options
 */
function siteOf(recorder, fn, options) {
  const given = recorder.tolerate
  const [name, length] = [getOwnPropertyDescriptor(fn, 'name')?.value, getOwnPropertyDescriptor(fn, 'length')?.value]
  return {
    module: given(() => optionalText(options.module, 'module')),
    function: given(() => optionalText(options.function, 'function')) ?? (typeof name === 'string' ? name : null),
    arity: given(() => optionalInteger(options.arity, 0, 65_535, 'arity')) ?? (typeof length === 'number' && Number.isInteger(length) && length <= 65_535 ? length : null),
    file: given(() => optionalText(options.file, 'file')),
    line: given(() => optionalInteger(options.line, 1, 4_294_967_295, 'line')),
  }
}

/**
 * A function that can be called and constructed where `fn` can, with its own properties and its prototype.
 *
 * @param {Function} fn
 * @param {(args: unknown[], body: () => any) => any} start
 */
function disguise(fn, start) {
  const wrapper = isConstructor(fn)
    ? function (/** @type {any[]} */ ...args) {
        const target = new.target === wrapper ? fn : new.target
        // @ts-expect-error -- `this` is whatever the caller says
        return start(args, () => (target ? construct(fn, args, target) : apply(fn, this, args)))
      }
    : {
        /** @this {unknown} @param {any[]} args */
        method(...args) {
          return start(args, () => apply(fn, this, args))
        },
      }.method
  for (const key of Reflect.ownKeys(wrapper)) if (!Object.hasOwn(fn, key)) Reflect.deleteProperty(wrapper, key)
  for (const key of Reflect.ownKeys(fn)) Object.defineProperty(wrapper, key, /** @type {PropertyDescriptor} */ (getOwnPropertyDescriptor(fn, key)))
  return Object.setPrototypeOf(wrapper, getPrototypeOf(fn))
}

/**
 * Asks a proxy of it, which can be constructed exactly if its target can, instead of calling anything.
 *
 * @param {Function} fn
 */
function isConstructor(fn) {
  try {
    construct(new Proxy(fn, { construct: () => ({}) }), [])
    return true
  } catch {
    return false
  }
}

/**
 * @param {Wrapped} wrapped
 * @param {unknown[]} args
 * @param {Frame} frame
 */
function enter({ recorder, site, captureArgs }, args, frame) {
  return recorder.open(frame, site, captureArgs ? captureField('args', args, recorder.settings) : NOTHING)
}

/**
 * @param {Wrapped} wrapped
 * @param {OpenCall} call
 * @param {'normal' | 'abandoned'} reason
 * @param {unknown} result
 */
export function leave({ recorder, captureResult }, call, reason, result) {
  call.isOpen = false
  if (!recorder.isRecording) return
  recorder.recordExit(call, reason, captureResult && reason === 'normal' ? captureField('result', result, recorder.settings) : NOTHING)
}

/**
 * @param {Wrapped} wrapped
 * @param {OpenCall} call
 * @param {'throw' | 'reject'} reason
 * @param {unknown} thrown
 */
export function leaveFailed({ recorder }, call, reason, thrown) {
  call.isOpen = false
  if (recorder.isRecording) recorder.recordFailure(call, reason, thrown)
}

/**
 * Runs a body with a call as the frame's current one, and restores the one before it.
 *
 * @template T
 * @param {Frame} frame
 * @param {OpenCall} call
 * @param {() => T} body
 * @returns {T}
 */
function withCurrent(frame, call, body) {
  const previous = frame.call
  frame.call = call
  try {
    return body()
  } finally {
    frame.call = previous?.isOpen === false ? nearestOpen(previous) : previous
  }
}

/**
 * @param {Wrapped} wrapped
 * @param {unknown[]} args
 * @param {() => any} body
 */
function callSync(wrapped, args, body) {
  const frame = wrapped.recorder.frames.current
  const call = enter(wrapped, args, frame)
  return settle(wrapped, call, () => withCurrent(frame, call, body))
}

/**
 * @param {Wrapped} wrapped
 * @param {unknown[]} args
 * @param {() => any} body
 */
function callAsync(wrapped, args, body) {
  const { frames } = wrapped.recorder
  const call = enter(wrapped, args, frames.current)
  return settle(wrapped, call, () => frames.run(frameOf(call), body))
}

/**
 * The frame of which a call is the base: the parent of everything that it starts, also after it has ended.
 *
 * @param {OpenCall} call
 * @returns {Frame}
 */
export function frameOf(call) {
  return { ...call.frame, parentId: call.entryId, base: call, call: null }
}

/**
 * @param {Wrapped} wrapped
 * @param {unknown[]} args
 * @param {() => any} body makes the generator; its parameters' defaults run here
 */
function callGenerator(wrapped, args, body) {
  const call = enter(wrapped, args, wrapped.recorder.frames.current)
  try {
    return instrumentGenerator(wrapped, call, wrapped.recorder.frames.runSynchronously(frameOf(call), body))
  } catch (error) {
    leaveFailed(wrapped, call, 'throw', error)
    throw error
  }
}

/**
 * Exits when the body returns or throws, or when the native promise that it returns settles.
 *
 * @param {Wrapped} wrapped
 * @param {OpenCall} call
 * @param {() => any} body
 */
function settle(wrapped, call, body) {
  let result
  try {
    result = body()
  } catch (error) {
    leaveFailed(wrapped, call, 'throw', error)
    throw error
  }
  if (!isPlainPromise(result)) {
    leave(wrapped, call, 'normal', result)
    return result
  }
  const onFulfilled = (/** @type {unknown} */ value) => {
    leave(wrapped, call, 'normal', value)
    return value
  }
  const onRejected = (/** @type {unknown} */ reason) => {
    leaveFailed(wrapped, call, 'reject', reason)
    throw reason
  }
  return apply(then, result, [onFulfilled, onRejected])
}

/**
 * Other thenables are never touched: a query builder's `then` runs the query. Symbols do not count: Node itself keeps some
 * on promises while AsyncLocalStorage is in use.
 *
 * @param {unknown} value
 */
function isPlainPromise(value) {
  return types.isPromise(value) && getPrototypeOf(value) === Promise.prototype && Object.getOwnPropertyNames(value).length === 0
}
