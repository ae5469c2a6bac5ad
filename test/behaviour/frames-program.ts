/**
 * A random program of interleaved asynchronous calls that carries, by hand and as data of its events, what each event's
 * parent, trace and process have to be.
 */
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { EventId, Recorder } from 'kinescope'

/** Where the program is. It goes from function to function as an argument, never through the recorder. */
export interface Truth {
  /** Labels of the open calls, outermost first. */
  chain: string[]
  trace: string | null
  pid: string
}

/** What an entry says of itself. */
export interface CallTruth extends Truth {
  label: string
}

type Action = (inside: Truth, depth: number) => Promise<void>

const MAX_DEPTH = 5

/** Numbers from 0 to below 1 that a seed determines (mulberry32, by Tommy Ettinger). */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export class FramesProgram {
  calls = 0
  readonly #recorder: Recorder
  readonly #random: () => number
  readonly #actions: Action[]
  readonly #work: (own: CallTruth, depth: number) => Promise<void>
  readonly #sync: (own: CallTruth, depth: number) => Promise<void>[]
  readonly #asyncItems: (own: CallTruth) => AsyncGenerator<number>
  readonly #items: (own: CallTruth) => Generator<number>

  constructor(recorder: Recorder, seed: number) {
    this.#recorder = recorder
    this.#random = randomNumbers(seed)
    this.#work = recorder.wrap(async (own: CallTruth, depth: number) => this.#body(own, depth), { function: 'work' })
    this.#sync = recorder.wrap((own: CallTruth, depth: number) => this.#syncBody(own, depth), { function: 'sync' })
    const [log, pause] = [(own: CallTruth) => this.#log(own), () => this.#pause()]
    this.#asyncItems = recorder.wrap(async function* asyncItems(own: CallTruth) {
      for (let item = 0; item < 3; item += 1) {
        log(own)
        await pause()
        log(own)
        yield item
      }
    })
    this.#items = recorder.wrap(function* items(own: CallTruth) {
      for (let item = 0; item < 3; item += 1) {
        log(own)
        yield item
      }
    })
    this.#actions = [this.#one, this.#parallel, this.#synchronous, this.#bracketed, this.#nestedRun, this.#stream, this.#callbacks, this.#generators, this.#fails].map((action) => action.bind(this))
  }

  /** Runs interleaved requests, each in a `run` of its own, until there have been so many calls. */
  async run(requests: number, minCalls: number): Promise<void> {
    await Promise.all(Array.from({ length: requests }, (_, index) => this.#request(index, minCalls)))
  }

  async #request(index: number, minCalls: number): Promise<void> {
    const truth: Truth = { chain: [], trace: index % 7 === 0 ? null : `trace-${index}`, pid: `request-${index}` }
    await this.#recorder.run({ pid: truth.pid, correlationId: truth.trace }, async () => {
      while (this.calls < minCalls) {
        this.#log(truth)
        await this.#pick(this.#actions)(truth, 0)
        this.#log(truth)
      }
    })
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)]!
  }

  #call(inside: Truth): CallTruth {
    this.calls += 1
    const label = `call-${this.calls}`
    return { ...inside, chain: [...inside.chain, label], label }
  }

  #log({ chain, trace, pid }: Truth): EventId {
    return this.#recorder.record({ eventType: 'log', data: { chain, trace, pid } })
  }

  async #pause(): Promise<void> {
    const kind = Math.floor(this.#random() * 4)
    if (kind === 0) return
    if (kind === 1) await new Promise((resolve) => setTimeout(resolve, this.#random() * 4))
    else if (kind === 2) await new Promise((resolve) => setImmediate(resolve))
    else await new Promise<void>((resolve) => queueMicrotask(resolve))
  }

  async #body(own: CallTruth, depth: number): Promise<void> {
    this.#log(own)
    const steps = depth >= MAX_DEPTH ? 0 : Math.floor(this.#random() * 3)
    for (let step = 0; step < steps; step += 1) {
      await this.#pick(this.#actions)(own, depth + 1)
      this.#log(own)
      await this.#pause()
    }
    this.#log(own)
  }

  /** What is started here and awaited elsewhere still has this call for its parent. */
  #syncBody(own: CallTruth, depth: number): Promise<void>[] {
    this.#log(own)
    const started = depth < MAX_DEPTH && this.#random() < 0.5 ? [this.#work(this.#call(own), depth + 1)] : []
    const inner = depth < MAX_DEPTH && this.#random() < 0.5 ? this.#sync(this.#call(own), depth + 1) : []
    this.#log(own)
    return [...started, ...inner]
  }

  async #one(inside: Truth, depth: number): Promise<void> {
    await this.#work(this.#call(inside), depth)
  }

  async #parallel(inside: Truth, depth: number): Promise<void> {
    const branches = Array.from({ length: 3 }, () => this.#pick<Action>([this.#one, this.#nestedRun]).call(this, inside, depth))
    this.#log(inside)
    await Promise.all(branches)
  }

  async #synchronous(inside: Truth, depth: number): Promise<void> {
    const started = this.#sync(this.#call(inside), depth)
    this.#log(inside)
    await Promise.all(started)
  }

  /** `enter` and `exit` around awaits, which nothing else of the same frame overlaps. */
  async #bracketed(inside: Truth, depth: number): Promise<void> {
    const own = this.#call(inside)
    const call = this.#recorder.enter(this.#recorder.site({ module: 'program', function: 'bracketed', arity: 0 }), { args: [own] })
    this.#log(own)
    await this.#pause()
    await this.#one(own, depth)
    this.#log(own)
    if (this.#random() < 0.2) this.#recorder.fail(call, new Error('as planned'))
    else this.#recorder.exit(call)
    this.#log(inside)
  }

  async #nestedRun(inside: Truth, depth: number): Promise<void> {
    const changed = this.#random() < 0.5 ? { trace: `nested-${this.calls}` } : { pid: `job-${this.calls}` }
    const truth = { ...inside, ...changed }
    await this.#recorder.run({ correlationId: truth.trace, pid: truth.pid }, async () => {
      this.#log(truth)
      await this.#pause()
      if (depth < MAX_DEPTH) await this.#one(truth, depth + 1)
      this.#log(truth)
    })
  }

  async #stream(inside: Truth, _depth: number): Promise<void> {
    const log = () => this.#log(inside)
    const source = Readable.from([1, 2, 3])
    const double = new Transform({
      objectMode: true,
      transform(chunk: number, _encoding, done) {
        log()
        setImmediate(() => done(null, chunk * 2))
      },
    })
    await pipeline(source, double, async (chunks: AsyncIterable<number>) => {
      for await (const chunk of chunks) if (chunk > 0) log()
    })
    log()
  }

  async #callbacks(inside: Truth, _depth: number): Promise<void> {
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        this.#log(inside)
        process.nextTick(() => {
          this.#log(inside)
          resolve()
        })
      }, this.#random() * 3)
    })
  }

  async #generators(inside: Truth, _depth: number): Promise<void> {
    for await (const item of this.#asyncItems(this.#call(inside))) {
      this.#log(inside)
      if (item === 1 && this.#random() < 0.3) break
    }
    for (const item of this.#items(this.#call(inside))) {
      this.#log(inside)
      if (item === 1 && this.#random() < 0.3) break
    }
  }

  async #fails(inside: Truth, depth: number): Promise<void> {
    const failing = this.#recorder.wrap(async (own: CallTruth) => {
      this.#log(own)
      await this.#pause()
      await this.#one(own, depth)
      throw new Error(own.label)
    }, { function: 'failing' })
    const own = this.#call(inside)
    const error = await failing(own).catch((reason: unknown) => reason)
    if (!(error instanceof Error) || error.message !== own.label) throw new Error(`expected the error of ${own.label}, got ${String(error)}`)
    this.#log(inside)
  }
}
