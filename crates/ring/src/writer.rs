//! A producer in Rust, which keeps to the protocol that JavaScript's recorder keeps to.

use std::sync::Arc;

use crate::encode::Encoder;
use crate::event::EventFields;
use crate::layout as at;
use crate::record::{ExitReason, LossCause, RecordTime, SiteRef};
use crate::ring::{Publication, Ring, RingError, RingState};
use crate::value::Text;

/// Words between two stores of the published head.
const PUBLISH_BLOCK_WORDS: u32 = 512;

/// What every event's record says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHead {
    /// Context slot, 0 to 4095.
    pub slot: u16,
    /// When.
    pub time: RecordTime,
    /// Number in this producer's sequence of the parent; `None`: the context's parent.
    pub parent: Option<u64>,
}

/// The value of an emitter's field, in one of the forms that its type has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// Absent, for every type.
    Absent,
    /// A number, for `f64`, and for `i64`, whose reader checks that it is an integer.
    F64(f64),
    /// An integer, for `i64`.
    I64(i64),
    /// For `bool`.
    Bool(bool),
    /// For `utf8`.
    Utf8(&'a str),
    /// For `utf8`, cut to the string limit.
    Utf8Cut(&'a str),
    /// The id of a defined string, for `symbol`.
    Symbol(u32),
    /// Text without an id, for `symbol`.
    SymbolText(&'a str),
    /// Text without an id, cut to the string limit, for `symbol`.
    SymbolTextCut(&'a str),
}

impl FieldValue<'_> {
    pub(crate) fn state(&self) -> u32 {
        match self {
            Self::Absent => at::FIELD_ABSENT,
            Self::F64(_) | Self::Bool(_) | Self::Utf8(_) | Self::Symbol(_) => at::FIELD_PLAIN,
            Self::I64(_) | Self::Utf8Cut(_) | Self::SymbolText(_) => at::FIELD_ALTERNATIVE,
            Self::SymbolTextCut(_) => at::FIELD_CUT,
        }
    }

    pub(crate) fn word(&self) -> u64 {
        match *self {
            Self::Absent => 0,
            Self::F64(value) => value.to_bits(),
            Self::I64(value) => value as u64,
            Self::Bool(value) => u64::from(value),
            Self::Symbol(id) => u64::from(id),
            Self::Utf8(text)
            | Self::Utf8Cut(text)
            | Self::SymbolText(text)
            | Self::SymbolTextCut(text) => text.len() as u64,
        }
    }

    pub(crate) fn string(&self) -> &str {
        match self {
            Self::Utf8(text)
            | Self::Utf8Cut(text)
            | Self::SymbolText(text)
            | Self::SymbolTextCut(text) => text,
            _ => "",
        }
    }
}

/// What became of an attempt to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the ring, under this number of the producer's sequence.
    Stored(u64),
    /// It is lost, and this number with it.
    Lost(u64),
    /// Recording is off or closed: no attempt was made.
    NotRecorded,
}

/// Whether a record may use the part of the ring that is kept for what must not be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// It may not.
    Normal,
    /// It may: function exits and events of type `error`.
    High,
}

/// A counter in the ring's header that is the producer's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Values of a wrong type that were stored as absent.
    Mistyped = at::OFFSET_MISTYPED as isize,
    /// Exits without their entry or out of order.
    Unbalanced = at::OFFSET_UNBALANCED as isize,
    /// Events left out by sampling.
    SampledOut = at::OFFSET_SAMPLED_OUT as isize,
}

/// The one producer of a ring, in Rust: for models, tests, fuzzing and benchmarks of whatever reads rings.
///
/// It keeps to docs/ring-format.md as JavaScript's recorder does, so what holds for a ring that it fills holds for one
/// that JavaScript fills. Times are raw monotonic nanoseconds that the caller gives; nothing here asks a clock.
///
/// ```
/// use kinescope_ring::{EventHead, FieldValue, Outcome, Publication, RecordTime, Ring, RingState, RingWriter};
/// let ring = Ring::new(1, 1 << 16, 0, Publication::CommitWords)?;
/// ring.set_state(RingState::Recording);
/// let mut writer = RingWriter::new(ring)?;
/// let head = EventHead { slot: 0, time: RecordTime::Raw(5), parent: None };
/// assert_eq!(writer.emit(head, 0, &[FieldValue::F64(1.5)]), Outcome::Stored(0));
/// # Ok::<(), kinescope_ring::RingError>(())
/// ```
pub struct RingWriter {
    ring: Arc<Ring>,
    /// Where the next record goes, a running count of words. Its commit word is zero.
    head: u32,
    published_head: u32,
    /// The header's `attempts` and `lost_ring_full`, which nobody else writes.
    attempts: u64,
    lost_ring_full: u64,
    /// Time of the first loss that no `LOSS` record tells of yet.
    lost_since_raw_ns: Option<i64>,
    /// The latest raw time that a record brought.
    now_raw_ns: i64,
    encoder: Encoder,
}

