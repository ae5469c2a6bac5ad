//! Tagged values as JSON.

use super::cuts::{Cuts, Path};
use super::scalar::{resolve, write_finite, write_integer, write_key, write_text};
use crate::definitions::Definitions;
use crate::record::ExitReason;
use crate::value::{CutReason, MAX_DEPTH, Malformed, Token, ValueReader};

/// Appends a tagged value as JSON: the whole `data` of an event.
///
/// What was cut is listed in a last field `"$cut"` of the root, see "As JSON" in docs/ring-format.md. Strings that the
/// value names by id come from `definitions`.
///
/// # Errors
/// [`Malformed`] if `value` is not exactly one tagged value, nests deeper than [`MAX_DEPTH`], or names an unknown
/// string. Then nothing has been appended.
///
/// ```
/// use kinescope_ring::{Definitions, write_value};
/// let mut json = Vec::new();
/// write_value(&[11, 8, 1, b'a', 4, 1, 0, 0, 0, 0], &Definitions::new(), &mut json)?;
/// assert_eq!(json, br#"{"a":1}"#);
/// # Ok::<(), kinescope_ring::Malformed>(())
/// ```
pub fn write_value(
    value: &[u8],
    definitions: &Definitions,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    or_nothing(out, |out| {
        let mut walk = Walk::new(value, definitions);
        let start = out.len();
        let (token, mark) = walk.value_token()?;
        if let Some(reason) = mark {
            walk.cuts.add(&Path::Root, reason, definitions)?;
        }
        if token == Token::Object {
            let own_cut = walk.root_fields(&[], out, start)?;
            walk.at_end()?;
            walk.close_root(own_cut, start, out);
        } else {
            walk.token(token, &Path::Root, 0, out)?;
            walk.at_end()?;
            if !walk.cuts.is_empty() {
                out.splice(start..start, *b"{\"$value\":");
                out.push(b',');
                walk.cuts.write_field(out);
                out.push(b'}');
            }
        }
        Ok(())
    })
}

/// Appends the `data` of a function exit: `{"duration_ns":…,<fields of body>,"exit_reason":"…"}`.
///
/// `body` is a tagged object, or empty. Fields of its own called `duration_ns`, `exit_reason`, and, when something
/// was cut, `$cut` give way.
///
/// # Errors
/// As [`write_value`], and if `body` is neither an object (or a cut of one) nor empty.
pub fn write_exit(
    duration_ns: i64,
    reason: ExitReason,
    body: &[u8],
    definitions: &Definitions,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    or_nothing(out, |out| {
        let mut walk = Walk::new(body, definitions);
        let start = out.len();
        out.extend_from_slice(b"{\"duration_ns\":");
        write_integer(duration_ns, out);
        let mut own_cut = None;
        if !body.is_empty() {
            let (token, mark) = walk.value_token()?;
            let cut = if let Token::Cut(reason) = token {
                Some(reason)
            } else {
                mark
            };
            if let Some(reason) = cut {
                walk.cuts.add(&Path::Root, reason, definitions)?;
            }
            match token {
                Token::Object => {
                    own_cut = walk.root_fields(&["duration_ns", "exit_reason"], out, start)?
                }
                Token::Null | Token::Cut(_) => {}
                _ => {
                    return Err(Malformed {
                        expected: "an object",
                        at_byte: 0,
                    });
                }
            }
            walk.at_end()?;
        }
        out.extend_from_slice(b",\"exit_reason\":\"");
        out.extend_from_slice(reason.name().as_bytes());
        out.push(b'"');
        walk.close_root(own_cut, start, out);
        Ok(())
    })
}

