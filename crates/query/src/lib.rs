//! Queries over a snapshot of a Kinescope recording.
//!
//! The road of a query: [`filter`] makes a bitmap of each segment's matching rows, of which [`evaluate`] tests what the
//! [`condition`] asks; [`select`] finds the answer's rows in their [`order`]; [`execute()`] hands out whole runs as the
//! segment's own memory and gathers the rest, as the [`projection`] says.
#![forbid(unsafe_code)]

pub mod aggregate;
pub mod bitmap;
mod cancel;
mod code_filter;
pub mod condition;
mod describe;
pub mod evaluate;
mod execute;
pub mod filter;
mod find;
mod gather;
mod id_set;
mod lower_case;
pub mod order;
pub mod page_token;
mod path_filter;
mod path_reader;
pub mod projection;
pub mod select;
mod select_by_field;
mod slab;
mod stack;
mod state;
mod tag_filter;
mod text_search;
mod trace;

pub use cancel::Cancel;
pub use describe::{Description, LISTED_MAX, SegmentDescription, describe, text_counts};
pub use execute::{Answer, IpcFormat, Pages, Query, batch_of, execute, find_event, no_rows};
pub use filter::Filter;
pub use kinescope_store::{json, scalar};
pub use stack::{CallStack, Incomplete, StackFrame, call_stack_at};
pub use state::{State, StateValue, state_at};
pub use trace::trace_seqs;
