/** How much of a core the writer thread takes at 1 M events/s, evenly paced. */
import { finish, NUMERIC_FIELDS, openForTiming, SITE } from '../lib/scope.mjs'
import { writerThreadNs } from '../lib/thread-time.mjs'

const BATCH = 100
const BATCH_NS = 100_000n
/** Room for a second, should the machine hold the writer up. */
const RING_BYTES = 64 * 2 ** 20
const now = process.hrtime.bigint

/**
 * @param {{ quick: boolean }} options
 * @returns {Promise<Record<string, number>>} `share` of a core, NaN where threads' processor time cannot be known;
 * `eventsPerSecond`, which falls below a million when this thread could not keep the pace.
 */
export async function measure({ quick }) {
  const scope = await openForTiming({ ring: { bytes: RING_BYTES } })
  const { recorder } = scope
  const emit = recorder.define('sample', NUMERIC_FIELDS, { site: recorder.site(SITE) })
  const pace = (milliseconds) => {
    const start = now()
    const batches = milliseconds * 10
    for (let batch = 0; batch < batches; batch++) {
      for (let i = 0; i < BATCH; i++) emit({ queued: i, load: i * 0.5, waited: 7 })
      const due = start + BigInt(batch + 1) * BATCH_NS
      while (now() < due);
    }
    return { events: batches * BATCH, ns: Number(now() - start) }
  }
  pace(1_000)
  const before = writerThreadNs()
  const { events, ns } = pace(quick ? 3_000 : 10_000)
  const after = writerThreadNs()
  const share = before === undefined || after === undefined ? NaN : (after - before) / ns
  return { share, eventsPerSecond: (events / ns) * 1e9, ...(await finish(scope)) }
}
