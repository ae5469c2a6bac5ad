/** The JSON of `data` as JavaScript values; integers that no number can hold become bigints. */

/** Sixteen digits in a row may be an integer beyond 2^53; anything shorter is not. */
const LONG_DIGITS = /\d{16}/
const INTEGER = /^-?\d+$/
const TOKEN = /\s*(?:([{}[\]:,])|("(?:[^"\\]|\\.)*")|(true|false|null)|(-?\d[\d.eE+-]*))/y

/**
 * Parses what the store has written into the `data` column.
 *
 * @example
 * parseData('{"a":1,"b":9007199254740993}') // { a: 1, b: 9007199254740993n }
 */
export function parseData(text: string): unknown {
  return LONG_DIGITS.test(text) ? new ExactParser(text).value() : JSON.parse(text)
}

/** As `JSON.parse`, which drops the digits that a number cannot hold before a reviver sees them on Node 20. */
class ExactParser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(): unknown {
    return this.#valueOf(this.#token())
  }

  #token(): RegExpExecArray {
    TOKEN.lastIndex = this.#at
    const token = TOKEN.exec(this.#text)
    if (token === null) throw new SyntaxError(`data: expected JSON at character ${this.#at}`)
    this.#at = TOKEN.lastIndex
    return token
  }

  #valueOf([, mark, string, word, number]: RegExpExecArray): unknown {
    if (number !== undefined) return exactNumber(number)
    if (mark === '{') return this.#object()
    if (mark === '[') return this.#array()
    return JSON.parse(string ?? word ?? '')
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    let token = this.#token()
    while (token[1] !== '}') {
      const key = JSON.parse(token[2] ?? '') as string
      this.#token()
      // As `JSON.parse` does: a field called `__proto__` is a field.
      Object.defineProperty(object, key, { value: this.value(), writable: true, enumerable: true, configurable: true })
      token = this.#token()
      if (token[1] === ',') token = this.#token()
    }
    return object
  }

  #array(): unknown[] {
    const array: unknown[] = []
    let token = this.#token()
    while (token[1] !== ']') {
      array.push(this.#valueOf(token))
      token = this.#token()
      if (token[1] === ',') token = this.#token()
    }
    return array
  }
}

function exactNumber(text: string): number | bigint {
  const number = Number(text)
  return INTEGER.test(text) && !Number.isSafeInteger(number) ? BigInt(text) : number
}
