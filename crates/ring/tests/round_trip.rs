//! Whatever is written is read once and in order, and what is not is accounted for exactly.
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
use support::{KeepingSink, Kept, describe, recording};

#[derive(Clone, Debug)]
enum Step {
    Emit {
        number: f64,
        text: String,
    },
    Enter {
        text: String,
        inline_site: bool,
    },
    Exit {
        text: String,
        reason: u32,
    },
    Event {
        text: String,
        presence: u16,
        high: bool,
    },
    Context {
        slot: u16,
        text: String,
    },
    Oversize,
    Encoder,
    Publish,
    Read {
        max_words: u32,
    },
    Release,
    ReportPending,
}

/// Numbers whose shortest text is beyond doubt; json.rs tests the others.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<i32>().prop_map(|quarters| f64::from(quarters) / 4.0),
        Just(f64::NAN),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let text = || "[a-z\"\\\\é\u{1}]{0,40}";
    prop_oneof![
        6 => (number(), text()).prop_map(|(number, text)| Step::Emit { number, text }),
        4 => (text(), any::<bool>()).prop_map(|(text, inline_site)| Step::Enter { text, inline_site }),
        4 => (text(), 0..4u32).prop_map(|(text, reason)| Step::Exit { text, reason }),
        4 => (text(), any::<u16>(), any::<bool>())
            .prop_map(|(text, presence, high)| Step::Event { text, presence, high }),
        2 => (1..=4095u16, text()).prop_map(|(slot, text)| Step::Context { slot, text }),
        1 => Just(Step::Oversize),
        1 => Just(Step::Encoder),
        2 => Just(Step::Publish),
        3 => (0..80u32).prop_map(|max_words| Step::Read { max_words }),
        2 => Just(Step::Release),
        1 => Just(Step::ReportPending),
    ]
}

/// Writes, and keeps what has to be read: the kept text of each stored record under its number.
struct Model {
    writer: RingWriter,
    expected: Vec<Kept>,
    attempts: u64,
    lost: u64,
    now: i64,
}

impl Model {
    fn head(&mut self) -> EventHead {
        self.now += 10;
        let time = match self.now % 3 {
            0 => RecordTime::Raw(self.now),
            1 => RecordTime::Coarse(self.now),
            _ => RecordTime::Given(self.now),
        };
        EventHead {
            slot: (self.now % 4096) as u16,
            time,
            parent: (self.now % 4 == 0).then_some(self.now as u64),
        }
    }

    fn check(&mut self, head: EventHead, kind: &'static str, text: String, outcome: Outcome) {
        match outcome {
            Outcome::Stored(sequence) => {
                assert_eq!(sequence, self.attempts);
                let header = RecordHeader {
                    sequence,
                    slot: head.slot,
                    time: head.time,
                    parent: head.parent,
                };
                self.expected.push(Kept::Event { header, kind, text });
            }
            Outcome::Lost(sequence) => {
                assert_eq!(sequence, self.attempts);
                self.lost += 1;
            }
            Outcome::NotRecorded => panic!("the ring records"),
        }
        self.attempts += 1;
    }

    fn write(&mut self, step: &Step) {
        match step {
            Step::Emit { number, text } => {
                let head = self.head();
                let outcome =
                    self.writer
                        .emit(head, 0, &[FieldValue::F64(*number), FieldValue::Utf8(text)]);
                let json = if number.is_finite() {
                    serde_json::json!({ "n": null, "t": text })
                        .to_string()
                        .replacen("null", &plain_number(*number), 1)
                } else {
                    format!(
                        "{{\"n\":null,\"t\":{},\"$cut\":{{\"n\":\"non_finite\"}}}}",
                        serde_json::json!(text)
                    )
                };
                self.check(head, "emit", json, outcome);
            }
            Step::Enter { text, inline_site } => {
                let head = self.head();
                let inline = InlineSite {
                    module: Some(Text::Inline(text)),
                    line: Some(u32::MAX),
                    ..Default::default()
                };
                let site = if *inline_site {
                    SiteRef::Inline(inline)
                } else {
                    SiteRef::Defined(7)
                };
                let mut data = ValueWriter::new();
                data.text(Text::Inline(text));
                let outcome = self.writer.enter(head, site, data.as_bytes());
                self.check(
                    head,
                    "enter",
                    format!("{site:?} {}", serde_json::json!(text)),
                    outcome,
                );
            }
            Step::Exit { text, reason } => {
                let head = self.head();
                let reason = ExitReason::from_number(*reason).expect("a reason");
                let mut fields = ValueWriter::new();
                fields
                    .object()
                    .text(Text::Inline("result"))
                    .text(Text::Inline(text))
                    .end();
                let outcome = self
                    .writer
                    .exit(head, SiteRef::None, -5, reason, fields.as_bytes());
                let json = format!(
                    "None {{\"duration_ns\":-5,\"result\":{},\"exit_reason\":\"{}\"}}",
                    serde_json::json!(text),
                    reason.name()
                );
                self.check(head, "exit", json, outcome);
            }
            Step::Event {
                text,
                presence,
                high,
            } => self.write_event(text, *presence, *high),
            Step::Context { slot, text } => {
                let kept =
                    format!("Some(Inline({text:?})) None [(Inline(\"k\"), Inline({text:?}))]");
                if self.writer.context(
                    *slot,
                    Some(9),
                    Some(Text::Inline(text)),
                    None,
                    &[("k", text)],
                ) {
                    self.expected.push(Kept::Context {
                        slot: *slot,
                        parent: Some(9),
                        text: kept,
                    });
                }
            }
            Step::Oversize => {
                let head = self.head();
                let outcome = self.writer.enter(head, SiteRef::None, &[1; 4096]);
                assert!(matches!(outcome, Outcome::Lost(_)));
                self.check(head, "", String::new(), outcome);
            }
            Step::Encoder => {
                let head = self.head();
                let outcome = self.writer.lose(LossCause::Encoder, self.now);
                self.check(head, "", String::new(), outcome);
            }
            Step::Publish => self.writer.publish(),
            Step::Read { .. } | Step::Release | Step::ReportPending => {}
        }
    }

