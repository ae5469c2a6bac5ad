/**
 * The source of the functions that `define` makes: plain stores at constant offsets, for plain values. Whatever is not plain
 * goes to `emitter-slow.ts`.
 */
import type { FieldType } from '../../index.js'
import { MAX_INTERNED_CHARACTERS } from './definitions.js'
import * as layout from './layout.js'

const { STATES_PER_GROUP } = layout

/** What is fixed about one emitter. */
export interface EmitterShape {
  readonly id: number
  readonly names: readonly string[]
  readonly types: readonly FieldType[]
  /** Fields that are never captured. */
  readonly redacted: readonly boolean[]
  readonly coarse: boolean
  /** Words before the fields: 4, and the groups of states beyond the first. */
  readonly headWords: number
  /** Characters of one string field. */
  readonly maxStringLength: number
  /** Bytes of all string fields together. */
  readonly maxTextBytes: number
}

/** How many words from the record's start the field's own word is. */
function fieldWord(shape: EmitterShape, field: number): number {
  return shape.headWords + field
}

/** JavaScript source of the condition under which a field's value is not plain. */
function unlikelyCondition(type: FieldType, field: number): string {
  switch (type) {
    case 'bool':
      return `typeof v${field} !== 'boolean'`
    case 'utf8':
      return `typeof v${field} !== 'string'`
    case 'symbol':
      return `typeof v${field} !== 'string' || (s${field} = idOf(strings, v${field})) === undefined`
    default:
      return `typeof v${field} !== 'number'`
  }
}

function storeField(shape: EmitterShape, field: number, value: string): string {
  const word = fieldWord(shape, field)
  switch (shape.types[field]!) {
    case 'bool':
      // Stored in an integer array, a boolean is 0 or 1.
      return `i[n + ${word * 2}] = ${value}`
    case 'symbol':
      return `i[n + ${word * 2}] = s${field}`
    case 'utf8':
      return `end += i[n + ${word * 2}] = write(u8, buffer, end, ${value})`
    default:
      return `f[at + ${word}] = ${value}`
  }
}

/** i32 stores of the states, all fields being plain. */
function storeStates(shape: EmitterShape): string[] {
  const stores: string[] = []
  const count = shape.names.length
  const groups = Math.ceil(count / STATES_PER_GROUP)
  // Groups beyond the first come in pairs of halves; the last half may belong to none.
  for (let group = 0; group < 1 + (shape.headWords - layout.EMIT_WORDS) * 2; group++) {
    let states = 0
    for (let bit = 0; bit < STATES_PER_GROUP && group < groups; bit++) {
      if (group * STATES_PER_GROUP + bit < count) states |= layout.FIELD_PLAIN << (bit * 2)
    }
    stores.push(`i[n + ${7 + group}] = ${states}`)
  }
  return stores
}

/** Source of what follows once the values have been read; `valueOf` names a field's value, if it has been checked already. */
function sourceOfRecord(shape: EmitterShape, checked: readonly number[], valueOf: (field: number) => string): string {
  const all = shape.names.map((_, field) => field)
  const texts = all.filter((field) => shape.types[field] === 'utf8')
  const symbols = all.filter((field) => shape.types[field] === 'symbol')
  const fixedWords = shape.headWords + shape.names.length
  const hasText = texts.length > 0
  const computed = [...symbols.map((field) => `s${field}`), ...(hasText ? ['text'] : [])]
  const conditions = all.filter((field) => !checked.includes(field)).map((field) => unlikelyCondition(shape.types[field]!, field))
  const characters = texts.map((field) => `v${field}.length`)
  // An interned string is longer only where the limit is below what is interned at all.
  const limited = shape.maxStringLength < MAX_INTERNED_CHARACTERS ? symbols.map((field) => `v${field}.length`) : []
  for (const length of [...characters, ...limited]) conditions.push(`${length} > ${shape.maxStringLength}`)
  if (hasText) conditions.push(`(text = (${characters.join(' + ')}) * 3) > ${shape.maxTextBytes}`)
  conditions.push(`at + ${fixedWords}${hasText ? ' + ((text + 7) >>> 3)' : ''} >= writer.limit`)
  conditions.push('owners[slot] !== context')
  const numbersFirst = [...all.filter((field) => !texts.includes(field)), ...texts]
  const wake = `if (i[${layout.I32_ASLEEP}]) wake()`
  return `${computed.length > 0 ? `let ${computed.join(', ')}` : ''}
    const frame = frames.depth ? frames.frame : frames.lookup()
    const context = frame.context, slot = context.slot, at = writer.at
    if (${conditions.join(' || ')}) { slow(${all.map(valueOf).join(', ')}); return }
    const f = f64, n = at * 2
    ${hasText ? `const start = (at + ${fixedWords}) * 8; let end = start` : ''}
    ${numbersFirst.map((field) => storeField(shape, field, valueOf(field))).join('\n    ')}
    ${hasText ? `const words = ${fixedWords} + ((end - start + 7) >>> 3)` : ''}
    ${shape.coarse ? `${wake}; f[at + 1] = f[${layout.F64_TICK}]` : 'i64[at + 1] = now()'}
    f[at + 2] = frame.parentSequence
    f[${layout.F64_ATTEMPTS}]++
    i[n + 1] = ${shape.coarse ? `slot | ${layout.FLAG_COARSE_TIME}` : 'slot'}
    i[n + 6] = ${shape.id}
    ${storeStates(shape).join('\n    ')}
    i[n + ${hasText ? 'words * 2' : fixedWords * 2}] = 0
    i[n] = ${hasText ? `${layout.KIND_EMIT} | (words << 8)` : layout.KIND_EMIT | (fixedWords << 8)}
    writer.at = at + ${hasText ? 'words' : fixedWords}
    ${shape.coarse ? '' : wake}`
}

