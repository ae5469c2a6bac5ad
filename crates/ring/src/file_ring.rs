//! Rings in files, which outlive their process: how they are made, found again, and read on.

use std::fs::File;
use std::sync::Arc;

use crate::layout as at;
use crate::memory::Memory;
use crate::ring::{Publication, Ring, RingError};
use crate::sync::{AtomicBool, Ordering};

/// Bytes of the page behind the data area, where the reader keeps its checkpoints.
const CHECKPOINT_PAGE_BYTES: usize = 4096;
/// Distance of the two checkpoints.
const SLOT_BYTES: usize = 128;
/// Words of a checkpoint in front of its checksum.
const SLOT_WORDS: usize = 6;
/// Where the name of the producer's thread is.
const LABEL_OFFSET: usize = 1024;
/// Words of the name; what does not fit is cut off.
const LABEL_WORDS: usize = 256;
/// In the word of the position: the ring's contents were not what the format says.
const CORRUPT_BIT: u64 = 1 << 32;

/// How far a ring had been read when a commit of the log was made; docs/format.md says how the two become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The commit that it belongs to.
    pub generation: u64,
    /// The next number of the producer's sequence.
    pub next_sequence: u64,
    /// Losses of cause `ring_full` that have been reported.
    pub seen_ring_full: u64,
    /// Running word position up to which records were taken.
    pub position: u32,
    /// Whether the ring's contents were not what the format says.
    pub is_corrupt: bool,
    /// Raw time before which no later loss can have begun.
    pub latest_loss_raw_ns: i64,
    /// Raw time of the latest record: the store's, kept here for it.
    pub latest_record_raw_ns: i64,
}

impl Checkpoint {
    fn words(&self) -> [u64; SLOT_WORDS] {
        let corrupt = if self.is_corrupt { CORRUPT_BIT } else { 0 };
        [
            self.generation,
            self.next_sequence,
            self.seen_ring_full,
            u64::from(self.position) | corrupt,
            self.latest_loss_raw_ns as u64,
            self.latest_record_raw_ns as u64,
        ]
    }

    fn of_words(words: &[u64; SLOT_WORDS]) -> Self {
        Self {
            generation: words[0],
            next_sequence: words[1],
            seen_ring_full: words[2],
            position: words[3] as u32,
            is_corrupt: words[3] & CORRUPT_BIT != 0,
            latest_loss_raw_ns: words[4] as i64,
            latest_record_raw_ns: words[5] as i64,
        }
    }
}

fn checksum(words: &[u64; SLOT_WORDS]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    for word in words {
        hasher.update(&word.to_le_bytes());
    }
    u64::from(hasher.finalize())
}

impl Ring {
    /// Bytes of the file of a ring whose data area is `capacity_bytes` long, which is rounded up to a power of two.
    #[must_use]
    pub fn file_bytes(capacity_bytes: usize) -> u64 {
        let data = capacity_bytes.next_power_of_two();
        (at::HEADER_BYTES + data + CHECKPOINT_PAGE_BYTES) as u64
    }

    /// A ring in a file of [`Ring::file_bytes`] zero bytes, whose blocks the caller has allocated: a store into a
    /// mapping of a file that cannot be given a block kills the process. `label` is kept for whoever finds the ring.
    ///
    /// # Errors
    /// As [`Ring::new`], and [`RingError::File`].
    pub fn create_in(
        file: &File,
        producer: u16,
        capacity_bytes: usize,
        first_sequence: u64,
        publication: Publication,
        label: &str,
    ) -> Result<Arc<Self>, RingError> {
        let capacity_words = Self::checked_capacity(capacity_bytes, first_sequence)?;
        let memory = Memory::map(file, capacity_words)
            .map_err(|error| RingError::File(error.to_string()))?;
        store_label(&memory, label);
        let first = Checkpoint {
            generation: 0,
            next_sequence: first_sequence,
            seen_ring_full: 0,
            position: 0,
            is_corrupt: false,
            latest_loss_raw_ns: i64::MIN,
            latest_record_raw_ns: i64::MIN,
        };
        store(&memory, 0, &first);
        Ok(Self::fresh(
            memory,
            producer,
            capacity_words,
            first_sequence,
            publication,
        ))
    }

