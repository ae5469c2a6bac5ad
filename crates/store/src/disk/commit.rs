//! The commit record: what of everything else counts.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use kinescope_ring::layout::SEQUENCE_LIMIT;

use super::blocks::allocate;
use super::codec::{Decoder, Encoder, Record};
use super::directory::{Directory, open_or_create};
use super::head::read_entries;
use crate::columns::DictionaryColumn;
use crate::error::Error;
use crate::mapping::{Allocate, FileMap, Region};

const MAGIC: &[u8; 8] = b"KSSTATE\n";
const PAGE_BYTES: usize = 4096;
const PAGES: usize = 3;
/// Bytes of a commit in front of its checksum.
pub(crate) const COMMIT_BYTES: usize = 184;
/// Words of a commit and its checksum.
const COMMIT_WORDS: usize = COMMIT_BYTES / 8 + 1;
const HEADER_BYTES: usize = 32;
/// Stands for no head.
const NO_HEAD: u64 = u64::MAX;
/// No number that counts something comes near half of its range; what does would overflow where it is added to.
pub(crate) const NUMBER_LIMIT: u64 = 1 << 62;

/// A numbered file that is appended to, and how much of it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) number: u64,
    pub(crate) len: u64,
}

/// Where a session's files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    #[default]
    Directory,
    SharedMemory,
}

/// See docs/format.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) generation: u64,
    pub(crate) boot_id: [u8; 16],
    /// 0: closed.
    pub(crate) session: u64,
    pub(crate) place: Place,
    pub(crate) next_seq: u64,
    /// None: the open segment has no file.
    pub(crate) head: Option<u64>,
    pub(crate) rows: u64,
    pub(crate) entries: [u32; DictionaryColumn::COUNT],
    pub(crate) in_time_order: bool,
    pub(crate) min_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) own_sequence: u64,
    pub(crate) list_version: u64,
    pub(crate) losses: Appended,
    pub(crate) contexts: Appended,
    pub(crate) timestamp: i64,
    pub(crate) wall_minus_timestamp_ns: i64,
    pub(crate) offset_ns: i64,
}

impl Commit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut record = Encoder::default();
        record
            .u64(self.generation)
            .bytes(&self.boot_id)
            .u64(self.session)
            .u64(u64::from(self.place == Place::SharedMemory))
            .u64(self.next_seq)
            .u64(self.head.unwrap_or(NO_HEAD))
            .u64(self.rows);
        for entries in self.entries {
            record.u32(entries);
        }
        record
            .u32(u32::from(self.in_time_order))
            .i64(self.min_timestamp)
            .i64(self.max_timestamp)
            .u64(self.own_sequence)
            .u64(self.list_version)
            .u64(self.losses.number)
            .u64(self.losses.len)
            .u64(self.contexts.number)
            .u64(self.contexts.len)
            .i64(self.timestamp)
            .i64(self.wall_minus_timestamp_ns)
            .i64(self.offset_ns)
            .pad_to(COMMIT_BYTES)
            .checked()
    }

    /// `None` for a record whose checksum does not hold.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut record = Decoder::of_checked(bytes, COMMIT_BYTES)?;
        let appended = |record: &mut Decoder<'_>| {
            Some(Appended {
                number: record.u64()?,
                len: record.u64()?,
            })
        };
        let commit = Self {
            generation: record.u64()?,
            boot_id: record.array()?,
            session: record.u64()?,
            place: match record.u64()? {
                0 => Place::Directory,
                _ => Place::SharedMemory,
            },
            next_seq: record.u64()?,
            head: record.u64().map(|head| (head != NO_HEAD).then_some(head))?,
            rows: record.u64()?,
            entries: read_entries(&mut record)?,
            in_time_order: record.u32()? != 0,
            min_timestamp: record.i64()?,
            max_timestamp: record.i64()?,
            own_sequence: record.u64()?,
            list_version: record.u64()?,
            losses: appended(&mut record)?,
            contexts: appended(&mut record)?,
            timestamp: record.i64()?,
            wall_minus_timestamp_ns: record.i64()?,
            offset_ns: record.i64()?,
        };
        let appended = [commit.losses, commit.contexts];
        let numbers = [
            commit.generation,
            commit.next_seq,
            commit.head.unwrap_or(0),
            commit.list_version,
        ];
        let is_sane = commit.rows < 1 << 40
            && commit.own_sequence < SEQUENCE_LIMIT
            && numbers.iter().all(|number| *number < NUMBER_LIMIT)
            && appended
                .iter()
                .all(|file| file.number.max(file.len) < NUMBER_LIMIT);
        is_sane.then_some(commit)
    }

    /// The dictionaries' entries as lengths.
    pub(crate) fn entry_lens(&self) -> [usize; DictionaryColumn::COUNT] {
        self.entries.map(|entries| entries as usize)
    }
}

