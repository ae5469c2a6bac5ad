//! From a record's bytes to what the sink takes, with the producer's sequence counted along.

use crate::layout as at;
use crate::record::{
    ContextRecord, EmitRecord, EnterRecord, EventRecord, ExitReason, ExitRecord, Loss, LossCause,
    RecordHeader, RecordSink, RecordTime,
};
use crate::ring::Ring;
use crate::value::Malformed;

/// Which numbers of the producer's sequence have been accounted for.
pub(crate) struct Account {
    /// The next number, neither handed over nor reported.
    pub next_sequence: u64,
    /// Losses of cause `ring_full` that have been reported.
    pub seen_ring_full: u64,
    /// The latest raw time known, at which no later loss can have begun.
    pub latest_raw_ns: i64,
}

impl Account {
    pub(crate) fn new(first_sequence: u64) -> Self {
        Self {
            next_sequence: first_sequence,
            seen_ring_full: 0,
            latest_raw_ns: i64::MIN,
        }
    }

    /// Takes the next `count` numbers as lost. The times are the producer's and may be missing or stale.
    pub(crate) fn lose(
        &mut self,
        cause: LossCause,
        count: u64,
        since_raw_ns: i64,
        until_raw_ns: i64,
        sink: &mut impl RecordSink,
    ) {
        if count == 0 {
            return;
        }
        let until_raw_ns = until_raw_ns.max(since_raw_ns).max(self.latest_raw_ns);
        let since_raw_ns = since_raw_ns.clamp(self.latest_raw_ns, until_raw_ns);
        self.latest_raw_ns = until_raw_ns;
        let first_sequence = self.next_sequence;
        self.next_sequence += count;
        sink.loss(Loss {
            cause,
            first_sequence,
            last_sequence: self.next_sequence - 1,
            count,
            since_raw_ns,
            until_raw_ns,
        });
    }
}

/// Hands one record to the sink; gives 1 if it is an event, else 0. Nothing has been handed over after an error.
#[inline]
pub(crate) fn hand_over(
    kind: u32,
    bytes: &[u8],
    account: &mut Account,
    ring: &Ring,
    sink: &mut impl RecordSink,
) -> Result<u32, Malformed> {
    match kind {
        at::KIND_EMIT => {
            let (header, [word3], rest) = event_head::<1, 32>(bytes, account)?;
            let emitter = word3 as u32;
            sink.emit(EmitRecord {
                header,
                emitter,
                first_states: (word3 >> 32) as u32,
                fields: rest,
            });
        }
        at::KIND_ENTER => {
            let (header, [word3], rest) = event_head::<1, 32>(bytes, account)?;
            let (site, body) = (site_id(word3 as i32, 24)?, body(rest, word3 >> 32, 28)?);
            sink.enter(EnterRecord { header, site, body });
        }
        at::KIND_EXIT => {
            let (header, [word3, entry, reason], rest) = event_head::<3, 48>(bytes, account)?;
            let (site, body) = (site_id(word3 as i32, 24)?, body(rest, word3 >> 32, 28)?);
            let reason = ExitReason::from_number(reason as u32)
                .ok_or(malformed("a known exit reason", 40))?;
            sink.exit(ExitRecord {
                header,
                entry_raw_ns: entry as i64,
                reason,
                site,
                body,
            });
        }
        at::KIND_EVENT => sink.event(event(bytes, account)?),
        at::KIND_CONTEXT => {
            let ([word0, parent, word2], rest) = words::<3, 24>(bytes)?;
            let (slot, body) = (slot(word0)?, body(rest, word2 & 0xffff_ffff, 16)?);
            if slot == 0 {
                return Err(malformed("a slot of 1 to 4095", 4));
            }
            sink.context(ContextRecord {
                slot,
                parent: (parent != u64::MAX).then_some(parent),
                body,
            });
            return Ok(0);
        }
        at::KIND_LOSS => {
            loss(bytes, account, ring, sink)?;
            return Ok(0);
        }
        _ => return Err(malformed("a known record kind", 0)),
    }
    account.next_sequence += 1;
    Ok(1)
}

#[inline]
fn event<'a>(bytes: &'a [u8], account: &Account) -> Result<EventRecord<'a>, Malformed> {
    let (header, [word3, word4], rest) = event_head::<2, 40>(bytes, account)?;
    let (event_type, presence) = (word3 as i32, word4 as u32);
    if event_type < at::EVENT_TYPE_INLINE {
        return Err(malformed("an event type's id or -1", 24));
    }
    if presence >> crate::event::bit::COUNT != 0 {
        return Err(malformed("a presence mask of known fields", 32));
    }
    Ok(EventRecord {
        header,
        event_type,
        presence,
        site: site_id((word4 >> 32) as i32, 36)?,
        body: body(rest, word3 >> 32, 28)?,
    })
}

