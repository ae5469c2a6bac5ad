//! The addon: converts between JavaScript and the crates below, and delegates.
//!
//! Each file has a twin of the same subject in `src/`. Errors cross as messages that begin with the public code and a
//! colon; `src/errors.ts` makes `KinescopeError`s of them.
#![deny(unsafe_code)]
// napi-derive registers nothing in a test build, so that nothing here would be used.
#![cfg_attr(test, allow(dead_code, unused_imports))]
// napi-derive registers what the attribute marks; to rustc nothing here is called.
#![allow(
    clippy::needless_pass_by_value,
    reason = "arguments that cross from JavaScript are owned"
)]

mod aggregate;
mod answer;
#[allow(unsafe_code, reason = "the C library's `atexit`")]
mod at_exit;
mod c_stream;
mod convert;
mod definitions;
mod describe;
mod event_batch;
mod event_streamer;
mod export;
mod exported;
#[allow(
    unsafe_code,
    reason = "external ArrayBuffers over memory of the store, and streams that others read; every block says why it holds"
)]
mod external;
mod import;
mod layout;
mod past;
mod plan;
mod pool;
mod producer;
mod query;
mod registry;
mod shares;
mod store;
mod subscription;
mod verify;
