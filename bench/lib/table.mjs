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

export const HEADING = ['name', 'what', 'absolute', 'ratio to rival', 'goal', '']

/**
 * @param {import('../rows/figures.mjs').Row} row
 * @param {Record<string, import('./schedule.mjs').Metrics | Error>} measured By probe.
 * @returns {{ cells: string[], isWhole: boolean }} `isWhole`: whether all of it could be measured.
 */
export function lineOf({ name, what, goal, probes, rivals = [], figures }, measured) {
  const metrics = probes.map((probe) => measured[probe])
  try {
    const failure = metrics.find((metric) => metric instanceof Error)
    if (failure) throw failure
    const { absolute, ratio = '', met, incomplete = false } = figures(...metrics, ...rivals.map((probe) => measured[probe]))
    const lostEvents = Math.max(...metrics.map((metric) => metric.lostEvents?.high ?? 0))
    // What was lost had not been stored, so such a figure is too good.
    const isLossy = lostEvents > 0
    const verdict = isLossy ? 'MISSED' : met === undefined ? '' : met ? 'met' : 'MISSED'
    return { cells: [name, what, isLossy ? `${absolute}, but ${lostEvents} events were lost` : absolute, ratio, goal, verdict], isWhole: !incomplete }
  } catch (error) {
    return { cells: [name, what, `not measured: ${error.message.replaceAll(/\s+/g, ' ')}`, '', goal, ''], isWhole: false }
  }
}
