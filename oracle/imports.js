// @ts-check
/**
 * Events from elsewhere.
 */
import { capture, withCuts } from './capture.js'
import { FIRST_IMPORT_PRODUCER, NOTHING_RECORDED, readEnvelope } from './envelope.js'
import { invalidArgument } from './errors.js'
import { EMPTY_ROW } from './store.js'

/** @typedef {import('../index.js').EventId} EventId */

/** Imports all of a list or nothing of it. */
export class Importer {
  #shared
  #nextSequence = 0

  /** @param {import('./recorder.js').Shared} shared */
  constructor(shared) {
    this.#shared = shared
  }

  /**
   * Defaults: the recording's node, the pid `main`, the time that belongs to the other time, else now.
   *
   * @param {unknown} inputs `EventInput[]`
   * @returns {EventId[]}
   * @throws {import('./errors.js').KinescopeError} `INVALID_ARGUMENT` for a malformed event, and for an id that exists or comes twice
   */
  storeAll(inputs) {
    if (!Array.isArray(inputs)) throw invalidArgument('events', 'an array', inputs)
    const { log, settings } = this.#shared
    const envelopes = inputs.map((input, index) => readEnvelope(input, `events[${index}]`, settings.redact))
    const used = new Set(log.events.map((event) => event.eventId))
    envelopes.forEach(({ eventId }, index) => {
      if (eventId === undefined) return
      if (used.has(eventId)) throw invalidArgument(`events[${index}].eventId`, 'an id that does not exist yet', eventId)
      used.add(eventId)
    })
    return envelopes.map((envelope) => {
      const row = {
        ...EMPTY_ROW,
        ...envelope,
        eventId: envelope.eventId ?? this.#freshId(used),
        node: envelope.node ?? this.#shared.node,
        pid: envelope.pid ?? 'main',
        correlationId: envelope.correlationId ?? null,
        parentId: envelope.parentId === NOTHING_RECORDED ? null : (envelope.parentId ?? null),
        ...this.#timesOf(envelope),
        data: withCuts(capture(envelope.data, settings)),
      }
      return log.append(row).eventId
    })
  }

  /** @param {Set<EventId>} used */
  #freshId(used) {
    for (;;) {
      const id = /** @type {EventId} */ (`${FIRST_IMPORT_PRODUCER}-${this.#nextSequence++}`)
      if (!used.has(id)) return id
    }
  }

  /** @param {import('./envelope.js').Envelope} envelope */
  #timesOf({ timestamp, wallTime }) {
    const now = this.#shared.now()
    const offset = now.wallTime - now.timestamp
    const time = timestamp ?? (wallTime === undefined ? now.timestamp : wallTime - offset)
    return { timestamp: time, wallTime: wallTime ?? time + offset }
  }
}
