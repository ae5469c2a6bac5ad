/**
 * The right answers, by looking at every event, once. They are kept in a file, since making them takes as long as making the
 * events.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cachePath } from '../lib/cache.mjs'
import { quantile } from '../lib/timing.mjs'
import { FUNCTIONS, generateEvents, SITES, TYPE, TYPES } from './events.mjs'
import { messageText, RARE_WORD } from './messages.mjs'
import { eventList, PAGE, QUANTILE, sortGroups, totalAndEvents, variantsOf, X_ABOVE } from './questions.mjs'

/** @typedef {import('./events.mjs').Batch} Batch */
/** @typedef {import('./questions.mjs').Answer} Answer */
/** @typedef {{ see: (batch: Batch, row: number) => void, answer: () => Answer }} Answerer Sees every event in its turn. */

/** What the answers follow from. */
const SOURCES = ['events.mjs', 'messages.mjs', 'random.mjs', 'questions.mjs', 'reference.mjs']

/**
 * @param {number} events
 * @param {readonly string[]} questions
 * @returns {Record<string, Answer[]>} By question, an answer for each of its variants.
 */
export function rightAnswers(events, questions) {
  const hash = createHash('sha1').update(`${events} ${questions}`)
  for (const source of SOURCES) hash.update(readFileSync(new URL(source, import.meta.url)))
  const file = cachePath(`answers-${hash.digest('hex').slice(0, 16)}.json`)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'))
  const answers = findAnswers(events, questions)
  writeFileSync(file, JSON.stringify(answers))
  return answers
}

/**
 * @param {number} events
 * @param {readonly string[]} questions
 */
function findAnswers(events, questions) {
  const answerers = questions.map((question) => variantsOf(question, events).map((variant) => ANSWERERS[question](variant)))
  const all = answerers.flat()
  for (const batch of generateEvents(events)) {
    for (const answerer of all) for (let row = 0; row < batch.count; row++) answerer.see(batch, row)
  }
  return Object.fromEntries(questions.map((question, index) => [question, answerers[index].map((answerer) => answerer.answer())]))
}

/** The key of a group of events of one function. */
export function functionKey({ module, function: name, arity }) {
  return `${module} ${name} ${arity}`
}

/** @type {Record<string, (variant: any) => Answerer>} */
const ANSWERERS = {
  count() {
    const counts = new Float64Array(FUNCTIONS)
    return {
      see: (batch, row) => void counts[batch.site[row]]++,
      answer: () => sortGroups(SITES.map((site, index) => [functionKey(site), counts[index]])).filter(([, count]) => count > 0),
    }
  },
  page: ({ process, start, end }) =>
    totalAndFirst((batch, row) => {
      const timestamp = batch.timestamp[row]
      return batch.type[row] === TYPE.exit && timestamp >= start && timestamp < end && batch.process[row] === process
    }),
  'page-request': (variant) => ANSWERERS.page(variant),
  trace: ({ trace }) => listOf((batch, row) => batch.trace[row] === trace),
  stack({ process, at }) {
    /** @type {number[]} Entries of open calls, outermost first. */
    const open = []
    return {
      see(batch, row) {
        if (batch.process[row] !== process || batch.timestamp[row] > at || batch.type[row] > TYPE.exit) return
        if (batch.type[row] === TYPE.entry) open.push(batch.first + row)
        else open.splice(open.indexOf(batch.parent[row]), 1)
      },
      answer: () => eventList(open.toReversed()),
    }
  },
  top() {
    /** @type {{ event: number, durationNs: number }[]} */
    let longest = []
    const order = (a, b) => b.durationNs - a.durationNs || b.event - a.event
    return {
      see(batch, row) {
        if (batch.type[row] !== TYPE.exit) return
        longest.push({ event: batch.first + row, durationNs: batch.durationNs[row] })
        if (longest.length > 100 * PAGE) longest = longest.sort(order).slice(0, PAGE)
      },
      answer: () => eventList(longest.sort(order).slice(0, PAGE).map(({ event }) => event)),
    }
  },
  x() {
    let count = 0
    return {
      see: (batch, row) => void (count += batch.x[row] > X_ABOVE ? 1 : 0),
      answer: () => [['count', count]],
    }
  },
  group() {
    const counts = new Float64Array(FUNCTIONS * TYPES.length)
    const sums = new Float64Array(counts.length)
    return {
      see(batch, row) {
        const group = batch.site[row] * TYPES.length + batch.type[row]
        counts[group]++
        sums[group] += batch.durationNs[row]
      },
      answer: () => sortGroups(groupsOf(counts, sums)),
    }
  },
  p95() {
    /** @type {number[][]} */
    const durations = SITES.map(() => [])
    return {
      see: (batch, row) => void (batch.type[row] === TYPE.exit && durations[batch.site[row]].push(batch.durationNs[row])),
      answer: () => sortGroups(SITES.map((site, index) => [functionKey(site), quantile(durations[index], QUANTILE)])).filter(([, value]) => value > 0),
    }
  },
  text: () => totalAndFirst((batch, row) => batch.type[row] === TYPE.log && messageText(batch.first + row).toLowerCase().includes(RARE_WORD)),
  'first-page': ({ skip }) => listOf((batch, row) => batch.first + row >= skip && batch.first + row < skip + PAGE),
  'deep-page': (variant) => ANSWERERS['first-page'](variant),
}

/** Counts, and sums of durations, of events of one type and function. */
function groupsOf(counts, sums) {
  return SITES.flatMap((site, index) =>
    TYPES.flatMap((type, offset) => {
      const group = index * TYPES.length + offset
      if (counts[group] === 0) return []
      const key = groupKey(type, site)
      return [[`${key} count`, counts[group]], ...(offset === TYPE.exit ? [[`${key} sum`, sums[group]]] : [])]
    }),
  )
}

/** The key of a group of events of one type and function. */
export function groupKey(type, site) {
  return `${type} ${functionKey(site)}`
}

/**
 * @param {(batch: Batch, row: number) => boolean} matches
 * @returns {Answerer} How many match, and the first page of them.
 */
function totalAndFirst(matches) {
  let total = 0
  /** @type {number[]} */
  const events = []
  return {
    see(batch, row) {
      if (!matches(batch, row)) return
      if (total++ < PAGE) events.push(batch.first + row)
    },
    answer: () => totalAndEvents(total, events),
  }
}

/**
 * @param {(batch: Batch, row: number) => boolean} matches
 * @returns {Answerer} All that match.
 */
function listOf(matches) {
  /** @type {number[]} */
  const events = []
  return {
    see: (batch, row) => void (matches(batch, row) && events.push(batch.first + row)),
    answer: () => eventList(events),
  }
}
