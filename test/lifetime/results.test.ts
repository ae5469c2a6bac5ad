import type { RecordBatch, Table, Vector } from 'apache-arrow'
import { open, type Kinescope, type QueryResult } from 'kinescope'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { runChild } from './child.js'
import { CommandedWorker } from './commanded.js'
import { exact } from '../query/exact.js'

const EVENTS = 25_000
const SEGMENT_EVENTS = 10_000
const ALL = { limit: Number.MAX_SAFE_INTEGER }
const CLOSED = expect.objectContaining({ name: 'KinescopeError', code: 'CLOSED' })

let scope: Kinescope

beforeEach(async () => {
  scope = await open({ segmentEvents: SEGMENT_EVENTS })
  for (let number = 0; number < EVENTS; number += 1) {
    scope.recorder.record({ eventType: 'log', correlationId: number % 2 ? 'odd' : null, tags: { parity: number % 2 }, data: { number } })
  }
  await scope.flush()
})

afterEach(() => scope.close())

function seqValues(result: QueryResult, batch = 0): BigUint64Array {
  return result.table.batches[batch]!.data.children[0]!.values
}

function expectClosed(use: () => unknown) {
  expect(use).toThrow(CLOSED)
}

describe('after release()', () => {
  test('the result, its table, vectors and rows throw CLOSED, and releasing again does nothing', async () => {
    const result = await scope.dataAccess.queryEvents(ALL)
    const { table } = result
    const vectors = ['seq', 'event_type', 'parent_id', 'tags', 'data', 'arity'].map((name) => table.getChild(name)!)
    const correlation = table.getChild('correlation_id')!
    const row = table.get(1)!
    const rows = result[Symbol.iterator]()
    expect(rows.next().value.data).toEqual({ number: 0 })
    result.release()
    result.release()
    result[Symbol.dispose]()

    expectClosed(() => result.table)
    expectClosed(() => result.toArray())
    expectClosed(() => [...result])
    expectClosed(() => rows.next())
    expectClosed(() => result.toIPC('stream'))
    expectClosed(() => table.get(0)!.toJSON())
    expectClosed(() => row['seq'])
    expectClosed(() => table.getChild('seq')!.get(0))
    expectClosed(() => table.select(['seq']).getChild('seq')!.get(0))
    expectClosed(() => [...table].map((each) => each.toJSON()))
    expectClosed(() => correlation.get(0))
    for (const vector of vectors) expectClosed(() => vector.get(0))
    expect(result.totalMatches).toBe(EVENTS)
    expect(result.snapshot).toBe(BigInt(EVENTS))
  })

  const ofTable: ((table: Table) => unknown)[] = [
    (table) => table.numRows,
    (table) => table.numCols,
    (table) => table.nullCount,
    (table) => table.schema,
    (table) => table.batches.length,
    (table) => table.data,
    (table) => table.getChild('pid'),
    (table) => table.getChildAt(0),
    (table) => table.slice(0, 1).numRows,
    (table) => table.select(['pid']),
    (table) => table.toArray().length,
    (table) => [...table],
    (table) => table.get(0),
    (table) => table.isValid(0),
    (table) => String(table),
  ]
  const ofBatch: ((batch: RecordBatch) => unknown)[] = [
    (batch) => batch.numRows,
    (batch) => batch.numCols,
    (batch) => batch.nullCount,
    (batch) => batch.schema,
    (batch) => batch.data,
    (batch) => batch.dictionaries,
    (batch) => batch.getChild('pid'),
    (batch) => batch.slice(0, 1),
    (batch) => batch.toArray(),
    (batch) => batch.get(0),
    (batch) => batch.isValid(0),
  ]
  const ofVector: ((vector: Vector) => unknown)[] = [
    (vector) => vector.length,
    (vector) => vector.data,
    (vector) => vector.nullCount,
    (vector) => vector.nullable,
    (vector) => vector.byteLength,
    (vector) => vector.isValid(0),
    (vector) => vector.get(0),
    (vector) => vector.at(-1),
    (vector) => vector.slice(),
    (vector) => vector.slice(0, 1),
    (vector) => vector.toArray(),
    (vector) => [...vector],
    (vector) => vector.indexOf('main'),
  ]

  test.each<[string, () => Promise<{ table: Table; release(): void }>]>([
    ['a query', () => scope.dataAccess.queryEvents(ALL)],
    ['a projection', () => scope.dataAccess.queryEvents({ projection: ['pid', 'data.number'], limit: 5 })],
    ['an aggregate', () => scope.dataAccess.aggregateEvents({ groupBy: ['pid'], aggregations: { n: { count: '*' } } })],
  ])('nothing of the table of %s answers', async (_, ask) => {
    const result = await ask()
    const { table } = result
    // Some of it has been looked at before, and is kept.
    for (const use of [...ofTable, (of: Table) => of.batches[0]?.dictionaries]) use(table)
    const [batches, vectors] = [table.batches, table.schema.fields.map(({ name }) => table.getChild(name)!)]
    const data = batches.map((batch) => batch.data)
    expect(table.getChild('pid')).toBe(vectors[table.schema.fields.findIndex(({ name }) => name === 'pid')])
    result.release()
    for (const use of ofTable) expectClosed(() => use(table))
    for (const use of ofBatch) for (const batch of batches) expectClosed(() => use(batch))
    for (const use of ofVector) for (const vector of vectors) expectClosed(() => use(vector))
    for (const rows of data) expectClosed(() => rows.children[0])
  })

  test('nothing of a table without rows answers', async () => {
    const result = await scope.dataAccess.queryEvents({ limit: 0 })
    const { table } = result
    const vector = table.getChild('pid')!
    expect([table.numRows, vector.length]).toEqual([0, 0])
    result.release()
    for (const use of ofTable) expectClosed(() => use(table))
    expectClosed(() => vector.length)
  })

  test('nothing of the record batch of a subscription answers', async () => {
    const subscription = scope.eventStreamer.subscribe({ startFrom: { seq: 0 }, batchSize: 10 })
    for await (const delivered of subscription) {
      const { batch } = delivered
      for (const use of ofBatch) use(batch)
      const slice = batch.slice()
      const [vectors, expected] = [batch.schema.fields.map(({ name }) => batch.getChild(name)!), batch.toArray().map((row) => exact(row.toJSON()))]
      delivered.release()
      for (const use of ofBatch) expectClosed(() => use(batch))
      for (const use of ofVector) for (const vector of vectors) expectClosed(() => use(vector))
      expect(slice.toArray().map((row) => exact(row.toJSON()))).toEqual(expected)
      break
    }
  })

  test('slices of every column stay readable, of a part and of all of it', async () => {
    const expected = (await scope.dataAccess.queryEvents(ALL)).toArray().map(({ data }) => data.number as number)
    const result = await scope.dataAccess.queryEvents(ALL)
    const { table } = result
    const rowsOf = (of: Table) => of.toArray().map((row) => exact(row.toJSON()))
    const pieces = [[1, 3], [SEGMENT_EVENTS - 2, SEGMENT_EVENTS + 2]] as const
    const before = pieces.map(([begin, end]) => table.slice(begin, end))
    const rowsBefore = before.map(rowsOf)
    const whole = table.slice()
    const ofColumns = table.schema.fields.flatMap(({ name }) => [table.getChild(name)!.slice(0, SEGMENT_EVENTS), table.getChild(name)!.slice(3, 9)])
    const columnsBefore = ofColumns.map((column) => exact(column.toJSON()))
    const typed = [before[0]!, whole].map((of) => of.getChild('seq')!.get(1))
    result.release()
    await scope.close()
    expect(before.map(rowsOf)).toEqual(rowsBefore)
    expect(ofColumns.map((column) => exact(column.toJSON()))).toEqual(columnsBefore)
    expect([before[0]!, whole].map((of) => of.getChild('seq')!.get(1))).toEqual(typed)
    expect([...whole.getChild('data')!].map((text) => JSON.parse(text).number as number)).toEqual(expected)
    expect([...whole.getChild('tags')!.get(1)!]).toEqual([['parity', '1']])
  })

  test('typed arrays and slices taken before stay readable and right, also after the recording is closed', async () => {
    const result = await scope.dataAccess.queryEvents(ALL)
    const values = seqValues(result)
    const part = values.subarray(100, 200)
    const sliced = result.table.getChild('data')!.slice(10, 20)
    result.release()
    await scope.close()
    expect(part.every((value, index) => value === BigInt(100 + index))).toBe(true)
    expect(values).toHaveLength(SEGMENT_EVENTS)
    expect(sliced.toJSON().map((text) => JSON.parse(text))).toEqual(Array.from({ length: 10 }, (_, index) => ({ number: 10 + index })))
  })

  test('other results over the same memory are not affected', async () => {
    const [one, other] = await Promise.all([scope.dataAccess.queryEvents(ALL), scope.dataAccess.queryEvents(ALL)])
    expect(one.table.numRows).toBe(EVENTS)
    expect(other.table.numRows).toBe(EVENTS)
    one.release()
    expect(other.table.getChild('seq')!.get(EVENTS - 1)).toBe(BigInt(EVENTS - 1))
    expect(other.toArray().every(({ data }, index) => data.number === index)).toBe(true)
  })
})

