//! Reads tagged values: bounds checked, without recursion.

use std::fmt;

pub(crate) use crate::layout::tag;

/// How many containers may be open inside each other in a value.
pub const MAX_DEPTH: usize = 64;

/// Bytes that are not what the format says they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What the format has there.
    pub expected: &'static str,
    /// Where, in bytes from the start of the value, body or record that was being read.
    pub at_byte: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.at_byte)
    }
}

impl std::error::Error for Malformed {}

/// A string as a record carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Text<'a> {
    /// The text itself.
    Inline(&'a str),
    /// The id of a defined string, see [`crate::Definitions::string`].
    Defined(u32),
}

/// Why a value was not captured, or only in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CutReason {
    /// Nested deeper than `maxDepth`.
    Depth = 1,
    /// A string or array beyond its limit.
    Length = 2,
    /// An object with more than `maxFields` fields.
    Fields = 3,
    /// The event's size was used up.
    Size = 4,
    /// An accessor, which is never run.
    Getter = 5,
    /// A proxy, whose traps are never run.
    Proxy = 6,
    /// A field that is kept out of recordings.
    Redacted = 7,
    /// NaN or an infinity.
    NonFinite = 8,
    /// An integer beyond 64 bits, captured as text.
    Bigint = 9,
}

impl CutReason {
    /// The reason of a byte of the format; `None` for a byte that is no reason.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Depth,
            2 => Self::Length,
            3 => Self::Fields,
            4 => Self::Size,
            5 => Self::Getter,
            6 => Self::Proxy,
            7 => Self::Redacted,
            8 => Self::NonFinite,
            9 => Self::Bigint,
            _ => return None,
        })
    }

    /// The name under which `$cut` lists it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::Length => "length",
            Self::Fields => "fields",
            Self::Size => "size",
            Self::Getter => "getter",
            Self::Proxy => "proxy",
            Self::Redacted => "redacted",
            Self::NonFinite => "non_finite",
            Self::Bigint => "bigint",
        }
    }
}

/// One step through a tagged value. Containers are their start, their contents, and [`Token::End`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of 32 bits.
    Int32(i32),
    /// A number; finite if the producer keeps to the format.
    F64(f64),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A string.
    Text(Text<'a>),
    /// An object opens: keys and values follow, read keys with [`ValueReader::key`].
    Object,
    /// An array opens: values follow.
    Array,
    /// The innermost container ends.
    End,
    /// The value was not captured; it counts as null.
    Cut(CutReason),
    /// The value that follows was captured in part.
    Mark(CutReason),
}