/// Runs `write`, and takes back what it appended if it fails.
pub(super) fn or_nothing<T>(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let start = out.len();
    let result = write(out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Bytes of the output, with the comma before them, that hold a field which gives way when there are cuts.
type OwnCut = Option<std::ops::Range<usize>>;

struct Walk<'a> {
    reader: ValueReader<'a>,
    definitions: &'a Definitions,
    cuts: Cuts,
}

impl<'a> Walk<'a> {
    fn new(value: &'a [u8], definitions: &'a Definitions) -> Self {
        Self {
            reader: ValueReader::new(value),
            definitions,
            cuts: Cuts::default(),
        }
    }

    /// The token that starts a value, and the mark before it.
    #[inline]
    fn value_token(&mut self) -> Result<(Token<'a>, Option<CutReason>), Malformed> {
        let (token, mark) = match self.reader.token()? {
            Token::Mark(reason) => (self.reader.token()?, Some(reason)),
            token => (token, None),
        };
        match token {
            Token::End | Token::Mark(_) => Err(self.reader.expected("a value before")),
            Token::Cut(_) if mark.is_some() => Err(self
                .reader
                .expected("a captured value behind a mark, before")),
            _ => Ok((token, mark)),
        }
    }

    fn at_end(&self) -> Result<(), Malformed> {
        if self.reader.is_at_end() {
            Ok(())
        } else {
            Err(self.reader.expected("the end of the value"))
        }
    }

    /// Writes the root's fields behind what `out` holds from `start`, an opening brace included; those named in
    /// `left_out` are checked but not written. Gives where a field `$cut` of the user's own is.
    fn root_fields(
        &mut self,
        left_out: &[&str],
        out: &mut Vec<u8>,
        start: usize,
    ) -> Result<OwnCut, Malformed> {
        if out.len() == start {
            out.push(b'{');
        }
        let mut own_cut = None;
        while let Some(key) = self.reader.key()? {
            let name = resolve(key, self.definitions)?;
            if left_out.contains(&name) {
                self.reader.value()?;
                continue;
            }
            let field_start = out.len();
            if field_start > start + 1 {
                out.push(b',');
            }
            write_key(key, self.definitions, out)?;
            self.value(
                &Path::Key {
                    parent: &Path::Root,
                    key,
                },
                1,
                out,
            )?;
            if name == "$cut" {
                own_cut = Some(field_start..out.len());
            }
        }
        Ok(own_cut)
    }

    /// Writes the list of cuts, if there are any, and the root's closing brace.
    fn close_root(&self, own_cut: OwnCut, start: usize, out: &mut Vec<u8>) {
        if !self.cuts.is_empty() {
            if let Some(mut range) = own_cut {
                // The first field has no comma before it: then the one behind it goes.
                if range.start == start + 1 && out.get(range.end) == Some(&b',') {
                    range.end += 1;
                }
                out.drain(range);
            }
            if out.len() > start + 1 {
                out.push(b',');
            }
            self.cuts.write_field(out);
        }
        out.push(b'}');
    }

    fn value(&mut self, path: &Path<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let (token, mark) = self.value_token()?;
        if let Some(reason) = mark {
            self.cuts.add(path, reason, self.definitions)?;
        }
        self.token(token, path, depth, out)
    }

    /// Writes the value that `token` starts, `depth` containers down. Recursion ends at [`MAX_DEPTH`].
    fn token(
        &mut self,
        token: Token<'a>,
        path: &Path<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        match token {
            Token::Null => out.extend_from_slice(b"null"),
            Token::Bool(true) => out.extend_from_slice(b"true"),
            Token::Bool(false) => out.extend_from_slice(b"false"),
            Token::Int32(value) => write_integer(value, out),
            Token::I64(value) => write_integer(value, out),
            Token::U64(value) => write_integer(value, out),
            Token::F64(value) if value.is_finite() => write_finite(value, out),
            Token::F64(_) => self.cut(path, CutReason::NonFinite, out)?,
            Token::Cut(reason) => self.cut(path, reason, out)?,
            Token::Text(text) => write_text(text, self.definitions, out)?,
            Token::Object | Token::Array if depth == MAX_DEPTH => {
                return Err(self.reader.expected("at most 64 nested containers before"));
            }
            Token::Object => self.object(path, depth + 1, out)?,
            Token::Array => self.array(path, depth + 1, out)?,
            Token::End | Token::Mark(_) => return Err(self.reader.expected("a value before")),
        }
        Ok(())
    }

    fn cut(
        &mut self,
        path: &Path<'_>,
        reason: CutReason,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        out.extend_from_slice(b"null");
        self.cuts.add(path, reason, self.definitions)
    }

    fn object(
        &mut self,
        path: &Path<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        out.push(b'{');
        let mut is_first = true;
        while let Some(key) = self.reader.key()? {
            if !is_first {
                out.push(b',');
            }
            is_first = false;
            write_key(key, self.definitions, out)?;
            self.value(&Path::Key { parent: path, key }, depth, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn array(&mut self, path: &Path<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
        out.push(b'[');
        for index in 0.. {
            let before = self.reader.clone();
            if self.reader.token()? == Token::End {
                break;
            }
            self.reader = before;
            if index > 0 {
                out.push(b',');
            }
            self.value(
                &Path::Index {
                    parent: path,
                    index,
                },
                depth,
                out,
            )?;
        }
        out.push(b']');
        Ok(())
    }
}
