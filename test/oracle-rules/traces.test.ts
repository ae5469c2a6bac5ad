/** "Traces, stacks, states" of the semantics. */
import { describe, expect, it } from 'vitest'
import { codeOf, oracleWith, seqs } from './events.js'

const ENTRY = 'function_entry'
const EXIT = 'function_exit'
const id = (sequence: number) => `40000-${sequence}`

describe('a trace', () => {
  const events = [
    { eventId: id(0), correlationId: 'x' },
    { eventId: id(1), parentId: id(0) },
    { eventId: id(2), parentId: id(1), pid: 'other' },
    { eventId: id(3), correlationId: 'y', parentId: id(0) },
    { eventId: id(4), parentId: id(3) },
    { eventId: id(5) },
    { eventId: id(6), parentId: id(5) },
    { eventId: id(7), parentId: id(8) },
    { eventId: id(8), parentId: id(7) },
    { eventId: id(9), parentId: id(8) },
  ]
  const trace = async (of: string, query?: object) => {
    const oracle = await oracleWith(events)
    return seqs(await oracle.dataAccess.getTraceByCorrelationId(of, query))
  }

  it('is what has the correlation id, and what reaches it without one', async () => {
    expect(await trace('x')).toEqual([0, 1, 2])
    expect(await trace('y')).toEqual([3, 4])
  })

  it('is found from any of its events', async () => {
    expect(await trace(id(2))).toEqual([0, 1, 2])
    expect(await trace(id(4))).toEqual([3, 4])
    expect(await trace(id(6))).toEqual([5, 6])
  })

  it('ends at cycles', async () => {
    expect(await trace(id(9))).toEqual([7, 8, 9])
    expect(await trace(id(7))).toEqual([7, 8, 9])
  })

  it('is filtered afterwards', async () => {
    expect(await trace('x', { pid: 'other' })).toEqual([2])
    expect(await trace('x', { sortOrder: 'desc', limit: 2 })).toEqual([2, 1])
  })

  it('prefers a correlation id over an event id, and must be one of them', async () => {
    const oracle = await oracleWith([{ eventId: id(0) }, { correlationId: id(0) }])
    expect(seqs(await oracle.dataAccess.getTraceByCorrelationId(id(0)))).toEqual([1])
    expect(await codeOf(() => trace('nobody'))).toBe('NOT_FOUND')
    expect(await codeOf(() => trace(id(99)))).toBe('NOT_FOUND')
  })
})

describe('the call stack by parents', () => {
  const entry = (sequence: number, fn: string, parent: number | null, pid = 'p') => ({ eventType: ENTRY, eventId: id(sequence), function: fn, pid, parentId: parent === null ? null : id(parent) })
  const exit = (of: number, pid = 'p') => ({ eventType: EXIT, parentId: id(of), pid })
  const stack = async (events: object[], time: number, pid = 'p') => {
    const oracle = await oracleWith(events as Record<string, unknown>[])
    const { frames, ...rest } = await oracle.dataAccess.getCallStackAt(pid, time)
    return { functions: frames.map((frame) => frame.function), ...rest }
  }
  const events = [entry(0, 'a', null), entry(1, 'b', 0), { ...exit(1), timestamp: 5 }, { ...entry(2, 'c', 0), timestamp: 6 }, { ...exit(0), timestamp: 7 }]

  it('is the latest open call and its parents, innermost first', async () => {
    expect(await stack(events, 0)).toEqual({ functions: ['a'], complete: true })
    expect(await stack(events, 4)).toEqual({ functions: ['b', 'a'], complete: true })
    expect(await stack(events, 5)).toEqual({ functions: ['a'], complete: true })
    expect(await stack(events, 6)).toEqual({ functions: ['c', 'a'], complete: true })
    expect(await stack(events, 7)).toEqual({ functions: ['c'], complete: true })
    expect(await stack(events, -1)).toEqual({ functions: [], complete: true })
  })

  it('goes across pids and leaves out what is no entry', async () => {
    const message = { eventType: 'message_send', eventId: id(10), parentId: id(0), pid: 'q' }
    const across = [entry(0, 'a', null, 'q'), message, { ...entry(1, 'b', 10), timestamp: 3 }, { ...exit(0, 'q'), timestamp: 4 }]
    expect(await stack(across, 3)).toEqual({ functions: ['b', 'a'], complete: true })
    expect(await stack(across, 4)).toEqual({ functions: ['b'], complete: true })
  })

  it('tells the facts of each frame', async () => {
    const oracle = await oracleWith([{ ...entry(0, 'a', null), module: 'm', arity: 2, file: 'm.js', line: 9, timestamp: 77 }, entry(1, 'z', 0, 'other')])
    const { frames } = await oracle.dataAccess.getCallStackAt('p', 100)
    expect(frames).toEqual([{ pid: 'p', module: 'm', function: 'a', arity: 2, file: 'm.js', line: 9, entryId: id(0), enteredAt: 77n }])
  })

  it('is truncated where the log does not reach back', async () => {
    expect(await stack([entry(1, 'b', 0)], 5)).toEqual({ functions: ['b'], complete: false, reason: 'truncated' })
    const oracle = await oracleWith([entry(0, 'a', null), entry(1, 'b', 0), exit(1)])
    oracle.evictBefore(2n)
    expect(await oracle.dataAccess.getCallStackAt('p', 5)).toEqual({ frames: [], complete: false, reason: 'truncated' })
  })

  it('ends at cycles and does not take the future for the past', async () => {
    expect(await stack([entry(0, 'a', 1), entry(1, 'b', 0)], 5)).toEqual({ functions: ['b', 'a'], complete: true })
    expect(await stack([{ ...entry(0, 'a', null), timestamp: 9 }, entry(1, 'b', 0)], 5)).toEqual({ functions: ['b'], complete: true })
  })

  it('needs a pid that has recorded', async () => {
    expect(await codeOf(() => stack([], 0))).toBe('NOT_FOUND')
    const oracle = await oracleWith([{ pid: 'gone' }])
    oracle.evictBefore(1n)
    expect(await codeOf(() => oracle.dataAccess.getCallStackAt('gone', 5))).toBe('no error')
  })
})

