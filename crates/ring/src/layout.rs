//! The numbers of the ring format; docs/ring-format.md says what they mean, `src/recorder/layout.ts` is the twin.

/// Bytes of one word; every record starts on a word boundary and is a whole number of words long.
pub const WORD_BYTES: usize = 8;
/// Bytes before the data area.
pub const HEADER_BYTES: usize = 4096;
/// "KSR1", little-endian.
pub const MAGIC: u32 = 0x3152_534b;
/// Version of the format that this crate reads and writes.
pub const VERSION: u32 = 1;

/// Byte offset of the u32 magic number.
pub const OFFSET_MAGIC: usize = 0;
/// Byte offset of the u32 format version.
pub const OFFSET_VERSION: usize = 4;
/// Byte offset of the u32 producer number.
pub const OFFSET_PRODUCER: usize = 8;
/// Byte offset of the u32 length of the data area in words.
pub const OFFSET_CAPACITY_WORDS: usize = 12;
/// Byte offset of the u32 publication mode, see [`crate::Publication`].
pub const OFFSET_PUBLICATION: usize = 16;
/// Byte offset of the f64 next number of the producer's sequence.
pub const OFFSET_ATTEMPTS: usize = 64;
/// Byte offset of the f64 count of attempts that found the ring full.
pub const OFFSET_LOST_RING_FULL: usize = 72;
/// Byte offset of the i64 raw time of the first loss since the last `LOSS` record.
pub const OFFSET_LOST_SINCE: usize = 80;
/// Byte offset of the u32 position up to which records are published.
pub const OFFSET_PUBLISHED_HEAD: usize = 88;
/// Byte offset of the f64 count of values of a wrong type.
pub const OFFSET_MISTYPED: usize = 96;
/// Byte offset of the f64 count of exits without their entry or out of order.
pub const OFFSET_UNBALANCED: usize = 104;
/// Byte offset of the f64 count of events left out by sampling.
pub const OFFSET_SAMPLED_OUT: usize = 112;
/// Byte offset of the f64 count of events recorded after closing.
pub const OFFSET_AFTER_CLOSE: usize = 120;
/// Byte offset of the u32 position up to which the reader is done.
pub const OFFSET_TAIL: usize = 128;
/// Byte offset of the u32 flag that the writer thread sleeps.
pub const OFFSET_ASLEEP: usize = 132;
/// Byte offset of the u32 recording state, see [`crate::RingState`].
pub const OFFSET_STATE: usize = 136;
/// Byte offset of the f64 coarse clock, raw monotonic nanoseconds.
pub const OFFSET_TICK: usize = 144;

/// Kind of a record that fills the rest of the data area before a wrap.
pub const KIND_PAD: u32 = 1;
/// Kind of a record that reports lost attempts.
pub const KIND_LOSS: u32 = 2;
/// Kind of a record that gives a context slot its meaning.
pub const KIND_CONTEXT: u32 = 3;
/// Kind of an emitter's record: fields of fixed types.
pub const KIND_EMIT: u32 = 4;
/// Kind of a function entry.
pub const KIND_ENTER: u32 = 5;
/// Kind of a function exit.
pub const KIND_EXIT: u32 = 6;
/// Kind of an event with an envelope of its own.
pub const KIND_EVENT: u32 = 7;
/// Bits by which a commit word shifts the record's length in words.
pub const LENGTH_SHIFT: u32 = 8;
/// Greatest length that a commit word can carry, in words.
pub const MAX_LENGTH_WORDS: u32 = (1 << (32 - LENGTH_SHIFT)) - 1;

/// Words of a `LOSS` record.
pub const LOSS_WORDS: u32 = 4;
/// Words of a `CONTEXT` record before its body.
pub const CONTEXT_WORDS: u32 = 3;
/// Words of an `EMIT` record before further field states and fields.
pub const EMIT_WORDS: u32 = 4;
/// Words of an `ENTER` record before its body.
pub const ENTER_WORDS: u32 = 4;
/// Words of an `EXIT` record before its body.
pub const EXIT_WORDS: u32 = 6;
/// Words of an `EVENT` record before its body.
pub const EVENT_WORDS: u32 = 5;

