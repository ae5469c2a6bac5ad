//! The past of a logical process: call stacks and states.

use std::sync::Arc;

use kinescope_query::{Cancel, Incomplete, StackFrame, StateValue, call_stack_at, state_at};
use kinescope_store::{Error, EventId};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Object};
use napi_derive::napi;

use crate::convert::{clamped_i64, js_error};
use crate::pool;
use crate::producer::NativeProducer;
use crate::query::{Asker, NativeCancel};
use crate::store::NativeStore;

/// An open call.
#[napi(object)]
pub struct NativeFrame {
    /// The logical process that entered it.
    pub pid: String,
    /// Module.
    pub module: Option<String>,
    /// Function.
    pub function: Option<String>,
    /// Number of parameters.
    pub arity: Option<u32>,
    /// Source file.
    pub file: Option<String>,
    /// 1-based.
    pub line: Option<u32>,
    /// The id of its entry.
    pub entry_id: String,
    /// The time of its entry.
    pub entered_at: BigInt,
}

/// A call stack, innermost first.
#[napi(object)]
pub struct NativeCallStack {
    /// Open calls.
    pub frames: Vec<NativeFrame>,
    /// Why it is not complete; absent if it is.
    pub reason: Option<String>,
}

/// A value and where it came from.
#[napi(object)]
pub struct NativeStateValue {
    /// Module.
    pub module: Option<String>,
    /// Function.
    pub function: Option<String>,
    /// Number of parameters.
    pub arity: Option<u32>,
    /// Of the variable or state.
    pub name: Option<String>,
    /// JSON text.
    pub value: String,
    /// The event.
    pub event_id: String,
    /// Its time.
    pub timestamp: BigInt,
}

/// What a logical process knew.
#[napi(object)]
pub struct NativeState {
    /// Variables.
    pub variables: Vec<NativeStateValue>,
    /// States.
    pub states: Vec<NativeStateValue>,
}

fn frame(frame: StackFrame) -> NativeFrame {
    NativeFrame {
        pid: frame.pid,
        module: frame.module,
        function: frame.function,
        arity: frame.arity.map(u32::from),
        file: frame.file,
        line: frame.line,
        entry_id: EventId(frame.entry_id).to_string(),
        entered_at: BigInt::from(frame.entered_at),
    }
}

fn value(value: StateValue) -> NativeStateValue {
    NativeStateValue {
        module: value.module,
        function: value.function,
        arity: value.arity.map(u32::from),
        name: value.name,
        value: value.value,
        event_id: EventId(value.event_id).to_string(),
        timestamp: BigInt::from(value.timestamp),
    }
}

fn stack(asker: &Asker, pid: &str, time: i64, cancel: &Cancel) -> Result<NativeCallStack, Error> {
    let stack = call_stack_at(pid, time, &asker.snapshot()?, cancel)?;
    let reason = stack.incomplete.map(|incomplete| match incomplete {
        Incomplete::Truncated => "truncated".to_owned(),
        Incomplete::Unbalanced => "unbalanced".to_owned(),
    });
    Ok(NativeCallStack {
        frames: stack.frames.into_iter().map(frame).collect(),
        reason,
    })
}

#[napi]
impl NativeStore {
    /// The call stack of a logical process at a time.
    #[napi]
    pub fn call_stack<'env>(
        &self,
        env: &'env Env,
        pid: String,
        time: BigInt,
        producer: &NativeProducer,
        head: u32,
        cancel: Option<&NativeCancel>,
    ) -> napi::Result<Object<'env>> {
        let asker = Asker::of(producer, head);
        let cancel = NativeCancel::shared(cancel);
        let time = clamped_i64(&time);
        pool::promise(env, move || stack(&asker, &pid, time, &cancel))
    }

    /// The same on this thread.
    #[napi]
    pub fn call_stack_sync(
        &self,
        pid: String,
        time: BigInt,
        producer: &NativeProducer,
        head: u32,
        timeout_ms: f64,
    ) -> napi::Result<NativeCallStack> {
        let cancel = crate::query::deadline(timeout_ms);
        stack(
            &Asker::of(producer, head),
            &pid,
            clamped_i64(&time),
            &cancel,
        )
        .map_err(js_error)
    }

    /// The state of a logical process at a time.
    #[napi]
    pub fn state<'env>(
        &self,
        env: &'env Env,
        pid: String,
        time: BigInt,
        producer: &NativeProducer,
        head: u32,
    ) -> napi::Result<Object<'env>> {
        let asker = Asker::of(producer, head);
        let time = clamped_i64(&time);
        pool::promise(env, move || {
            let state = state_at(&pid, time, &asker.snapshot()?, &Arc::<Cancel>::default())?;
            Ok(NativeState {
                variables: state.variables.into_iter().map(value).collect(),
                states: state.states.into_iter().map(value).collect(),
            })
        })
    }
}
