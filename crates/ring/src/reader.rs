//! Reads a ring: follows the chain of records, counts the producer's sequence, and accounts for what is missing.

use std::sync::Arc;

use crate::decode::{Account, hand_over};
#[cfg(not(loom))]
use crate::file_ring::Checkpoint;
use crate::layout as at;
use crate::record::{LossCause, RecordSink};
use crate::ring::{Publication, Ring, RingError};

/// What one call of [`RingReader::read`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadProgress {
    /// Words of the records read, pads included.
    pub words: u32,
    /// Records handed to the sink that are events.
    pub records: u32,
    /// Whether nothing more was there to read.
    pub drained: bool,
}

/// The one reader of a ring.
///
/// Records are handed over in order, each one once. Their words are given back to the producer only by
/// [`RingReader::release`], so that whoever sees the tail move also sees the rows. Numbers of the producer's sequence
/// are counted, not stored: every number is handed over once, in a record or in a [`crate::Loss`].
///
/// A record that is not what the format says makes the reader *corrupt*: it cannot know where the next record starts.
/// Everything from there on, also what is recorded later, is reported as lost with the cause [`LossCause::Torn`].
pub struct RingReader {
    ring: Arc<Ring>,
    /// Where the next record starts, a running count of words.
    position: u32,
    /// The tail as last stored; at most a data area's length behind `position`.
    released: u32,
    account: Account,
    is_corrupt: bool,
    /// Copy of a record where its words cannot be borrowed: in models.
    copy: Vec<u8>,
}

/// A record that has been found but not handed over.
struct Found {
    place: u32,
    kind: u32,
    length_words: u32,
}

/// Why the chain of records cannot be followed any further.
struct Broken;

impl RingReader {
    /// Takes the ring's reading side.
    ///
    /// # Errors
    /// [`RingError::ReaderTaken`] if the ring has had a reader.
    pub fn new(ring: Arc<Ring>) -> Result<Self, RingError> {
        if !ring.take_reader() {
            return Err(RingError::ReaderTaken);
        }
        let position = ring.tail();
        let account = Account::new(ring.first_sequence());
        Ok(Self {
            ring,
            position,
            released: position,
            account,
            is_corrupt: false,
            copy: Vec::new(),
        })
    }

    /// Reads on where a reader of another process was at a checkpoint, of which [`Ring::open_in`] says which counts.
    ///
    /// # Errors
    /// [`RingError::ReaderTaken`] if the ring has had a reader.
    #[cfg(not(loom))]
    pub fn resume(ring: Arc<Ring>, checkpoint: &Checkpoint) -> Result<Self, RingError> {
        let mut reader = Self::new(ring)?;
        reader.position = checkpoint.position;
        reader.released = checkpoint.position;
        reader.account.next_sequence = checkpoint.next_sequence;
        reader.account.seen_ring_full = checkpoint.seen_ring_full;
        reader.account.latest_raw_ns = checkpoint.latest_loss_raw_ns;
        reader.is_corrupt = checkpoint.is_corrupt;
        reader.ring.store_u32(at::OFFSET_TAIL, reader.released);
        Ok(reader)
    }

    /// Where the reader is, for a commit of the log with this generation.
    #[cfg(not(loom))]
    #[must_use]
    pub fn checkpoint(&self, generation: u64, latest_record_raw_ns: i64) -> Checkpoint {
        Checkpoint {
            generation,
            next_sequence: self.account.next_sequence,
            seen_ring_full: self.account.seen_ring_full,
            position: self.position,
            is_corrupt: self.is_corrupt,
            latest_loss_raw_ns: self.account.latest_raw_ns,
            latest_record_raw_ns,
        }
    }

