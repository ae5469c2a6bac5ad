/** The events as Arrow tables, of the columns that answers have but those that follow from others. */
import { Dictionary, Field, Int32, Int64, makeData, RecordBatch, Schema, Struct, Table, Uint16, Uint32, Uint64, Utf8, vectorFromArray } from 'apache-arrow'
import { correlationIdOf, payloadOf, pidOf, SITES, TYPES } from './events.mjs'

/** Imported events have this producer, and their own number. */
const PRODUCER = 32_768
const TEXT = new Utf8()

/** Dictionaries that are the same for all tables, and the code of each function in them. */
const MODULES = siteDictionary('module')
const NAMES = siteDictionary('function')
const FILES = siteDictionary('file')
const TYPE_NAMES = vectorFromArray(TYPES, TEXT)
const NODES = vectorFromArray(['bench'], TEXT)
const ARITIES = SITES.map(({ arity }) => arity)
const LINES = SITES.map(({ line }) => line)

/**
 * @param {import('./events.mjs').Batch} batch
 * @returns {Table} Of memory of its own.
 */
export function tableOf(batch) {
  const { count } = batch
  const sites = batch.site.subarray(0, count)
  const columns = {
    event_id: plain(new Uint64(), wideIntegers(count, (row) => batch.first + row, idWords)),
    timestamp: plain(new Int64(), new BigInt64Array(wideIntegers(count, (row) => batch.timestamp[row], words).buffer)),
    event_type: dictionary(TYPE_NAMES, Int32Array.from(batch.type.subarray(0, count))),
    node: dictionary(NODES, new Int32Array(count)),
    pid: textsByNumber(batch.process.subarray(0, count), pidOf),
    correlation_id: textsByNumber(batch.trace.subarray(0, count), correlationIdOf),
    parent_id: parents(batch.parent.subarray(0, count)),
    module: dictionary(MODULES.texts, pick(new Int32Array(count), MODULES.codes, sites)),
    function: dictionary(NAMES.texts, pick(new Int32Array(count), NAMES.codes, sites)),
    arity: plain(new Uint16(), pick(new Uint16Array(count), ARITIES, sites)),
    file: dictionary(FILES.texts, pick(new Int32Array(count), FILES.codes, sites)),
    line: plain(new Uint32(), pick(new Uint32Array(count), LINES, sites)),
    data: payloads(batch),
  }
  const schema = new Schema(Object.entries(columns).map(([name, { type, nullCount }]) => new Field(name, type, nullCount > 0)))
  const struct = makeData({ type: new Struct(schema.fields), length: count, nullCount: 0, children: Object.values(columns) })
  return new Table(new RecordBatch(schema, struct))
}

/** @param {'module' | 'function' | 'file'} field */
function siteDictionary(field) {
  const distinct = [...new Set(SITES.map((site) => site[field]))]
  const codeOf = new Map(distinct.map((text, code) => [text, code]))
  return { texts: vectorFromArray(distinct, TEXT), codes: SITES.map((site) => codeOf.get(site[field])) }
}

/** A column without absent values. */
function plain(type, data) {
  return makeData({ type, data, length: data.length, nullCount: 0 })
}

/**
 * @param {import('apache-arrow').Vector<Utf8>} values
 * @param {Int32Array} codes
 */
function dictionary(values, codes) {
  return makeData({ type: new Dictionary(TEXT, new Int32()), length: codes.length, nullCount: 0, data: codes, dictionary: values })
}

/** Fills a typed array with the values that functions have. */
function pick(target, values, sites) {
  for (let row = 0; row < sites.length; row++) target[row] = values[sites[row]]
  return target
}

/**
 * A column of texts that follow from numbers, many of which are equal.
 *
 * @param {Int32Array} numbers
 * @param {(number: number) => string} textOf
 */
function textsByNumber(numbers, textOf) {
  /** @type {Map<number, number>} */
  const codeOf = new Map()
  const codes = new Int32Array(numbers.length)
  for (let row = 0; row < numbers.length; row++) {
    const code = codeOf.get(numbers[row])
    codes[row] = code ?? codeOf.size
    if (code === undefined) codeOf.set(numbers[row], codeOf.size)
  }
  return dictionary(vectorFromArray(Array.from(codeOf.keys(), textOf), TEXT), codes)
}

/** @param {import('./events.mjs').Batch} batch Its payloads are ASCII: a character is a byte. */
function payloads(batch) {
  const valueOffsets = new Int32Array(batch.count + 1)
  const values = []
  for (let row = 0; row < batch.count; row++) {
    const value = payloadOf(batch, row)
    values.push(value)
    valueOffsets[row + 1] = valueOffsets[row] + value.length
  }
  return makeData({ type: TEXT, length: batch.count, nullCount: 0, valueOffsets, data: Buffer.from(values.join(''), 'latin1') })
}

/** @param {Float64Array} numbers Of events; -1 where there is no parent. */
function parents(numbers) {
  const data = wideIntegers(numbers.length, (row) => Math.max(0, numbers[row]), idWords)
  const nullBitmap = new Uint8Array(Math.ceil(numbers.length / 8))
  let nullCount = 0
  for (let row = 0; row < numbers.length; row++) {
    if (numbers[row] < 0) nullCount++
    else nullBitmap[row >> 3] |= 1 << (row & 7)
  }
  return makeData({ type: new Uint64(), length: numbers.length, nullCount, nullBitmap, data })
}

/**
 * Integers of 64 bits, without making a bigint of each.
 *
 * @param {number} count
 * @param {(row: number) => number} valueOf A safe integer.
 * @param {(high: number) => number} highWord What becomes of the upper half.
 */
function wideIntegers(count, valueOf, highWord) {
  const halves = new Uint32Array(2 * count)
  for (let row = 0; row < count; row++) {
    const value = valueOf(row)
    const low = value >>> 0
    halves[2 * row] = low
    halves[2 * row + 1] = highWord((value - low) / 2 ** 32)
  }
  return new BigUint64Array(halves.buffer)
}

const words = (high) => high
/** An id has the producer in its upper 16 bits. */
const idWords = (high) => PRODUCER * 2 ** 16 + high
