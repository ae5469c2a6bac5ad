//! What is known to be missing, as a file that is appended to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::codec::{Decoder, Encoder};
use super::commit::{Appended, NUMBER_LIMIT};
use super::directory::{Directory, open_or_create};
use crate::loss::{LossCause, LossRange};

const RECORD_BYTES: usize = 64;
const CHECKED_BYTES: usize = 60;
/// From here on a new file is begun.
const LONG_BYTES: u64 = 16 * 1024 * RECORD_BYTES as u64;

/// What waits to be written, at most: then it is left to a new file, which has everything that is known.
const PENDING_MAX_BYTES: usize = 1 << 20;

const CAUSES: [LossCause; 8] = [
    LossCause::RingFull,
    LossCause::TooLarge,
    LossCause::Torn,
    LossCause::Encoder,
    LossCause::DiskFull,
    LossCause::Retention,
    LossCause::Corrupt,
    LossCause::Restart,
];

fn encode(range: &LossRange) -> Vec<u8> {
    let cause = CAUSES.iter().position(|cause| *cause == range.cause);
    Encoder::default()
        .u32(cause.unwrap_or(0) as u32)
        .u32(u32::from(range.producer))
        .u64(range.first)
        .u64(range.last)
        .u64(range.count)
        .i64(range.first_timestamp)
        .i64(range.last_timestamp)
        .pad_to(CHECKED_BYTES)
        .checked()
}

fn decode(bytes: &[u8]) -> Option<LossRange> {
    let mut record = Decoder::of_checked(bytes, CHECKED_BYTES)?;
    let range = LossRange {
        cause: *CAUSES.get(record.u32()? as usize)?,
        producer: u16::try_from(record.u32()?).ok()?,
        first: record.u64()?,
        last: record.u64()?,
        count: record.u64()?,
        first_timestamp: record.i64()?,
        last_timestamp: record.i64()?,
    };
    let is_sane = range.first <= range.last && range.last.max(range.count) < NUMBER_LIMIT;
    is_sane.then_some(range)
}

fn name(number: u64) -> String {
    format!("losses-{number}")
}

/// The losses between two lengths of a file, up to the first record that is damaged.
pub(crate) fn read(directory: &Directory, from: u64, counted: Appended) -> Vec<LossRange> {
    let mut losses = Vec::new();
    let Ok(file) = File::open(directory.file(&name(counted.number))) else {
        return losses;
    };
    let mut at = from;
    let mut record = [0; RECORD_BYTES];
    // A record at a time: a commit may claim any length.
    while at + RECORD_BYTES as u64 <= counted.len && file.read_exact_at(&mut record, at).is_ok() {
        let Some(range) = decode(&record) else { break };
        losses.push(range);
        at += RECORD_BYTES as u64;
    }
    losses
}

/// The writer's side.
pub(crate) struct LossFile {
    file: File,
    directory: Directory,
    counted: Appended,
    pending: Vec<u8>,
    must_rewrite: bool,
}

impl LossFile {
    /// Goes on behind what counts.
    pub(crate) fn open(directory: &Directory, counted: Appended) -> io::Result<Self> {
        directory.step_by_name("losses.create")?;
        Ok(Self {
            file: open_or_create(&directory.file(&name(counted.number)))?,
            directory: directory.clone(),
            counted,
            pending: Vec::new(),
            must_rewrite: false,
        })
    }

    pub(crate) fn push(&mut self, range: &LossRange) {
        self.pending.extend(encode(range));
    }

    /// Writes what came up; what cannot be written is tried again next time. Gives what counts from the next commit on.
    pub(crate) fn flush(&mut self) -> Appended {
        if self.pending.len() > PENDING_MAX_BYTES {
            self.pending = Vec::new();
            self.must_rewrite = true;
        }
        if !self.pending.is_empty() && !self.must_rewrite {
            let written = self
                .directory
                .step("losses.append")
                .and_then(|()| self.file.write_all_at(&self.pending, self.counted.len));
            if written.is_ok() {
                self.counted.len += self.pending.len() as u64;
                self.pending.clear();
            }
        }
        self.counted
    }

    /// Whether a new file should be begun: this one has become long, or could not take everything.
    pub(crate) fn is_long(&self) -> bool {
        self.counted.len >= LONG_BYTES || self.must_rewrite
    }

    /// Begins a new file with what is still known; the old one goes once a commit no longer speaks of it.
    pub(crate) fn rewrite<'a>(
        &mut self,
        known: impl Iterator<Item = &'a LossRange>,
    ) -> io::Result<()> {
        self.directory.step_by_name("losses.rewrite")?;
        let bytes: Vec<u8> = known.flat_map(encode).collect();
        let counted = Appended {
            number: self.counted.number + 1,
            len: bytes.len() as u64,
        };
        let file = open_or_create(&self.directory.file(&name(counted.number)))?;
        file.write_all_at(&bytes, 0)?;
        self.file = file;
        self.counted = counted;
        self.pending.clear();
        self.must_rewrite = false;
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// A handle with which another thread syncs.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// Removes files of losses other than the one that counts.
pub(crate) fn remove_others(directory: &Directory, counted: Appended) {
    for other in directory.names().unwrap_or_default() {
        if other.starts_with("losses-") && other != name(counted.number) {
            let _ = directory.remove(&directory.file(&other));
        }
    }
}
