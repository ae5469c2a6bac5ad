/**
 * The events that queries are measured over: a service's requests and background jobs, made from a fixed seed, so that every
 * process that asks for them gets the same ones. An event's number is its position in the log.
 *
 * A trace has fifty events: twenty calls, which call each other, with six snapshots of variables, two messages, a change of state and
 * a line of log. Most traces are requests with a logical process of their own; those of a job share one. Many traces are open
 * at once, so that the events of one are scattered.
 */
import { messageText } from './messages.mjs'
import { createRandom } from './random.mjs'

export const EVENTS_PER_TRACE = 50
export const FUNCTIONS = 2_000
/** Logical processes that run one trace after the other, as long as there is anything. */
export const JOBS = 6
export const FIRST_TIMESTAMP = 1_000_000_000_000
/** Nanoseconds from one event to the next, on average. */
export const MEAN_GAP_NS = 1_000
/** Numbers stand for types; `TYPE` names them. */
export const TYPES = Object.freeze(['function_entry', 'function_exit', 'local_variable_snapshot', 'log', 'message_send', 'message_receive', 'state_change'])
export const TYPE = Object.freeze({ entry: 0, exit: 1, snapshot: 2, log: 3, send: 4, receive: 5, change: 6 })

const MODULES = 40
const OPEN_TRACES = 64
const CALLS_PER_TRACE = 20
const MOST_DEPTH = 8
/** What a trace does besides calling, in this order. */
const EXTRAS = [TYPE.snapshot, TYPE.send, TYPE.snapshot, TYPE.log, TYPE.snapshot, TYPE.snapshot, TYPE.receive, TYPE.snapshot, TYPE.change, TYPE.snapshot]

/** Where events come from, by the number of the function. */
export const SITES = Object.freeze(
  Array.from({ length: FUNCTIONS }, (_, index) => {
    const module = `module-${String(index % MODULES).padStart(2, '0')}`
    return Object.freeze({ module, function: `function_${index}`, arity: index % 4, file: `src/${module}.js`, line: 1 + (index >> 3) })
  }),
)

/**
 * @typedef {object} Batch Columns of successive events. The arrays are filled anew for the next batch.
 * @property {number} first Number of the first event.
 * @property {number} count
 * @property {Uint8Array} type See `TYPES`.
 * @property {Int32Array} process See `pidOf`.
 * @property {Int32Array} trace See `correlationIdOf`.
 * @property {Uint16Array} site See `SITES`.
 * @property {Float64Array} parent Number of the causing event, or -1.
 * @property {Float64Array} timestamp Nanoseconds, growing.
 * @property {Float64Array} durationNs Of exits; else 0.
 * @property {Int16Array} x The variable `x` of snapshots, 0 to 999; else -1.
 */

/** @param {number} process Number of a request, or the complement of a job's number. */
export function pidOf(process) {
  return process >= 0 ? `request-${process}` : `job-${~process}`
}

/** @param {number} trace Number of a request, or the complement of the number of a job's run. */
export function correlationIdOf(trace) {
  return trace >= 0 ? `trace-${trace}` : `run-${~trace}`
}

/**
 * The payload of one event, as JSON in ASCII.
 *
 * @param {Batch} batch
 * @param {number} row Position in the batch.
 */
export function payloadOf(batch, row) {
  const trace = batch.trace[row]
  switch (batch.type[row]) {
    case TYPE.entry:
      return `{"args":[${trace},"EUR"]}`
    case TYPE.exit:
      return `{"duration_ns":${batch.durationNs[row]},"exit_reason":"normal"}`
    case TYPE.snapshot:
      return `{"variables":{"x":${batch.x[row]},"step":${batch.site[row]},"currency":"EUR"}}`
    case TYPE.log:
      return `{"level":"info","message":"${messageText(batch.first + row)}"}`
    case TYPE.change:
      return '{"old_state":"open","new_state":"paid","trigger":"payment"}'
    default:
      return `{"from":"${pidOf(batch.process[row])}","to":"mailer","message":{"order":${trace}},"message_id":"m-${trace}"}`
  }
}

/**
 * Makes all events, batch after batch.
 *
 * @param {number} events A multiple of `EVENTS_PER_TRACE`.
 * @param {number} [batchEvents]
 * @returns {Generator<Batch>}
 */
export function* generateEvents(events, batchEvents = 65_536) {
  const service = new Service(events / EVENTS_PER_TRACE)
  const batch = createBatch(Math.min(events, batchEvents))
  for (; batch.first < events; batch.first += batch.count) {
    batch.count = Math.min(batchEvents, events - batch.first)
    for (let row = 0; row < batch.count; row++) service.next(batch, row)
    yield batch
  }
}

