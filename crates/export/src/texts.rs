//! One dictionary for the batches of a whole file.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use kinescope_store::{Error, ErrorCode};

use crate::failed;

/// Stands for a code that has not been met.
const UNKNOWN: i32 = -1;

/// Distinct texts in the order in which they came, with their codes.
pub(crate) struct Texts {
    codes: HashTable<i32>,
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    hasher: RandomState,
}

impl Texts {
    pub(crate) fn new() -> Self {
        Self {
            codes: HashTable::new(),
            offsets: vec![0],
            bytes: Vec::new(),
            hasher: RandomState::default(),
        }
    }

    /// The codes of a column here, which are those of its own dictionary there.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`; `IO` for another column than one of texts.
    pub(crate) fn recode(&mut self, column: &dyn Array) -> Result<Int32Array, Error> {
        let column = column
            .as_any()
            .downcast_ref::<DictionaryArray<Int32Type>>()
            .ok_or_else(|| failed("a column without its dictionary"))?;
        let texts = column
            .values()
            .as_any()
            .downcast_ref::<StringArray>()
            .ok_or_else(|| failed("a dictionary of other things than texts"))?;
        let mut known = vec![UNKNOWN; texts.len()];
        let mut codes = Vec::with_capacity(column.len());
        for (row, code) in column.keys().values().iter().enumerate() {
            if column.is_null(row) {
                codes.push(0);
                continue;
            }
            let place = usize::try_from(*code).ok();
            let known = place
                .and_then(|place| known.get_mut(place))
                .ok_or_else(|| failed("a code without its text"))?;
            if *known == UNKNOWN {
                *known = self.code_of(texts.value(*code as usize))?;
            }
            codes.push(*known);
        }
        Ok(Int32Array::new(codes.into(), column.nulls().cloned()))
    }

    fn code_of(&mut self, text: &str) -> Result<i32, Error> {
        let Self {
            codes,
            offsets,
            bytes,
            hasher,
        } = self;
        let held = |code: i32| {
            let code = code as usize;
            &bytes[offsets[code] as usize..offsets[code + 1] as usize]
        };
        let hash = hasher.hash_one(text.as_bytes());
        if let Some(code) = codes.find(hash, |code| held(*code) == text.as_bytes()) {
            return Ok(*code);
        }
        let code = i32::try_from(offsets.len() - 1).ok();
        let end = i32::try_from(bytes.len() + text.len()).ok();
        let (code, end) = code.zip(end).ok_or_else(|| {
            Error::new(
                ErrorCode::ResourceExhausted,
                "an Arrow file's dictionary: expected at most 2 GiB of distinct texts, got more; the streaming format and Parquet have no such limit",
            )
        })?;
        codes.insert_unique(hash, code, |code| hasher.hash_one(held(*code)));
        bytes.extend_from_slice(text.as_bytes());
        offsets.push(end);
        Ok(code)
    }

    /// A column of no rows with this dictionary, which is empty then.
    ///
    /// # Errors
    /// `IO` for a bug.
    pub(crate) fn take(&mut self) -> Result<ArrayRef, Error> {
        let Self { offsets, bytes, .. } = std::mem::replace(self, Self::new());
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let texts = StringArray::try_new(offsets, Buffer::from_vec(bytes), None).map_err(failed)?;
        let none = Int32Array::from(Vec::<i32>::new());
        let column = DictionaryArray::try_new(none, Arc::new(texts)).map_err(failed)?;
        Ok(Arc::new(column))
    }
}