describe('the call stack by matching', () => {
  const call = (eventType: string, fn: string) => ({ eventType, function: fn, pid: 'p' })
  const stack = async (calls: string, evictBefore = 0n) => {
    const events = [...calls].map((letter) => call(letter === letter.toLowerCase() ? ENTRY : EXIT, letter.toLowerCase()))
    const oracle = await oracleWith(events)
    oracle.evictBefore(evictBefore)
    const { frames, complete, reason } = await oracle.dataAccess.getCallStackAt('p', 1000)
    return [frames.map((frame) => frame.function).join(''), complete ? 'complete' : reason]
  }

  it('pops the nearest entry of the same function', async () => {
    expect(await stack('abB')).toEqual(['a', 'complete'])
    expect(await stack('abaA')).toEqual(['ba', 'complete'])
    expect(await stack('abA')).toEqual(['b', 'complete'])
  })

  it('is unbalanced after an exit without an entry', async () => {
    expect(await stack('aB')).toEqual(['a', 'unbalanced'])
  })

  it('is truncated when anything has been evicted', async () => {
    expect(await stack('abB', 1n)).toEqual(['', 'truncated'])
  })

  it('tells functions apart by module and arity', async () => {
    const oracle = await oracleWith([{ ...call(ENTRY, 'f'), module: 'm', arity: 1 }, { ...call(EXIT, 'f'), module: 'm', arity: 2 }])
    expect(await oracle.dataAccess.getCallStackAt('p', 9)).toMatchObject({ frames: [{ arity: 1 }], complete: false, reason: 'unbalanced' })
  })
})

describe('states', () => {
  const snapshot = (timestamp: number, fn: string, variables: object) => ({ eventType: 'local_variable_snapshot', module: 'm', function: fn, arity: 0, pid: 'p', timestamp, data: { variables } })
  const events = [
    snapshot(1, 'f', { x: 1, y: null }),
    snapshot(3, 'f', { x: 3 }),
    // Stored later, happened earlier.
    snapshot(2, 'f', { x: 2 }),
    snapshot(4, 'g', { x: 4 }),
    { ...snapshot(4, 'f', { x: 'not ours' }), pid: 'q' },
    { eventType: 'state_snapshot', module: 'm', pid: 'p', timestamp: 5, data: { state: { open: 1 }, checkpoint: 'manual' } },
    { eventType: 'state_change', module: 'm', pid: 'p', timestamp: 6, data: { old_state: { open: 1 }, new_state: 'closed', trigger: 't' } },
    { eventType: 'state_change', module: 'm', pid: 'p', timestamp: 6, data: { name: 'door', new_state: 'ajar' } },
    { eventType: 'log', pid: 'p', timestamp: 7, data: { state: 'no state event' } },
  ]

  it('are the last value of every variable and every state at a time', async () => {
    const { dataAccess } = await oracleWith(events)
    const at = async (time: number) => {
      const { variables, states } = await dataAccess.getStateAt('p', time)
      return [variables.map((v) => [v.function, v.name, v.value, v.timestamp]), states.map((s) => [s.module, s.name, s.value])]
    }
    expect(await at(0)).toEqual([[], []])
    expect(await at(2)).toEqual([[['f', 'x', 2, 2n], ['f', 'y', null, 1n]], []])
    expect(await at(5)).toEqual([[['f', 'x', 3, 3n], ['f', 'y', null, 1n], ['g', 'x', 4, 4n]], [['m', null, { open: 1 }]]])
    expect((await at(9))[1]).toEqual([['m', 'door', 'ajar'], ['m', null, 'closed']])
    expect(await codeOf(() => dataAccess.getStateAt('nobody', 0))).toBe('NOT_FOUND')
  })

  it('name the event that they come from', async () => {
    const { dataAccess } = await oracleWith([{ ...events[0], eventId: id(3) }])
    expect((await dataAccess.getStateAt('p', 9)).variables[0]).toEqual({ module: 'm', function: 'f', arity: 0, name: 'x', value: 1, eventId: id(3), timestamp: 1n })
  })

  it('are recorded by three types of events', async () => {
    const { dataAccess } = await oracleWith(events)
    expect(seqs(await dataAccess.getStateSnapshots('p'))).toEqual([0, 2, 1, 3, 5, 6, 7])
    expect(seqs(await dataAccess.getStateSnapshots('p', { eventTypes: ['state_change'], sortOrder: 'desc' }))).toEqual([7, 6])
    expect(seqs(await dataAccess.getStateSnapshots('nobody'))).toEqual([])
  })
})
