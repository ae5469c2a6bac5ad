/** Options of `open`: validation and defaults. */
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { CaptureConfig, OpenOptions } from '../index.js'
import { invalidArgument, unknownField } from './errors.js'
import type { NativeStoreOptions } from './native.js'
import { resolveLimits, resolveRedact, resolveSamplingRate } from './options.js'

const OPTIONS = ['path', 'mode', 'durability', 'node', 'retention', 'segmentEvents', 'ring', 'samplingRate', 'limits', 'redact', 'sourceRoots']
const SOURCE_ROOTS_MAX = 64
const NODE_CHARACTERS_MAX = 255
const SEGMENT_EVENTS_MAX = 1 << 24
const DEFAULT_SEGMENT_EVENTS = 1 << 20
const RING_BYTES_MIN = 1 << 16
const RING_BYTES_MAX = 1 << 30
const DEFAULT_RING_BYTES = 8 << 20
const DEFAULT_RETENTION_BYTES = 1 << 30

const DURABILITIES = ['process', 'interval', 'sync'] as const
/** What may be given to read a recording: the rest is its writer's business. */
const READ_OPTIONS = ['path', 'mode', 'sourceRoots']

/** What reading a recording of another process needs. */
export interface ResolvedReader {
  /** The recording's directory, absolute. */
  readonly read: string
  /** Absolute. */
  readonly sourceRoots: readonly string[]
}

/** What `open` needs of its options, complete. */
export interface ResolvedOptions {
  readonly store: NativeStoreOptions
  readonly settings: Settings
}

/** What every thread of a recording has to know; kept with it as JSON. */
export interface Settings {
  readonly config: CaptureConfig
  /** Absolute. */
  readonly sourceRoots: readonly string[]
}

/**
 * Checks the options of `open` and fills in what they leave out.
 *
 * @throws {KinescopeError} `INVALID_ARGUMENT` naming the option.
 * @example
 * resolveOptions({ mode: 'read', path: 'recordings/1' }) // { read: '/.../recordings/1', sourceRoots: [...] }
 */
export function resolveOptions(options: OpenOptions): ResolvedOptions | ResolvedReader {
  const given = fields('options', options, OPTIONS)
  const path = pathOf(given['path'])
  const mode = given['mode'] ?? 'record'
  if (mode !== 'record' && mode !== 'read') throw invalidArgument('mode', mode, "'record' or 'read'")
  if (mode === 'read') return readerOf(given, path)
  const durability = given['durability'] ?? 'process'
  if (!DURABILITIES.includes(durability as 'process')) throw invalidArgument('durability', durability, "'process', 'interval' or 'sync'")
  if (path === undefined && given['durability'] !== undefined) {
    throw invalidArgument('durability', durability, 'none without a path: what is in memory ends with the process')
  }
  const retention = fields('retention', given['retention'] ?? {}, ['maxBytes', 'maxAgeMs', 'maxEvents'])
  const ring = fields('ring', given['ring'] ?? {}, ['bytes', 'overflow'])
  const config: CaptureConfig = {
    enabled: true,
    samplingRate: resolveSamplingRate(options.samplingRate),
    limits: resolveLimits(options.limits),
    redact: resolveRedact(options.redact),
  }
  const limit = (name: string): number => integer(`retention.${name}`, retention[name] ?? 0, retention[name] === undefined ? 0 : 1)
  const overflow = ring['overflow'] ?? 'drop_newest'
  if (overflow !== 'drop_newest' && overflow !== 'block') {
    throw invalidArgument('ring.overflow', overflow, "'drop_newest' or 'block'")
  }
  const settings: Settings = { config, sourceRoots: sourceRootsOf(given['sourceRoots']) }
  const node = nodeName(given['node'])
  const store: NativeStoreOptions = {
    node,
    segmentEvents: integer('segmentEvents', given['segmentEvents'] ?? DEFAULT_SEGMENT_EVENTS, 1, SEGMENT_EVENTS_MAX),
    ringBytes: integer('ring.bytes', ring['bytes'] ?? DEFAULT_RING_BYTES, RING_BYTES_MIN, RING_BYTES_MAX),
    blockWhenFull: overflow === 'block',
    retentionMaxBytes: limit('maxBytes') || (path === undefined ? DEFAULT_RETENTION_BYTES : 0),
    retentionMaxAgeMs: limit('maxAgeMs'),
    retentionMaxEvents: limit('maxEvents'),
    configJson: JSON.stringify({ ...settings, node }),
    durability: DURABILITIES.indexOf(durability as 'process'),
    ...(path === undefined ? {} : { path }),
  }
  return { store, settings }
}

function pathOf(path: unknown): string | undefined {
  if (path === undefined) return undefined
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw invalidArgument('path', path, 'a directory')
  return resolve(path)
}

function readerOf(given: Record<string, unknown>, path: string | undefined): ResolvedReader {
  if (path === undefined) throw invalidArgument('path', path, "a recording's directory for mode 'read'")
  const foreign = Object.keys(given).find((name) => given[name] !== undefined && !READ_OPTIONS.includes(name))
  if (foreign !== undefined) throw invalidArgument(foreign, given[foreign], "none in mode 'read', where the recording's writer decides")
  return { read: path, sourceRoots: sourceRootsOf(given['sourceRoots']) }
}

function fields(owner: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(owner, value, 'an object')
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) throw unknownField(owner, name, known)
  }
  return value as Record<string, unknown>
}

function integer(field: string, value: unknown, smallest: number, largest: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < smallest || (value as number) > largest) {
    throw invalidArgument(field, value, `an integer from ${smallest} to ${largest}`)
  }
  return value as number
}

function nodeName(node: unknown): string {
  if (node === undefined) return `${hostname()}:${process.pid}`.slice(0, NODE_CHARACTERS_MAX)
  if (typeof node !== 'string' || node.length === 0 || node.length > NODE_CHARACTERS_MAX) {
    throw invalidArgument('node', node, `a string of 1 to ${NODE_CHARACTERS_MAX} characters`)
  }
  return node
}

function sourceRootsOf(roots: unknown): string[] {
  if (roots === undefined) return [process.cwd()]
  if (!Array.isArray(roots) || roots.length > SOURCE_ROOTS_MAX) throw invalidArgument('sourceRoots', roots, `an array of at most ${SOURCE_ROOTS_MAX} directories`)
  return roots.map((root, index) => {
    if (typeof root !== 'string' || root === '') throw invalidArgument(`sourceRoots[${index}]`, root, 'a directory')
    return resolve(root)
  })
}
