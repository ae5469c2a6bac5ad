//! Numbers for the texts of columns with few distinct ones, the same in all segments of a recording.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::columns::DictionaryColumn;
use crate::shared::lock;
use crate::sync::Mutex;

/// Texts of a column, at most: they are never forgotten.
const TEXTS_MAX: usize = 65_536;
/// A segment with more distinct texts in a column than this has no numbers for it.
const TEXTS_OF_SEGMENT_MAX: usize = 16_384;

/// Numbers by text, by [`DictionaryColumn`].
#[derive(Default)]
pub(crate) struct Names {
    columns: [Mutex<HashMap<Box<str>, u32, FixedState>>; DictionaryColumn::COUNT],
}

impl Names {
    /// The numbers of a segment's texts in a column, by code; none when there are too many.
    pub(crate) fn numbers<'a>(
        &self,
        column: DictionaryColumn,
        texts: impl ExactSizeIterator<Item = &'a str>,
    ) -> Option<Box<[u32]>> {
        if texts.len() > TEXTS_OF_SEGMENT_MAX {
            return None;
        }
        let mut known = lock(&self.columns[column as usize]);
        let number = |text: &str| {
            if let Some(&number) = known.get(text) {
                return Some(number);
            }
            let number = known.len() as u32;
            (known.len() < TEXTS_MAX).then(|| {
                known.insert(text.into(), number);
                number
            })
        };
        texts.map(number).collect()
    }
}
