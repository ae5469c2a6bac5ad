//! What the slots of producers mean, kept for whoever drains their rings after a crash.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::codec::{Decoder, Encoder};
use super::commit::Appended;
use super::directory::{open_or_create, read_bounded};
use crate::context::Context;
use crate::row::Tag;

/// From here on, and when most of it no longer holds, a new file is begun.
const LONG_BYTES: u64 = 1 << 20;
/// What waits to be written, at most: then it is left to a new file, which has everything that holds.
const PENDING_MAX_BYTES: usize = 1 << 20;
/// No file of contexts becomes longer: 4,095 slots of each of some hundred threads with long texts.
const MAX_BYTES: u64 = 1 << 30;
const NONE: u32 = u32::MAX;

fn encode(producer: u16, slot: u16, context: &Context) -> Vec<u8> {
    let mut record = Encoder::default();
    let text = |record: &mut Encoder, text: &str| {
        record.u32(text.len() as u32).bytes(text.as_bytes());
    };
    record
        .u32(0)
        .u32(u32::from(producer))
        .u32(u32::from(slot))
        .u64(context.parent_id.unwrap_or(u64::MAX));
    text(&mut record, &context.pid);
    match &context.correlation_id {
        Some(id) => text(&mut record, id),
        None => {
            record.u32(NONE);
        }
    }
    record.u32(context.tags.len() as u32);
    for (key, value) in &context.tags {
        text(&mut record, key);
        text(&mut record, value);
    }
    let mut bytes = record.plain();
    let len = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    Encoder::default().bytes(&bytes).checked()
}

fn decode(record: &[u8]) -> Option<(u16, u16, Context)> {
    let mut record = Decoder::new(record);
    let producer = u16::try_from(record.u32()?).ok()?;
    let slot = u16::try_from(record.u32()?).ok()?;
    let parent = record.u64()?;
    let text = |record: &mut Decoder<'_>| {
        let len = record.u32()? as usize;
        String::from_utf8(record.bytes(len)?.to_vec()).ok()
    };
    let pid = text(&mut record)?;
    let mut with_id = record;
    let correlation_id = if record.u32()? == NONE {
        None
    } else {
        let id = text(&mut with_id)?;
        record = with_id;
        Some(id)
    };
    let mut tags: Vec<Tag<'static>> = Vec::new();
    for _ in 0..record.u32()? {
        let key = text(&mut record)?;
        tags.push((Cow::Owned(key), Cow::Owned(text(&mut record)?)));
    }
    let context = Context {
        pid,
        correlation_id,
        parent_id: (parent != u64::MAX).then_some(parent),
        tags,
        codes: Cell::new(None),
    };
    Some((producer, slot, context))
}

fn name(number: u64) -> String {
    format!("contexts-{number}")
}

/// The contexts of each producer by slot, as of a commit.
pub(crate) fn read(session: &Path, counted: Appended) -> HashMap<u16, HashMap<u16, Context>> {
    let mut contexts: HashMap<u16, HashMap<u16, Context>> = HashMap::new();
    let bytes = read_bounded(&session.join(name(counted.number)), MAX_BYTES).unwrap_or_default();
    let len = usize::try_from(counted.len)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    let mut rest = &bytes[..len];
    while let Some((len, _)) = rest.split_first_chunk() {
        let end = (u32::from_le_bytes(*len) as usize).saturating_add(4);
        if Decoder::of_checked(rest, end).is_none() {
            break;
        }
        let Some((producer, slot, context)) = decode(&rest[4..end]) else {
            break;
        };
        contexts.entry(producer).or_default().insert(slot, context);
        rest = &rest[end + 4..];
    }
    contexts
}

/// The writer's side.
pub(crate) struct ContextFile {
    file: File,
    session: PathBuf,
    counted: Appended,
    pending: Vec<u8>,
    /// Something that was pending has been given up, and is only in `held`.
    must_rewrite: bool,
    /// The records that still hold.
    held: HashMap<(u16, u16), Vec<u8>>,
    held_bytes: u64,
}

impl ContextFile {
    pub(crate) fn create(session: &Path) -> io::Result<Self> {
        let file = open_or_create(&session.join(name(0)))?;
        Ok(Self {
            file,
            session: session.to_owned(),
            counted: Appended::default(),
            pending: Vec::new(),
            must_rewrite: false,
            held: HashMap::new(),
            held_bytes: 0,
        })
    }

    pub(crate) fn push(&mut self, producer: u16, slot: u16, context: &Context) {
        let record = encode(producer, slot, context);
        self.pending.extend(&record);
        self.held_bytes += record.len() as u64;
        if let Some(old) = self.held.insert((producer, slot), record) {
            self.held_bytes -= old.len() as u64;
        }
    }

    /// A producer is gone.
    pub(crate) fn forget(&mut self, gone: u16) {
        let held_bytes = &mut self.held_bytes;
        self.held.retain(|(producer, _), record| {
            let stays = *producer != gone;
            if !stays {
                *held_bytes -= record.len() as u64;
            }
            stays
        });
    }

    /// Writes what came up; what cannot be written is tried again next time. Gives what counts from the next commit on.
    pub(crate) fn flush(&mut self) -> Appended {
        if self.pending.is_empty() && !self.must_rewrite {
            return self.counted;
        }
        let is_long = self.counted.len >= LONG_BYTES && self.counted.len / 2 > self.held_bytes;
        let is_rewritten = (is_long || self.must_rewrite) && self.rewrite().is_ok();
        if !is_rewritten && !self.must_rewrite {
            let written = self.file.write_all_at(&self.pending, self.counted.len);
            if written.is_ok() {
                self.counted.len += self.pending.len() as u64;
                self.pending.clear();
            }
        }
        if self.pending.len() > PENDING_MAX_BYTES {
            self.pending = Vec::new();
            self.must_rewrite = true;
        }
        self.counted
    }

    /// Begins a new file; the one before the last is not spoken of by any commit any more.
    fn rewrite(&mut self) -> io::Result<()> {
        let number = self.counted.number + 1;
        let file = open_or_create(&self.session.join(name(number)))?;
        let bytes: Vec<u8> = self.held.values().flatten().copied().collect();
        file.write_all_at(&bytes, 0)?;
        if let Some(before) = self.counted.number.checked_sub(1) {
            let _ = std::fs::remove_file(self.session.join(name(before)));
        }
        self.file = file;
        self.counted = Appended {
            number,
            len: bytes.len() as u64,
        };
        self.pending.clear();
        self.must_rewrite = false;
        Ok(())
    }
}
