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
import { SlowEmitter } from './emitter-slow.js'
import { type EmitterShape, sourceOfEmitter } from './emitter-source.js'
import { monotonicNow, mapGet } from './intrinsics.js'
import * as layout from './layout.js'
import { writeUtf8 } from './text.js'

/** Fields of one emitter at most. */
const MAX_FIELDS = 256
const { FIELD_TYPES, STATES_PER_GROUP } = layout

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
  const factory = compileFunction(sourceOfEmitter(shape), Object.keys(scope)) as (...values: unknown[]) => Emitter
  return factory(...Object.values(scope))
}
