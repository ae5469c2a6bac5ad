/** What is defined once per recording, as this thread knows it. */
import type { Site, SiteInput } from '../../index.js'
import { invalidArgument, unknownField } from '../errors.js'
import type { NativeStore } from '../native.js'
import { mapGet } from './intrinsics.js'
import { SITE_INLINE } from './layout.js'

/** Longer strings are not interned: they are hardly ever repeated, and definitions are never dropped. */
export const MAX_INTERNED_CHARACTERS = 256
const SITE_FIELDS = ['module', 'function', 'arity', 'file', 'line']

/** A site's facts; `null` and -1 where unknown. */
export interface SiteFacts {
  readonly module: string | null
  readonly fn: string | null
  readonly arity: number
  readonly file: string | null
  readonly line: number
}

/** Interned strings and sites of one thread. */
export class Definitions {
  /** Ids of strings. Never holds more than the recording's definitions do. */
  readonly stringIds = new Map<string, number>()
  /** The recording's id of each of this thread's sites, or -1; a `Site` is an index into this. */
  readonly siteIds: number[] = []
  /** The facts of each site, for records that carry them inline. */
  readonly siteFacts: SiteFacts[] = []

  readonly #native: Pick<NativeStore, 'defineString' | 'defineSite'>
  #full = false

  constructor(native: Pick<NativeStore, 'defineString' | 'defineSite'>) {
    this.#native = native
  }

  /** Id of an interned string, or -1 if it has to travel inline. */
  stringId(text: string): number {
    const known = mapGet(this.stringIds, text)
    if (known !== undefined) return known
    if (this.#full || text.length > MAX_INTERNED_CHARACTERS) return -1
    let id = -1
    try {
      id = this.#native.defineString(text)
    } catch {
      // A closed recording defines nothing more.
    }
    if (id >= 0) this.stringIds.set(text, id)
    else this.#full = true
    return id
  }

  /**
   * Interns a call site.
   *
   * @throws {KinescopeError} `INVALID_ARGUMENT` naming the field.
   */
  site(input: SiteInput): Site {
    if (typeof input !== 'object' || input === null) throw invalidArgument('site', input, 'an object')
    for (const name of Object.keys(input)) {
      if (!SITE_FIELDS.includes(name)) throw unknownField('site', name, SITE_FIELDS)
    }
    const { module, function: fn, arity, file, line } = input
    if (typeof module !== 'string') throw invalidArgument('site.module', module, 'a string')
    if (typeof fn !== 'string') throw invalidArgument('site.function', fn, 'a string')
    if (!isArity(arity)) throw invalidArgument('site.arity', arity, 'an integer from 0 to 65535')
    if (file != null && typeof file !== 'string') throw invalidArgument('site.file', file, 'a string')
    if (line != null && !isLine(line)) throw invalidArgument('site.line', line, 'an integer from 1 to 4294967295')
    return this.add({ module, fn, arity, file: file ?? null, line: line ?? -1 })
  }

  /** Interns facts that are known to be valid. */
  add(facts: SiteFacts): Site {
    let id: number
    try {
      id = this.#native.defineSite(facts.module, facts.fn, facts.arity, facts.file, facts.line)
    } catch {
      // A closed recording: the site is of no use any more, but making it must not fail.
      id = SITE_INLINE
    }
    this.siteFacts.push(facts)
    return (this.siteIds.push(id) - 1) as Site
  }

  /** Whether a value is one of this thread's sites. */
  has(site: unknown): site is Site {
    return typeof site === 'number' && this.siteIds[site] !== undefined
  }
}

/** Whether a value can be a function's number of parameters. */
export function isArity(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff
}

/** Whether a value can be a 1-based line. */
export function isLine(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 0xffffffff
}
