/** Projection: which fields an answer has, and of which types. */
import { isPlainObject } from './conditions.js'
import { invalidArgument, unknownField } from './errors.js'
import { type QueryField, resolveField } from './fields.js'
import type { ProjectedType } from './plan.js'

/** One column of the answer. `as` null: the column's own type; a path's is what the snapshot holds. */
export interface ProjectedField extends QueryField {
  readonly as: ProjectedType | null
}

const TYPES: readonly unknown[] = ['i64', 'f64', 'bool', 'utf8', 'json'] satisfies ProjectedType[]

/**
 * Checks a projection.
 *
 * @returns Its items in the order asked for.
 * @throws {KinescopeError} `INVALID_ARGUMENT` when it is empty or names a field twice; `UNKNOWN_FIELD`.
 */
export function resolveProjection(projection: unknown): ProjectedField[] {
  if (!Array.isArray(projection) || projection.length === 0) {
    throw invalidArgument('projection', projection, 'a non-empty array of fields, or of { field, as }')
  }
  const keys = new Set<string>()
  return Array.from(projection as unknown[], (item, index) => {
    const where = `projection[${index}]`
    const field = projected(item, where)
    if (keys.has(field.key)) throw invalidArgument(where, field.key, 'a field that is not in the projection yet')
    keys.add(field.key)
    return field
  })
}

function projected(item: unknown, where: string): ProjectedField {
  if (!isPlainObject(item)) return { ...resolveField(item, where), as: null }
  for (const name of Object.keys(item)) {
    if (name !== 'field' && name !== 'as') throw unknownField(where, name, ['field', 'as'])
  }
  const { field, as } = item
  if (!TYPES.includes(as)) throw invalidArgument(`${where}.as`, as, `one of ${TYPES.join(', ')}`)
  return { ...resolveField(field, `${where}.field`), as: as as ProjectedType }
}
