/** What a plan's condition means for one event, written down as slowly and plainly as it can be said. */
import { compileRegex } from '../../oracle/regex.js'
import { compareScalars, eventIdBits, isNumeric, numberOfText } from '../../oracle/values.js'
import type { Event } from '../../index.js'
import type { FieldRef } from '../../src/fields.js'
import type { FieldTest, Node, Scalar } from '../../src/plan.js'

/** Whether the event fulfils the condition. */
export function holds(node: Node, event: Event): boolean {
  if ('and' in node) return node.and.every((part) => holds(part, event))
  if ('or' in node) return node.or.some((part) => holds(part, event))
  if ('not' in node) return !holds(node.not, event)
  if ('text' in node) return node.text.every((part) => textsOf(event).some((text) => text.toLowerCase().includes(part)))
  return passes(node.test, event)
}

function passes(test: FieldTest, event: Event): boolean {
  const value = valueOf(test.field, event)
  if (value === null || value === undefined) return false
  const sameAs = (scalar: Scalar) => orderOf(test.field, value, scalar) === 0
  switch (test.op) {
    case 'exists':
      return true
    case 'in':
      return test.values.some(sameAs)
    case 'eq':
      return sameAs(test.value)
    case 'contains':
      return typeof value === 'string' && value.includes(test.text)
    case 'startsWith':
      return typeof value === 'string' && value.startsWith(test.text)
    case 'matches':
      return typeof value === 'string' && compileRegex(test.text, 'where').test(value)
    default: {
      const order = orderOf(test.field, value, test.value)
      if (order === undefined) return false
      return { lt: order < 0, lte: order <= 0, gt: order > 0, gte: order >= 0 }[test.op]
    }
  }
}

/** Undefined when the value is not of the type that it is compared with. */
function orderOf(field: FieldRef, value: unknown, scalar: Scalar): number | undefined {
  const wanted = 'int' in scalar ? BigInt(scalar.int) : 'float' in scalar ? scalar.float : 'text' in scalar ? scalar.text : scalar.bool
  const own = 'tag' in field && typeof wanted !== 'string' ? fromTag(value as string, typeof wanted) : value
  const comparable = isNumeric(wanted) ? isNumeric(own) : typeof own === typeof wanted
  return comparable ? compareScalars(own as never, wanted) : undefined
}

function fromTag(text: string, type: string): unknown {
  if (type !== 'boolean') return numberOfText(text)
  return text === 'true' ? true : text === 'false' ? false : undefined
}

function valueOf(field: FieldRef, event: Event): unknown {
  if ('tag' in field) return event.tags !== null && Object.hasOwn(event.tags, field.tag) ? event.tags[field.tag] : undefined
  if ('path' in field) return field.path.reduce(step, event.data)
  const key = field.column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) as keyof Event
  return key === 'eventId' || key === 'parentId' ? eventIdBits(event[key]) : event[key]
}

function step(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  // An array has only its items: no length, and no index such as 01.
  if (Array.isArray(value) && String(Number(key)) !== key) return undefined
  return (value as Record<string, unknown>)[key]
}

function textsOf(event: Event): string[] {
  const columns = [event.eventType, event.node, event.pid, event.correlationId, event.module, event.function, event.file]
  const found = columns.filter((text) => text !== null)
  for (const [key, value] of Object.entries(event.tags ?? {})) found.push(key, value)
  const walk = (value: unknown): void => {
    if (typeof value === 'string') found.push(value)
    else if (Array.isArray(value)) value.forEach(walk)
    else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        found.push(key)
        walk(item)
      }
    }
  }
  walk(event.data)
  return found
}
