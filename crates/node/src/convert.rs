//! Small conversions between JavaScript's and Rust's types.

use kinescope_store::Error;
use napi::bindgen_prelude::BigInt;

/// An error whose message begins with the public code.
pub(crate) fn js_error(error: Error) -> napi::Error {
    napi::Error::from_reason(error.to_string())
}

/// A count as JavaScript sees it; exact below 2^53.
pub(crate) fn count(value: u64) -> f64 {
    value as f64
}

/// A bigint as 64 bits, clamped to their range: an open end of a time range is as good as the farthest one.
pub(crate) fn clamped_i64(value: &BigInt) -> i64 {
    let (value, lossless) = value.get_i64();
    match (lossless, value) {
        (true, value) => value,
        (false, _) => i64::MAX,
    }
}
