/**
 * `define`: one function is generated per event type, so that V8 sees plain stores at constant offsets, inlines it, and
 * need not allocate the literal that it is given. Whatever is not plain goes to `emitter-slow.ts`.
 *
 * `vm.compileFunction` works where code generation from strings is switched off, and is as fast as what is written by hand.
 */
import { compileFunction } from 'node:vm'
import type { DefineOptions, Emitter, FieldType } from '../../index.js'
import { invalidArgument, KinescopeError, unknownField } from '../errors.js'
import type { NativeStore } from '../native.js'
import type { RecorderParts } from './calls.js'
import { MAX_INTERNED_CHARACTERS } from './definitions.js'
import { SlowEmitter } from './emitter-slow.js'
import { monotonicNow, mapGet } from './intrinsics.js'
import * as layout from './layout.js'
import { writeUtf8 } from './text.js'

/** Fields of one emitter at most. */
const MAX_FIELDS = 256
const { FIELD_TYPES, STATES_PER_GROUP } = layout

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

/** Defines emitters. */
export class Emitters {
  readonly #parts: RecorderParts
  readonly #native: Pick<NativeStore, 'defineEmitter'>
  readonly #limits: { readonly maxStringLength: number; readonly maxEventBytes: number }
  readonly #redact: ReadonlySet<string>

  constructor(
    parts: RecorderParts,
    native: Pick<NativeStore, 'defineEmitter'>,
    limits: { readonly maxStringLength: number; readonly maxEventBytes: number },
    redact: ReadonlySet<string>,
  ) {
    this.#parts = parts
    this.#native = native
    this.#limits = limits
    this.#redact = redact
  }

