//! Every order in which a producer's stores and the reader's loads may meet, on small rings.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p kinescope-ring --release --test loom`
#![cfg(loom)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use kinescope_ring::*;
use loom::thread;

/// What was handed over, with the number that each event carries as its raw time.
#[derive(Default)]
struct Numbers {
    events: Vec<(u64, i64)>,
    losses: Vec<Loss>,
}

impl Numbers {
    fn keep(&mut self, header: RecordHeader) {
        match header.time {
            RecordTime::Raw(raw_ns) => self.events.push((header.sequence, raw_ns)),
            other => panic!("expected a raw time, got {other:?}"),
        }
    }

    fn accounted(&self) -> Vec<u64> {
        let lost = self
            .losses
            .iter()
            .flat_map(|loss| loss.first_sequence..=loss.last_sequence);
        let mut all: Vec<_> = self
            .events
            .iter()
            .map(|event| event.0)
            .chain(lost)
            .collect();
        all.sort_unstable();
        all
    }

    /// Every attempt accounted for once, and every event under its own number: each one's time is its number.
    fn check(&self, attempts: u64) {
        assert_eq!(self.accounted(), (0..attempts).collect::<Vec<_>>());
        assert!(
            self.events
                .iter()
                .all(|(sequence, raw_ns)| *sequence as i64 == *raw_ns),
            "{:?}",
            self.events
        );
    }
}

impl RecordSink for Numbers {
    fn context(&mut self, _: ContextRecord<'_>) {}
    fn emit(&mut self, record: EmitRecord<'_>) {
        self.keep(record.header);
    }
    fn enter(&mut self, record: EnterRecord<'_>) {
        self.keep(record.header);
    }
    fn exit(&mut self, record: ExitRecord<'_>) {
        self.keep(record.header);
    }
    fn event(&mut self, record: EventRecord<'_>) {
        self.keep(record.header);
    }
    fn loss(&mut self, loss: Loss) {
        self.losses.push(loss);
    }
}

/// 16 words: records of at most 4, of which three fit (14 words are for all, one is the terminator's).
fn small_ring(publication: Publication) -> (RingWriter, RingReader) {
    let ring = Ring::with_capacity_words(1, 16, 0, publication).unwrap();
    ring.set_state(RingState::Recording);
    (
        RingWriter::new(Arc::clone(&ring)).unwrap(),
        RingReader::new(ring).unwrap(),
    )
}

fn record(writer: &mut RingWriter, number: i64) {
    writer.emit(
        EventHead {
            slot: 0,
            time: RecordTime::Raw(number),
            parent: None,
        },
        0,
        &[],
    );
}

/// What a model does: how many events are read, but not released, before the threads meet; how many the producer then
/// records, and what it does last; how many numbers it takes in all; what the reader does meanwhile, and how often.
#[derive(Clone, Copy)]
struct Model {
    publication: Publication,
    read_before: i64,
    recorded: i64,
    finish: fn(RingWriter),
    attempts: u64,
    look: fn(&mut RingReader, &mut Numbers),
    looks: usize,
    /// Thread switches that are not waits; `None` for all there can be.
    preemption_bound: Option<usize>,
}

const MODEL: Model = Model {
    publication: Publication::CommitWords,
    read_before: 0,
    recorded: 2,
    finish: drop,
    attempts: 2,
    look: |reader, numbers| {
        reader.read(u32::MAX, numbers);
        reader.report_pending_loss(numbers);
    },
    looks: 2,
    preemption_bound: None,
};

impl Model {
    fn check(self) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = self.preemption_bound;
        builder.check(move || self.run());
    }

    fn run(self) {
        let (mut writer, mut reader) = small_ring(self.publication);
        let mut numbers = Numbers::default();
        for number in 0..self.read_before {
            record(&mut writer, number);
        }
        writer.publish();
        reader.read(u32::MAX, &mut numbers);
        let producer = thread::spawn(move || {
            for number in self.read_before..self.read_before + self.recorded {
                record(&mut writer, number);
            }
            (self.finish)(writer);
        });
        for _ in 0..self.looks {
            (self.look)(&mut reader, &mut numbers);
        }
        producer.join().unwrap();
        while !reader.read_dead(u32::MAX, &mut numbers).drained {}
        assert!(!reader.is_corrupt());
        numbers.check(self.attempts);
    }
}

#[test]
fn a_committed_record_is_complete_and_the_chain_ends_behind_it() {
    MODEL.check();
}

#[test]
fn words_are_reused_only_behind_the_tail_also_across_the_end() {
    let look = |reader: &mut RingReader, numbers: &mut Numbers| {
        reader.release();
        reader.read(u32::MAX, numbers);
    };
    Model {
        read_before: 2,
        recorded: 2,
        attempts: 4,
        look,
        ..MODEL
    }
    .check();
}

#[test]
fn losses_on_an_empty_ring_are_neither_misplaced_nor_doubled() {
    let look = |reader: &mut RingReader, numbers: &mut Numbers| {
        reader.report_pending_loss(numbers);
        reader.release();
        reader.read(u32::MAX, numbers);
    };
    Model {
        read_before: 3,
        recorded: 2,
        attempts: 5,
        look,
        preemption_bound: Some(4),
        ..MODEL
    }
    .check();
}

#[test]
fn losses_of_a_cause_of_their_own_keep_their_place() {
    let finish = |mut writer: RingWriter| {
        writer.lose(LossCause::Encoder, 1);
        record(&mut writer, 2);
        writer.lose(LossCause::Encoder, 3);
    };
    Model {
        recorded: 1,
        finish,
        attempts: 4,
        preemption_bound: Some(4),
        ..MODEL
    }
    .check();
}

#[test]
fn a_published_head_covers_complete_records_only() {
    let look = |reader: &mut RingReader, numbers: &mut Numbers| {
        reader.read(u32::MAX, numbers);
        reader.report_pending_loss(numbers);
        reader.release();
    };
    let finish = |mut writer: RingWriter| {
        writer.publish();
        record(&mut writer, 4);
        record(&mut writer, 5);
    };
    let publication = Publication::PublishedHead;
    Model {
        publication,
        recorded: 4,
        finish,
        attempts: 6,
        look,
        ..MODEL
    }
    .check();
}

#[test]
fn an_attempt_in_the_making_is_not_there_until_its_producer_is_dead() {
    let finish = |writer: RingWriter| {
        writer.terminate_while_recording(EventHead {
            slot: 0,
            time: RecordTime::Raw(-1),
            parent: None,
        });
    };
    Model {
        finish,
        attempts: 3,
        ..MODEL
    }
    .check();
}