impl RingWriter {
    /// Takes the ring's writing side.
    ///
    /// # Errors
    /// [`RingError::WriterTaken`] if the ring has had a producer made here. That JavaScript does not write the same
    /// ring is the caller's business.
    pub fn new(ring: Arc<Ring>) -> Result<Self, RingError> {
        if !ring.take_writer() {
            return Err(RingError::WriterTaken);
        }
        let (head, attempts) = (ring.tail(), ring.attempts());
        Ok(Self {
            ring,
            head,
            published_head: head,
            attempts,
            lost_ring_full: 0,
            lost_since_raw_ns: None,
            now_raw_ns: 0,
            encoder: Encoder::default(),
        })
    }

    /// The ring.
    #[must_use]
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Running word position behind the last record.
    #[must_use]
    pub fn head(&self) -> u32 {
        self.head
    }

    /// Gives a context slot (1 to 4095) a new meaning; false if the ring is too full or too small for it. `parent` is an event id.
    pub fn context(
        &mut self,
        slot: u16,
        parent: Option<u64>,
        pid: Option<Text<'_>>,
        correlation_id: Option<Text<'_>>,
        tags: &[(&str, &str)],
    ) -> bool {
        self.encoder
            .context(slot, parent, pid, correlation_id, tags);
        let length_words = self.encoder.words().len();
        let fits = length_words <= at::max_record_words(self.ring.capacity_words()) as usize
            && self.fits(&[length_words as u32], Priority::Normal);
        if fits {
            self.append(at::KIND_CONTEXT);
        }
        fits
    }