/// A cursor over tagged values, one after the other.
///
/// ```
/// use kinescope_ring::{Token, ValueReader};
/// let mut reader = ValueReader::new(&[4, 7, 0, 0, 0]);
/// assert_eq!(reader.token(), Ok(Token::Int32(7)));
/// assert!(reader.is_at_end());
/// ```
#[derive(Clone, Debug)]
pub struct ValueReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ValueReader<'a> {
    /// Starts before the first value of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The error that something else stands at the cursor.
    #[must_use]
    pub fn expected(&self, expected: &'static str) -> Malformed {
        Malformed {
            expected,
            at_byte: self.at,
        }
    }

    /// Reads the next tag and what belongs to it.
    ///
    /// # Errors
    /// [`Malformed`] for an unknown tag or reason, a value that reaches behind the end, or text that is not UTF-8.
    #[inline]
    pub fn token(&mut self) -> Result<Token<'a>, Malformed> {
        let [tag] = self.take::<1>("a tagged value")?;
        Ok(match tag {
            tag::END => Token::End,
            tag::NULL => Token::Null,
            tag::FALSE => Token::Bool(false),
            tag::TRUE => Token::Bool(true),
            tag::INT32 => Token::Int32(i32::from_le_bytes(self.take("4 bytes of an integer")?)),
            tag::F64 => Token::F64(f64::from_le_bytes(self.take("8 bytes of a number")?)),
            tag::I64 => Token::I64(i64::from_le_bytes(self.take("8 bytes of an integer")?)),
            tag::U64 => Token::U64(u64::from_le_bytes(self.take("8 bytes of an integer")?)),
            tag::STR8 => {
                let [length] = self.take("a string's length")?;
                Token::Text(Text::Inline(self.str(length as usize)?))
            }
            tag::STR32 => {
                let length = u32::from_le_bytes(self.take("a string's length")?);
                Token::Text(Text::Inline(self.str(length as usize)?))
            }
            tag::SYM => Token::Text(Text::Defined(u32::from_le_bytes(
                self.take("a string's id")?,
            ))),
            tag::OBJECT => Token::Object,
            tag::ARRAY => Token::Array,
            tag::CUT => Token::Cut(self.reason()?),
            tag::MARK => Token::Mark(self.reason()?),
            _ => {
                return Err(Malformed {
                    expected: "a known tag",
                    at_byte: self.at - 1,
                });
            }
        })
    }

    /// Reads the next key of an object, or its end as `None`.
    ///
    /// # Errors
    /// As [`ValueReader::token`], and for anything but a string or END.
    #[inline]
    pub fn key(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        let start = self.at;
        match self.token()? {
            Token::Text(text) => Ok(Some(text)),
            Token::End => Ok(None),
            _ => Err(Malformed {
                expected: "a key or the end of an object",
                at_byte: start,
            }),
        }
    }

    /// Reads a string; one that was cut is taken as far as it goes.
    ///
    /// # Errors
    /// As [`ValueReader::token`], and for anything but a string.
    pub fn text(&mut self) -> Result<Text<'a>, Malformed> {
        self.text_or_null()?.ok_or(Malformed {
            expected: "a string",
            at_byte: self.at.saturating_sub(1),
        })
    }

    /// Reads a string, or null (also as a cut) as `None`.
    ///
    /// # Errors
    /// As [`ValueReader::token`], and for anything else.
    pub fn text_or_null(&mut self) -> Result<Option<Text<'a>>, Malformed> {
        let start = self.at;
        let mut token = self.token()?;
        if let Token::Mark(_) = token {
            token = self.token()?;
        }
        match token {
            Token::Text(text) => Ok(Some(text)),
            Token::Null | Token::Cut(_) => Ok(None),
            _ => Err(Malformed {
                expected: "a string or null",
                at_byte: start,
            }),
        }
    }

    /// Reads a whole value and gives its bytes.
    ///
    /// # Errors
    /// As [`ValueReader::token`], and for containers nested deeper than [`MAX_DEPTH`] or ends without a start.
    pub fn value(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        // Bit n says whether the container at depth n is an object, where keys are due before values.
        let mut objects: u64 = 0;
        let mut depth = 0;
        loop {
            let at_byte = self.at;
            let in_object = depth > 0 && objects >> (depth - 1) & 1 == 1;
            if in_object && self.key()?.is_none() {
                depth -= 1;
            } else {
                match self.token_of_value()? {
                    container @ (Token::Object | Token::Array) => {
                        if depth == MAX_DEPTH {
                            return Err(Malformed {
                                expected: "at most 64 nested containers",
                                at_byte,
                            });
                        }
                        objects &= !(1 << depth);
                        objects |= u64::from(container == Token::Object) << depth;
                        depth += 1;
                    }
                    Token::End if depth > 0 && !in_object => depth -= 1,
                    Token::End => {
                        return Err(Malformed {
                            expected: "a value, not an end",
                            at_byte,
                        });
                    }
                    _ => {}
                }
            }
            if depth == 0 {
                return Ok(&self.bytes[start..self.at]);
            }
        }
    }

    /// The token that starts a value, behind its marks.
    fn token_of_value(&mut self) -> Result<Token<'a>, Malformed> {
        match self.token()? {
            Token::Mark(_) => match self.token()? {
                Token::Mark(_) | Token::End => Err(self.expected("a value behind a mark")),
                token => Ok(token),
            },
            token => Ok(token),
        }
    }

    fn reason(&mut self) -> Result<CutReason, Malformed> {
        let [byte] = self.take("a reason")?;
        CutReason::from_byte(byte).ok_or(Malformed {
            expected: "a known reason",
            at_byte: self.at - 1,
        })
    }

    fn str(&mut self, length_bytes: usize) -> Result<&'a str, Malformed> {
        let bytes = self.bytes[self.at..]
            .get(..length_bytes)
            .ok_or(self.expected("a string's bytes"))?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.expected("UTF-8"))?;
        self.at += length_bytes;
        Ok(text)
    }

    #[inline]
    fn take<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], Malformed> {
        let bytes = self.bytes[self.at..].first_chunk::<N>().ok_or(Malformed {
            expected,
            at_byte: self.at,
        })?;
        self.at += N;
        Ok(*bytes)
    }
}
