//! Tells which texts certainly occur in none of a dictionary's.

use super::array::Array;
use super::file::{Sink, Source};

/// Bits of a filter.
const BITS: usize = 1 << 16;

/// All runs of three bytes of some texts in lower case, by hash.
///
/// Method: trigram indexes for substring search (Cox: "Regular expression matching with a trigram index", 2012), here as a
/// Bloom filter with one hash.
#[derive(PartialEq)]
pub struct Trigrams {
    bits: Array<u64>,
}

fn bit_of(trigram: &[u8]) -> usize {
    let packed = trigram
        .iter()
        .fold(0u32, |packed, &byte| packed << 8 | u32::from(byte));
    // Fibonacci hashing: the upper bits of the product depend on all bits of the trigram.
    (packed.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

impl Trigrams {
    pub(crate) fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut bits = vec![0u64; BITS / 64];
        for text in texts {
            let lower = text.to_lowercase();
            for trigram in lower.as_bytes().windows(3) {
                let bit = bit_of(trigram);
                bits[bit / 64] |= 1 << (bit % 64);
            }
        }
        Self { bits: bits.into() }
    }

    /// Whether one of the texts, in lower case, may contain this part.
    pub fn may_contain(&self, part: &str) -> bool {
        part.as_bytes().windows(3).all(|trigram| {
            let bit = bit_of(trigram);
            self.bits[bit / 64] >> (bit % 64) & 1 == 1
        })
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        to.array(&self.bits);
    }

    pub(super) fn read(from: &mut Source<'_>) -> Option<Self> {
        let bits = from.array_of(BITS / 64)?;
        Some(Self { bits })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.bits.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_deny_a_part_of_a_text(texts in proptest::collection::vec("[a-cÄß\\u{3a3}]{0,9}", 1..5), at in 0usize..9, len in 0usize..5) {
            let trigrams = Trigrams::of(texts.iter().map(String::as_str));
            for text in &texts {
                let lower: Vec<char> = text.to_lowercase().chars().collect();
                let part: String = lower.iter().skip(at).take(len).collect();
                prop_assert!(trigrams.may_contain(&part), "{:?} of {:?}", part, text);
            }
        }
    }

    #[test]
    fn deny_most_others() {
        let texts: Vec<String> = (0..1000).map(|number| format!("trace-{number}")).collect();
        let trigrams = Trigrams::of(texts.iter().map(String::as_str));
        assert!(trigrams.may_contain("ace-9"));
        assert!(!trigrams.may_contain("timeout"));
    }
}
