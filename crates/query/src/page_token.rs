//! Page tokens: where a page ended, in which snapshot, of which query.
//!
//! A token is bytes in URL-safe base64: version, what tells the recording from others, hash of the query, watermark, total,
//! rows delivered, the last row's key, the types that were settled for the projection, and a checksum. It is no
//! secret and grants nothing; the checksum tells a damaged token from a good one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kinescope_store::{Error, ErrorCode, Snapshot};

use crate::order::{FieldKey, Key, TimeKey};
use crate::projection::SettledType;
use crate::scalar::Scalar;

const VERSION: u8 = 1;

/// The last row of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum LastKey {
    /// In time order.
    Time(TimeKey, bool),
    /// In the order of a field.
    Field(FieldKey),
}

impl LastKey {
    /// The row.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Time(key, _) => key.seq(),
            Self::Field(key) => key.seq(),
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq)]
pub struct PageToken {
    /// Tells recordings apart.
    pub recording: u64,
    /// Of everything that may not change from page to page.
    pub query_hash: u64,
    /// The snapshot.
    pub watermark: u64,
    /// The first `seq` that retention had left when the first page was made.
    pub first_seq: u64,
    /// `totalMatches` of the first page.
    pub total: u64,
    /// Rows delivered or skipped so far.
    pub delivered: u64,
    /// The last of them.
    pub last: LastKey,
    /// One for each projected item.
    pub types: Vec<SettledType>,
}

