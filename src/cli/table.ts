/** Rows as a table for people, and as CSV for spreadsheets. */
import { jsonText } from '../json.js'
import { colours, printable } from './output.js'

type Row = Readonly<Record<string, unknown>>

const GAP = '  '
const COLUMN_MAX = 60

/** A value as the text of a cell: JSON for what is no scalar. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : jsonText(value)
}

/**
 * Columns side by side, numbers to the right. The last column of text is cut at the terminal's edge, and no other is wider than 60; into a
 * pipe nothing is cut.
 *
 * @param names In the order of the columns.
 */
export function tableText(names: readonly string[], rows: readonly Row[]): string {
  const isTerminal = process.stdout.isTTY === true
  const cells = rows.map((row) => names.map((name) => printable(cellText(row[name]))))
  const widthOf = (column: number): number => cells.reduce((width, row) => Math.max(width, row[column]!.length), names[column]!.length)
  const widths = names.map((_, column) => Math.min(widthOf(column), isTerminal ? COLUMN_MAX : Infinity))
  const isNumber = names.map((name) => rows.length > 0 && rows.every((row) => row[name] === null || typeof row[name] === 'number' || typeof row[name] === 'bigint'))
  const edge = isTerminal ? process.stdout.columns : Infinity
  const line = (texts: readonly string[]): string => {
    const padded = texts.map((text, column) => {
      const cut = text.length > widths[column]! ? `${text.slice(0, widths[column]! - 1)}…` : text
      return isNumber[column] ? cut.padStart(widths[column]!) : cut.padEnd(widths[column]!)
    })
    const whole = padded.join(GAP).trimEnd()
    return whole.length > edge ? `${whole.slice(0, edge - 1)}…` : whole
  }
  return [colours().dim(line(names)), ...cells.map(line)].map((text) => `${text}\n`).join('')
}

/**
 * A line of CSV (RFC 4180).
 *
 * @example
 * csvLine(['a', 'x,y', null]) // 'a,"x,y",\r\n'
 */
export function csvLine(values: readonly unknown[]): string {
  const cells = values.map((value) => {
    const text = cellText(value)
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  })
  return `${cells.join(',')}\r\n`
}
