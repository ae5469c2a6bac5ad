/** Checked by the type checker alone: what is implemented is what `index.d.ts` promises, no less and no more. */
import type * as contract from '../../index.js'
import type * as implementation from '../../src/index.js'

type Contract = typeof contract
type Implementation = typeof implementation

export const fulfil = (given: Implementation): Contract => given

type Unpromised = Exclude<keyof Implementation, keyof Contract>
export const nothingElse = (name: Unpromised): never => name
