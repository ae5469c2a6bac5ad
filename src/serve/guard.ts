/** Who may ask: not a page in a browser, not a name that somebody else's DNS points here, and nobody without the token. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { Refusal } from './errors.js'

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']
const SHOWN_CHARACTERS = 100

/** Checks requests before anything else is done for them. */
export class Guard {
  readonly #digest: Buffer
  readonly #hosts: ReadonlySet<string>
  readonly #port: number
  readonly #isOpen: boolean

  /** @param host The address that is listened at; beyond loopback, addresses are names of this server, as nobody can make a browser take them for another's. */
  constructor({ token, host, port, allowedHosts }: { token: string; host: string; port: number; allowedHosts: readonly string[] }) {
    this.#digest = digest(token)
    this.#port = port
    this.#isOpen = !['localhost', '127.0.0.1', '::1'].includes(host)
    const own = isIP(host) === 6 ? `[${host}]` : host.toLowerCase()
    this.#hosts = new Set([...[...LOOPBACK, own].flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`])), ...allowedHosts])
  }

  /** @throws {Refusal} 421, 403, 401. */
  check({ headers }: IncomingMessage): void {
    const { host = '', origin, authorization } = headers
    if (!this.#isOurs(host)) {
      throw new Refusal(421, 'INVALID_ARGUMENT', `Host: expected a name of this server, such as 127.0.0.1:${this.#port}, got ${shown(host)}`, { details: { field: 'Host' } })
    }
    const site = headers['sec-fetch-site']
    if ((origin !== undefined && !(origin.startsWith('http://') && this.#isOurs(origin.slice('http://'.length)))) || (site !== undefined && site !== 'same-origin' && site !== 'none')) {
      throw new Refusal(403, 'INVALID_ARGUMENT', `Origin: expected none but this server's own, got ${shown(origin ?? `a request that is ${String(site)}`)}`, { details: { field: 'Origin' } })
    }
    const [, given] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? []
    // Of digests, so that neither the text nor its length can be found out by the time that this takes.
    if (!timingSafeEqual(digest(given ?? ''), this.#digest)) {
      const got = authorization === undefined ? 'none' : given === undefined ? 'something else' : 'another one'
      throw new Refusal(401, 'INVALID_ARGUMENT', `Authorization: expected Bearer and the token of this server, got ${got}`, {
        details: { field: 'Authorization' },
        headers: { 'WWW-Authenticate': 'Bearer realm="kinescope"' },
      })
    }
  }

  #isOurs(host: string): boolean {
    const name = host.toLowerCase()
    if (this.#hosts.has(name)) return true
    if (!this.#isOpen) return false
    const [, inBrackets, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/.exec(name) ?? []
    return isIP(inBrackets ?? '') === 6 || isIP(plain ?? '') === 4
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, SHOWN_CHARACTERS))
}
