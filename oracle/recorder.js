// @ts-check
/**
 * One producer: what it is told becomes rows of the log at once.
 */
import { capture, captureField, captureTexts, cutText, isJsonObject, withCuts } from './capture.js'
import { stackOf, thrownParts } from './built-ins.js'
import { defineEmitter } from './emitter.js'
import { NOTHING_RECORDED, mergeTags, optionalId, optionalInteger, optionalText, readEnvelope, readTags, requireText } from './envelope.js'
import { KinescopeError, invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { Frames, closeCall, currentCall, currentParent } from './frames.js'
import { EMPTY_ROW } from './store.js'
import { wrapFunction } from './wrap.js'

/** @typedef {import('../index.js').EventId} EventId */
/** @typedef {import('../index.js').SiteInput} SiteInput */
/** @typedef {import('./frames.js').OpenCall} OpenCall */
/** @typedef {import('./frames.js').Frame} Frame */
/** @typedef {{ value: any, cuts: Record<string, string> }} Captured */
/**
 * @typedef {object} Shared what all producers of a recording have in common
 * @property {import('./store.js').Log} log
 * @property {string} node
 * @property {import('./capture.js').CaptureSettings} settings
 * @property {() => { timestamp: bigint, wallTime: bigint }} now
 * @property {(timestamp: bigint) => bigint} wallTimeOf
 * @property {{ recorded: number, mistyped: number, unbalanced: number, afterClose: number }} counters
 * @property {{ enabled: boolean }} capturing
 */

export class OracleRecorder {
  /** @type {(SiteInput | null)[]} */
  #sites = [null]
  /** @type {Map<number, OpenCall>} */
  #calls = new Map()
  #nextCall = 1
  #sequence = 0
  #producer
  #pid
  #shared

  /**
   * @param {Shared} shared
   * @param {number} producer from 1
   * @param {string} pid the thread's own
   */
  constructor(shared, producer, pid) {
    this.#shared = shared
    this.#producer = producer
    this.#pid = pid
    this.frames = new Frames()
  }

  get enabled() {
    return this.#shared.capturing.enabled
  }

  set enabled(value) {
    this.#shared.capturing.enabled = Boolean(value)
  }

  /** Whether events are recorded now; an attempt after `close()` is counted. */
  get isRecording() {
    if (this.#shared.log.closed) this.#shared.counters.afterClose += 1
    return this.enabled && !this.#shared.log.closed
  }

  countMistyped() {
    this.#shared.counters.mistyped += 1
  }

  get settings() {
    return this.#shared.settings
  }

  /**
   * @param {unknown} input `EventInput`
   * @returns {EventId}
   * @throws {KinescopeError} `INVALID_ARGUMENT` for a malformed envelope
   */
  record(input) {
    if (!this.isRecording) return NOTHING_RECORDED
    const envelope = readEnvelope(input, 'event', this.settings.redact)
    const { timestamp, wallTime, tags, data, ...given } = envelope
    const time = timestamp ?? this.#shared.now().timestamp
    const frame = this.frames.current
    // An event type is a definition, whole whatever its length.
    const cutTexts = Object.entries(given).map(([name, value]) => [name, typeof value === 'string' && name !== 'eventType' ? this.#cut(value) : value])
    return this.append(frame, {
      ...Object.fromEntries(cutTexts.filter(([, value]) => value !== undefined)),
      timestamp: time,
      wallTime: wallTime ?? this.#shared.wallTimeOf(time),
      tags: tags === null ? frame.tags : this.#mergeTags(frame.tags, tags),
      data: withCuts(capture(data, this.settings)),
    })
  }

  /**
   * Every attempt takes the next number of this producer's sequence, whatever id the event brings.
   *
   * @param {Frame} frame gives what `fields` leave out
   * @param {Record<string, any>} fields
   * @returns {EventId}
   */
  append(frame, fields) {
    const ownId = /** @type {EventId} */ (`${this.#producer}-${this.#sequence++}`)
    this.#shared.counters.recorded += 1
    const time = fields.timestamp === undefined ? this.#shared.now() : {}
    const row = /** @type {any} */ ({
      ...EMPTY_ROW,
      ...{ eventId: ownId, node: this.#shared.node, pid: frame.pid ?? this.#pid },
      ...{ correlationId: frame.correlationId, parentId: currentParent(frame), tags: frame.tags },
      ...time,
      ...fields,
    })
    this.#shared.log.append(row)
    return row.eventId
  }

  /** @type {import('../index.js').Recorder['define']} */
  define = (eventType, fields, options = {}) => {
    if (this.#shared.log.closed) throw new KinescopeError('CLOSED', 'the recording is closed')
    return /** @type {any} */ (defineEmitter(this, eventType, fields, options))
  }

  /**
   * @param {SiteInput} site
   * @returns {number}
   */
  site(site) {
    if (!isPlainArgument(site)) throw invalidArgument('site', 'an object', site)
    rejectUnknownKeys(site, ['module', 'function', 'arity', 'file', 'line'], 'site')
    const arity = optionalInteger(site.arity, 0, 65_535, 'site.arity')
    if (arity === null) throw invalidArgument('site.arity', 'an integer from 0 to 65535', site.arity)
    return this.addSite({
      module: requireText(site.module, 'site.module'),
      function: requireText(site.function, 'site.function'),
      arity,
      file: optionalText(site.file, 'site.file'),
      line: optionalInteger(site.line, 1, 4_294_967_295, 'site.line'),
    })
  }

  /** @param {any} facts valid ones, null where unknown */
  addSite(facts) {
    return this.#sites.push(facts) - 1
  }

  /**
   * @param {unknown} site
   * @returns {SiteInput | null}
   */
  siteFacts(site) {
    const facts = typeof site === 'number' ? this.#sites[site] : null
    if (!facts) this.countMistyped()
    return facts ?? null
  }

  /**
   * @param {unknown} site
   * @param {unknown} [data]
   * @returns {number}
   */
  enter(site, data) {
    if (!this.isRecording) return 0
    const frame = this.frames.current
    const call = this.open(frame, this.siteFacts(site), capture(data, this.settings))
    frame.call = call
    const number = this.#nextCall++
    this.#calls.set(number, call)
    return number
  }

  /**
   * Records an entry; the caller decides whose current call it becomes.
   *
   * @param {Frame} frame
   * @param {SiteInput | null} site
   * @param {Captured} captured
   * @returns {OpenCall}
   */
  open(frame, site, captured) {
    const { timestamp, wallTime } = this.#shared.now()
    const entryId = this.append(frame, { ...site, timestamp, wallTime, eventType: 'function_entry', data: withCuts(captured) })
    return { entryId, site, enteredAt: timestamp, frame, previous: frame.call, isOpen: true }
  }

  /**
   * @param {number} number
   * @param {unknown} [data]
   */
  exit(number, data) {
    const call = this.#take(number)
    if (!call || !this.isRecording) return
    const captured = capture(data, this.settings)
    const isObject = captured.value === undefined || isJsonObject(captured.value)
    if (!isObject) this.countMistyped()
    this.recordExit(call, 'normal', isObject ? captured : { value: {}, cuts: {} })
  }

  /**
   * @param {OpenCall} call
   * @param {'normal' | 'throw' | 'reject' | 'abandoned'} reason
   * @param {Captured} captured further fields of `data`, an object or undefined
   */
  recordExit({ entryId, site, enteredAt, frame }, reason, { value, cuts }) {
    const { timestamp, wallTime } = this.#shared.now()
    const { duration_ns: _givesWay, exit_reason: _too, ...fieldsOfCaller } = value ?? {}
    const data = { duration_ns: Number(timestamp - enteredAt), ...fieldsOfCaller, exit_reason: reason }
    const fields = { ...site, timestamp, wallTime, eventType: 'function_exit', parentId: entryId }
    this.append(frame, { ...fields, data: withCuts({ value: data, cuts }) })
  }

  /**
   * @param {OpenCall} call
   * @param {'throw' | 'reject'} reason
   * @param {unknown} thrown
   */
  recordFailure(call, reason, thrown) {
    const { value, cuts } = captureTexts(thrownParts(thrown), ['exception'], this.settings)
    this.recordExit(call, reason, { value: { exception: value }, cuts })
  }

  /**
   * @param {number} number
   * @param {unknown} error
   */
  fail(number, error) {
    const stack = stackOf(error)
    const call = this.#take(number)
    if (!call || !this.isRecording) return
    this.recordFailure(call, 'throw', error)
    const data = captureTexts({ ...thrownParts(error), ...stack }, [], this.settings)
    this.append(call.frame, { ...call.site, eventType: 'error', parentId: call.entryId, data: withCuts(data) })
  }

  /**
   * Closes a call by its number; one that is not open, or not current, is counted.
   *
   * @param {number} number
   */
  #take(number) {
    const call = this.#calls.get(number)
    this.#calls.delete(number)
    const isBalanced = number === 0 || (call !== undefined && closeCall(call))
    if (!isBalanced) this.#shared.counters.unbalanced += 1
    return call
  }

  /**
   * @param {unknown} variables
   * @param {{ line?: unknown, call?: unknown } | null} [options]
   * @returns {EventId}
   */
  snapshot(variables, options) {
    if (!this.isRecording) return NOTHING_RECORDED
    const { call: number = null, line = null } = this.tolerate(() => ({ ...options })) ?? {}
    const given = typeof number === 'number' ? this.#calls.get(number) : undefined
    if (number !== null && !given) this.countMistyped()
    const frame = given?.frame ?? this.frames.current
    const knownLine = this.tolerate(() => optionalInteger(line, 1, 4_294_967_295, 'line'))
    const isObject = typeof variables === 'object' && variables !== null
    if (!isObject) this.countMistyped()
    return this.append(frame, {
      ...(given ?? currentCall(frame))?.site,
      ...(knownLine !== null && { line: knownLine }),
      eventType: 'local_variable_snapshot',
      parentId: given?.entryId ?? currentParent(frame),
      data: isObject ? withCuts(captureField('variables', variables, this.settings)) : null,
    })
  }

  /**
   * @template T
   * @param {unknown} context `RunContext`; what is left out, null or of the wrong type is inherited
   * @param {() => T} fn
   * @returns {T}
   */
  run(context, fn) {
    if (typeof fn !== 'function') throw invalidArgument('fn', 'a function behind the context', fn)
    const outer = this.frames.current
    const given = isPlainArgument(context) ? context : {}
    if (!isPlainArgument(context)) this.countMistyped()
    const parentId = this.tolerate(() => optionalId(given.parentId ?? null, 'parentId'))
    const tags = given.tags === undefined || given.tags === null ? null : readTags(given.tags, this.settings.redact, () => this.countMistyped())
    const [pid, correlationId] = [given.pid, given.correlationId].map((text) => this.tolerate(() => optionalText(text, 'context')))
    return this.frames.run(
      {
        pid: typeof pid === 'string' ? this.#cut(pid) : outer.pid,
        correlationId: typeof correlationId === 'string' ? this.#cut(correlationId) : outer.correlationId,
        tags: tags === null ? outer.tags : this.#mergeTags(outer.tags, tags),
        parentId: parentId ?? currentParent(outer),
        base: parentId === null ? currentCall(outer) : null,
        call: null,
      },
      fn,
    )
  }

  /**
   * @template T
   * @param {() => T} read
   * @returns {T | null} null, and counted, when it throws
   */
  tolerate = (read) => {
    try {
      return read()
    } catch {
      this.countMistyped()
      return null
    }
  }

  /** @returns {import('../index.js').Context} */
  context() {
    const frame = this.frames.current
    return { pid: frame.pid, correlationId: frame.correlationId, parentId: currentParent(frame), tags: frame.tags }
  }

  /**
   * @param {number} number
   * @returns {EventId}
   */
  idOf(number) {
    return this.#calls.get(number)?.entryId ?? NOTHING_RECORDED
  }

  /**
   * @template {Function} F
   * @param {F} fn
   * @param {import('../index.js').WrapOptions} [options]
   * @returns {F}
   */
  wrap(fn, options = {}) {
    return wrapFunction(this, fn, options)
  }

  /** @param {string} text of the envelope: cut to the string limit without a mark */
  #cut(text) {
    return cutText(text, this.settings.limits.maxStringLength)
  }

  /**
   * @param {Readonly<Record<string, string>> | null} outer
   * @param {Record<string, string>} inner wins
   */
  #mergeTags(outer, inner) {
    const cut = Object.entries(inner).map(([name, text]) => /** @type {[string, string]} */ ([name, this.#cut(text)]))
    return mergeTags([...Object.entries(outer ?? {}), ...cut])
  }
}