/// The `state` file: two places for commit records, as memory that survives the process.
pub(crate) struct State {
    file: File,
    slots: [Region; 2],
}

/// All blocks are there before the file is mapped.
struct Allocated;

impl Allocate for Allocated {
    fn allocate(&self, _offset: u64, _len: u64) -> bool {
        true
    }
}

impl State {
    /// The state of a recording that this process writes.
    ///
    /// # Errors
    /// `IO`; `CORRUPT_RECORDING` for a file of another recording.
    pub(crate) fn create(directory: &Directory) -> Result<Self, Error> {
        let path = directory.file("state");
        let io = |error: io::Error| Error::io(path.display(), &error);
        directory.step_by_name("state.create").map_err(io)?;
        let file = open_or_create(&path).map_err(io)?;
        let len = (PAGES * PAGE_BYTES) as u64;
        let is_short = file.metadata().map_err(io)?.len() < len;
        if is_short {
            file.set_len(len).map_err(io)?;
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0).map_err(io)?;
        // A loss of power may leave zeros: its commits would be of a run of the machine that is over in any case.
        let is_new = is_short || header == [0; HEADER_BYTES];
        // Also of a file that is there: whoever made it may not have come so far, or its copy may have holes.
        allocate(&file, 0, len).map_err(io)?;
        if is_new {
            let header = Encoder::default()
                .bytes(MAGIC)
                .u32(super::directory::VERSION)
                .u32(0)
                .bytes(directory.id())
                .plain();
            file.write_all_at(&header, 0).map_err(io)?;
        }
        let map = FileMap::writable(&file, PAGES * PAGE_BYTES, Arc::new(Allocated)).map_err(io)?;
        Self::over(directory, file, &map)
    }

    /// The state of a recording that another process may write.
    ///
    /// # Errors
    /// As [`State::create`].
    pub(crate) fn watch(directory: &Directory) -> Result<Self, Error> {
        let path = directory.file("state");
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidInput => Error::corrupt(format!(
                "{}: expected {PAGES} pages, got less",
                path.display()
            )),
            _ => Error::io(path.display(), &error),
        };
        let file = File::open(&path).map_err(io)?;
        let map = FileMap::watched(&file, PAGES * PAGE_BYTES).map_err(io)?;
        Self::over(directory, file, &map)
    }

    fn over(directory: &Directory, file: File, map: &Arc<FileMap>) -> Result<Self, Error> {
        let mut header = [0; HEADER_BYTES];
        let read = file.read_exact_at(&mut header, 0);
        read.map_err(|error| Error::io("state", &error))?;
        if header[..8] != *MAGIC || header[16..] != *directory.id() {
            return Err(Error::corrupt(
                "state: expected this recording's, got another file",
            ));
        }
        let slot = |page: usize| map.region(page * PAGE_BYTES, COMMIT_WORDS * 8);
        Ok(Self {
            slots: [slot(1)?, slot(2)?],
            file,
        })
    }

    /// The newest commit whose checksum holds.
    pub(crate) fn read(&self) -> Option<Commit> {
        let commits = self.records().into_iter().filter_map(Record::valid);
        commits.max_by_key(|commit| commit.generation)
    }

    /// What is in both places.
    pub(crate) fn records(&self) -> [Record<Commit>; 2] {
        [&self.slots[0], &self.slots[1]].map(|region| {
            let mut bytes = Vec::with_capacity(COMMIT_WORDS * 8);
            for word in region.atomics() {
                bytes.extend(word.load(Ordering::Acquire).to_le_bytes());
            }
            Record::of(&bytes, Commit::decode)
        })
    }

    /// The generations of both places, valid or not: whoever sees them unchanged has missed nothing.
    pub(crate) fn generations(&self) -> [u64; 2] {
        let generation = |region: &Region| {
            let word: Option<&AtomicU64> = region.atomics().first();
            word.map_or(0, |word| word.load(Ordering::Acquire))
        };
        [generation(&self.slots[0]), generation(&self.slots[1])]
    }

    /// Makes a commit count: everything stored before outlives the process with it.
    pub(crate) fn write(&self, commit: &Commit) {
        let mut bytes = commit.encode();
        bytes.resize(COMMIT_WORDS * 8, 0);
        let slot = &self.slots[(commit.generation % 2) as usize];
        // Nothing of the commit is stored before what it counts.
        fence(Ordering::Release);
        let words = bytes.as_chunks::<8>().0;
        for (at, word) in slot.atomics().iter().zip(words) {
            at.store(u64::from_le_bytes(*word), Ordering::Release);
        }
    }

    /// Forgets all commits, which are of a run of the machine that is over.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let zeros = [0; COMMIT_WORDS * 8];
        self.file.write_all_at(&zeros, PAGE_BYTES as u64)?;
        self.file.write_all_at(&zeros, 2 * PAGE_BYTES as u64)
    }
}
