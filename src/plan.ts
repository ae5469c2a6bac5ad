/** What a query hands to the addon beyond its native fields, as JSON; the Rust twin is `crates/node/src/plan.rs`. */
import type { FieldRef } from './fields.js'

/** A value to compare with. Integers are exact, in decimal; ids and times are integers. */
export type Scalar = { readonly bool: boolean } | { readonly int: string } | { readonly float: number } | { readonly text: string }

/** A test of one field. An absent value passes none. */
export type FieldTest =
  | { readonly field: FieldRef; readonly op: 'eq' | 'lt' | 'lte' | 'gt' | 'gte'; readonly value: Scalar }
  | { readonly field: FieldRef; readonly op: 'in'; readonly values: readonly Scalar[] }
  | { readonly field: FieldRef; readonly op: 'exists' }
  | { readonly field: FieldRef; readonly op: 'contains' | 'startsWith' | 'matches'; readonly text: string }

/** A condition. `text` holds where every part occurs somewhere in the event, in lower case. */
export type Node =
  | { readonly and: readonly Node[] }
  | { readonly or: readonly Node[] }
  | { readonly not: Node }
  | { readonly test: FieldTest }
  | { readonly text: readonly string[] }

/** The type of a projected item; `json` is JSON text. */
export type ProjectedType = 'i64' | 'f64' | 'bool' | 'utf8' | 'json'

/** An order other than (`timestamp`, `seq`). */
export interface Order {
  readonly field: FieldRef
  readonly descending: boolean
}

/** What is absent does not restrict, reorder, skip or project. */
export interface Plan {
  condition?: Node
  order?: Order
  /** Rows to leave out at the start. */
  skip?: number
  /** As the addon gave it. */
  token?: string
  /** Equal for two plans that ask the same, whatever their pages; see {@link identityOf}. */
  identity: string
  /** `as` null: the column's own type, or the one that the snapshot holds. */
  projection?: readonly { readonly field: FieldRef; readonly as: ProjectedType | null }[]
}

/** Holds where all of them hold; everywhere without any. */
export function allOf(nodes: readonly Node[]): Node {
  const flat = nodes.flatMap((node) => ('and' in node ? node.and : [node]))
  return flat.length === 1 ? flat[0]! : { and: flat }
}

/** Holds where one of them holds; nowhere without any. */
export function anyOf(nodes: readonly Node[]): Node {
  const flat = nodes.flatMap((node) => ('or' in node ? node.or : [node]))
  return flat.length === 1 ? flat[0]! : { or: flat }
}

/** The exact complement. */
export function negated(node: Node): Node {
  return 'not' in node ? node.not : { not: node }
}

/**
 * A text that is the same for two plans that ask the same: it is made of what the options resolve to, so neither the
 * spelling of a field nor the order of keys is in it. Empty for a plan that asks nothing.
 */
export function identityOf({ condition, order, projection }: Omit<Plan, 'identity'>): string {
  if (condition === undefined && order === undefined && projection === undefined) return ''
  return JSON.stringify({
    condition: condition === undefined ? undefined : canonical(condition),
    order,
    projection: projection?.map(({ field, as }) => [field, as]),
  })
}

/** The condition with what is joined in one order, whichever it was given in. */
function canonical(node: Node): string {
  if ('and' in node) return `and(${node.and.map(canonical).sort().join()})`
  if ('or' in node) return `or(${node.or.map(canonical).sort().join()})`
  return 'not' in node ? `not(${canonical(node.not)})` : JSON.stringify(node)
}
