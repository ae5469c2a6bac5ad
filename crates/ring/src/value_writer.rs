//! Writes tagged values.

use crate::value::{CutReason, Text, tag};

/// Builds tagged values, the counterpart of [`crate::ValueReader`].
///
/// What is written is what is called: an object is [`ValueWriter::object`], keys as [`ValueWriter::text`] and values in
/// turn, and [`ValueWriter::end`].
///
/// ```
/// use kinescope_ring::{Definitions, Text, ValueWriter, write_value};
/// let mut value = ValueWriter::new();
/// value.object().text(Text::Inline("ok")).bool(true).end();
/// let mut json = Vec::new();
/// write_value(value.as_bytes(), &Definitions::new(), &mut json)?;
/// assert_eq!(json, br#"{"ok":true}"#);
/// # Ok::<(), kinescope_ring::Malformed>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ValueWriter {
    bytes: Vec<u8>,
}

impl ValueWriter {
    /// Nothing written yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what has been written, and keeps the memory.
    pub fn clear(&mut self) -> &mut Self {
        self.bytes.clear();
        self
    }

    /// Appends values that are encoded already.
    pub fn encoded(&mut self, values: &[u8]) -> &mut Self {
        self.put(values)
    }

    /// Appends null.
    pub fn null(&mut self) -> &mut Self {
        self.put(&[tag::NULL])
    }

    /// Appends a boolean.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.put(&[if value { tag::TRUE } else { tag::FALSE }])
    }

    /// Appends an integer of 32 bits.
    pub fn int32(&mut self, value: i32) -> &mut Self {
        self.put(&[tag::INT32]).put(&value.to_le_bytes())
    }

    /// Appends a number; the format wants it finite.
    pub fn f64(&mut self, value: f64) -> &mut Self {
        self.put(&[tag::F64]).put(&value.to_le_bytes())
    }

    /// Appends a signed integer.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.put(&[tag::I64]).put(&value.to_le_bytes())
    }

    /// Appends an unsigned integer.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&[tag::U64]).put(&value.to_le_bytes())
    }

    /// Appends a string or key. Text of 4 GiB and more, which no record can hold, becomes empty.
    pub fn text(&mut self, text: Text<'_>) -> &mut Self {
        match text {
            Text::Defined(id) => self.put(&[tag::SYM]).put(&id.to_le_bytes()),
            Text::Inline(text) => match u8::try_from(text.len()) {
                Ok(length_bytes) => self.put(&[tag::STR8, length_bytes]).put(text.as_bytes()),
                Err(_) => {
                    let text = if u32::try_from(text.len()).is_ok() {
                        text
                    } else {
                        ""
                    };
                    self.put(&[tag::STR32])
                        .put(&(text.len() as u32).to_le_bytes())
                        .put(text.as_bytes())
                }
            },
        }
    }

    /// Appends a string, or null for `None`.
    pub fn text_or_null(&mut self, text: Option<Text<'_>>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// Opens an object.
    pub fn object(&mut self) -> &mut Self {
        self.put(&[tag::OBJECT])
    }

    /// Opens an array.
    pub fn array(&mut self) -> &mut Self {
        self.put(&[tag::ARRAY])
    }

    /// Ends the innermost object or array.
    pub fn end(&mut self) -> &mut Self {
        self.put(&[tag::END])
    }

    /// Appends a value that was not captured.
    pub fn cut(&mut self, reason: CutReason) -> &mut Self {
        self.put(&[tag::CUT, reason as u8])
    }

    /// Marks the next value as captured in part.
    pub fn mark(&mut self, reason: CutReason) -> &mut Self {
        self.put(&[tag::MARK, reason as u8])
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }
}
