/** As text that tells apart what equality of rows must: -0, bigints, the order of keys, a key `__proto__`. */
export function exact(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (value instanceof Date) return `Date(${value.getTime()})`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? String(value)
  if (Array.isArray(value)) return `[${value.map(exact).join()}]`
  return `{${Object.keys(value).map((key) => `${JSON.stringify(key)}:${exact(Object.getOwnPropertyDescriptor(value, key)!.value)}`).join()}}`
}