/// Flag bit: the time is a copy of the coarse clock.
pub const FLAG_COARSE: u32 = 1;
/// Flag bit: the caller gave the time.
pub const FLAG_GIVEN: u32 = 2;
/// Greatest context slot; slot 0 is the thread's own.
pub const MAX_SLOT: u16 = 4095;
/// Cause of a loss: the ring was full.
pub const CAUSE_RING_FULL: u32 = 0;
/// Cause of a loss: the record was longer than a record may be.
pub const CAUSE_TOO_LARGE: u32 = 1;
/// Cause of a loss: the event could not be encoded.
pub const CAUSE_ENCODER: u32 = 2;
/// Site id of a site that opens the body.
pub const SITE_INLINE: i32 = -1;
/// Site id of a record without a site.
pub const SITE_NONE: i32 = -2;
/// Event type id of an event whose type is in the body.
pub const EVENT_TYPE_INLINE: i32 = -1;
/// State of an emitter's field that has no value.
pub const FIELD_ABSENT: u32 = 0;
/// State of an emitter's field in the first form of its type.
pub const FIELD_PLAIN: u32 = 1;
/// State of an emitter's field in the second form of its type.
pub const FIELD_ALTERNATIVE: u32 = 2;
/// State of a `symbol` in its second form that was cut to the string limit.
pub const FIELD_CUT: u32 = 3;
/// Field states held by one group: two bits each in 32.
pub const STATES_PER_GROUP: usize = 16;

/// Exclusive bound of sequence numbers: 48 bits of an event id.
pub const SEQUENCE_LIMIT: u64 = 1 << 48;
/// The data area's smallest size for a producer, in bytes.
pub const MIN_CAPACITY_BYTES: usize = 64 << 10;
/// The data area's greatest size, in bytes.
pub const MAX_CAPACITY_BYTES: usize = 1 << 30;

/// Words of the data area that only `EXIT`, `LOSS` and events of type `error` may use.
#[must_use]
pub const fn reserve_words(capacity_words: u32) -> u32 {
    capacity_words / 8
}

/// Greatest length of a record in words: a quarter of the data area, and what a commit word can carry.
#[must_use]
pub const fn max_record_words(capacity_words: u32) -> u32 {
    let quarter = capacity_words / 4;
    if quarter < MAX_LENGTH_WORDS {
        quarter
    } else {
        MAX_LENGTH_WORDS
    }
}

/// Tag bytes of tagged values.
pub mod tag {
    /// Ends an object or an array.
    pub const END: u8 = 0;
    /// Null.
    pub const NULL: u8 = 1;
    /// False.
    pub const FALSE: u8 = 2;
    /// True.
    pub const TRUE: u8 = 3;
    /// An i32.
    pub const INT32: u8 = 4;
    /// A finite f64.
    pub const F64: u8 = 5;
    /// An i64.
    pub const I64: u8 = 6;
    /// A u64.
    pub const U64: u8 = 7;
    /// A string with a u8 length.
    pub const STR8: u8 = 8;
    /// A string with a u32 length.
    pub const STR32: u8 = 9;
    /// The id of a defined string.
    pub const SYM: u8 = 10;
    /// Keys and values, up to an end.
    pub const OBJECT: u8 = 11;
    /// Values, up to an end.
    pub const ARRAY: u8 = 12;
    /// A reason: the value was not captured.
    pub const CUT: u8 = 13;
    /// A reason, and the value that was captured in part.
    pub const MARK: u8 = 14;
}

/// Numbers of the bits of an event's presence mask.
pub mod bit {
    /// The event's type, where it has no id.
    pub const EVENT_TYPE: u32 = 0;
    /// The id that the caller gave.
    pub const EVENT_ID: u32 = 1;
    /// Node.
    pub const NODE: u32 = 2;
    /// Logical process.
    pub const PID: u32 = 3;
    /// Correlation id.
    pub const CORRELATION_ID: u32 = 4;
    /// Parent's event id.
    pub const PARENT_ID: u32 = 5;
    /// Module name.
    pub const MODULE: u32 = 6;
    /// Function name.
    pub const FUNCTION: u32 = 7;
    /// Number of parameters.
    pub const ARITY: u32 = 8;
    /// Source file.
    pub const FILE: u32 = 9;
    /// Line in the file.
    pub const LINE: u32 = 10;
    /// Tags.
    pub const TAGS: u32 = 11;
    /// Wall time.
    pub const WALL_TIME: u32 = 12;
    /// The payload.
    pub const DATA: u32 = 13;
    /// How many bits there are.
    pub const COUNT: u32 = 14;
}