    /// Records an emitter's event; `fields` are all of the emitter's, in its order.
    pub fn emit(&mut self, head: EventHead, emitter: u32, fields: &[FieldValue<'_>]) -> Outcome {
        self.encoder.emit(&head, emitter, fields);
        self.attempt(at::KIND_EMIT, head.time, Priority::Normal)
    }

    /// Records a function entry; `data` is a tagged value or empty.
    pub fn enter(&mut self, head: EventHead, site: SiteRef<'_>, data: &[u8]) -> Outcome {
        self.encoder.enter(&head, site, data);
        self.attempt(at::KIND_ENTER, head.time, Priority::Normal)
    }

    /// Records a function exit; `head.parent` is the entry, `fields` a tagged object or empty.
    pub fn exit(
        &mut self,
        head: EventHead,
        site: SiteRef<'_>,
        entry_raw_ns: i64,
        reason: ExitReason,
        fields: &[u8],
    ) -> Outcome {
        self.encoder.exit(&head, site, entry_raw_ns, reason, fields);
        self.attempt(at::KIND_EXIT, head.time, Priority::High)
    }

    /// Records an event; [`Priority::High`] is for events of type `error`.
    pub fn event(
        &mut self,
        head: EventHead,
        fields: &EventFields<'_>,
        priority: Priority,
    ) -> Outcome {
        self.encoder.event(&head, fields);
        self.attempt(at::KIND_EVENT, head.time, priority)
    }

    /// Makes an attempt that is lost for another reason than a full ring.
    pub fn lose(&mut self, cause: LossCause, now_raw_ns: i64) -> Outcome {
        if !self.is_recording() {
            return Outcome::NotRecorded;
        }
        self.now_raw_ns = now_raw_ns;
        let sequence = self.take_number();
        self.lose_number(cause);
        Outcome::Lost(sequence)
    }

    /// Counts something.
    pub fn count(&mut self, counter: Counter) {
        self.add_one(counter as usize);
    }

    /// Tells of pending losses, if a record of them fits, and publishes everything recorded so far.
    pub fn publish(&mut self) {
        if let Some(since_raw_ns) = self.lost_since_raw_ns
            && self.fits(&[at::LOSS_WORDS], Priority::High)
        {
            self.append_pending_loss(since_raw_ns);
        }
        self.publish_head();
    }

    /// Ends as a thread does that is terminated while it records: a number is taken, and nothing committed.
    pub fn terminate_while_recording(mut self, head: EventHead) {
        self.encoder.emit(&head, 0, &[]);
        let length_words = self.encoder.words().len() as u32;
        self.take_number();
        if self.fits(&[length_words], Priority::Normal) {
            let place = self.make_room(length_words);
            self.ring
                .memory
                .write_uncommitted(place, self.encoder.words());
        }
    }

    fn is_recording(&mut self) -> bool {
        let state = self.ring.state();
        if state == RingState::Closed {
            self.add_one(at::OFFSET_AFTER_CLOSE);
        }
        state == RingState::Recording
    }

    /// Records what the encoder holds.
    fn attempt(&mut self, kind: u32, time: RecordTime, priority: Priority) -> Outcome {
        if !self.is_recording() {
            return Outcome::NotRecorded;
        }
        if let RecordTime::Raw(raw_ns) | RecordTime::Coarse(raw_ns) = time {
            self.now_raw_ns = raw_ns;
        }
        let words = self.encoder.words().len();
        if words > at::max_record_words(self.ring.capacity_words()) as usize {
            let sequence = self.take_number();
            self.lose_number(LossCause::TooLarge);
            return Outcome::Lost(sequence);
        }
        let words = words as u32;
        let fits = match self.lost_since_raw_ns {
            None => self.fits(&[words], priority),
            Some(since_raw_ns) => {
                let fits = self.fits(&[at::LOSS_WORDS, words], priority);
                if fits {
                    let record = std::mem::take(&mut self.encoder);
                    self.append_pending_loss(since_raw_ns);
                    self.encoder = record;
                }
                fits
            }
        };
        let sequence = self.take_number();
        if fits {
            self.append(kind);
            Outcome::Stored(sequence)
        } else {
            self.lose_number(LossCause::RingFull);
            Outcome::Lost(sequence)
        }
    }

    /// Where a record of `length_words` goes if the head is at `head`: there, or at the data area's start if it and
    /// its terminator do not fit before the end.
    fn start(&self, head: u32, length_words: u32) -> u32 {
        let rest_words = self.ring.capacity_words() - self.ring.place(head);
        if length_words < rest_words {
            head
        } else {
            head.wrapping_add(rest_words)
        }
    }

    /// Whether records of these lengths, one after the other, are free with the terminator behind them.
    fn fits(&self, lengths_words: &[u32], priority: Priority) -> bool {
        let capacity_words = self.ring.capacity_words();
        let limit_words = match priority {
            Priority::Normal => capacity_words - at::reserve_words(capacity_words),
            Priority::High => capacity_words,
        };
        let end = lengths_words.iter().fold(self.head, |head, length_words| {
            self.start(head, *length_words).wrapping_add(*length_words)
        });
        end.wrapping_sub(self.ring.tail()) < limit_words
    }

    /// Pads the data area's end if the next record goes to its start; gives the record's place. It fits.
    fn make_room(&mut self, length_words: u32) -> u32 {
        let start = self.start(self.head, length_words);
        let pad_words = start.wrapping_sub(self.head);
        if pad_words > 0 {
            self.ring.memory.terminate(self.ring.place(start));
            self.ring.memory.commit(
                self.ring.place(self.head),
                at::KIND_PAD | pad_words << at::LENGTH_SHIFT,
            );
            self.head = start;
        }
        self.ring.place(start)
    }

    /// Stores and commits what the encoder holds. It fits.
    fn append(&mut self, kind: u32) {
        let length_words = self.encoder.words().len() as u32;
        let place = self.make_room(length_words);
        self.ring
            .memory
            .write_uncommitted(place, self.encoder.words());
        self.ring.memory.terminate(place + length_words);
        self.ring
            .memory
            .commit(place, kind | length_words << at::LENGTH_SHIFT);
        self.head = self.head.wrapping_add(length_words);
        if self.head.wrapping_sub(self.published_head) >= PUBLISH_BLOCK_WORDS {
            self.publish_head();
        }
    }

    fn append_pending_loss(&mut self, since_raw_ns: i64) {
        self.encoder.loss(
            at::CAUSE_RING_FULL,
            self.lost_ring_full,
            since_raw_ns,
            self.now_raw_ns,
        );
        self.append(at::KIND_LOSS);
        self.lost_since_raw_ns = None;
    }

    /// Accounts for an attempt whose number is taken and that is lost.
    fn lose_number(&mut self, cause: LossCause) {
        let number = match cause {
            LossCause::RingFull | LossCause::Torn => None,
            LossCause::TooLarge => Some(at::CAUSE_TOO_LARGE),
            LossCause::Encoder => Some(at::CAUSE_ENCODER),
        };
        // While ring-full losses are pending, a record of another cause would come before theirs and take their
        // numbers.
        if let Some(number) = number
            && self.lost_since_raw_ns.is_none()
            && self.fits(&[at::LOSS_WORDS], Priority::High)
        {
            self.encoder
                .loss(number, 1, self.now_raw_ns, self.now_raw_ns);
            self.append(at::KIND_LOSS);
            return;
        }
        if self.lost_since_raw_ns.is_none() {
            self.lost_since_raw_ns = Some(self.now_raw_ns);
            self.ring.store_i64(at::OFFSET_LOST_SINCE, self.now_raw_ns);
        }
        self.lost_ring_full += 1;
        self.ring
            .store_f64(at::OFFSET_LOST_RING_FULL, self.lost_ring_full as f64);
        self.publish_head();
    }

    fn take_number(&mut self) -> u64 {
        let sequence = self.attempts;
        self.attempts += 1;
        self.ring
            .store_f64(at::OFFSET_ATTEMPTS, self.attempts as f64);
        sequence
    }

    fn publish_head(&mut self) {
        if self.ring.publication() == Publication::PublishedHead {
            self.ring.store_u32(at::OFFSET_PUBLISHED_HEAD, self.head);
        }
        self.published_head = self.head;
    }

    fn add_one(&self, offset: usize) {
        self.ring
            .store_f64(offset, self.ring.load_f64(offset) + 1.0);
    }
}
