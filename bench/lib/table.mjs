/** The table that the benchmarks print. */

/**
 * Aligns columns; the last one is not padded.
 *
 * @param {string[][]} lines The first is the heading; all have the same number of cells.
 * @example
 * formatTable([['what', 'ns'], ['clock', '40']]) // 'what   | ns\n------ | --\nclock  | 40'
 */
export function formatTable(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const ruled = [lines[0], widths.map((width) => '-'.repeat(width)), ...lines.slice(1)]
  return ruled.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join(' | ').trimEnd()).join('\n')
}
