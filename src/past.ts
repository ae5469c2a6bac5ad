/** The past of a logical process as the addon tells it, in the words of the contract. */
import type { CallStack, EventId, NamedState, StackFrame, State, VariableValue } from '../index.js'
import { parseData } from './data-json.js'
import type { NativeCallStack, NativeFrame, NativeState, NativeStateValue } from './native.js'

/** Event types that tell state. */
export const STATE_EVENT_TYPES = ['local_variable_snapshot', 'state_snapshot', 'state_change']

/** A call stack. */
export function callStackOf({ frames, reason }: NativeCallStack): CallStack {
  const shown = frames.map(frameOf)
  return reason === undefined ? { frames: shown, complete: true } : { frames: shown, complete: false, reason }
}

function frameOf({ pid, module, function: fn, arity, file, line, entryId, enteredAt }: NativeFrame): StackFrame {
  return {
    pid,
    module: module ?? null,
    function: fn ?? null,
    arity: arity ?? null,
    file: file ?? null,
    line: line ?? null,
    entryId: entryId as EventId,
    enteredAt,
  }
}

/** A state. */
export function stateOf({ variables, states }: NativeState): State {
  return { variables: variables.map(variableOf), states: states.map(namedStateOf) }
}

function variableOf(variable: NativeStateValue): VariableValue {
  const { module, function: fn, arity, name } = variable
  return { module: module ?? null, function: fn ?? null, arity: arity ?? null, name: name ?? '', ...valueOf(variable) }
}

function namedStateOf(state: NativeStateValue): NamedState {
  return { module: state.module ?? null, name: state.name ?? null, ...valueOf(state) }
}

function valueOf({ value, eventId, timestamp }: NativeStateValue): Pick<NamedState, 'value' | 'eventId' | 'timestamp'> {
  return { value: parseData(value), eventId: eventId as EventId, timestamp }
}