test('a result that is not released outlives the recording', async () => {
  const result = await scope.dataAccess.queryEvents(ALL)
  await scope.close()
  await scope.close()
  expect(result.toArray().every(({ data }, index) => data.number === index)).toBe(true)
  expect(result.toIPC('file').byteLength).toBeGreaterThan(EVENTS * 16)
  await expect(scope.dataAccess.queryEvents()).rejects.toThrow(CLOSED)
  expectClosed(() => scope.dataAccess.queryEventsSync())
  await expect(scope.dataAccess.getEvent('1-0')).rejects.toThrow(CLOSED)
  await expect(scope.flush()).rejects.toThrow(CLOSED)
  for (const use of [() => scope.flushSync(), () => scope.now(), () => scope.stats()]) expectClosed(use)
  expect(scope.recorder.record({ eventType: 'late' })).toBe('0-0')
})

describe('the memory behind a result', () => {
  test('cannot be transferred, and posting it makes a copy', async () => {
    const result = await scope.dataAccess.queryEvents(ALL)
    const values = seqValues(result)
    const buffer = values.buffer as ArrayBuffer & Record<'transfer' | 'transferToFixedLength', (() => ArrayBuffer) | undefined>
    const { port1, port2 } = new MessageChannel()
    const attempts = [
      () => structuredClone(values, { transfer: [buffer] }),
      () => structuredClone(buffer, { transfer: [buffer] }),
      () => port1.postMessage(values, [buffer]),
      () => buffer.transfer?.(),
      () => buffer.transferToFixedLength?.(),
    ]
    for (const attempt of attempts) {
      try {
        attempt()
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }
    const copy = structuredClone(values.subarray(0, 10))
    expect(copy.buffer).not.toBe(buffer)
    expect([...copy]).toEqual(Array.from({ length: 10 }, (_, index) => BigInt(index)))
    port1.close()
    port2.close()
    // Whatever came of the attempts: memory is as it was, for this result or for the next.
    const next = await scope.dataAccess.queryEvents(ALL)
    expect(next.toArray().every(({ seq, data }, index) => seq === BigInt(index) && data.number === index)).toBe(true)
  })

  test('is not copied: results over the same sealed segments share it, in one thread as the same buffer', async () => {
    const sealed = { limit: 2 * SEGMENT_EVENTS }
    const [one, other] = [await scope.dataAccess.queryEvents(sealed), scope.dataAccess.queryEventsSync({ ...sealed, eventTypes: ['log'] })]
    expect(seqValues(one)).toHaveLength(SEGMENT_EVENTS)
    for (const batch of [0, 1]) {
      const [mine, its] = [seqValues(one, batch), seqValues(other, batch)]
      expect(mine.buffer).toBe(its.buffer)
      expect(mine.byteOffset).toBe(its.byteOffset)
      for (const [index, child] of one.table.batches[batch]!.data.children.entries()) {
        expect(child.values?.buffer, one.table.schema.fields[index]!.name).toBe(other.table.batches[batch]!.data.children[index]!.values?.buffer)
      }
    }
    const { copiedBytes, gatheredBytes, zeroCopy } = scope.stats()
    expect({ copiedBytes, gatheredBytes }).toEqual({ copiedBytes: 0, gatheredBytes: 0 })
    expect(zeroCopy).not.toBe('copied')
  })

  test('is the same for another thread: what is written here is read there', async () => {
    const worker = new CommandedWorker(scope.handle)
    await worker.tell('attach')
    await worker.tell('query', ALL)
    const values = seqValues(await scope.dataAccess.queryEvents(ALL))
    expect(await worker.tell('readSeq', { count: 3 })).toEqual([0n, 1n, 2n])
    values[1] = 0xfeed_f00d_cafen
    expect(await worker.tell('readSeq', { count: 3 })).toEqual([0n, 0xfeed_f00d_cafen, 2n])
    const posted = await worker.tell('postSeq', { count: 3 })
    values[1] = 1n
    expect([...posted]).toEqual([0n, 0xfeed_f00d_cafen, 2n])
    await worker.worker.terminate()
    expect([...values.subarray(0, 3)]).toEqual([0n, 1n, 2n])
  })
})

test('garbage collection frees what nothing holds, and nothing else', { timeout: 120_000 }, async () => {
  const { status, signal, stderr, report } = await runChild('gc', [], ['--expose-gc'])
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  expect(report).toEqual({
    releasedAndCollected: { intact: true, intactAfterClose: true },
    closedWhileHeld: { intact: true },
    retention: { later: 0, isSame: true, isLeased: true },
    leases: { isHeld: true, left: 0, copiedBytes: 0 },
    manyDropped: { leasedBytes: 0 },
  })
})

test('workers terminated while they read take nothing down with them', { timeout: 120_000 }, async () => {
  const { status, signal, stderr, report } = await runChild('terminated-reader')
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  expect(report).toEqual({ intact: true })
})
