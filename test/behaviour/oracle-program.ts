/** Random programs of recording calls, run by the package and by the oracle alike. */
import * as fc from 'fast-check'
import type { Call, Context, EventId, EventInput, Recorder } from 'kinescope'
import { events, payloads, type InputEvent } from '../support/arbitraries.js'
import { hostileValues, type Recipe } from '../support/hostile.js'

/** Gives the same value to both; a function, because fast-check looks into everything else. */
type Shared = () => unknown

type SyncStep =
  | { do: 'record'; event: InputEvent; data: Shared }
  | { do: 'emit'; fields: Shared[] }
  | { do: 'enter'; site: number; data: Shared }
  | { do: 'exit'; call: number; data: Shared }
  | { do: 'fail'; call: number; error: Shared }
  | { do: 'snapshot'; variables: Shared; line: number | undefined; call: number | undefined }
  | { do: 'context' }
  | { do: 'idOf'; call: number }
  | { do: 'wrapSync'; args: Shared[]; outcome: Outcome; steps: SyncStep[] }
  | { do: 'generator'; items: number; taken: number; steps: SyncStep[] }
  | { do: 'runSync'; context: object; steps: SyncStep[] }
  | { do: 'disabled'; steps: SyncStep[] }

type Step =
  | SyncStep
  | { do: 'pause' }
  | { do: 'wrapAsync'; args: Shared[]; outcome: Outcome; steps: Step[] }
  | { do: 'promise'; outcome: Outcome; steps: SyncStep[] }
  | { do: 'asyncGenerator'; items: number; taken: number; steps: Step[] }
  | { do: 'runAsync'; context: object; steps: Step[] }

interface Outcome {
  throws: boolean
  value: Shared
}

export type Program = Step[]

function once(make: Recipe): Shared {
  let made: { value: unknown } | undefined
  return () => (made ??= { value: make() }).value
}

const value = () => fc.oneof({ weight: 3, arbitrary: payloads().map((payload) => () => payload) }, { weight: 1, arbitrary: hostileValues() }).map(once)
const outcome = fc.record({ throws: fc.boolean(), value: value() })
const callIndex = fc.nat(6)
const context = () =>
  fc.record(
    {
      pid: fc.option(fc.constantFrom('main', 'job-1', 'job-2')),
      correlationId: fc.option(fc.constantFrom('trace-a', 'trace-c')),
      parentId: fc.option(fc.constantFrom('40000-1', '1-0')),
      tags: fc.option(fc.dictionary(fc.constantFrom('region', 'n', '__proto__'), fc.oneof(fc.string(), fc.integer(), fc.boolean()), { minKeys: 1 })),
    },
    { requiredKeys: [] },
  )

/** Sequences of steps, nested; every promise is awaited before the next step, so that there is one right order. */
export function programs(): fc.Arbitrary<Program> {
  const { steps } = fc.letrec<{ syncStep: SyncStep; syncSteps: SyncStep[]; step: Step; steps: Step[] }>((tie) => {
    const syncSteps = tie('syncSteps') as fc.Arbitrary<SyncStep[]>
    const inner = tie('steps') as fc.Arbitrary<Step[]>
    const step = <T extends string>(name: T, fields: Record<string, fc.Arbitrary<unknown>>) => fc.record({ do: fc.constant(name), ...fields }) as fc.Arbitrary<any>
    const args = fc.array(value(), { maxLength: 3 })
    const leaves = [
      step('record', { event: events(), data: value() }),
      step('emit', { fields: fc.array(value(), { minLength: 5, maxLength: 5 }) }),
      step('enter', { site: fc.nat(1), data: value() }),
      step('exit', { call: callIndex, data: value() }),
      step('fail', { call: callIndex, error: value() }),
      step('snapshot', { variables: value(), line: fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined }), call: fc.option(callIndex, { nil: undefined }) }),
      step('context', {}),
      step('idOf', { call: callIndex }),
    ]
    const nested = [
      step('wrapSync', { args, outcome, steps: syncSteps }),
      step('generator', { items: fc.nat(3), taken: fc.nat(4), steps: syncSteps }),
      step('runSync', { context: context(), steps: syncSteps }),
      step('disabled', { steps: syncSteps }),
    ]
    const nestedAsync = [
      step('wrapAsync', { args, outcome, steps: inner }),
      step('promise', { outcome, steps: syncSteps }),
      step('asyncGenerator', { items: fc.nat(3), taken: fc.nat(4), steps: inner }),
      step('runAsync', { context: context(), steps: inner }),
    ]
    return {
      syncStep: fc.oneof({ depthSize: 'small' }, ...leaves, ...nested),
      syncSteps: fc.array(tie('syncStep') as fc.Arbitrary<SyncStep>, { maxLength: 4 }),
      step: fc.oneof({ depthSize: 'small' }, step('pause', {}), tie('syncStep'), tie('syncStep'), ...nestedAsync) as fc.Arbitrary<Step>,
      steps: fc.array(tie('step') as fc.Arbitrary<Step>, { maxLength: 5 }),
    }
  })
  return fc.array(steps as fc.Arbitrary<Step[]>, { minLength: 1, maxLength: 4 }).map((parts) => parts.flat())
}

/** Runs a program and keeps all that the recorder returns to it. */
export class Interpreter {
  /** What the calls returned, in order. */
  readonly returned: unknown[] = []
  readonly #recorder: Recorder
  readonly #calls: Call[] = []
  readonly #sites
  readonly #emit: (fields: any) => void

