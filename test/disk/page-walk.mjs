// @ts-check
/** What tests of pages do in several processes. */

/** @typedef {import('kinescope').Kinescope} Kinescope */
/** @typedef {import('kinescope').QueryOptions} QueryOptions */
/** @typedef {{ rows: string[], token: string | null, total: number }} Page */

/** @param {Kinescope} scope @param {number} first @param {number} count */
export function recordSome(scope, first, count) {
  const mixed = [true, 7, 'text', 2.5, null, [1]]
  for (let n = first; n < first + count; n++) {
    const data = { n: n % 9, mixed: mixed[n % 6], message: n % 2 ? 'der erste' : 'der zweite' }
    scope.recorder.record({ eventType: `type-${n % 3}`, pid: `pid-${n % 5}`, tags: { t: n % 4 }, data })
  }
  scope.flushSync()
}

/**
 * Rows as text, from where a token says.
 *
 * @param {Kinescope} scope @param {QueryOptions} query @param {string | undefined} token @param {number} limit
 * @returns {Promise<Page>}
 */
export async function nextPage(scope, query, token, limit) {
  const page = await scope.dataAccess.queryEvents({ ...query, limit, ...(token !== undefined && { offset: { pageToken: token } }) })
  const rows = page.toArray().map((row) => JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)))
  return { rows, token: page.nextPageToken, total: page.totalMatches }
}
