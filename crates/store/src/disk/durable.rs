//! What counts after the machine has stopped.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::blocks::allocate;
use super::codec::{Decoder, Encoder, Record};
use super::commit::{COMMIT_BYTES, Commit, NUMBER_LIMIT};
use super::directory::{Directory, open_or_create, read_bounded};
use crate::error::Error;

const PAGE_BYTES: u64 = 4096;
const RECORD_BYTES: usize = 224;
const COMMIT_ROOM: usize = 192;

/// See docs/format.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durable {
    pub(crate) commit: Commit,
    pub(crate) seq_bound: u64,
    pub(crate) sequence_floor: u64,
    pub(crate) is_clean: bool,
    number: u64,
}

impl Durable {
    fn encode(&self) -> Vec<u8> {
        let mut commit = self.commit.encode();
        commit.resize(COMMIT_ROOM, 0);
        Encoder::default()
            .bytes(&commit)
            .u64(self.seq_bound)
            .u64(self.sequence_floor)
            .u64(u64::from(self.is_clean))
            .u64(self.number)
            .pad_to(RECORD_BYTES)
            .checked()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut record = Decoder::of_checked(bytes, RECORD_BYTES)?;
        let commit = Commit::decode(&record.bytes(COMMIT_ROOM)?[..COMMIT_BYTES + 4])?;
        let durable = Self {
            commit,
            seq_bound: record.u64()?,
            sequence_floor: record.u64()?,
            is_clean: record.u64()? != 0,
            number: record.u64()?,
        };
        let is_sane = durable.seq_bound < NUMBER_LIMIT
            && durable.sequence_floor <= 1 << 48
            && durable.number < u64::MAX;
        is_sane.then_some(durable)
    }
}

/// The `durable` file.
pub(crate) struct DurableFile {
    file: File,
    directory: Directory,
}

impl DurableFile {
    pub(crate) fn create(directory: &Directory) -> Result<Self, Error> {
        let path = directory.file("durable");
        let io = |error: io::Error| Error::io(path.display(), &error);
        directory.step_by_name("durable.create").map_err(io)?;
        let file = open_or_create(&path).map_err(io)?;
        // So that a full disk cannot keep the bounds from moving.
        allocate(&file, 0, 2 * PAGE_BYTES).map_err(io)?;
        Ok(Self {
            file,
            directory: directory.clone(),
        })
    }

    /// The newest record whose checksum holds.
    pub(crate) fn read(directory: &Directory) -> Option<Durable> {
        let records = Self::records(directory).ok()?;
        let valid = records.into_iter().filter_map(Record::valid);
        valid.max_by_key(|durable| durable.number)
    }

    /// What is in both places.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn records(directory: &Directory) -> io::Result<[Record<Durable>; 2]> {
        let bytes = read_bounded(&directory.file("durable"), 2 * PAGE_BYTES)?;
        Ok([0, PAGE_BYTES as usize].map(|at| {
            let behind = bytes.get(at..).unwrap_or_default();
            let record = &behind[..behind.len().min(RECORD_BYTES + 4)];
            Record::of(record, Durable::decode)
        }))
    }

    /// Writes the next record and waits until it is on the disk.
    pub(crate) fn write(&self, durable: &mut Durable) -> io::Result<()> {
        self.directory.step("durable.write")?;
        let next = Durable {
            number: durable.number + 1,
            ..*durable
        };
        let page = next.number % 2;
        self.file.write_all_at(&next.encode(), page * PAGE_BYTES)?;
        self.directory.step("durable.sync")?;
        self.file.sync_data()?;
        durable.number = next.number;
        Ok(())
    }
}
