//! One producer's ring: its header's fields by name.

use std::{fmt, sync::Arc};

use crate::layout as at;
use crate::memory::Memory;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// How a ring's reader learns which records are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Publication {
    /// By the records' commit words: where stores become visible in program order (x64).
    CommitWords = 0,
    /// By the published head, which the producer stores once per block and per turn of its event loop.
    PublishedHead = 1,
}

/// Whether a ring's producer records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RingState {
    /// Recording is switched off; a new ring is in this state.
    Off = 0,
    /// Recording.
    Recording = 1,
    /// The recording has been closed.
    Closed = 2,
}

/// Why a ring, its reader or its producer could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingError {
    /// `INVALID_ARGUMENT`: a capacity outside of what a ring can have.
    CapacityOutOfRange {
        /// What came, in bytes.
        capacity_bytes: usize,
        /// The least that is accepted, in bytes.
        min_bytes: usize,
        /// The most that is accepted, in bytes.
        max_bytes: usize,
    },
    /// `INVALID_ARGUMENT`: a first sequence number beyond 48 bits.
    SequenceOutOfRange {
        /// What came.
        first_sequence: u64,
    },
    /// `RESOURCE_EXHAUSTED`: the allocator refused.
    OutOfMemory {
        /// What was asked for, in bytes.
        bytes: usize,
    },
    /// `INVALID_ARGUMENT`: the ring has had a reader; there is one per ring.
    ReaderTaken,
    /// `INVALID_ARGUMENT`: the ring has had a Rust producer; there is one per ring.
    WriterTaken,
    /// `IO`: its file cannot be mapped.
    File(String),
    /// `CORRUPT_RECORDING`: a file that is no ring of this version.
    NoRing {
        /// What is wrong.
        found: String,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CapacityOutOfRange {
                capacity_bytes,
                min_bytes,
                max_bytes,
            } => {
                write!(
                    f,
                    "capacity_bytes: expected {min_bytes} to {max_bytes}, got {capacity_bytes}"
                )
            }
            Self::SequenceOutOfRange { first_sequence } => {
                write!(
                    f,
                    "first_sequence: expected a number below {}, got {first_sequence}",
                    at::SEQUENCE_LIMIT
                )
            }
            Self::OutOfMemory { bytes } => write!(f, "no memory for a ring of {bytes} bytes"),
            Self::ReaderTaken => {
                f.write_str("ring: expected one without a reader, got one that has had its reader")
            }
            Self::WriterTaken => f.write_str(
                "ring: expected one without a producer, got one that has had its producer",
            ),
            Self::File(error) => write!(f, "a ring's file cannot be mapped: {error}"),
            Self::NoRing { found } => write!(f, "ring file: expected a ring, got {found}"),
        }
    }
}

impl std::error::Error for RingError {}

/// Memory that one producer fills and one [`crate::RingReader`] empties, laid out as docs/ring-format.md says.
///
/// ```
/// use kinescope_ring::{Publication, Ring, RingState};
/// let ring = Ring::new(1, 100_000, 0, Publication::CommitWords)?;
/// assert_eq!(ring.capacity_words(), 16_384);
/// ring.set_state(RingState::Recording);
/// # Ok::<(), kinescope_ring::RingError>(())
/// ```
pub struct Ring {
    pub(crate) memory: Memory,
    pub(crate) producer: u16,
    pub(crate) publication: Publication,
    pub(crate) capacity_words: u32,
    pub(crate) first_sequence: u64,
    pub(crate) reader_taken: AtomicBool,
    pub(crate) writer_taken: AtomicBool,
}

impl Ring {
    /// A zeroed ring with all of its pages faulted in, in state [`RingState::Off`].
    ///
    /// `capacity_bytes` is the data area's size, 64 KiB to 1 GiB, rounded up to a power of two. `first_sequence` is
    /// the first number of the producer's sequence, below 2^48; the header's `attempts` starts there.
    ///
    /// # Errors
    /// [`RingError::CapacityOutOfRange`], [`RingError::SequenceOutOfRange`], [`RingError::OutOfMemory`].
    pub fn new(
        producer: u16,
        capacity_bytes: usize,
        first_sequence: u64,
        publication: Publication,
    ) -> Result<Arc<Self>, RingError> {
        let capacity_words = Self::checked_capacity(capacity_bytes, first_sequence)?;
        Self::with_capacity_words(producer, capacity_words, first_sequence, publication)
    }

