//! Single rules of the ring, one test each.
#![cfg(not(loom))]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use kinescope_ring::*;
use support::{KeepingSink, head_at, recording};

const ALL: u32 = u32::MAX;

fn sink() -> KeepingSink {
    KeepingSink::new(&Arc::new(Definitions::new()))
}

#[test]
fn capacities_round_up_and_have_bounds() {
    let capacity =
        |bytes| Ring::new(1, bytes, 0, Publication::CommitWords).map(|ring| ring.capacity_words());
    assert_eq!(capacity(64 << 10), Ok(8192));
    assert_eq!(capacity((64 << 10) + 1), Ok(16384));
    let error = capacity((64 << 10) - 1).expect_err("too small");
    assert_eq!(
        error.to_string(),
        "capacity_bytes: expected 65536 to 1073741824, got 65535"
    );
    assert!(matches!(
        capacity((1 << 30) + 1),
        Err(RingError::CapacityOutOfRange { .. })
    ));
    let odd = Ring::with_capacity_words(1, 48, 0, Publication::CommitWords);
    assert!(matches!(odd, Err(RingError::CapacityOutOfRange { .. })));
    let late = Ring::new(1, 1 << 16, 1 << 48, Publication::CommitWords);
    assert_eq!(
        late.err(),
        Some(RingError::SequenceOutOfRange {
            first_sequence: 1 << 48
        })
    );
}