    fn write_event(&mut self, text: &str, presence: u16, high: bool) {
        let head = self.head();
        let has = |bit: u16| presence >> bit & 1 == 1;
        let some_text = |bit: u16| has(bit).then_some(Text::Inline(text));
        let (mut tags, mut data) = (ValueWriter::new(), ValueWriter::new());
        tags.object()
            .text(Text::Inline("k"))
            .text(Text::Defined(1))
            .end();
        data.array().i64(i64::MIN).u64(u64::MAX).end();
        let fields = EventFields {
            event_id: has(1).then_some(u64::MAX),
            node: some_text(2),
            pid: some_text(3),
            correlation_id: match presence >> 4 & 3 {
                0 => Inherited::Value(Text::Inline(text)),
                1 => Inherited::None,
                _ => Inherited::FromContext,
            },
            parent_id: if has(5) {
                Inherited::Value(77)
            } else {
                Inherited::None
            },
            site: if has(14) {
                SiteRef::Inline(InlineSite::default())
            } else {
                SiteRef::None
            },
            module: some_text(6),
            function: some_text(7),
            arity: has(8).then_some(u16::MAX),
            file: some_text(9),
            line: has(10).then_some(u32::MAX - 1),
            tags: has(11).then(|| Tags::new(tags.as_bytes()).expect("tags")),
            wall_time_ns: has(12).then_some(i64::MAX),
            data: has(13).then_some(data.as_bytes()),
            ..EventFields::of_type(if has(0) {
                Text::Inline(text)
            } else {
                Text::Defined(1)
            })
        };
        let priority = if high {
            Priority::High
        } else {
            Priority::Normal
        };
        let outcome = self.writer.event(head, &fields, priority);
        let json = if has(13) {
            "[-9223372036854775808,18446744073709551615]"
        } else {
            ""
        };
        self.check(head, "event", describe(&fields, json), outcome);
    }
}

fn plain_number(number: f64) -> String {
    if number == 0.0 && number.is_sign_negative() {
        "-0.0".to_owned()
    } else {
        format!("{number}")
    }
}

fn definitions() -> Arc<Definitions> {
    let definitions = Definitions::new();
    let fields = [("n", FieldType::F64), ("t", FieldType::Utf8)];
    let emitter = EmitterDefinition {
        event_type: "sample",
        fields: &fields,
        site: None,
    };
    assert_eq!(definitions.define_emitter(emitter), Some(0));
    Arc::new(definitions)
}

fn run(
    steps: &[Step],
    capacity_words: u32,
    first_sequence: u64,
    publication: Publication,
    is_torn: bool,
) {
    let (writer, mut reader) = recording(capacity_words, first_sequence, publication);
    let mut sink = KeepingSink::new(&definitions());
    let mut model = Model {
        writer,
        expected: Vec::new(),
        attempts: first_sequence,
        lost: 0,
        now: 0,
    };
    for step in steps {
        model.write(step);
        match step {
            Step::Read { max_words } => {
                let before = sink.kept.len();
                let progress = reader.read(*max_words, &mut sink);
                let events = sink.kept[before..]
                    .iter()
                    .filter(|kept| matches!(kept, Kept::Event { .. }))
                    .count();
                assert_eq!(progress.records as usize, events);
                assert!(
                    progress.drained || progress.words > 0,
                    "{progress:?} is no progress"
                );
            }
            Step::Release => reader.release(),
            Step::ReportPending => reader.report_pending_loss(&mut sink),
            _ => {}
        }
        assert!(!reader.is_corrupt());
        assert!(reader.next_sequence() <= model.attempts);
    }
    let (mut lost, attempts) = (model.lost, model.attempts + u64::from(is_torn));
    let ring = Arc::clone(model.writer.ring());
    if is_torn {
        lost += 1;
        model.writer.terminate_while_recording(support::head_at(1));
    }
    while !reader.read_dead(50, &mut sink).drained {
        reader.release();
    }
    assert_eq!(reader.next_sequence(), attempts);
    assert_eq!(ring.attempts(), attempts);
    assert_eq!(
        sink.sequences(),
        (first_sequence..attempts).collect::<Vec<_>>()
    );
    let losses = sink.losses();
    assert_eq!(losses.iter().map(|loss| loss.count).sum::<u64>(), lost);
    let torn: u64 = losses
        .iter()
        .filter(|loss| loss.cause == LossCause::Torn)
        .map(|loss| loss.count)
        .sum();
    assert_eq!(torn, u64::from(is_torn));
    let handed_over: Vec<_> = sink
        .kept
        .into_iter()
        .filter(|kept| !matches!(kept, Kept::Loss(_)))
        .collect();
    assert_eq!(handed_over, model.expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn everything_is_read_once_in_order_or_reported_lost(
        steps in prop::collection::vec(step(), 1..300),
        capacity_log2 in 6..11u32,
        first_sequence in prop_oneof![Just(0), 0..(1u64 << 40)],
        is_published in any::<bool>(),
        is_torn in any::<bool>(),
    ) {
        let publication = if is_published { Publication::PublishedHead } else { Publication::CommitWords };
        run(&steps, 1 << capacity_log2, first_sequence, publication, is_torn);
    }
}