    /// What the ring was made with as the name of its producer's thread; empty for a ring without a file.
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.memory).unwrap_or_default()
    }

    /// The ring that a dead process has left in a file. `generation` is that of the last commit of the log.
    ///
    /// # Errors
    /// [`RingError::NoRing`] for anything that is not a ring of this version, [`RingError::File`].
    pub fn open_in(file: &File, generation: u64) -> Result<(Arc<Self>, Checkpoint), RingError> {
        let no_ring = |found: &str| RingError::NoRing {
            found: found.to_owned(),
        };
        let len = file
            .metadata()
            .map_err(|error| RingError::File(error.to_string()))?
            .len();
        let data_bytes = usize::try_from(len)
            .ok()
            .and_then(|len| len.checked_sub(at::HEADER_BYTES + CHECKPOINT_PAGE_BYTES))
            .filter(|bytes| {
                bytes.is_power_of_two()
                    && (at::MIN_CAPACITY_BYTES..=at::MAX_CAPACITY_BYTES).contains(bytes)
            })
            .ok_or_else(|| no_ring("a file of another length"))?;
        let capacity_words = (data_bytes / at::WORD_BYTES) as u32;
        let memory = Memory::map(file, capacity_words)
            .map_err(|error| RingError::File(error.to_string()))?;
        let header = |offset| memory.header_u32(offset).load(Ordering::Acquire);
        if header(at::OFFSET_MAGIC) != at::MAGIC {
            return Err(no_ring("a file that does not start as one"));
        }
        if header(at::OFFSET_VERSION) != at::VERSION {
            return Err(no_ring("one of another version"));
        }
        if header(at::OFFSET_CAPACITY_WORDS) != capacity_words {
            return Err(no_ring("one that says another length"));
        }
        let producer = u16::try_from(header(at::OFFSET_PRODUCER))
            .map_err(|_| no_ring("one of a producer beyond 65,535"))?;
        let publication = match header(at::OFFSET_PUBLICATION) {
            0 => Publication::CommitWords,
            _ => Publication::PublishedHead,
        };
        let checkpoint = newest(&memory, generation)
            .filter(|checkpoint| checkpoint.next_sequence <= at::SEQUENCE_LIMIT)
            .ok_or_else(|| no_ring("one without a checkpoint"))?;
        let ring = Self {
            memory,
            producer,
            publication,
            capacity_words,
            first_sequence: checkpoint.next_sequence,
            reader_taken: AtomicBool::new(false),
            writer_taken: AtomicBool::new(false),
        };
        Ok((Arc::new(ring), checkpoint))
    }

    /// Stores a checkpoint over the older of the two. A ring without a file has none.
    pub fn store_checkpoint(&self, checkpoint: &Checkpoint) {
        let generation_of = |slot: usize| {
            self.memory
                .checkpoint_u64(slot * SLOT_BYTES)
                .map(|word| word.load(Ordering::Relaxed))
        };
        let (Some(first), Some(second)) = (generation_of(0), generation_of(1)) else {
            return;
        };
        // The same generation again replaces itself: its commit has not been made yet. Of two that are equal, both zero,
        // the first may be that of a new ring, and the second has never been written.
        let slot = if first == checkpoint.generation {
            0
        } else if second == checkpoint.generation {
            1
        } else {
            usize::from(second <= first)
        };
        store(&self.memory, slot, checkpoint);
    }
}

fn store(memory: &Memory, slot: usize, checkpoint: &Checkpoint) {
    let words = checkpoint.words();
    let all = words.iter().copied().chain([checksum(&words)]);
    for (index, word) in all.enumerate() {
        if let Some(at) = memory.checkpoint_u64(slot * SLOT_BYTES + index * 8) {
            at.store(word, Ordering::Release);
        }
    }
}

fn store_label(memory: &Memory, label: &str) {
    let mut end = label.len().min((LABEL_WORDS - 1) * 8);
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = (end as u64).to_le_bytes().to_vec();
    bytes.extend(&label.as_bytes()[..end]);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    for (index, word) in bytes.as_chunks::<8>().0.iter().enumerate() {
        if let Some(at) = memory.checkpoint_u64(LABEL_OFFSET + index * 8) {
            at.store(u64::from_le_bytes(*word), Ordering::Release);
        }
    }
}

fn label(memory: &Memory) -> Option<String> {
    let word = |index: usize| {
        memory
            .checkpoint_u64(LABEL_OFFSET + index * 8)
            .map(|word| word.load(Ordering::Acquire))
    };
    let len = usize::try_from(word(0)?).ok()?;
    let mut bytes = Vec::new();
    for index in 1..LABEL_WORDS {
        bytes.extend(word(index)?.to_le_bytes());
    }
    bytes.truncate(len);
    String::from_utf8(bytes).ok()
}

/// The newest checkpoint that belongs to a commit which was made.
fn newest(memory: &Memory, generation: u64) -> Option<Checkpoint> {
    let slot = |slot: usize| {
        let word = |word: usize| {
            memory
                .checkpoint_u64(slot * SLOT_BYTES + word * 8)
                .map_or(0, |word| word.load(Ordering::Acquire))
        };
        let words: [u64; SLOT_WORDS] = std::array::from_fn(word);
        let is_whole = word(SLOT_WORDS) == checksum(&words);
        (is_whole && words[0] <= generation).then(|| Checkpoint::of_words(&words))
    };
    let slots = [slot(0), slot(1)];
    slots
        .into_iter()
        .flatten()
        .max_by_key(|checkpoint| checkpoint.generation)
}
