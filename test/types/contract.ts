/** Checked by the type checker alone: what is implemented is what the declarations at the root promise, no less and no more. */
import type * as contract from '../../index.js'
import type * as exportContract from '../../export.js'
import type * as opentelemetryContract from '../../opentelemetry.js'
import type * as exports from '../../src/export/index.js'
import type * as implementation from '../../src/index.js'
import type * as opentelemetry from '../../src/opentelemetry/index.js'

type Contract = typeof contract
type Implementation = typeof implementation

export const fulfil = (given: Implementation): Contract => given

type Unpromised = Exclude<keyof Implementation, keyof Contract>
export const nothingElse = (name: Unpromised): never => name

export const fulfilOpenTelemetry = (given: typeof opentelemetry): typeof opentelemetryContract => given

type UnpromisedOpenTelemetry = Exclude<keyof typeof opentelemetry, keyof typeof opentelemetryContract>
export const nothingElseOpenTelemetry = (name: UnpromisedOpenTelemetry): never => name

export const fulfilExport = (given: typeof exports): typeof exportContract => given

type UnpromisedExport = Exclude<keyof typeof exports, keyof typeof exportContract>
export const nothingElseExport = (name: UnpromisedExport): never => name
