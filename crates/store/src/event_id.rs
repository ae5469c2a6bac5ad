//! Event ids: who recorded, and which of its attempts.

/// Bits of the producer's own sequence in an event id.
pub const SEQUENCE_BITS: u32 = 48;

/// 16 bits of producer above 48 bits of the producer's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub u64);

impl EventId {
    /// The id of a producer's `sequence`-th attempt (counted from 0).
    pub fn new(producer: u16, sequence: u64) -> Self {
        Self(u64::from(producer) << SEQUENCE_BITS | sequence & ((1 << SEQUENCE_BITS) - 1))
    }

    /// The producer's number.
    pub fn producer(self) -> u16 {
        (self.0 >> SEQUENCE_BITS) as u16
    }

    /// The attempt's number in the producer's sequence.
    pub fn sequence(self) -> u64 {
        self.0 & ((1 << SEQUENCE_BITS) - 1)
    }

    /// Reads `"<producer>-<sequence>"`, both decimal.
    ///
    /// ```
    /// use kinescope_store::EventId;
    /// assert_eq!(EventId::parse("3-17"), Some(EventId::new(3, 17)));
    /// assert_eq!(EventId::parse("3-x"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (producer, sequence) = text.split_once('-')?;
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(producer) || !digits(sequence) {
            return None;
        }
        let sequence: u64 = sequence.parse().ok()?;
        (sequence < 1 << SEQUENCE_BITS).then_some(Self::new(producer.parse().ok()?, sequence))
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.producer(), self.sequence())
    }
}