fn invalid(why: &str) -> Error {
    Error::new(
        ErrorCode::PageTokenInvalid,
        format!("offset.pageToken: {why}"),
    )
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): stable over versions and platforms, which a token has to be.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl PageToken {
    /// The token as text.
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        for number in [
            self.recording,
            self.query_hash,
            self.watermark,
            self.first_seq,
            self.total,
            self.delivered,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        match &self.last {
            LastKey::Time(key, descending) => {
                bytes.extend([0, u8::from(*descending)]);
                bytes.extend(key.seq().to_le_bytes());
                bytes.extend(key.timestamp().to_le_bytes());
            }
            LastKey::Field(key) => {
                bytes.extend([1, u8::from(key.descending)]);
                bytes.extend(key.seq.to_le_bytes());
                encode_scalar(key.value.as_ref(), &mut bytes);
            }
        }
        bytes.extend(self.types.iter().map(|settled| settled.number()));
        let checksum = stable_hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        URL_SAFE_NO_PAD.encode(&bytes)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID` for anything that [`PageToken::encode`] has not made.
    pub fn decode(text: &str) -> Result<Self, Error> {
        let damaged =
            || invalid("expected a token of an earlier page, got something else or a damaged one");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| damaged())?;
        let (body, checksum) = bytes.split_last_chunk::<8>().ok_or_else(damaged)?;
        if u64::from_le_bytes(*checksum) != stable_hash(body) {
            return Err(damaged());
        }
        Self::read(&mut Bytes(body)).ok_or_else(damaged)
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        if bytes.byte()? != VERSION {
            return None;
        }
        let (recording, query_hash, watermark) = (bytes.u64()?, bytes.u64()?, bytes.u64()?);
        let (first_seq, total, delivered) = (bytes.u64()?, bytes.u64()?, bytes.u64()?);
        let (kind, descending, seq) = (bytes.byte()?, bytes.byte()? == 1, bytes.u64()?);
        // Positions above cannot occur, and would not survive the mirroring of descending keys.
        if seq >= 1 << 62 {
            return None;
        }
        let last = match kind {
            0 => LastKey::Time(
                TimeKey::new(bytes.u64()?.cast_signed(), seq, descending),
                descending,
            ),
            1 => LastKey::Field(FieldKey {
                value: decode_scalar(bytes)?,
                seq,
                descending,
            }),
            _ => return None,
        };
        let types = bytes
            .0
            .iter()
            .map(|&number| SettledType::from_number(number))
            .collect::<Option<_>>()?;
        Some(Self {
            recording,
            query_hash,
            watermark,
            first_seq,
            total,
            delivered,
            last,
            types,
        })
    }

    /// What the first page saw, as far as a later snapshot still has it.
    #[must_use]
    pub fn snapshot_in(&self, later: Snapshot) -> Snapshot {
        later.at(self.watermark).starting_at(self.first_seq)
    }

    /// Checks that the token belongs to this recording and this query.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub fn check(&self, recording: u64, query_hash: u64) -> Result<(), Error> {
        if self.recording != recording {
            return Err(invalid(
                "expected a token of this recording, got one of another",
            ));
        }
        if self.query_hash != query_hash {
            return Err(invalid(
                "expected the options of the first page but for limit and signal, got others",
            ));
        }
        Ok(())
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

fn encode_scalar(value: Option<&Scalar<'_>>, bytes: &mut Vec<u8>) {
    match value {
        None => bytes.push(0),
        Some(Scalar::Bool(value)) => bytes.extend([1, u8::from(*value)]),
        Some(Scalar::Int(value)) => {
            bytes.push(2);
            bytes.extend(value.to_le_bytes());
        }
        Some(Scalar::Float(value)) => {
            bytes.push(3);
            bytes.extend(value.to_bits().to_le_bytes());
        }
        Some(Scalar::Text(text)) => {
            bytes.push(4);
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
    }
}

/// The outer option is about the bytes, the inner one about the value.
#[allow(
    clippy::option_option,
    reason = "damaged bytes and an absent value are two things"
)]
fn decode_scalar(bytes: &mut Bytes<'_>) -> Option<Option<Scalar<'static>>> {
    Some(Some(match bytes.byte()? {
        0 => return Some(None),
        1 => Scalar::Bool(bytes.byte()? == 1),
        2 => Scalar::Int(i128::from_le_bytes(bytes.take(16)?.try_into().ok()?)),
        3 => Scalar::Float(Some(f64::from_bits(bytes.u64()?)).filter(|float| float.is_finite())?),
        4 => {
            let length = usize::try_from(bytes.u64()?).ok()?;
            Scalar::Text(String::from_utf8(bytes.take(length)?.to_vec()).ok()?.into())
        }
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scalar() -> impl Strategy<Value = Option<Scalar<'static>>> {
        prop_oneof![
            Just(None),
            any::<bool>().prop_map(|value| Some(Scalar::Bool(value))),
            any::<i128>().prop_map(|value| Some(Scalar::Int(value))),
            (-1e300f64..1e300).prop_map(|value| Some(Scalar::Float(value))),
            ".{0,20}".prop_map(|text| Some(Scalar::Text(text.into()))),
        ]
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(numbers: [u64; 6], value in scalar(), seq in 0u64..1 << 62, timestamp: i64, descending: bool, by_time: bool, types in proptest::collection::vec(0u8..6, 0..4)) {
            let last = if by_time { LastKey::Time(TimeKey::new(timestamp, seq, descending), descending) } else { LastKey::Field(FieldKey { value, seq, descending }) };
            let [recording, query_hash, watermark, first_seq, total, delivered] = numbers;
            let types = types.into_iter().filter_map(SettledType::from_number).collect();
            let token = PageToken { recording, query_hash, watermark, first_seq, total, delivered, last, types };
            prop_assert_eq!(PageToken::decode(&token.encode()), Ok(token));
        }

        #[test]
        fn refuses_what_was_changed(place in 0usize..200, letter in "[A-Za-z0-9_-]", seq in 0u64..1000) {
            let last = LastKey::Time(TimeKey::new(5, seq, false), false);
            let text = PageToken { recording: 1, query_hash: 2, watermark: 3, first_seq: 0, total: 4, delivered: 5, last, types: Vec::new() }.encode();
            let mut bytes = text.clone().into_bytes();
            let place = place % bytes.len();
            bytes[place] = letter.as_bytes()[0];
            let changed = String::from_utf8(bytes).unwrap();
            if changed != text {
                prop_assert_eq!(PageToken::decode(&changed).unwrap_err().code, ErrorCode::PageTokenInvalid);
            }
        }

        #[test]
        fn never_panics(text in "[A-Za-z0-9_=-]{0,120}") {
            let _ = PageToken::decode(&text);
        }
    }
}
