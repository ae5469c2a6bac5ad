//! The ring format's numbers, for the test that compares them with TypeScript's.

use std::collections::HashMap;

use kinescope_ring::layout;
use napi_derive::napi;

/// Numbers of `crates/ring/src/layout.rs` by their names there.
#[napi]
pub fn ring_layout() -> HashMap<String, u32> {
    let numbers = [
        ("MAGIC", layout::MAGIC as usize),
        ("VERSION", layout::VERSION as usize),
        ("HEADER_BYTES", layout::HEADER_BYTES),
        ("OFFSET_MAGIC", layout::OFFSET_MAGIC),
        ("OFFSET_VERSION", layout::OFFSET_VERSION),
        ("OFFSET_PRODUCER", layout::OFFSET_PRODUCER),
        ("OFFSET_CAPACITY_WORDS", layout::OFFSET_CAPACITY_WORDS),
        ("OFFSET_PUBLICATION", layout::OFFSET_PUBLICATION),
        ("OFFSET_ATTEMPTS", layout::OFFSET_ATTEMPTS),
        ("OFFSET_LOST_RING_FULL", layout::OFFSET_LOST_RING_FULL),
        ("OFFSET_LOST_SINCE", layout::OFFSET_LOST_SINCE),
        ("OFFSET_PUBLISHED_HEAD", layout::OFFSET_PUBLISHED_HEAD),
        ("OFFSET_MISTYPED", layout::OFFSET_MISTYPED),
        ("OFFSET_UNBALANCED", layout::OFFSET_UNBALANCED),
        ("OFFSET_SAMPLED_OUT", layout::OFFSET_SAMPLED_OUT),
        ("OFFSET_AFTER_CLOSE", layout::OFFSET_AFTER_CLOSE),
        ("OFFSET_TAIL", layout::OFFSET_TAIL),
        ("OFFSET_ASLEEP", layout::OFFSET_ASLEEP),
        ("OFFSET_STATE", layout::OFFSET_STATE),
        ("OFFSET_TICK", layout::OFFSET_TICK),
    ];
    numbers
        .into_iter()
        .map(|(name, number)| (name.to_owned(), number as u32))
        .collect()
}
