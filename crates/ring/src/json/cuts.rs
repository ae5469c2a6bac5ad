//! The list of what was cut: paths and reasons.

use super::scalar::{resolve, write_escaped, write_integer, write_string};
use crate::definitions::Definitions;
use crate::value::{CutReason, Malformed, Text};

/// Where a value is, from the root down. Lives on the stack of the walk over the value.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Key { parent: &'p Path<'p>, key: Text<'p> },
    Index { parent: &'p Path<'p>, index: usize },
}

/// What was cut, as the inside of the `$cut` object; empty if nothing was.
#[derive(Default)]
pub(super) struct Cuts {
    entries: Vec<u8>,
}

impl Cuts {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn add(
        &mut self,
        path: &Path<'_>,
        reason: CutReason,
        definitions: &Definitions,
    ) -> Result<(), Malformed> {
        let mut text = Vec::new();
        write_path(path, definitions, &mut text)?;
        if !self.entries.is_empty() {
            self.entries.push(b',');
        }
        // Built from whole strings and ASCII, so it is UTF-8.
        write_string(&String::from_utf8_lossy(&text), &mut self.entries);
        self.entries.push(b':');
        write_string(reason.name(), &mut self.entries);
        Ok(())
    }

    /// Writes the field `"$cut"`, without a comma.
    pub(super) fn write_field(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"$cut\":{");
        out.extend_from_slice(&self.entries);
        out.push(b'}');
    }
}

/// Writes the path as users write it, not escaped for JSON.
fn write_path(
    path: &Path<'_>,
    definitions: &Definitions,
    text: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let (parent, step) = match path {
        Path::Root => return Ok(()),
        Path::Key { parent, key } => (parent, Ok(resolve(*key, definitions)?)),
        Path::Index { parent, index } => (parent, Err(*index)),
    };
    write_path(parent, definitions, text)?;
    let is_plain = !matches!(step, Ok(key) if !is_identifier(key));
    if is_plain && !text.is_empty() {
        text.push(b'.');
    }
    match step {
        Ok(key) if is_plain => text.extend_from_slice(key.as_bytes()),
        Ok(key) => {
            text.extend_from_slice(b"[\"");
            write_escaped(key, text);
            text.extend_from_slice(b"\"]");
        }
        Err(index) => write_integer(index, text),
    }
    Ok(())
}

/// Whether a path names the key as it is, and not in quotes: letters, digits, `_` and `$`, no digit first.
pub fn is_identifier(key: &str) -> bool {
    let mut bytes = key.bytes();
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$');
    bytes.next().is_some_and(is_start) && bytes.all(|byte| is_start(byte) || byte.is_ascii_digit())
}
