//! Queries over a snapshot of a Kinescope recording.
//!
//! The road of a query: [`filter`] makes a bitmap of each segment's matching rows, [`select`] finds the answer's rows
//! and their order, and [`execute()`] hands out whole runs as the segment's own memory and gathers the rest.
#![forbid(unsafe_code)]

pub mod bitmap;
mod cancel;
mod execute;
pub mod filter;
mod gather;
pub mod select;

pub use cancel::Cancel;
pub use execute::{Answer, IpcFormat, Query, execute, find_event};
pub use filter::Filter;
