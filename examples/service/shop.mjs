/** The business of the example: a small shop. It knows nothing of recording but that `traced` returns a function like its own. */
import { setTimeout as sleep } from 'node:timers/promises'

const PRODUCTS = ['lens', 'reel', 'tripod', 'lamp', 'film', 'splicer', 'screen', 'projector']
const TAX_RATES = { de: 0.19, fr: 0.2, ch: 0.081 }

/** The card issuer said no. */
export class CardDeclinedError extends Error {
  name = 'CardDeclinedError'
  statusCode = 402
}

/**
 * @param {<F extends Function>(module: string, fn: F) => F} traced
 * @param {(order: object) => Promise<number>} riskOf Rates an order, from 0 to 1; it runs on another thread.
 */
export function createShop(traced, riskOf) {
  const cache = new Map()
  let ordersPlaced = 0

  const loadProduct = traced('catalog', async function loadProduct(name) {
    if (!PRODUCTS.includes(name)) throw Object.assign(new Error(`no product is called ${name}`), { statusCode: 404 })
    const cached = cache.get(name)
    if (cached && cached.uses++ < 100) return cached.product
    await sleep(2 + Math.random() * 6) // stands for a round trip to a database
    const product = { name, priceCents: 990 + 450 * PRODUCTS.indexOf(name) }
    cache.set(name, { product, uses: 0 })
    return product
  })

  const discountFor = traced('pricing', function discountFor(quantity) {
    return quantity >= 10 ? 0.1 : quantity >= 5 ? 0.05 : 0
  })

  const taxOf = traced('pricing', function taxOf(netCents, country) {
    return Math.round(netCents * (TAX_RATES[country] ?? 0))
  })

  const priceLine = traced('pricing', async function priceLine({ product, quantity }, country) {
    const { priceCents } = await loadProduct(product)
    const netCents = Math.round(priceCents * quantity * (1 - discountFor(quantity)))
    return netCents + taxOf(netCents, country)
  })

  const quote = traced('orders', async function quote({ lines, country }) {
    const prices = await Promise.all(lines.map((line) => priceLine(line, country)))
    return { country, totalCents: prices.reduce((sum, cents) => sum + cents, 0) }
  })

  const chargeCard = traced('payment', async function chargeCard(totalCents, risk) {
    await sleep(1 + Math.random() * 3) // stands for the card issuer's service
    if (Math.random() * risk > 0.9) throw new CardDeclinedError(`the issuer declined ${totalCents} cents`)
    return { reference: `charge-${++ordersPlaced}` }
  })

  const placeOrder = traced('orders', async function placeOrder(order) {
    const { totalCents } = await quote(order)
    const risk = await riskOf({ ...order, totalCents })
    return chargeCard(totalCents, risk)
  })

  const search = traced('catalog', function search(text) {
    return PRODUCTS.filter((name) => name.includes(text))
  })

  return { loadProduct, quote, placeOrder, search, taxOf }
}
