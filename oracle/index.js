// @ts-check
/**
 * The pure-JavaScript path: the public contract over arrays of plain objects, slow and obvious. Tests compare the product
 * with it, and benchmarks race against it. It is not part of the package.
 *
 * What it leaves out: Arrow tables, rings and their losses, sampling, coarse time, cuts for `size`.
 */
import { hostname } from 'node:os'
import { invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { OracleDataAccess } from './data-access.js'
import { OracleEventStreamer } from './event-streamer.js'
import { OracleRecorder } from './recorder.js'
import { Log } from './store.js'

export { KinescopeError } from './errors.js'

/** @typedef {import('../index.js').CaptureLimits} CaptureLimits */
/**
 * @typedef {object} OracleOptions
 * @property {string} [node] default: host name and process id
 * @property {Partial<CaptureLimits>} [limits]
 * @property {string[]} [redact] names of fields that are never captured
 * @property {{ maxEvents?: number }} [retention] a positive integer; when it is exceeded by more than an eighth (rounded
 * down), the oldest are evicted down to it; default: no limit
 * @property {() => bigint} [clock] nanoseconds on the recording's time line, asked once for every event; default: the
 * process's monotonic clock
 * @property {bigint} [wallTimeOffset] nanoseconds to add to a timestamp for its wall time; default: as it is at opening
 */

const DEFAULT_LIMITS = { maxStringLength: 8192, maxDepth: 8, maxFields: 128, maxItems: 128, maxEventBytes: 65_536 }
const MAX_PRODUCERS = 0x7fff

/**
 * Opens an oracle with a first producer, number 1, of the pid `main`.
 *
 * @param {OracleOptions} [options]
 * @returns {OracleScope}
 * @throws {import('./errors.js').KinescopeError} `INVALID_ARGUMENT`
 * @example
 * const oracle = openOracle({ clock: () => 5n })
 * oracle.recorder.record({ eventType: 'log', data: { message: 'hello' } })
 * oracle.dataAccess.queryEventsSync().toArray()[0].timestamp // 5n
 */
export function openOracle(options = {}) {
  if (!isPlainArgument(options)) throw invalidArgument('options', 'an object', options)
  rejectUnknownKeys(options, ['node', 'limits', 'redact', 'retention', 'clock', 'wallTimeOffset'], 'options')
  return new OracleScope(options)
}

/** What `openOracle` returns: as a `Kinescope`, and what only tests need. */
export class OracleScope {
  #producers = 0
  /** @type {import('./recorder.js').Shared} */
  #shared

  /** @param {OracleOptions} options */
  constructor({ node, limits, redact, retention, clock = () => process.hrtime.bigint(), wallTimeOffset }) {
    const offset = wallTimeOffset ?? BigInt(Date.now()) * 1_000_000n - clock()
    const wallTimeOf = (/** @type {bigint} */ timestamp) => timestamp + offset
    this.#shared = {
      log: new Log(retention?.maxEvents ?? Infinity, wallTimeOf),
      node: node ?? `${hostname()}:${process.pid}`,
      settings: { limits: { ...DEFAULT_LIMITS, ...limits }, redact: new Set(redact) },
      wallTimeOf,
      now: () => {
        const timestamp = clock()
        return { timestamp, wallTime: wallTimeOf(timestamp) }
      },
      counters: { recorded: 0, mistyped: 0, unbalanced: 0, afterClose: 0 },
      capturing: { enabled: true },
    }
    this.recorder = this.addProducer('main')
    this.dataAccess = new OracleDataAccess(this.#shared)
    this.eventStreamer = new OracleEventStreamer(this.#shared)
  }

  /**
   * Another thread's recorder, with the next producer number and frames of its own.
   *
   * @param {string} pidLabel the pid of what it records outside any `run`
   * @returns {import('../index.js').Recorder}
   */
  addProducer(pidLabel) {
    if (this.#producers === MAX_PRODUCERS) throw invalidArgument('producers', `at most ${MAX_PRODUCERS}`, MAX_PRODUCERS + 1)
    this.#producers += 1
    return publicRecorder(new OracleRecorder(this.#shared, this.#producers, pidLabel))
  }

  now() {
    this.#shared.log.requireOpen()
    return this.#shared.now()
  }

  /** Everything is visible at once. */
  async flush() {
    this.flushSync()
  }

  flushSync() {
    this.#shared.log.requireOpen()
  }

  stats() {
    const { log, counters } = this.#shared
    log.requireOpen()
    return { ...counters, stored: Number(log.watermark), evicted: log.evicted.count }
  }

  /** Everything in the log, in `seq` order. */
  get events() {
    return [...this.#shared.log.events]
  }

  /**
   * Puts rows into the log as the recording under test has answered with them, whatever their ids.
   *
   * @param {readonly import('../index.js').Event[]} events in `seq` order, from where the log ends
   */
  load(events) {
    for (const { seq: _seq, ...row } of events) this.#shared.log.append(row)
  }

  /**
   * Evicts everything before a position, as the recording under test has done.
   *
   * @param {bigint} seq the first that stays
   */
  evictBefore(seq) {
    this.#shared.log.evictBefore(seq)
  }

  /**
   * Tells of attempts that left no event in the recording under test; makes the `events_lost` row.
   *
   * @param {{ producer: number, firstSequence: number, lastSequence: number, count: number, cause: import('../index.js').LossCause }} loss
   */
  reportLoss(loss) {
    this.#shared.log.appendLoss(loss, { node: this.#shared.node, ...this.#shared.now() })
  }

  async close() {
    this.#shared.log.closed = true
  }
}

const RECORDER_METHODS = /** @type {const} */ (['record', 'define', 'site', 'enter', 'exit', 'fail', 'wrap', 'snapshot', 'run', 'context', 'idOf'])

/**
 * A recorder's public part; its methods may be taken off it.
 *
 * @param {OracleRecorder} recorder
 * @returns {import('../index.js').Recorder}
 */
function publicRecorder(recorder) {
  const methods = Object.fromEntries(RECORDER_METHODS.map((name) => [name, /** @type {Function} */ (recorder[name]).bind(recorder)]))
  return Object.defineProperty(/** @type {any} */ (methods), 'enabled', {
    enumerable: true,
    get: () => recorder.enabled,
    set: (/** @type {boolean} */ enabled) => {
      recorder.enabled = enabled
    },
  })
}
