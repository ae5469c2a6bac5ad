/** The check value of a sequence number: 32 bits of a multiplicative hash, so that a torn or mixed-up event shows. */
export function checksum(sequence, salt) {
  let hash = Math.imul(sequence ^ Math.imul(salt, 0x9e37_79b1), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