/// `EVENT` records that stand one behind the other outside of any ring: how events are imported. Their sequence numbers
/// count them. After an error nothing more comes.
///
/// ```
/// use kinescope_ring::read_events;
/// assert!(read_events(&[]).next().is_none());
/// assert!(read_events(&[7, 0, 0, 0]).next().is_some_and(|event| event.is_err()));
/// ```
pub fn read_events(mut bytes: &[u8]) -> impl Iterator<Item = Result<EventRecord<'_>, Malformed>> {
    let mut account = Account::new(0);
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let read = split_event(bytes).and_then(|(record, rest)| {
            bytes = rest;
            event(record, &account)
        });
        if read.is_err() {
            bytes = &[];
        }
        account.next_sequence += 1;
        Some(read)
    })
}

/// The first record's bytes, and what follows.
fn split_event(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let ([word0], _) = words::<1, 8>(bytes)?;
    let commit = word0 as u32;
    if commit & 0xff != at::KIND_EVENT {
        return Err(malformed("an EVENT record", 0));
    }
    let length_bytes = (commit >> 8) as usize * at::WORD_BYTES;
    bytes
        .split_at_checked(length_bytes)
        .filter(|_| length_bytes > 0)
        .ok_or(malformed("a record's length", 0))
}

fn loss(
    bytes: &[u8],
    account: &mut Account,
    ring: &Ring,
    sink: &mut impl RecordSink,
) -> Result<(), Malformed> {
    let ([word0, until, number, since], _) = words::<4, 32>(bytes)?;
    let number = f64::from_bits(number);
    let whole = number as u64;
    if whole as f64 != number {
        return Err(malformed("a count of losses", 16));
    }
    let (cause, count) = match (word0 >> 32) as u32 {
        at::CAUSE_RING_FULL => (
            LossCause::RingFull,
            whole.checked_sub(account.seen_ring_full),
        ),
        at::CAUSE_TOO_LARGE => (LossCause::TooLarge, Some(whole)),
        at::CAUSE_ENCODER => (LossCause::Encoder, Some(whole)),
        _ => return Err(malformed("a known cause of loss", 4)),
    };
    // Every lost attempt took its number before this record was committed.
    let attempted = ring.attempts().saturating_sub(account.next_sequence);
    let count = count
        .filter(|count| *count <= attempted)
        .ok_or(malformed("a count of losses", 16))?;
    if cause == LossCause::RingFull {
        account.seen_ring_full = whole;
    }
    account.lose(cause, count, since as i64, until as i64, sink);
    Ok(())
}

/// The header of an event's record, its `N` words from word 3 on, and what follows; `BYTES` is `(3 + N) * 8`.
#[inline]
fn event_head<'a, const N: usize, const BYTES: usize>(
    bytes: &'a [u8],
    account: &Account,
) -> Result<(RecordHeader, [u64; N], &'a [u8]), Malformed> {
    let (head, rest) = bytes
        .split_first_chunk::<BYTES>()
        .ok_or(malformed("a record's head", 0))?;
    let word = |index: usize| word_at(head, index);
    let flags = word(0) >> 48;
    if flags >> 2 != 0 {
        return Err(malformed("known flags", 6));
    }
    let time = match flags as u32 {
        0 => RecordTime::Raw(word(1) as i64),
        at::FLAG_COARSE => RecordTime::Coarse(f64::from_bits(word(1)) as i64),
        _ => RecordTime::Given(word(1) as i64),
    };
    let parent = f64::from_bits(word(2));
    let parent = if parent == -1.0 {
        None
    } else if parent as u64 as f64 == parent && (parent as u64) < at::SEQUENCE_LIMIT {
        Some(parent as u64)
    } else {
        return Err(malformed("a parent's number or -1", 16));
    };
    if account.next_sequence >= at::SEQUENCE_LIMIT {
        return Err(malformed("a sequence below 2^48", 0));
    }
    let header = RecordHeader {
        sequence: account.next_sequence,
        slot: slot(word(0))?,
        time,
        parent,
    };
    Ok((header, std::array::from_fn(|index| word(3 + index)), rest))
}

/// The first `N` words, and what follows; `BYTES` is `N * 8`.
fn words<const N: usize, const BYTES: usize>(bytes: &[u8]) -> Result<([u64; N], &[u8]), Malformed> {
    let (head, rest) = bytes
        .split_first_chunk::<BYTES>()
        .ok_or(malformed("a record's head", 0))?;
    Ok((std::array::from_fn(|index| word_at(head, index)), rest))
}

/// Word `index` of a head; beyond it, zero.
#[inline]
fn word_at(head: &[u8], index: usize) -> u64 {
    let start = index * at::WORD_BYTES;
    head.get(start..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn slot(word0: u64) -> Result<u16, Malformed> {
    let slot = (word0 >> 32) as u16;
    if slot > at::MAX_SLOT {
        Err(malformed("a slot of 0 to 4095", 4))
    } else {
        Ok(slot)
    }
}

fn site_id(site: i32, at_byte: usize) -> Result<i32, Malformed> {
    if site < at::SITE_NONE {
        Err(malformed("a site id, -1 or -2", at_byte))
    } else {
        Ok(site)
    }
}

fn body(rest: &[u8], length_bytes: u64, at_byte: usize) -> Result<&[u8], Malformed> {
    rest.get(..length_bytes as usize)
        .ok_or(malformed("a body within its record", at_byte))
}

const fn malformed(expected: &'static str, at_byte: usize) -> Malformed {
    Malformed { expected, at_byte }
}
