// @ts-check
/**
 * Events with fixed fields.
 */
import { addCut, cutText, withCuts } from './capture.js'
import { invalidArgument, isPlainArgument, rejectUnknownKeys } from './errors.js'
import { requireText } from './envelope.js'
import { fitsInt64, safeNumber, wellFormed } from './values.js'

/** @typedef {{ value?: any, cut?: string, mistyped?: boolean }} FieldOutcome `value` undefined: absent */

const MAX_FIELDS = 256
/** @type {Record<string, string>} */
const JS_TYPES = { i64: 'number', f64: 'number', bool: 'boolean', utf8: 'string', symbol: 'string' }

/**
 * @param {import('./recorder.js').OracleRecorder} recorder
 * @param {unknown} eventType
 * @param {unknown} fields name to type
 * @param {unknown} options `time` (both kinds are precise here) and `site`
 */
export function defineEmitter(recorder, eventType, fields, options) {
  const type = requireText(eventType, 'eventType')
  if (!isPlainArgument(fields)) throw invalidArgument('fields', 'an object', fields)
  const types = Object.entries(fields)
  if (types.length < 1 || types.length > MAX_FIELDS) throw invalidArgument('fields', `1 to ${MAX_FIELDS} fields`, types.length)
  for (const [name, fieldType] of types) {
    if (!Object.hasOwn(JS_TYPES, /** @type {string} */ (fieldType))) throw invalidArgument(`fields.${name}`, `one of ${Object.keys(JS_TYPES).join(', ')}`, fieldType)
  }
  if (!isPlainArgument(options)) throw invalidArgument('options', 'an object', options)
  rejectUnknownKeys(options, ['time', 'site'], 'options')
  if (![undefined, 'precise', 'coarse'].includes(/** @type {any} */ (options.time))) throw invalidArgument('options.time', "'precise' or 'coarse'", options.time)
  const site = options.site === undefined ? null : recorder.siteFacts(options.site)
  if (options.site !== undefined && site === null) throw invalidArgument('options.site', 'a site of this recorder', options.site)

  return (/** @type {unknown} */ values) => {
    if (!recorder.isRecording) return
    /** @type {Record<string, string>} */
    const cuts = {}
    const entries = []
    const { limits, redact } = recorder.settings
    const read = recorder.tolerate(() => readFields(values, types.map(([name]) => name), redact))
    for (const [index, [name, fieldType]] of types.entries()) {
      const outcome = checkField(read?.[index], /** @type {string} */ (fieldType), limits.maxStringLength)
      if (outcome.mistyped) recorder.countMistyped()
      if (outcome.cut) addCut(cuts, [wellFormed(name)], outcome.cut)
      if (outcome.value !== undefined) entries.push([wellFormed(name), outcome.value])
    }
    recorder.append(recorder.frames.current, { ...site, eventType: type, data: withCuts({ value: Object.fromEntries(entries), cuts }) })
  }
}

/**
 * Ordinary reads, so that a plain literal need not exist; if one throws, all are absent. What is redacted is not read.
 *
 * @param {any} values
 * @param {string[]} names
 * @param {ReadonlySet<string>} redact
 * @returns {unknown[]}
 */
function readFields(values, names, redact) {
  return names.map((name) => (redact.has(name) ? undefined : values[name]))
}

/**
 * @param {any} value
 * @param {string} type
 * @param {number} maxStringLength
 * @returns {FieldOutcome}
 */
function checkField(value, type, maxStringLength) {
  if (value === undefined || value === null) return {}
  if (type === 'i64' && typeof value === 'bigint') return fitsInt64(value) ? { value: safeNumber(value) } : { mistyped: true }
  if (typeof value !== JS_TYPES[type]) return { mistyped: true }
  if (typeof value === 'number') return readNumber(value, type)
  if (typeof value === 'boolean') return { value }
  return { value: cutText(value, maxStringLength), ...(value.length > maxStringLength && { cut: 'length' }) }
}

/**
 * @param {number} value
 * @param {string} type
 * @returns {FieldOutcome}
 */
function readNumber(value, type) {
  if (type === 'f64') return Number.isFinite(value) ? { value } : { value: null, cut: 'non_finite' }
  return Number.isInteger(value) && fitsInt64(value) ? { value: safeNumber(BigInt(value)) } : { mistyped: true }
}