/** Bytes of bytecode for each field of a type, and for the rest, rounded up; measured with Node's `--print-bytecode`. */
const BYTECODE_BYTES: Readonly<Record<FieldType, number>> = { i64: 32, f64: 32, bool: 29, symbol: 53, utf8: 86 }
const BASE_BYTECODE_BYTES = 260
const TEXT_BYTECODE_BYTES = 80
/** V8 inlines no function with more bytecode than this (`--max-inlined-bytecode-size`). */
const MAX_INLINED_BYTECODE_BYTES = 460

function isInlined({ types }: EmitterShape): boolean {
  const bytes = types.reduce((sum, type) => sum + BYTECODE_BYTES[type], BASE_BYTECODE_BYTES)
  return bytes + (types.includes('utf8') ? TEXT_BYTECODE_BYTES : 0) <= MAX_INLINED_BYTECODE_BYTES
}

/**
 * Source of the function. What V8 does not inline gets a literal that has to be made: hence the local aliases, the truth of
 * numbers as conditions, and one `try` around all. Where that is not short enough, only the reading is in the function
 * itself; numbers go to the rest by way of an array, because they would be boxed as arguments.
 *
 * It opens with a literal of the names. V8 keeps one hidden class for all literals with the same names, so that of `define`'s
 * own argument, whose fields are strings, is that of the events: numbers would be boxed before they are stored there.
 * Once a small integer has been seen there as well, V8 expects anything, and a literal that goes no further is never made.
 */
export function sourceOfEmitter(shape: EmitterShape): string {
  const all = shape.names.map((_, field) => field)
  const sample = shape.names.map((name) => `${JSON.stringify(name)}: 0`).join(', ')
  const reads = shape.names.map((name, field) => `v${field} = fields[${JSON.stringify(name)}]`).join(', ')
  const value = (field: number): string => `v${field}`
  const isNumber = (field: number): boolean => shape.types[field] === 'i64' || shape.types[field] === 'f64'
  const isShort = isInlined(shape)
  const numbers = all.filter(isNumber)
  const others = all.filter((field) => !numbers.includes(field)).map(value)
  const unlikely = numbers.map((field) => unlikelyCondition(shape.types[field]!, field))
  const kept = (field: number): string => (numbers.includes(field) ? `numbers[${field}]` : value(field))
  const store = `const numbers = new Float64Array(${shape.names.length})
function store(${others.join(', ')}) {
    const i = i32
    ${sourceOfRecord(shape, numbers, kept)}
}`
  const handOver = `${numbers.length > 0 ? `if (${unlikely.join(' || ')}) { slow(${all.map(value).join(', ')}); return }` : ''}
    ${numbers.map((field) => `numbers[${field}] = v${field}`).join('\n    ')}
    store(${others.join(', ')})`
  return `({ ${sample} })
${isShort ? '' : store}
return function emit(fields) {
  const i = i32
  const state = i[${layout.I32_STATE}]
  if (state !== ${layout.STATE_RECORDING}) { if (state) off(); return }
  try {
    const ${reads}
    ${isShort ? sourceOfRecord(shape, [], value) : handOver}
  } catch { unreadable() }
}`
}