/** @param {number} length */
function createBatch(length) {
  return {
    first: 0,
    count: 0,
    type: new Uint8Array(length),
    process: new Int32Array(length),
    trace: new Int32Array(length),
    site: new Uint16Array(length),
    parent: new Float64Array(length),
    timestamp: new Float64Array(length),
    durationNs: new Float64Array(length),
    x: new Int16Array(length),
  }
}

/** One of the traces that are open at a time. */
class OpenTrace {
  trace = 0
  process = 0
  callsLeft = 0
  extrasDone = 0
  /** Numbers of the open calls' entries and of their functions, outermost first. */
  entries = new Float64Array(MOST_DEPTH)
  sites = new Uint16Array(MOST_DEPTH)
  depth = 0

  /** Whether all of its events have been made. */
  get isDone() {
    return this.depth === 0 && this.callsLeft === 0
  }
}

/** What happens next, and when. */
class Service {
  #random = createRandom()
  #tracesLeft
  #requests = 0
  #runs = 0
  #timestamp = FIRST_TIMESTAMP
  /** @type {OpenTrace[]} Jobs come first. */
  #open = []

  /** @param {number} traces */
  constructor(traces) {
    this.#tracesLeft = traces
    for (let index = 0; index < OPEN_TRACES && this.#tracesLeft > 0; index++) {
      const open = new OpenTrace()
      open.process = index < JOBS ? ~index : 0
      this.#begin(open)
      this.#open.push(open)
    }
  }

  /** @param {OpenTrace} open Its process is a job, or else that of the request before. */
  #begin(open) {
    this.#tracesLeft--
    if (open.process < 0) open.trace = ~this.#runs++
    else open.trace = open.process = this.#requests++
    open.callsLeft = CALLS_PER_TRACE
    open.extrasDone = 0
  }

  /**
   * @param {Batch} batch
   * @param {number} row
   */
  next(batch, row) {
    const index = this.#random.below(this.#open.length)
    const open = this.#open[index]
    this.#timestamp += 1 + this.#random.below(2 * MEAN_GAP_NS - 1)
    batch.timestamp[row] = this.#timestamp
    batch.trace[row] = open.trace
    batch.process[row] = open.process
    batch.durationNs[row] = 0
    batch.x[row] = -1
    this.#act(open, batch, row)
    if (!open.isDone) return
    if (this.#tracesLeft > 0) this.#begin(open)
    else this.#open.splice(index, 1)
  }

  /**
   * @param {OpenTrace} open
   * @param {Batch} batch
   * @param {number} row
   */
  #act(open, batch, row) {
    const extrasLeft = EXTRAS.length - open.extrasDone
    const top = open.depth - 1
    const chance = this.#random.below(100)
    const isLastCall = top === 0 && open.callsLeft === 0
    if (top >= 0 && extrasLeft > 0 && (chance < 20 || isLastCall)) {
      this.#doExtra(open, batch, row)
    } else if (open.callsLeft > 0 && (top < 0 || (top === 0 && chance < 95) || (open.depth < MOST_DEPTH && chance < 62))) {
      this.#enter(open, batch, row)
    } else if (top > 0 || isLastCall) {
      this.#exit(open, batch, row)
    } else {
      this.#enter(open, batch, row)
    }
  }

  #enter(open, batch, row) {
    const share = this.#random.fraction()
    // Some functions are called far more often than others.
    const site = Math.floor(FUNCTIONS * share * share)
    batch.type[row] = TYPE.entry
    batch.site[row] = site
    batch.parent[row] = open.depth > 0 ? open.entries[open.depth - 1] : -1
    open.entries[open.depth] = batch.first + row
    open.sites[open.depth] = site
    open.depth++
    open.callsLeft--
  }

  #exit(open, batch, row) {
    const site = open.sites[--open.depth]
    batch.type[row] = TYPE.exit
    batch.site[row] = site
    batch.parent[row] = open.entries[open.depth]
    batch.durationNs[row] = 1 + Math.round(Math.exp(10 + (site % 17) * 0.15 + this.#random.normal()))
  }

  #doExtra(open, batch, row) {
    const type = EXTRAS[open.extrasDone++]
    batch.type[row] = type
    batch.site[row] = open.sites[open.depth - 1]
    batch.parent[row] = open.entries[open.depth - 1]
    if (type === TYPE.snapshot) batch.x[row] = this.#random.below(1_000)
  }
}
