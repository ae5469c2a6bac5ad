//! No content of a ring or value panics or is read twice.
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
use proptest::prelude::*;
use support::{KeepingSink, head_at, recording};

const CAPACITY_WORDS: u32 = 64;

/// Overwrites bytes of a ring's memory.
fn overwrite(ring: &Ring, offset: usize, bytes: &[u8]) {
    assert!(offset + bytes.len() <= ring.len_bytes());
    // SAFETY: in bounds by the assertion, and this thread is the only one that knows the ring; no slice of it lives.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), ring.as_ptr().add(offset), bytes.len())
    };
}

/// Reads everything there is, and checks that numbers are handed over once and in order.
fn drain(reader: &mut RingReader, first_sequence: u64) -> KeepingSink {
    let definitions = Arc::new(Definitions::new());
    let fields = [
        ("a", FieldType::I64),
        ("b", FieldType::Utf8),
        ("c", FieldType::Symbol),
        ("d", FieldType::Bool),
    ];
    definitions.define_emitter(EmitterDefinition {
        event_type: "e",
        fields: &fields,
        site: None,
    });
    let mut sink = KeepingSink::new(&definitions);
    for _ in 0..4 {
        reader.read(20, &mut sink);
        reader.report_pending_loss(&mut sink);
        reader.release();
        reader.read_dead(20, &mut sink);
    }
    let mut next = first_sequence;
    for kept in &sink.kept {
        let (first, last) = match kept {
            support::Kept::Context { .. } => continue,
            support::Kept::Event { header, .. } => (header.sequence, header.sequence),
            support::Kept::Loss(loss) => (loss.first_sequence, loss.last_sequence),
        };
        assert_eq!(first, next);
        assert!(last >= first);
        next = last + 1;
    }
    assert_eq!(next, reader.next_sequence());
    sink
}

/// Words that look like the starts of records more often than chance would have it.
fn word() -> impl Strategy<Value = u64> {
    let record = (0..9u64, 0..20u64, any::<u32>())
        .prop_map(|(kind, length, high)| kind | length << 8 | u64::from(high) << 32);
    let small_float = (-2..100i64).prop_map(|integer| (integer as f64).to_bits());
    prop_oneof![4 => record, 2 => small_float, 2 => any::<u64>(), 1 => 0..20u64, 1 => Just(0xffff_ffff_0000_0000)]
}

