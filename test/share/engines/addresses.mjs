/** Where columns lie: of pages of a result here, and of what a pool of workers opens of them. */
import { fileURLToPath } from 'node:url'
import { isMainThread, threadId } from 'node:worker_threads'
import koffi from 'koffi'
import { open, openShared, share } from 'kinescope'
import { Piscina } from 'piscina'
import { memoryOf } from '../fixtures/reading.mjs'

const library = koffi.load(process.platform === 'darwin' ? 'libSystem.dylib' : 'libc.so.6')
const moved = library.func('void *memmove(void *to, void *from, size_t bytes)')

/** Of every stretch of memory that a table lies in: its address, for which C is asked to move nothing to where it is. */
function addressesOf(table) {
  return memoryOf(table).map((stretch) => String(koffi.address(moved(stretch, stretch, 0))))
}

/** A task of the pool. */
export default function opened(shared) {
  const table = openShared(shared)
  const addresses = addressesOf(table)
  table.release()
  return { addresses, threadId }
}

async function main() {
  const scope = await open({ segmentEvents: 2000 })
  for (let n = 0; n < 20_000; n++) scope.recorder.record({ eventType: n % 2 === 0 ? 'even' : 'odd', line: n + 1, tags: { n }, data: { n } })
  const pool = new Piscina({ filename: fileURLToPath(import.meta.url), minThreads: 2, maxThreads: 2, idleTimeout: 10_000 })
  const pages = []
  for (let offset; ; ) {
    const page = await scope.dataAccess.queryEvents({ limit: 1000, offset })
    pages.push(page)
    if (page.nextPageToken === null) break
    offset = { pageToken: page.nextPageToken }
  }
  const there = await Promise.all(pages.map((page) => pool.run(share(page))))
  const here = pages.map((page) => addressesOf(page.table))
  const threads = new Set(there.map((page) => page.threadId)).size
  for (const page of pages) page.release()
  const { copiedBytes } = scope.stats()
  await pool.close()
  await scope.close()
  console.log(JSON.stringify({ here, there: there.map(({ addresses }) => addresses), threads, copiedBytes }))
}

if (isMainThread) await main()
