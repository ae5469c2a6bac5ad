//! The next number of every producer's sequence, so that no event id comes twice.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use kinescope_ring::layout::SEQUENCE_LIMIT;

use super::blocks::allocate;
use super::directory::{Directory, open_or_create, read_bounded};

/// By how much sequences jump when nobody knows how far they had come: more than can have been recorded since anything
/// was last on the disk, and seldom enough for 48 bits.
pub(crate) const SEQUENCE_JUMP: u64 = 1 << 36;
const CHECK_SHIFT: u32 = 48;
const PAGE_BYTES: u64 = 4096;
/// 65,536 producers.
const MAX_BYTES: u64 = 8 << 16;

fn check(producer: u16, next: u64) -> u64 {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&u32::from(producer).to_le_bytes());
    bytes[4..].copy_from_slice(&next.to_le_bytes());
    u64::from(crc32fast::hash(&bytes) as u16)
}

/// Producers in order of their numbers, with their next numbers; none for an entry that is damaged.
pub(crate) fn read(directory: &Directory) -> Vec<(u16, Option<u64>)> {
    let bytes = read_bounded(&directory.file("producers"), MAX_BYTES).unwrap_or_default();
    let entries = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|entry| u64::from_le_bytes(*entry));
    let entry = |(producer, entry): (usize, u64)| {
        let producer = u16::try_from(producer).ok()?;
        let next = entry & (SEQUENCE_LIMIT - 1);
        // Zeros: never written, as 0 is no producer of rings and the first number is never 0 here.
        (entry != 0).then(|| {
            let is_whole = entry >> CHECK_SHIFT == check(producer, next);
            (producer, is_whole.then_some(next))
        })
    };
    entries.enumerate().filter_map(entry).collect()
}

/// A number above all that sequences can have come to, given what is known of them.
pub(crate) fn jumped(known: impl Iterator<Item = u64>) -> u64 {
    let floor = known.max().unwrap_or(0).next_multiple_of(SEQUENCE_JUMP) + SEQUENCE_JUMP;
    floor.min(SEQUENCE_LIMIT - SEQUENCE_JUMP)
}

/// The `producers` file.
pub(crate) struct Sequences {
    file: File,
    directory: Directory,
}

impl Sequences {
    pub(crate) fn create(directory: &Directory) -> io::Result<Self> {
        directory.step_by_name("producers.create")?;
        let file = open_or_create(&directory.file("producers"))?;
        if file.metadata()?.len() < PAGE_BYTES {
            // So that most numbers can be written down also when the disk is full.
            allocate(&file, 0, PAGE_BYTES)?;
        }
        Ok(Self {
            file,
            directory: directory.clone(),
        })
    }

    /// As [`read`].
    pub(crate) fn read(&self) -> Vec<(u16, Option<u64>)> {
        read(&self.directory)
    }

    pub(crate) fn write(&self, producer: u16, next: u64) -> io::Result<()> {
        self.directory.step("producers.write")?;
        let next = next.min(SEQUENCE_LIMIT - 1);
        let entry = next | check(producer, next) << CHECK_SHIFT;
        self.file
            .write_all_at(&entry.to_le_bytes(), u64::from(producer) * 8)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