    /// Words of a data area of at least `capacity_bytes`.
    pub(crate) fn checked_capacity(
        capacity_bytes: usize,
        first_sequence: u64,
    ) -> Result<u32, RingError> {
        if !(at::MIN_CAPACITY_BYTES..=at::MAX_CAPACITY_BYTES).contains(&capacity_bytes) {
            return Err(RingError::CapacityOutOfRange {
                capacity_bytes,
                min_bytes: at::MIN_CAPACITY_BYTES,
                max_bytes: at::MAX_CAPACITY_BYTES,
            });
        }
        if first_sequence >= at::SEQUENCE_LIMIT {
            return Err(RingError::SequenceOutOfRange { first_sequence });
        }
        // At most 2^30 / 8 words, so the count fits 32 bits.
        Ok((capacity_bytes.next_power_of_two() / at::WORD_BYTES) as u32)
    }

    /// A ring of any power of two of words from 16 to 2^27: small ones wrap often, which models and tests want.
    ///
    /// # Errors
    /// As [`Ring::new`]; a capacity that is no power of two is out of range too.
    pub fn with_capacity_words(
        producer: u16,
        capacity_words: u32,
        first_sequence: u64,
        publication: Publication,
    ) -> Result<Arc<Self>, RingError> {
        let capacity_bytes = capacity_words as usize * at::WORD_BYTES;
        let min_bytes = 16 * at::WORD_BYTES;
        if !capacity_words.is_power_of_two()
            || !(min_bytes..=at::MAX_CAPACITY_BYTES).contains(&capacity_bytes)
        {
            return Err(RingError::CapacityOutOfRange {
                capacity_bytes,
                min_bytes,
                max_bytes: at::MAX_CAPACITY_BYTES,
            });
        }
        if first_sequence >= at::SEQUENCE_LIMIT {
            return Err(RingError::SequenceOutOfRange { first_sequence });
        }
        let memory = Memory::new(capacity_words).ok_or(RingError::OutOfMemory {
            bytes: at::HEADER_BYTES + capacity_bytes,
        })?;
        Ok(Self::fresh(
            memory,
            producer,
            capacity_words,
            first_sequence,
            publication,
        ))
    }

    /// The ring in zeroed memory.
    pub(crate) fn fresh(
        memory: Memory,
        producer: u16,
        capacity_words: u32,
        first_sequence: u64,
        publication: Publication,
    ) -> Arc<Self> {
        let ring = Self {
            memory,
            producer,
            publication,
            capacity_words,
            first_sequence,
            reader_taken: AtomicBool::new(false),
            writer_taken: AtomicBool::new(false),
        };
        ring.store_u32(at::OFFSET_VERSION, at::VERSION);
        ring.store_u32(at::OFFSET_PRODUCER, u32::from(producer));
        ring.store_u32(at::OFFSET_CAPACITY_WORDS, capacity_words);
        ring.store_u32(at::OFFSET_PUBLICATION, publication as u32);
        ring.store_f64(at::OFFSET_ATTEMPTS, first_sequence as f64);
        // Last: a file without it is no ring yet.
        ring.store_u32(at::OFFSET_MAGIC, at::MAGIC);
        Arc::new(ring)
    }

