/** Shows what a recording holds: a trace as a tree of calls, and rows of the Arrow table. */

/**
 * The calls of one trace, indented below their callers, in the order in which they were entered.
 *
 * @param {Iterable<import('kinescope').Event>} events All events of the trace, in time order.
 * @returns {string[]} Lines.
 */
export function callTree(events) {
  const calls = new Map()
  const roots = []
  for (const event of events) {
    if (event.eventType === 'function_entry') {
      const call = { entry: event, exit: null, children: [] }
      calls.set(event.eventId, call)
      const siblings = calls.get(event.parentId)?.children ?? roots
      siblings.push(call)
    } else if (event.eventType === 'function_exit' && calls.has(event.parentId)) {
      calls.get(event.parentId).exit = event
    }
  }
  const lines = []
  const show = ({ entry, exit, children }, depth) => {
    lines.push(`${'  '.repeat(depth)}${entry.module}.${entry.function}(${shownArguments(entry.data)})  ${outcome(exit)}  [${entry.pid}]`)
    for (const child of children) show(child, depth + 1)
  }
  for (const root of roots) show(root, 0)
  return lines
}

function shownArguments(data) {
  return (data?.args ?? []).map((value) => shortened(JSON.stringify(value), 60)).join(', ')
}

function outcome(exit) {
  if (exit === null) return 'has not returned'
  const { duration_ns: durationNs, exit_reason: reason, exception, result } = exit.data
  const ended = reason === 'normal' ? `→ ${shortened(JSON.stringify(result) ?? 'undefined', 40)}` : `✗ ${exception?.error_type}: ${exception?.message}`
  return `${(Number(durationNs) / 1e6).toFixed(3)} ms ${ended}`
}

function shortened(text, length) {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}

/**
 * The first rows of a table, straight from its Arrow columns.
 *
 * @param {import('apache-arrow').Table} table
 * @param {number} rows
 * @param {Record<string, number>} widths Column names and how many characters each is given.
 * @returns {string[]} Lines.
 */
export function firstRows(table, rows, widths) {
  const columns = Object.entries(widths)
  const cell = (value, width) => shortened(String(value ?? ''), width).padEnd(width)
  const lines = [columns.map(([name, width]) => cell(name, width)).join('  ')]
  for (let row = 0; row < Math.min(rows, table.numRows); row++) {
    lines.push(columns.map(([name, width]) => cell(table.getChild(name).get(row), width)).join('  '))
  }
  return lines
}
