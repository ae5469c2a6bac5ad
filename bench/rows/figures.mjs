/** How rows are described, and how their figures are written. */

/** @typedef {import('../lib/schedule.mjs').Metric} Metric */
/** @typedef {import('../lib/schedule.mjs').Metrics} Metrics */
/**
 * @typedef {object} Row
 * @property {string} name For `--only`.
 * @property {string} what
 * @property {string} goal In words; empty where the figure is for orientation.
 * @property {string[]} probes Whose metrics `figures` takes, in this order.
 * @property {string[]} [rivals] Probes that the row can do without: `figures` takes an error where there are no metrics.
 * @property {string[]} [questions] Which of them its probes need ask, see `bench/query`.
 * @property {(...metrics: (Metrics | Error)[]) => Figures} figures
 */
/**
 * @typedef {object} Figures
 * @property {string} absolute The median of all repetitions, and the lowest and the highest.
 * @property {string} [ratio] To the rival, medians of the same run.
 * @property {boolean} [incomplete] Whether a rival could not be measured.
 * @property {boolean} [met] Missing where there is no goal, or where this machine cannot tell.
 */

/**
 * Writes a metric as its median and, if there were several repetitions, its range.
 *
 * @param {Metric} metric
 * @param {string} unit
 * @param {{ scale?: number, digits?: number }} [options] `scale` multiplies first; `digits` after the point, by default what
 * makes three significant ones.
 * @example
 * withRange({ median: 41.23, low: 40, high: 45 }, 'ns') // '41.2 ns (40.0 to 45.0)'
 */
export function withRange({ median, low, high }, unit, { scale = 1, digits } = {}) {
  const size = Math.abs(median * scale)
  const places = digits ?? (size >= 100 ? 0 : size >= 10 ? 1 : 2)
  const text = (value) => (value * scale).toFixed(places)
  return low === high ? `${text(median)} ${unit}` : `${text(median)} ${unit} (${text(low)} to ${text(high)})`
}

/**
 * @param {Metric} metric
 * @param {Metric} rival
 */
export function ratioOf(metric, rival) {
  return metric.median / rival.median
}

/**
 * A goal of the form "at most so many times the rival".
 *
 * @param {Metric} metric In nanoseconds.
 * @param {Metric} rival In nanoseconds.
 * @param {number} most
 * @param {string} rivalName
 * @returns {Figures}
 */
export function atMostTimes(metric, rival, most, rivalName) {
  const ratio = ratioOf(metric, rival)
  return { absolute: withRange(metric, 'ns'), ratio: `${ratio.toFixed(2)} x ${rivalName}`, met: ratio <= most }
}

/**
 * A goal of the form "so many times cheaper than the rival".
 *
 * @param {Metric} metric In nanoseconds.
 * @param {Metric} rival In nanoseconds.
 * @param {number} least
 * @param {string} rivalName
 * @returns {Figures}
 */
export function timesCheaper(metric, rival, least, rivalName) {
  const ratio = ratioOf(rival, metric)
  return { absolute: withRange(metric, 'ns'), ratio: `${ratio.toFixed(2)} x cheaper than ${rivalName}`, met: ratio >= least }
}

/**
 * A goal of the form "at most so much".
 *
 * @param {Metric} metric
 * @param {number} most In the metric's own unit.
 * @param {string} unit As shown.
 * @param {{ scale?: number, digits?: number }} [options] As of `withRange`.
 * @returns {Figures}
 */
export function atMost(metric, most, unit, options) {
  return { absolute: withRange(metric, unit, options), met: metric.median <= most }
}