#[test]
fn the_header_is_where_the_format_says() {
    let ring = Ring::new(0x1234, 1 << 16, 42, Publication::PublishedHead).expect("a ring");
    ring.set_state(RingState::Closed);
    ring.set_asleep(true);
    ring.set_tick(1_000_000_007);
    // SAFETY: the ring lives, its memory is `len_bytes` long, and nobody writes to it meanwhile.
    let bytes = unsafe { std::slice::from_raw_parts(ring.as_ptr(), ring.len_bytes()) };
    let u32_at =
        |offset: usize| u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("4 bytes"));
    let f64_at =
        |offset: usize| f64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("8 bytes"));
    assert_eq!(&bytes[..4], b"KSR1");
    assert_eq!([4, 8, 12, 16].map(u32_at), [1, 0x1234, 8192, 1]);
    assert_eq!([132, 136].map(u32_at), [1, 2]);
    assert_eq!([64, 72, 144].map(f64_at), [42.0, 0.0, 1_000_000_007.0]);
    assert!(bytes[152..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_ring_has_one_reader_and_one_writer() {
    let ring = Ring::new(1, 1 << 16, 0, Publication::CommitWords).expect("a ring");
    drop(RingReader::new(Arc::clone(&ring)).expect("first reader"));
    drop(RingWriter::new(Arc::clone(&ring)).expect("first writer"));
    assert_eq!(
        RingReader::new(Arc::clone(&ring)).err(),
        Some(RingError::ReaderTaken)
    );
    assert_eq!(RingWriter::new(ring).err(), Some(RingError::WriterTaken));
}

#[test]
fn nothing_is_recorded_unless_the_state_says_so() {
    let (mut writer, mut reader) = recording(64, 0, Publication::CommitWords);
    let ring = Arc::clone(writer.ring());
    ring.set_state(RingState::Off);
    assert_eq!(writer.emit(head_at(1), 0, &[]), Outcome::NotRecorded);
    assert_eq!(ring.after_close(), 0);
    ring.set_state(RingState::Closed);
    assert_eq!(writer.emit(head_at(1), 0, &[]), Outcome::NotRecorded);
    assert_eq!((ring.after_close(), ring.attempts()), (1, 0));
    assert!(reader.read(ALL, &mut sink()).drained);
}

#[test]
fn an_eighth_is_kept_for_exits_and_errors() {
    let (mut writer, mut reader) = recording(64, 0, Publication::CommitWords);
    let mut sequence = 0;
    while let Outcome::Stored(_) = writer.emit(head_at(1), 0, &[]) {
        sequence += 1;
    }
    // 14 records of 4 words would need 57 of the 56 words that are not kept.
    assert_eq!(sequence, 13);
    let exit = writer.exit(head_at(2), SiteRef::None, 1, ExitReason::Normal, &[]);
    // The pending loss takes 4 words, the exit 6; 52 are in use.
    assert_eq!(exit, Outcome::Stored(14));
    assert_eq!(
        writer.exit(head_at(2), SiteRef::None, 1, ExitReason::Normal, &[]),
        Outcome::Lost(15)
    );
    let mut sink = sink();
    reader.read(ALL, &mut sink);
    assert_eq!(sink.sequences(), (0..15).collect::<Vec<_>>());
    let loss = sink.losses()[0];
    assert_eq!(
        (loss.cause, loss.first_sequence, loss.count),
        (LossCause::RingFull, 13, 1)
    );
    assert_eq!((loss.since_raw_ns, loss.until_raw_ns), (1, 2));
}

#[test]
fn words_are_reused_only_after_release() {
    let (mut writer, mut reader) = recording(64, 0, Publication::CommitWords);
    while let Outcome::Stored(_) = writer.emit(head_at(1), 0, &[]) {}
    let mut sink = sink();
    assert!(reader.read(ALL, &mut sink).drained);
    assert!(matches!(writer.emit(head_at(2), 0, &[]), Outcome::Lost(_)));
    reader.release();
    assert_eq!(reader.ring().tail(), writer.head());
    assert!(matches!(
        writer.emit(head_at(3), 0, &[]),
        Outcome::Stored(_)
    ));
}

#[test]
fn a_budget_stops_before_the_record_that_exceeds_it_but_always_goes_on() {
    let (mut writer, mut reader) = recording(64, 0, Publication::CommitWords);
    for _ in 0..3 {
        writer.emit(head_at(1), 0, &[]);
    }
    let mut sink = sink();
    assert_eq!(
        reader.read(7, &mut sink),
        ReadProgress {
            words: 4,
            records: 1,
            drained: false
        }
    );
    assert_eq!(
        reader.read(0, &mut sink),
        ReadProgress {
            words: 4,
            records: 1,
            drained: false
        }
    );
    assert_eq!(
        reader.read(4, &mut sink),
        ReadProgress {
            words: 4,
            records: 1,
            drained: true
        }
    );
    assert_eq!(
        reader.read(4, &mut sink),
        ReadProgress {
            words: 0,
            records: 0,
            drained: true
        }
    );
}

#[test]
fn pending_losses_are_reported_once() {
    let (mut writer, mut reader) = recording(64, 0, Publication::CommitWords);
    while let Outcome::Stored(_) = writer.emit(head_at(5), 0, &[]) {}
    let mut sink = sink();
    reader.report_pending_loss(&mut sink);
    assert_eq!(sink.losses(), [], "the ring is not empty");
    reader.read(ALL, &mut sink);
    reader.report_pending_loss(&mut sink);
    reader.report_pending_loss(&mut sink);
    assert_eq!(sink.losses().len(), 1);
    reader.release();
    writer.emit(head_at(6), 0, &[]);
    reader.read(ALL, &mut sink);
    assert_eq!(
        sink.losses().len(),
        1,
        "the LOSS record counts what has been reported"
    );
    assert_eq!(sink.sequences(), (0..15).collect::<Vec<_>>());
}

#[test]
fn losses_of_other_causes_tell_theirs_unless_ring_full_losses_are_pending() {
    let (mut writer, mut reader) = recording(64, 0, Publication::CommitWords);
    assert_eq!(writer.lose(LossCause::Encoder, 3), Outcome::Lost(0));
    assert_eq!(
        writer.enter(head_at(4), SiteRef::None, &[1; 200]),
        Outcome::Lost(1)
    );
    while let Outcome::Stored(_) = writer.emit(head_at(5), 0, &[]) {}
    writer.lose(LossCause::Encoder, 6);
    let mut sink = sink();
    reader.read_dead(ALL, &mut sink);
    let losses: Vec<_> = sink
        .losses()
        .iter()
        .map(|loss| (loss.cause, loss.count))
        .collect();
    assert_eq!(
        losses,
        [
            (LossCause::Encoder, 1),
            (LossCause::TooLarge, 1),
            (LossCause::RingFull, 2)
        ]
    );
}

#[test]
fn a_dead_producers_unfinished_record_is_torn() {
    let (mut writer, mut reader) = recording(64, 10, Publication::PublishedHead);
    writer.emit(head_at(1), 0, &[]);
    let mut sink = sink();
    assert_eq!(reader.read(ALL, &mut sink).records, 0, "not published");
    writer.terminate_while_recording(head_at(2));
    assert_eq!(reader.read_dead(ALL, &mut sink).records, 1);
    reader.read_dead(ALL, &mut sink);
    let torn: Vec<_> = sink
        .losses()
        .iter()
        .map(|loss| (loss.cause, loss.first_sequence, loss.count))
        .collect();
    assert_eq!(torn, [(LossCause::Torn, 11, 1)]);
    assert_eq!(sink.sequences(), [10, 11]);
}

#[test]
fn a_published_ring_is_read_up_to_its_published_head() {
    let (mut writer, mut reader) = recording(64, 0, Publication::PublishedHead);
    writer.emit(head_at(1), 0, &[]);
    writer.emit(head_at(2), 0, &[]);
    writer.publish();
    writer.emit(head_at(3), 0, &[]);
    let mut sink = sink();
    assert_eq!(
        reader.read(ALL, &mut sink),
        ReadProgress {
            words: 8,
            records: 2,
            drained: true
        }
    );
    writer.publish();
    assert_eq!(reader.read(ALL, &mut sink).records, 1);
}

#[test]
fn counters_are_read_where_the_producer_counts() {
    let (mut writer, _reader) = recording(64, 0, Publication::CommitWords);
    writer.count(Counter::Mistyped);
    writer.count(Counter::Unbalanced);
    writer.count(Counter::Unbalanced);
    writer.count(Counter::SampledOut);
    let ring = writer.ring();
    assert_eq!(
        (ring.mistyped(), ring.unbalanced(), ring.sampled_out()),
        (1, 2, 1)
    );
}

#[test]
fn positions_wrap_at_32_bits() {
    for publication in [Publication::CommitWords, Publication::PublishedHead] {
        let ring = Ring::with_capacity_words(3, 64, 0, publication).expect("a ring");
        ring.set_state(RingState::Recording);
        let tail = u32::MAX - 100;
        for offset in [layout::OFFSET_TAIL, layout::OFFSET_PUBLISHED_HEAD] {
            // SAFETY: an aligned u32 of the header, and nobody else knows the ring yet.
            unsafe { ring.as_ptr().add(offset).cast::<u32>().write(tail) };
        }
        let mut writer = RingWriter::new(Arc::clone(&ring)).expect("first writer");
        let mut reader = RingReader::new(ring).expect("first reader");
        let mut sink = sink();
        for _ in 0..50 {
            writer.emit(head_at(1), 0, &[]);
            writer.enter(head_at(1), SiteRef::None, &[1; 40]);
            writer.publish();
            assert!(reader.read(ALL, &mut sink).drained);
            reader.release();
        }
        assert!(
            writer.head() < tail,
            "the head {} has not wrapped",
            writer.head()
        );
        assert_eq!(sink.sequences(), (0..100).collect::<Vec<_>>());
        assert_eq!(sink.losses(), []);
    }
}