    /// Start of the ring's memory, [`Ring::len_bytes`] long, valid while the ring lives.
    ///
    /// Whoever writes through it is the ring's one producer and keeps to docs/ring-format.md: it writes only its own
    /// header fields and words that are free, and each record's commit word last.
    #[cfg(not(loom))]
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.memory.as_ptr()
    }

    /// Bytes of header and data area.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        at::HEADER_BYTES + self.capacity_words as usize * at::WORD_BYTES
    }

    /// The producer's number.
    #[must_use]
    pub fn producer(&self) -> u16 {
        self.producer
    }

    /// How the reader learns which records are complete.
    #[must_use]
    pub fn publication(&self) -> Publication {
        self.publication
    }

    /// Length of the data area in words, a power of two.
    #[must_use]
    pub fn capacity_words(&self) -> u32 {
        self.capacity_words
    }

    /// The first number of the producer's sequence that this ring holds.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// Tells the producer whether to record.
    pub fn set_state(&self, state: RingState) {
        self.store_u32(at::OFFSET_STATE, state as u32);
    }

    /// The state last set.
    #[must_use]
    pub fn state(&self) -> RingState {
        match self.load_u32(at::OFFSET_STATE) {
            0 => RingState::Off,
            1 => RingState::Recording,
            _ => RingState::Closed,
        }
    }

    /// Tells the producer whether it has to wake the writer thread.
    ///
    /// Sequentially consistent with a following look at the ring: either the producer sees the flag after its commit,
    /// or that look sees its record.
    pub fn set_asleep(&self, asleep: bool) {
        // A read-modify-write is a full barrier on every target, and so keeps the following loads behind it.
        self.memory
            .header_u32(at::OFFSET_ASLEEP)
            .swap(u32::from(asleep), Ordering::SeqCst);
    }

    /// Whether the writer thread said that it sleeps.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.memory
            .header_u32(at::OFFSET_ASLEEP)
            .load(Ordering::SeqCst)
            != 0
    }

    /// Sets the coarse clock, in raw monotonic nanoseconds.
    pub fn set_tick(&self, raw_ns: i64) {
        self.store_f64(at::OFFSET_TICK, raw_ns as f64);
    }

    /// The coarse clock, in raw monotonic nanoseconds.
    #[must_use]
    pub fn tick(&self) -> i64 {
        self.load_f64(at::OFFSET_TICK) as i64
    }

    /// Running word position up to which the reader is done.
    #[must_use]
    pub fn tail(&self) -> u32 {
        self.load_u32(at::OFFSET_TAIL)
    }

    /// Running word position up to which the producer has published; only kept in [`Publication::PublishedHead`].
    #[must_use]
    pub fn published_head(&self) -> u32 {
        self.load_u32(at::OFFSET_PUBLISHED_HEAD)
    }

    /// The next number of the producer's sequence: [`Ring::first_sequence`] plus the attempts made in this ring. At most
    /// [`layout::SEQUENCE_LIMIT`](crate::layout::SEQUENCE_LIMIT), whatever the ring's memory says.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.count(at::OFFSET_ATTEMPTS).min(at::SEQUENCE_LIMIT)
    }

    /// Attempts that found the ring full, ever.
    #[must_use]
    pub fn lost_ring_full(&self) -> u64 {
        self.count(at::OFFSET_LOST_RING_FULL)
    }

    /// Raw monotonic nanoseconds of the first loss since the last `LOSS` record.
    #[must_use]
    pub fn lost_since(&self) -> i64 {
        self.u64_at(at::OFFSET_LOST_SINCE).load(Ordering::Acquire) as i64
    }

    /// Values of a wrong type that were stored as absent, ever.
    #[must_use]
    pub fn mistyped(&self) -> u64 {
        self.count(at::OFFSET_MISTYPED)
    }

    /// Exits without their entry or out of order, ever.
    #[must_use]
    pub fn unbalanced(&self) -> u64 {
        self.count(at::OFFSET_UNBALANCED)
    }

    /// Events left out by sampling, ever.
    #[must_use]
    pub fn sampled_out(&self) -> u64 {
        self.count(at::OFFSET_SAMPLED_OUT)
    }

    /// Events recorded after closing, ever.
    #[must_use]
    pub fn after_close(&self) -> u64 {
        self.count(at::OFFSET_AFTER_CLOSE)
    }

    /// Place of a running position in the data area.
    pub(crate) fn place(&self, position: u32) -> u32 {
        position & (self.capacity_words - 1)
    }

    /// Takes the reader's side; false if it has been taken before.
    pub(crate) fn take_reader(&self) -> bool {
        !self.reader_taken.swap(true, Ordering::AcqRel)
    }

    /// Takes the producer's side; false if it has been taken before.
    pub(crate) fn take_writer(&self) -> bool {
        !self.writer_taken.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn load_u32(&self, offset: usize) -> u32 {
        self.memory.header_u32(offset).load(Ordering::Acquire)
    }

    pub(crate) fn store_u32(&self, offset: usize, value: u32) {
        self.memory
            .header_u32(offset)
            .store(value, Ordering::Release);
    }

    pub(crate) fn load_f64(&self, offset: usize) -> f64 {
        f64::from_bits(self.u64_at(offset).load(Ordering::Acquire))
    }

    pub(crate) fn store_f64(&self, offset: usize, value: f64) {
        self.u64_at(offset)
            .store(value.to_bits(), Ordering::Release);
    }

    pub(crate) fn store_i64(&self, offset: usize, value: i64) {
        self.u64_at(offset).store(value as u64, Ordering::Release);
    }

    fn u64_at(&self, offset: usize) -> &AtomicU64 {
        self.memory.header_u64(offset)
    }

    /// A counter; what is no count (negative, not a number) is 0, and nothing exceeds 2^53.
    fn count(&self, offset: usize) -> u64 {
        (self.load_f64(offset) as u64).min(1 << f64::MANTISSA_DIGITS)
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("producer", &self.producer)
            .field("capacity_words", &self.capacity_words)
            .field("tail", &self.tail())
            .field("attempts", &self.attempts())
            .finish_non_exhaustive()
    }
}