    /// The ring.
    #[must_use]
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// The number of the next attempt that has been neither handed over nor reported as lost.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.account.next_sequence
    }

    /// Running word position up to which records have been handed over.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.position
    }

    /// Whether the ring's contents were not what the format says.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        self.is_corrupt
    }

    /// Hands over complete records, at most `max_words` long together (or one record that is longer), without giving
    /// their words back.
    pub fn read(&mut self, max_words: u32, sink: &mut impl RecordSink) -> ReadProgress {
        let published = match self.ring.publication() {
            Publication::CommitWords => None,
            Publication::PublishedHead => Some(self.ring.published_head()),
        };
        self.read_until(published, max_words, sink)
    }

    /// Gives the words of everything that was handed over back to the producer; call it when the rows are visible.
    pub fn release(&mut self) {
        if self.released != self.position {
            self.released = self.position;
            self.ring.store_u32(at::OFFSET_TAIL, self.position);
        }
    }

    /// Reports losses that no record tells of yet, if the ring is empty.
    ///
    /// With [`Publication::PublishedHead`] it reports nothing: the count may be visible before records that came
    /// earlier. There, losses are told by the `LOSS` record that the producer writes when it publishes, and by
    /// [`RingReader::read_dead`].
    pub fn report_pending_loss(&mut self, sink: &mut impl RecordSink) {
        if self.is_corrupt {
            self.report_torn(sink);
        } else if self.ring.publication() == Publication::CommitWords {
            self.report_ring_full(sink);
        }
    }

    /// Reads the ring of a producer that will never write again, and whose stores are all visible (its thread was
    /// joined or its end was signalled): follows commit words whatever the publication mode.
    ///
    /// Once drained, it reports pending losses, and attempts that were begun but never committed as
    /// [`LossCause::Torn`]. Calling it again reports nothing twice.
    pub fn read_dead(&mut self, max_words: u32, sink: &mut impl RecordSink) -> ReadProgress {
        let progress = self.read_until(None, max_words, sink);
        if progress.drained {
            if !self.is_corrupt {
                self.report_ring_full(sink);
            }
            self.report_torn(sink);
        }
        progress
    }

    fn read_until(
        &mut self,
        published: Option<u32>,
        max_words: u32,
        sink: &mut impl RecordSink,
    ) -> ReadProgress {
        let mut progress = ReadProgress::default();
        while !self.is_corrupt {
            match self.find(published) {
                Ok(None) => {
                    progress.drained = true;
                    return progress;
                }
                Ok(Some(found))
                    if progress.words > 0 && progress.words + found.length_words > max_words =>
                {
                    return progress;
                }
                Ok(Some(found)) => match self.take(&found, sink) {
                    Ok(records) => {
                        progress.records += records;
                        progress.words += found.length_words;
                    }
                    Err(Broken) => self.is_corrupt = true,
                },
                Err(Broken) => self.is_corrupt = true,
            }
        }
        self.report_torn(sink);
        progress.drained = true;
        progress
    }

    /// Finds the next complete record, checked to lie within what the producer may have written.
    #[inline]
    fn find(&self, published: Option<u32>) -> Result<Option<Found>, Broken> {
        if published == Some(self.position) {
            return Ok(None);
        }
        let place = self.ring.place(self.position);
        let commit_word = self.ring.memory.committed(place);
        if commit_word == 0 {
            return if published.is_some() {
                Err(Broken)
            } else {
                Ok(None)
            };
        }
        let capacity_words = self.ring.capacity_words();
        let (kind, length_words) = (commit_word & 0xff, commit_word >> at::LENGTH_SHIFT);
        let rest_words = capacity_words - place;
        let fits = if kind == at::KIND_PAD {
            length_words == rest_words
        } else {
            length_words < rest_words
        };
        let limit = published.unwrap_or(self.released.wrapping_add(capacity_words - 1));
        let left_words = limit.wrapping_sub(self.position);
        let is_within = left_words < capacity_words && length_words <= left_words;
        if !fits
            || !is_within
            || length_words == 0
            || length_words > at::max_record_words(capacity_words)
        {
            return Err(Broken);
        }
        Ok(Some(Found {
            place,
            kind,
            length_words,
        }))
    }

    /// Hands a record over and goes on behind it; gives the number of events it was.
    #[inline]
    fn take(&mut self, found: &Found, sink: &mut impl RecordSink) -> Result<u32, Broken> {
        let mut records = 0;
        if found.kind != at::KIND_PAD {
            let bytes = self
                .ring
                .memory
                .record(found.place, found.length_words, &mut self.copy);
            records = hand_over(found.kind, bytes, &mut self.account, &self.ring, sink)
                .map_err(|_| Broken)?;
        }
        self.position = self.position.wrapping_add(found.length_words);
        Ok(records)
    }

    /// Reports the losses counted so far if the chain of records ends here.
    fn report_ring_full(&mut self, sink: &mut impl RecordSink) {
        // The count comes first: if the chain still ends at the head afterwards, every loss in the count came after
        // the last record that was read, because the producer commits a record before it counts a later loss.
        let counted = self.ring.lost_ring_full();
        if self.ring.memory.committed(self.ring.place(self.position)) != 0 {
            return;
        }
        let until_raw_ns = self.ring.tick();
        let since_raw_ns = self.ring.lost_since();
        let pending = counted.saturating_sub(self.account.seen_ring_full);
        // Each of them has taken its number before it was counted.
        let pending = pending.min(
            self.ring
                .attempts()
                .saturating_sub(self.account.next_sequence),
        );
        self.account.seen_ring_full += pending;
        self.account.lose(
            LossCause::RingFull,
            pending,
            since_raw_ns,
            until_raw_ns,
            sink,
        );
    }

    /// Reports all attempts that have neither been handed over nor reported.
    fn report_torn(&mut self, sink: &mut impl RecordSink) {
        let count = self
            .ring
            .attempts()
            .saturating_sub(self.account.next_sequence);
        let now_raw_ns = self.ring.tick();
        self.account
            .lose(LossCause::Torn, count, now_raw_ns, now_raw_ns, sink);
    }
}
