/**
 * Preloaded into a package's own test run: everything that the package's modules export is replaced by what
 * `recorder.wrap` makes of it, the methods of exported classes included. On exit, writes what was recorded as JSON.
 *
 * Environment: `WRAPPED_PACKAGES`, names of packages of `packages/`, and `LEFT_ALONE`, names of methods that stay as they
 * are, both separated by spaces; `REPORT_FILE`.
 */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { relative, sep } from 'node:path'
import { types } from 'node:util'
import { fileURLToPath } from 'node:url'
import { open } from 'kinescope'

const folder = fileURLToPath(new URL('packages/node_modules/', import.meta.url))
const leftAlone = new Set(process.env.LEFT_ALONE.split(' '))
const packages = process.env.WRAPPED_PACKAGES.split(' ').map((name) => folder + name.replaceAll('/', sep) + sep)
const scope = await open({ ring: { bytes: 2 ** 28, overflow: 'block' } })

/** @type {Map<Function, Function>} what is wrapped already, so that a function exported twice stays one function */
const wrappers = new Map()
/** Functions whose calls may rightly end without an exit: a generator need not be finished. */
const generators = new Set()
const kinds = { class: 0, async: 0, generator: 0, plain: 0 }

const { extensions } = createRequire(import.meta.url)
const load = extensions['.js']
extensions['.js'] = (module, filename) => {
  load(module, filename)
  if (isPartOfPackage(filename)) module.exports = wrapExports(module.exports, relative(folder, filename))
}

function isPartOfPackage(filename) {
  const home = packages.find((path) => filename.startsWith(path))
  return home !== undefined && !/[\\/](node_modules|[\w-]*test)[\\/]/.test(filename.slice(home.length - 1))
}

function wrapExports(exported, module) {
  if (typeof exported === 'function') return wrapFunction(exported, module, exported.name)
  if (typeof exported === 'object' && exported !== null) wrapProperties(exported, module, '')
  return exported
}

function wrapFunction(fn, module, name) {
  const known = wrappers.get(fn)
  if (known) return known
  const site = `${module}: ${name}`
  const kind = kindOf(fn)
  kinds[kind] += 1
  if (kind === 'generator') generators.add(site)
  const wrapper = scope.recorder.wrap(fn, { module, function: site, captureResult: true })
  wrappers.set(fn, wrapper)
  wrappers.set(wrapper, wrapper)
  wrapProperties(wrapper, module, `${name}.`)
  // What an instance says of its constructor has to be what the module exports.
  if (fn.prototype?.constructor === fn) fn.prototype.constructor = wrapper
  if (kind === 'class') wrapProperties(fn.prototype, module, `${name}.prototype.`)
  return wrapper
}

function kindOf(fn) {
  if (types.isGeneratorFunction(fn)) return 'generator'
  if (types.isAsyncFunction(fn)) return 'async'
  return /^class\b/.test(Function.prototype.toString.call(fn)) ? 'class' : 'plain'
}

/** Wraps functions that are own data properties; what cannot be replaced and what is inherited stays. */
function wrapProperties(object, module, prefix) {
  for (const key of Reflect.ownKeys(object)) {
    const property = Object.getOwnPropertyDescriptor(object, key)
    if (typeof property.value !== 'function' || leftAlone.has(key) || !(property.writable || property.configurable)) continue
    Object.defineProperty(object, key, { ...property, value: wrapFunction(property.value, module, prefix + String(key)) })
  }
}

process.on('exit', () => {
  scope.flushSync()
  const { lost, unbalanced, recorded, stored } = scope.stats()
  const { table } = scope.dataAccess.queryEventsSync({ limit: Number.MAX_SAFE_INTEGER, timeoutMs: 60_000 })
  const report = { kinds, recorded, stored, unbalanced, lost, ...balance(table) }
  writeFileSync(process.env.REPORT_FILE, JSON.stringify(report))
})

/** Matches every exit to its entry by id. */
function balance(table) {
  const column = (name) => table.getChild(name)
  const [ids, parents, eventTypes, functions] = ['event_id', 'parent_id', 'event_type', 'function'].map(column)
  const unmatched = new Map()
  const counts = { entries: 0, exits: 0, exitsWithoutEntry: 0, others: 0 }
  for (let row = 0; row < table.numRows; row += 1) {
    const eventType = eventTypes.get(row)
    if (eventType === 'function_entry') {
      counts.entries += 1
      unmatched.set(ids.get(row), functions.get(row))
    } else if (eventType === 'function_exit') {
      counts.exits += 1
      if (!unmatched.delete(parents.get(row))) counts.exitsWithoutEntry += 1
    } else {
      counts.others += 1
    }
  }
  const unfinished = [...unmatched.values()]
  return { ...counts, unfinishedGenerators: unfinished.filter((site) => generators.has(site)).length, unfinished: unfinished.filter((site) => !generators.has(site)) }
}
