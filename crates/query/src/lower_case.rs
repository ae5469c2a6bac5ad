//! Finds texts by a part in lower case, many short ones at a time.

use kinescope_store::json;
use memchr::memchr;
use memchr::memmem::Finder;

/// Bytes that are searched at once: they stay within a core's first cache.
const BATCH_BYTES: usize = 16 * 1024;
/// No byte of UTF-8, so that nothing is found across the border of two texts.
const SEPARATOR: u8 = 0xff;

/// Whether a text, in lower case, contains what the finder looks for.
pub(crate) fn contains(finder: &Finder<'_>, text: &str) -> bool {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return finder.find(text.as_bytes()).is_some();
    }
    finder.find(text.to_lowercase().as_bytes()).is_some()
}

/// A search through texts that come one after the other, each with a number.
pub(crate) struct LowerCase<'a> {
    finder: &'a Finder<'a>,
    batch: Vec<u8>,
    /// Where each text of the batch ends, and its number.
    ends: Vec<(usize, u32)>,
    found: Vec<u32>,
}

impl<'a> LowerCase<'a> {
    pub(crate) fn new(finder: &'a Finder<'a>) -> Self {
        Self {
            finder,
            batch: Vec::with_capacity(BATCH_BYTES * 2),
            ends: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Adds a text; numbers ascend.
    pub(crate) fn add(&mut self, text: &str, number: u32) {
        if text.is_ascii() {
            self.batch.extend_from_slice(text.as_bytes());
        } else {
            // Before the letters of ASCII are lowered with the rest: the lower case of a sigma depends on its neighbours.
            self.batch.extend_from_slice(text.to_lowercase().as_bytes());
        }
        self.end(number);
    }

    fn end(&mut self, number: u32) {
        self.ends.push((self.batch.len(), number));
        self.batch.push(SEPARATOR);
        if self.batch.len() >= BATCH_BYTES {
            self.search();
        }
    }

    /// Adds the inside of a JSON string literal; numbers ascend.
    pub(crate) fn add_literal(&mut self, literal: &[u8], number: u32) {
        if literal.is_ascii() && memchr(b'\\', literal).is_none() {
            self.batch.extend_from_slice(literal);
            return self.end(number);
        }
        let text = std::str::from_utf8(literal).unwrap_or_default();
        self.add(&json::unescape(text), number);
    }

    fn search(&mut self) {
        self.batch.make_ascii_lowercase();
        let mut next = 0;
        let mut from = 0;
        while let Some(at) = self.finder.find(self.batch.get(from..).unwrap_or_default()) {
            let at = from + at;
            next += self.ends[next..].partition_point(|&(end, _)| end < at);
            let Some(&(end, number)) = self.ends.get(next) else {
                break;
            };
            self.found.push(number);
            from = end + 1;
            next += 1;
        }
        self.batch.clear();
        self.ends.clear();
    }

    /// The numbers of the texts that contain the part, ascending.
    pub(crate) fn finish(mut self) -> Vec<u32> {
        self.search();
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_looking_at_each_text_finds(texts in proptest::collection::vec("[aAbB\\u{0}Äß\\u{3a3} ]{0,6}", 0..4000), part in "[ab äσς]{0,3}") {
            let finder = Finder::new(part.as_bytes());
            let mut search = LowerCase::new(&finder);
            for (number, text) in (0..).zip(&texts) {
                search.add(text, number);
            }
            let expected: Vec<u32> = (0..).zip(&texts).filter(|(_, text)| text.to_lowercase().contains(&part)).map(|(number, _)| number).collect();
            prop_assert_eq!(search.finish(), expected);
        }
    }
}
