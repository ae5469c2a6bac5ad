import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import * as layout from '../../src/recorder/layout.js'

/** The numbers that the addon was built with, by their names in Rust. */
const { ringLayout } = createRequire(import.meta.url)('../../dist/addon.cjs') as { ringLayout(): Record<string, number> }

/** A header field's byte offset in Rust, as the index of this side's view. */
const VIEW_INDEX = /^(I32|F64|I64)_(.+)$/u
const VIEW_BYTES: Record<string, number> = { I32: 4, F64: 8, I64: 8 }

/** Names and numbers of one constant of TypeScript as Rust has them. */
function asInRust(name: string, value: unknown): [string, number][] {
  const [, view, field] = VIEW_INDEX.exec(name) ?? []
  if (view !== undefined) return [[`OFFSET_${field}`, Number(value) * VIEW_BYTES[view]!]]
  if (Array.isArray(value)) return value.map((type, number) => [`FIELD_TYPE_${String(type).toUpperCase()}`, number])
  const number = Number(value)
  if (name.startsWith('HAS_')) return [[name.replace('HAS_', 'BIT_'), Math.log2(number)]]
  switch (name) {
    case 'RING_MAGIC':
      return [['MAGIC', number]]
    case 'RING_VERSION':
      return [['VERSION', number]]
    case 'FIRST_WORD':
      return [['HEADER_BYTES', number * 8]]
    case 'CONTEXT_SLOTS':
      return [['MAX_SLOT', number - 1]]
    case 'FLAG_COARSE_TIME':
      return [['FLAG_COARSE', number >>> 16]]
    case 'FLAG_CALLER_TIME':
      return [['FLAG_GIVEN', number >>> 16]]
    default:
      return [[name, number]]
  }
}

test('both sides have the same numbers under the same names, and none alone', () => {
  const pairs = Object.entries(layout).flatMap(([name, value]) => asInRust(name, value))
  const native = ringLayout()
  expect(pairs).toEqual(pairs.map(([name]) => [name, native[name]]))
  expect([...new Set(pairs.map(([name]) => name))].sort()).toEqual(Object.keys(native).sort())
})