  /**
   * `Recorder.define`.
   *
   * @throws {KinescopeError} `INVALID_ARGUMENT` naming the argument; `RESOURCE_EXHAUSTED` when the recording takes no more
   * definitions.
   */
  define(eventType: string, fields: Readonly<Record<string, FieldType>>, options: DefineOptions | undefined): Emitter {
    const { names, types } = checkFields(eventType, fields)
    const { coarse, siteId } = this.#checkOptions(options)
    const codes = types.map((type) => FIELD_TYPES.indexOf(type))
    const id = this.#native.defineEmitter(eventType, names, codes, siteId)
    if (id < 0) {
      throw new KinescopeError('RESOURCE_EXHAUSTED', `define: no room for another definition ("${eventType.slice(0, 60)}")`)
    }
    const groups = Math.ceil(names.length / STATES_PER_GROUP)
    const shape: EmitterShape = {
      id,
      names,
      types,
      redacted: names.map((name) => this.#redact.has(name)),
      coarse,
      headWords: layout.EMIT_WORDS + (groups >>> 1),
      maxStringLength: this.#limits.maxStringLength,
      maxTextBytes: this.#limits.maxEventBytes,
    }
    return generate(shape, this.#parts)
  }

  #checkOptions(options: DefineOptions | undefined): { coarse: boolean; siteId: number } {
    if (options === undefined) return { coarse: false, siteId: layout.SITE_NONE }
    if (typeof options !== 'object' || options === null) throw invalidArgument('options', options, 'an object')
    for (const name of Object.keys(options)) {
      if (name !== 'time' && name !== 'site') throw unknownField('options', name, ['time', 'site'])
    }
    const { time, site } = options
    if (time !== undefined && time !== 'precise' && time !== 'coarse') {
      throw invalidArgument('options.time', time, "'precise' or 'coarse'")
    }
    if (site === undefined) return { coarse: time === 'coarse', siteId: layout.SITE_NONE }
    const { definitions } = this.#parts
    if (!definitions.has(site)) throw invalidArgument('options.site', site, 'a site of this recorder')
    const siteId = definitions.siteIds[site]!
    // An emitter's site is part of its definition, for which there was no room then.
    return { coarse: time === 'coarse', siteId: siteId === layout.SITE_INLINE ? layout.SITE_NONE : siteId }
  }
}

function checkFields(eventType: unknown, fields: unknown): { names: string[]; types: FieldType[] } {
  if (typeof eventType !== 'string') throw invalidArgument('eventType', eventType, 'a string')
  if (typeof fields !== 'object' || fields === null) throw invalidArgument('fields', fields, 'an object of field types')
  const names = Object.keys(fields)
  if (names.length === 0 || names.length > MAX_FIELDS) {
    throw new KinescopeError('INVALID_ARGUMENT', `fields: expected 1 to ${MAX_FIELDS} fields, got ${names.length}`, {
      field: 'fields',
    })
  }
  const types = names.map((name) => {
    const type = (fields as Record<string, unknown>)[name]
    if (!(FIELD_TYPES as readonly unknown[]).includes(type)) {
      throw invalidArgument(`fields[${JSON.stringify(name)}]`, type, `one of ${FIELD_TYPES.map((known) => `'${known}'`).join(', ')}`)
    }
    return type as FieldType
  })
  return { names, types }
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

function storeField(shape: EmitterShape, field: number): string {
  const word = fieldWord(shape, field)
  switch (shape.types[field]!) {
    case 'bool':
      return `i[n + ${word * 2}] = v${field} ? 1 : 0`
    case 'symbol':
      return `i[n + ${word * 2}] = s${field}`
    case 'utf8':
      return `end += i[n + ${word * 2}] = write(u8, buffer, end, v${field})`
    default:
      return `f[at + ${word}] = v${field}`
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

/**
 * Source of the function. Its bytecode has to stay below V8's limit for inlining (460 bytes) with as many fields as can be:
 * hence the local aliases, the truth of numbers as conditions, and one `try` around all.
 *
 * It opens with a literal of the names. V8 keeps one hidden class for all literals with the same names, so that of `define`'s
 * own argument, whose fields are strings, is that of the events: numbers would be boxed before they are stored there.
 * Once a small integer has been seen there as well, V8 expects anything, and a literal that goes no further is never made.
 */
function sourceOf(shape: EmitterShape): string {
  const sample = shape.names.map((name) => `${JSON.stringify(name)}: 0`).join(', ')
  const all = shape.names.map((_, field) => field)
  const texts = all.filter((field) => shape.types[field] === 'utf8')
  const symbols = all.filter((field) => shape.types[field] === 'symbol')
  const reads = shape.names.map((name, field) => `v${field} = fields[${JSON.stringify(name)}]`).join(', ')
  const fixedWords = shape.headWords + shape.names.length
  const hasText = texts.length > 0
  const computed = [...symbols.map((field) => `s${field}`), ...(hasText ? ['text'] : [])]
  const conditions = all.map((field) => unlikelyCondition(shape.types[field]!, field))
  const characters = texts.map((field) => `v${field}.length`)
  // An interned string is longer only where the limit is below what is interned at all.
  const limited = shape.maxStringLength < MAX_INTERNED_CHARACTERS ? symbols.map((field) => `v${field}.length`) : []
  for (const length of [...characters, ...limited]) conditions.push(`${length} > ${shape.maxStringLength}`)
  if (hasText) conditions.push(`(text = (${characters.join(' + ')}) * 3) > ${shape.maxTextBytes}`)
  conditions.push(`at + ${fixedWords}${hasText ? ' + ((text + 7) >>> 3)' : ''} >= writer.limit`)
  conditions.push('owners[slot] !== context')
  const numbersFirst = [...all.filter((field) => !texts.includes(field)), ...texts]
  const wake = `if (i[${layout.I32_ASLEEP}]) wake()`
  return `({ ${sample} })
return function emit(fields) {
  const i = i32
  const state = i[${layout.I32_STATE}]
  if (state !== ${layout.STATE_RECORDING}) { if (state) off(); return }
  try {
    const ${reads}${computed.length > 0 ? `; let ${computed.join(', ')}` : ''}
    const frame = frames.depth ? frames.frame : frames.lookup()
    const context = frame.context, slot = context.slot, at = writer.at
    if (${conditions.join(' || ')}) { slow(${all.map((field) => `v${field}`).join(', ')}); return }
    const f = f64, n = at * 2
    ${hasText ? `const start = (at + ${fixedWords}) * 8; let end = start` : ''}
    ${numbersFirst.map((field) => storeField(shape, field)).join('\n    ')}
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
    ${shape.coarse ? '' : wake}
  } catch { unreadable() }
}`
}

function generate(shape: EmitterShape, parts: RecorderParts): Emitter {
  const { writer, frames, definitions } = parts
  const slow = new SlowEmitter(shape, parts)
  if (shape.redacted.includes(true)) {
    // Values that must not be captured are not even read.
    return ((fields: Record<string, unknown>) => slow.emitRedacted(fields)) as Emitter
  }
  const scope = {
    writer,
    frames,
    owners: frames.slotOwner,
    i32: writer.i32,
    f64: writer.f64,
    i64: writer.i64,
    u8: writer.u8,
    buffer: writer.buffer,
    now: monotonicNow,
    write: writeUtf8,
    idOf: mapGet,
    strings: definitions.stringIds,
    wake: writer.wake,
    off: () => writer.countLate(),
    slow: (...values: unknown[]) => slow.emit(values),
    unreadable: () => slow.unreadable(),
  }
  const factory = compileFunction(sourceOf(shape), Object.keys(scope)) as (...values: unknown[]) => Emitter
  return factory(...Object.values(scope))
}
