/** Puts load on the service and says how it goes. */
import autocannon from 'autocannon'

const NAMES = ['lens', 'reel', 'tripod', 'lamp', 'film', 'splicer', 'screen', 'projector']
const COUNTRIES = ['de', 'fr', 'ch']

/** A fixed mix of requests: products, searches, quotes, orders, and now and then a product that does not exist, the first one early: a short run has it, too. */
function requestMix() {
  const json = { 'content-type': 'application/json' }
  return Array.from({ length: 60 }, (_, index) => {
    const line = (offset) => ({ product: NAMES[(index + offset) % NAMES.length], quantity: 1 + ((index * 7 + offset) % 12) })
    const body = JSON.stringify({ country: COUNTRIES[index % 3], lines: [line(0), line(3), line(5)].slice(0, 1 + (index % 3)) })
    if (index % 4 === 0) return { method: 'POST', path: '/orders', headers: json, body }
    if (index % 4 === 1) return { method: 'POST', path: '/quotes', headers: json, body }
    if (index % 4 === 2) return { method: 'GET', path: index === 2 ? '/products/unicorn' : `/products/${NAMES[index % NAMES.length]}` }
    return { method: 'GET', path: `/search?text=${NAMES[index % NAMES.length].slice(0, 2)}` }
  })
}

/**
 * @param {{ url: string, seconds: number, progress: () => string, out?: NodeJS.WriteStream }} options `progress` is asked
 * for its line every half second on a terminal, where the line is rewritten, and every second elsewhere. `out` is where it
 * goes, by default stdout.
 */
export async function putUnderLoad({ url, seconds, progress, out = process.stdout }) {
  const terminal = out.isTTY
  const show = () => out.write(terminal ? `\r\u001b[2K${progress()}` : `${progress()}\n`)
  const timer = setInterval(show, terminal ? 500 : 1000)
  try {
    return await autocannon({ url, duration: seconds, connections: 32, workers: 1, requests: requestMix() })
  } finally {
    clearInterval(timer)
    if (terminal) out.write('\r\u001b[2K')
  }
}
