/** Lines of log: ten words or so, made from the event's number alone. */

/** A word that is in one of `RARITY` messages, in lower or upper case. */
export const RARE_WORD = 'declined'
const RARITY = 200
const WORDS =
  'order payment invoice customer basket shipping address currency discount refund retry queue worker cache lookup session token request response ' +
  'timeout upstream gateway database replica shard index segment batch stream cursor page handler router module service client server socket ' +
  'accepted started finished scheduled delayed skipped merged loaded stored opened closed sent received validated computed updated created removed ' +
  'for with after before during without within between from into over under by at in on to of'
const VOCABULARY = WORDS.split(' ')

/**
 * @param {number} event The event's number.
 * @returns {string} For instance `Order 1234 accepted by gateway ...`.
 */
export function messageText(event) {
  let hash = scramble(event + 1)
  const words = 8 + (hash % 6)
  const rareAt = scramble(hash ^ 0x5bd1e995) % RARITY === 0 ? hash % words : -1
  let text = `Order ${event}`
  for (let index = 0; index < words; index++) {
    hash = scramble(hash + index)
    text += ' '
    text += index === rareAt ? (hash % 2 === 0 ? RARE_WORD : RARE_WORD.toUpperCase()) : VOCABULARY[hash % VOCABULARY.length]
  }
  return text
}

/** @param {number} value @returns {number} An unsigned integer of 32 bits (the finalizer of MurmurHash3). */
function scramble(value) {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
