// @ts-check
/**
 * Frames and the current call.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

/** @typedef {import('../index.js').EventId} EventId */
/** @typedef {import('../index.js').SiteInput} Site */
/**
 * @typedef {object} Frame what `run` and every asynchronous wrapped call opens
 * @property {string | null} pid null: the thread's own
 * @property {string | null} correlationId
 * @property {Readonly<Record<string, string>> | null} tags
 * @property {EventId | null} parentId the parent of what starts outside any call of this frame
 * @property {OpenCall | null} base the call to which `parentId` belongs, if it is one of this thread
 * @property {OpenCall | null} call the current call, of those entered in this frame
 */
/**
 * @typedef {object} OpenCall
 * @property {EventId} entryId
 * @property {Site | null} site
 * @property {bigint} enteredAt
 * @property {Frame} frame
 * @property {OpenCall | null} previous what was current in its frame before it
 * @property {boolean} isOpen
 */

export class Frames {
  /** @type {AsyncLocalStorage<Frame>} */
  #storage = new AsyncLocalStorage()
  /** @type {Frame} */
  #thread = { pid: null, correlationId: null, tags: null, parentId: null, base: null, call: null }

  /** A frame that holds only until a function returns, and what the storage held when it began. */
  #synchronous = { frame: this.#thread, store: /** @type {Frame | undefined} */ (undefined) }

  /** The enclosing frame; outside every `run`, the thread's. */
  get current() {
    const store = this.#storage.getStore()
    return store === this.#synchronous.store ? this.#synchronous.frame : (store ?? this.#thread)
  }

  /**
   * Runs a function in a frame that nothing which it starts carries on.
   *
   * @template T
   * @param {Frame} frame
   * @param {() => T} fn
   * @returns {T}
   */
  runSynchronously(frame, fn) {
    const outer = this.#synchronous
    this.#synchronous = { frame, store: this.#storage.getStore() }
    try {
      return fn()
    } finally {
      this.#synchronous = outer
    }
  }

  /**
   * @template T
   * @param {Frame} frame
   * @param {() => T} fn
   * @returns {T}
   */
  run(frame, fn) {
    return this.#storage.run(frame, fn)
  }
}

/**
 * @param {Frame} frame
 * @returns {OpenCall | null}
 */
export function currentCall(frame) {
  return frame.call ?? frame.base
}

/**
 * The default `parentId` of an event.
 *
 * @param {Frame} frame
 * @returns {EventId | null}
 */
export function currentParent(frame) {
  return frame.call?.entryId ?? frame.parentId
}

/**
 * @param {OpenCall | null} call
 * @returns {OpenCall | null} the nearest of it and its ancestors that has not exited
 */
export function nearestOpen(call) {
  while (call && !call.isOpen) call = call.previous
  return call
}

/**
 * Marks a call as exited. If it was the current call of its frame, the nearest open ancestor becomes current; if not, what
 * is current stays, and the call is passed over when its turn would come.
 *
 * @param {OpenCall} call
 * @returns {boolean} whether it was the current call
 */
export function closeCall(call) {
  const { frame } = call
  const wasCurrent = frame.call === call
  call.isOpen = false
  if (wasCurrent) frame.call = nearestOpen(call)
  return wasCurrent
}