  constructor(recorder: Recorder) {
    this.#recorder = recorder
    this.#sites = [recorder.site({ module: 'program', function: 'first', arity: 0 }), recorder.site({ module: 'program', function: 'second', arity: 2, file: 'a.js', line: 7 })]
    this.#emit = recorder.define('emitted', { i: 'i64', f: 'f64', b: 'bool', u: 'utf8', s: 'symbol' })
  }

  async run(steps: Step[]): Promise<void> {
    for (const step of steps) {
      if (step.do === 'pause') await Promise.resolve()
      else if (step.do === 'wrapAsync') await this.#wrapAsync(step)
      else if (step.do === 'promise') await this.#promise(step)
      else if (step.do === 'asyncGenerator') await this.#asyncGenerator(step)
      else if (step.do === 'runAsync') await this.#recorder.run(step.context, async () => this.run(step.steps))
      else this.#runSync([step])
    }
  }

  #runSync(steps: SyncStep[]): void {
    for (const step of steps) if (!this.#leaf(step)) this.#nested(step)
  }

  #call(index: number): Call {
    return this.#calls[index % Math.max(1, this.#calls.length)] ?? (0 as Call)
  }

  #leaf(step: SyncStep): boolean {
    const recorder = this.#recorder
    switch (step.do) {
      case 'record':
        this.#keep(recorder.record({ ...step.event, data: step.data() } as EventInput))
        return true
      case 'emit': {
        const [i, f, b, u, s] = step.fields.map((field) => field())
        // How the package cuts symbols is not the oracle's concern.
        this.#emit({ i, f, b, u, s: typeof s === 'string' ? s.slice(0, 100) : s })
        return true
      }
      case 'enter':
        this.#calls.push(recorder.enter(this.#sites[step.site]!, step.data()))
        return true
      case 'exit':
        recorder.exit(this.#call(step.call), step.data())
        return true
      case 'fail':
        recorder.fail(this.#call(step.call), step.error())
        return true
      case 'snapshot': {
        const options = { ...(step.line !== undefined && { line: step.line }), ...(step.call !== undefined && { call: this.#call(step.call) }) }
        this.#keep(recorder.snapshot(step.variables() as Record<string, unknown>, options))
        return true
      }
      case 'context':
        this.#keep(recorder.context())
        return true
      case 'idOf':
        this.#keep(recorder.idOf(this.#call(step.call)))
        return true
      default:
        return false
    }
  }

  #nested(step: SyncStep): void {
    const recorder = this.#recorder
    if (step.do === 'wrapSync') {
      const wrapped = recorder.wrap((..._args: unknown[]) => this.#finish(step.outcome, () => this.#runSync(step.steps)), { function: 'wrapped', captureResult: true })
      this.#tolerate(() => wrapped(...step.args.map((arg) => arg())))
    } else if (step.do === 'generator') {
      const body = () => this.#runSync(step.steps)
      const wrapped = recorder.wrap(function* items() {
        for (let item = 0; item < step.items; item += 1) {
          body()
          yield item
        }
      })
      let taken = 0
      for (const item of wrapped()) {
        this.#keep(item)
        if (++taken >= step.taken) break
      }
    } else if (step.do === 'runSync') {
      recorder.run(step.context, () => this.#runSync(step.steps))
    } else if (step.do === 'disabled') {
      recorder.enabled = false
      this.#runSync(step.steps)
      recorder.enabled = true
    }
  }

  async #wrapAsync(step: Extract<Step, { do: 'wrapAsync' }>): Promise<void> {
    const wrapped = this.#recorder.wrap(async (..._args: unknown[]) => {
      await this.run(step.steps)
      return this.#finish(step.outcome, () => {})
    }, { function: 'wrappedAsync' })
    await this.#tolerateAsync(() => wrapped(...step.args.map((arg) => arg())))
  }

  async #promise(step: Extract<Step, { do: 'promise' }>): Promise<void> {
    const wrapped = this.#recorder.wrap(() => {
      this.#runSync(step.steps)
      return step.outcome.throws ? Promise.reject(step.outcome.value()) : Promise.resolve(null)
    }, { function: 'promise' })
    await this.#tolerateAsync(wrapped)
  }

  async #asyncGenerator(step: Extract<Step, { do: 'asyncGenerator' }>): Promise<void> {
    const body = () => this.run(step.steps)
    const wrapped = this.#recorder.wrap(async function* asyncItems() {
      for (let item = 0; item < step.items; item += 1) {
        await body()
        yield item
      }
    })
    let taken = 0
    for await (const item of wrapped()) {
      this.#keep(item)
      if (++taken >= step.taken) break
    }
  }

  #finish({ throws, value: make }: Outcome, body: () => void): unknown {
    body()
    if (throws) throw make()
    // A hostile value would be asked for its `then` by whoever awaits it.
    return typeof make() === 'object' ? null : make()
  }

  #tolerate(use: () => unknown): void {
    try {
      use()
    } catch {
      this.#keep('thrown')
    }
  }

  async #tolerateAsync(use: () => Promise<unknown>): Promise<void> {
    try {
      await use()
    } catch {
      this.#keep('rejected')
    }
  }

  #keep(result: EventId | Context | number | 'thrown' | 'rejected'): void {
    this.returned.push(result)
  }
}