/// Bytes that look like tagged values more often than chance would have it.
fn value_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![5 => 0..16u8, 1 => any::<u8>()], 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_data_area_is_read_or_reported(
        words in prop::collection::vec(word(), 1..=CAPACITY_WORDS as usize),
        attempts in 0..200u32,
        lost in any::<f64>(),
        published_head in prop_oneof![0..80u32, any::<u32>()],
        is_published in any::<bool>(),
    ) {
        let publication = if is_published { Publication::PublishedHead } else { Publication::CommitWords };
        let (_, mut reader) = recording(CAPACITY_WORDS, 0, publication);
        let bytes: Vec<_> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        overwrite(reader.ring(), layout::HEADER_BYTES, &bytes);
        overwrite(reader.ring(), layout::OFFSET_ATTEMPTS, &f64::from(attempts).to_le_bytes());
        overwrite(reader.ring(), layout::OFFSET_LOST_RING_FULL, &lost.to_le_bytes());
        overwrite(reader.ring(), layout::OFFSET_PUBLISHED_HEAD, &published_head.to_le_bytes());
        drain(&mut reader, 0);
    }

    #[test]
    fn any_header_is_survived(header in prop::collection::vec(any::<u8>(), 152), first_sequence in 0..layout::SEQUENCE_LIMIT) {
        let (mut writer, mut reader) = recording(CAPACITY_WORDS, first_sequence, Publication::CommitWords);
        writer.emit(head_at(1), 0, &[]);
        overwrite(reader.ring(), 0, &header);
        drain(&mut reader, first_sequence);
    }

    #[test]
    fn any_body_is_decoded_or_malformed(
        bytes in value_bytes(),
        kind in 3..8u32,
        third in prop_oneof![-3..5i32, any::<i32>()],
        presence in any::<u16>(),
        site in -3..3i32,
    ) {
        let (mut writer, mut reader) = recording(256, 0, Publication::CommitWords);
        // A record of 32 words, whose own words are then replaced one by one.
        writer.enter(head_at(1), SiteRef::None, &[1; 224]);
        let at = layout::HEADER_BYTES;
        overwrite(reader.ring(), at, &(kind | 32 << 8).to_le_bytes());
        overwrite(reader.ring(), at + 24, &third.to_le_bytes());
        let length_bytes = bytes.len() as u32;
        let body = match kind {
            layout::KIND_CONTEXT => {
                overwrite(reader.ring(), at + 4, &1u32.to_le_bytes());
                overwrite(reader.ring(), at + 16, &length_bytes.to_le_bytes());
                24
            }
            layout::KIND_EVENT => {
                overwrite(reader.ring(), at + 28, &length_bytes.to_le_bytes());
                overwrite(reader.ring(), at + 32, &u32::from(presence & 0x3fff).to_le_bytes());
                overwrite(reader.ring(), at + 36, &site.to_le_bytes());
                40
            }
            layout::KIND_EXIT => {
                overwrite(reader.ring(), at + 28, &length_bytes.to_le_bytes());
                overwrite(reader.ring(), at + 40, &0u32.to_le_bytes());
                48
            }
            layout::KIND_ENTER => {
                overwrite(reader.ring(), at + 28, &length_bytes.to_le_bytes());
                32
            }
            _ => 28,
        };
        overwrite(reader.ring(), at + body, &bytes);
        drain(&mut reader, 0);
    }

    #[test]
    fn any_value_is_json_or_malformed(bytes in value_bytes()) {
        let definitions = Definitions::new();
        definitions.define_string("$cut");
        for is_exit in [false, true] {
            let mut out = b"before".to_vec();
            let result = if is_exit {
                write_exit(0, ExitReason::Normal, &bytes, &definitions, &mut out)
            } else {
                write_value(&bytes, &definitions, &mut out)
            };
            let written = out.split_off(6);
            prop_assert_eq!(out, b"before");
            match result {
                Err(_) => prop_assert!(written.is_empty()),
                Ok(()) => {
                    serde_json::from_slice::<serde_json::Value>(&written).expect("valid JSON");
                    if !is_exit {
                        prop_assert_eq!(ValueReader::new(&bytes).value(), Ok(&bytes[..]));
                    }
                }
            }
        }
    }
}

#[test]
fn containers_nest_to_the_limit_and_no_deeper() {
    let definitions = Definitions::new();
    for open in [vec![12u8], vec![11, 8, 1, b'k']] {
        for (depth, is_fine) in [
            (MAX_DEPTH, true),
            (MAX_DEPTH + 1, false),
            (1_000_000, false),
        ] {
            let mut bytes: Vec<u8> = open.repeat(depth);
            bytes.push(1);
            bytes.extend(std::iter::repeat_n(0, depth));
            let mut out = Vec::new();
            assert_eq!(write_value(&bytes, &definitions, &mut out).is_ok(), is_fine);
            assert_eq!(ValueReader::new(&bytes).value().is_ok(), is_fine);
        }
    }
}

#[test]
fn a_corrupt_ring_reports_everything_from_there_on() {
    let (mut writer, mut reader) = recording(CAPACITY_WORDS, 5, Publication::CommitWords);
    for _ in 0..4 {
        writer.emit(head_at(1), 0, &[]);
    }
    overwrite(reader.ring(), layout::HEADER_BYTES + 2 * 32, &[99]);
    let mut sink = KeepingSink::new(&Arc::new(Definitions::new()));
    assert!(reader.read(u32::MAX, &mut sink).drained);
    assert!(reader.is_corrupt());
    writer.emit(head_at(1), 0, &[]);
    reader.report_pending_loss(&mut sink);
    reader.read_dead(u32::MAX, &mut sink);
    let losses: Vec<_> = sink
        .losses()
        .iter()
        .map(|loss| (loss.cause, loss.first_sequence, loss.count))
        .collect();
    assert_eq!(losses, [(LossCause::Torn, 7, 2), (LossCause::Torn, 9, 1)]);
    assert_eq!(sink.sequences(), (5..10).collect::<Vec<_>>());
}
