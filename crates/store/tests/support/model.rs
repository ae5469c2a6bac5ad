//! Runs a program on a store, and beside it keeps what must come out: for every producer the fate of each number.

use std::collections::HashMap;
use std::sync::Arc;

use kinescope_ring::{
    EmitterDefinition, EventFields, EventHead, FieldType, FieldValue, InlineSite, Outcome,
    Priority, RecordTime, Ring, RingWriter, SiteDefinition, SiteRef, Tags, Text, ValueWriter,
};
use kinescope_store::{EventId, Store};

use super::expected::expected;
use super::program::{AnySite, EMITTER_FIELDS, Event, Head, PRODUCERS, Record, Step};
use super::value::{AnyText, Value};
use super::{EventRow, LossRow, NODE, eventually, loss_of, producer, rows, settle};

/// Ids that events bring themselves: as the attempt's, but of a producer of imported events.
const OWN_ID_PRODUCERS: u16 = 0x8000;
/// Wall time that the test does not know: whatever the row has.
pub const ANY_WALL_TIME: i64 = i64::MIN + 7;

/// What became of one number of a producer's sequence.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// A row; its `seq` is whatever the log says.
    Stored(Box<EventRow>),
    Lost,
}

#[derive(Clone, Default)]
pub struct Context {
    pub pid: String,
    pub correlation_id: Option<String>,
    pub parent_id: Option<u64>,
    pub tags: Vec<(String, String)>,
}

pub struct Producer {
    writer: RingWriter,
    ring: Arc<Ring>,
    pub number: u16,
    pub contexts: HashMap<u16, Context>,
    pub last_raw_ns: i64,
}

/// The store under test and what is expected of it.
pub struct Model {
    pub store: Store,
    producers: [Option<Producer>; PRODUCERS],
    /// By producer number, over all of its holders.
    pub fates: HashMap<u16, Vec<Fate>>,
    emitter: u32,
    /// The store counts from when it was opened, so its counts say less than the log.
    is_reopened: bool,
}

impl Model {
    pub fn new(store: Store) -> Self {
        let emitter = Self::define(&store);
        Self {
            store,
            producers: [const { None }; PRODUCERS],
            fates: HashMap::new(),
            emitter,
            is_reopened: false,
        }
    }

    /// Goes on with another store, which has the log of this one; the producers are gone. Gives the old store.
    pub fn reopen(&mut self, store: Store) -> Store {
        self.emitter = Self::define(&store);
        self.producers = [const { None }; PRODUCERS];
        self.is_reopened = true;
        std::mem::replace(&mut self.store, store)
    }

    fn define(store: &Store) -> u32 {
        use FieldType::{Bool, I64, Symbol, Utf8};
        let types = [I64, Bool, Utf8, Symbol, Symbol];
        let fields: Vec<_> = EMITTER_FIELDS.into_iter().zip(types).collect();
        let site = store.definitions().define_site(SiteDefinition {
            module: Some("emitting"),
            line: Some(7),
            ..SiteDefinition::default()
        });
        let emitter = store.definitions().define_emitter(EmitterDefinition {
            event_type: "emitted",
            fields: &fields,
            site,
        });
        emitter.unwrap()
    }

    pub fn run(&mut self, program: &[(usize, Step)]) {
        for (index, step) in program {
            let mut producer = self.producers[*index]
                .take()
                .unwrap_or_else(|| self.open_producer(*index));
            let alive = self.step(&mut producer, step);
            match alive {
                Alive::Yes => self.producers[*index] = Some(producer),
                Alive::Ended => {
                    let Producer { writer, ring, .. } = producer;
                    drop(writer);
                    self.bury(ring);
                }
                Alive::Killed => {
                    let Producer { writer, ring, .. } = producer;
                    writer.terminate_while_recording(super::head_at(0));
                    self.bury(ring);
                }
            }
        }
    }

    /// Ends all producers and compares the whole log.
    pub fn finish(mut self) -> Store {
        for index in 0..PRODUCERS {
            if let Some(Producer { writer, ring, .. }) = self.producers[index].take() {
                drop(writer);
                self.bury(ring);
            }
        }
        self.check(None);
        self.store
    }

    fn open_producer(&mut self, index: usize) -> Producer {
        let pid = format!("thread-{index}");
        let (writer, ring) = producer(&self.store, &pid);
        let number = ring.producer();
        let fates = self.fates.entry(number).or_default();
        assert_eq!(ring.first_sequence(), fates.len() as u64);
        let own = Context {
            pid,
            ..Context::default()
        };
        Producer {
            writer,
            ring,
            number,
            contexts: HashMap::from([(0, own)]),
            last_raw_ns: i64::MIN,
        }
    }

    /// Tells the store that a producer has ended, and waits until it has let go of the ring.
    fn bury(&self, ring: Arc<Ring>) {
        self.store.remove_producer(&ring);
        eventually("the end of a producer", || Arc::strong_count(&ring) == 1);
        assert_eq!(ring.attempts(), self.fates[&ring.producer()].len() as u64);
    }

    fn step(&mut self, producer: &mut Producer, step: &Step) -> Alive {
        match step {
            Step::Record(head, record) => self.record(producer, head, record),
            Step::Burst(count, bytes) => {
                let data = Some(Value::Text("b".repeat(*bytes)));
                let head = Head {
                    slot: 0,
                    time: RecordTime::Raw(0),
                    parent: None,
                };
                for _ in 0..*count {
                    self.record(producer, &head, &Record::Enter(AnySite::None, data.clone()));
                }
            }
            Step::Context {
                slot,
                parent,
                pid,
                correlation_id,
                tags,
            } => self.context(producer, *slot, *parent, [pid, correlation_id], tags),
            Step::Lose(cause) => {
                let outcome = producer.writer.lose(*cause, 0);
                self.note(producer, outcome, |_, _| unreachable!());
            }
            Step::Settle => {
                settle(&self.store, &mut producer.writer);
                self.check(Some(producer.number));
            }
            Step::End => return Alive::Ended,
            Step::Die => {
                self.fates
                    .entry(producer.number)
                    .or_default()
                    .push(Fate::Lost);
                return Alive::Killed;
            }
        }
        Alive::Yes
    }

    fn note(
        &mut self,
        producer: &mut Producer,
        outcome: Outcome,
        row: impl FnOnce(&mut Producer, u64) -> EventRow,
    ) {
        let fates = self.fates.entry(producer.number).or_default();
        let next = fates.len() as u64;
        fates.push(match outcome {
            Outcome::Stored(sequence) => {
                assert_eq!(sequence, next);
                Fate::Stored(Box::new(row(producer, sequence)))
            }
            Outcome::Lost(sequence) => {
                assert_eq!(sequence, next);
                Fate::Lost
            }
            Outcome::NotRecorded => panic!("the store records"),
        });
    }

    fn context(
        &mut self,
        producer: &mut Producer,
        slot: u16,
        parent_id: Option<u64>,
        [pid, correlation_id]: [&Option<AnyText>; 2],
        tags: &[(String, String)],
    ) {
        let definitions = self.store.definitions();
        let pairs: Vec<_> = tags
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let reference = |text: &'_ Option<AnyText>| text.clone();
        let (pid, correlation_id) = (reference(pid), reference(correlation_id));
        let is_written = producer.writer.context(
            slot,
            parent_id,
            pid.as_ref().map(|pid| pid.reference(definitions)),
            correlation_id.as_ref().map(|id| id.reference(definitions)),
            &pairs,
        );
        if is_written {
            let own = producer.contexts[&0].pid.clone();
            let context = Context {
                pid: pid.map_or(own, |pid| pid.text),
                correlation_id: correlation_id.map(|id| id.text),
                parent_id,
                tags: tags.to_vec(),
            };
            producer.contexts.insert(slot, context);
        }
    }

    fn record(&mut self, producer: &mut Producer, head: &Head, record: &Record) {
        // A slot means nothing before its first context.
        let slot = if producer.contexts.contains_key(&head.slot) {
            head.slot
        } else {
            0
        };
        let head = Head {
            slot,
            ..head.clone()
        };
        let outcome = self.write(producer, &head, record);
        self.note(producer, outcome, |producer, sequence| {
            expected(producer, &head, record, sequence)
        });
    }

    fn write(&self, producer: &mut Producer, head: &Head, record: &Record) -> Outcome {
        let definitions = self.store.definitions();
        let next = self.fates.get(&producer.number).map_or(0, Vec::len) as u64;
        let head = EventHead {
            slot: head.slot,
            time: head.time,
            parent: head.parent,
        };
        let writer = &mut producer.writer;
        let fields = |fields: &Option<Vec<(String, Value)>>| {
            fields
                .as_ref()
                .map_or_else(Vec::new, |fields| Value::Object(fields.clone()).tagged())
        };
        match record {
            Record::Emit(count, ok, label, kind) => {
                let kind = kind.as_ref().map_or(FieldValue::Absent, |kind| {
                    match kind.reference(definitions) {
                        Text::Defined(id) => FieldValue::Symbol(id),
                        Text::Inline(text) => FieldValue::SymbolText(text),
                    }
                });
                let values = [
                    count.map_or(FieldValue::Absent, FieldValue::I64),
                    ok.map_or(FieldValue::Absent, FieldValue::Bool),
                    label
                        .as_deref()
                        .map_or(FieldValue::Absent, FieldValue::Utf8),
                    kind,
                    FieldValue::Absent,
                ];
                writer.emit(head, self.emitter, &values)
            }
            Record::Enter(site, data) => {
                let data = data.as_ref().map_or_else(Vec::new, Value::tagged);
                writer.enter(head, self.site(site), &data)
            }
            Record::Exit(site, entry, reason, own) => {
                writer.exit(head, self.site(site), *entry, *reason, &fields(own))
            }
            Record::Event(event) => {
                let id = own_id(producer.number, next);
                let (tags, data) = (
                    event.tags.as_ref().map(|tags| tagged_tags(tags)),
                    &event.data,
                );
                let data = data.as_ref().map(Value::tagged);
                let fields = self.envelope(event, id, tags.as_deref(), data.as_deref());
                let priority = if event.is_high_priority {
                    Priority::High
                } else {
                    Priority::Normal
                };
                writer.event(head, &fields, priority)
            }
        }
    }

    fn envelope<'a>(
        &'a self,
        event: &'a Event,
        own_id: u64,
        tags: Option<&'a [u8]>,
        data: Option<&'a [u8]>,
    ) -> EventFields<'a> {
        let definitions = self.store.definitions();
        let text =
            |text: &'a Option<AnyText>| text.as_ref().map(|text| text.reference(definitions));
        EventFields {
            event_type: event.event_type.reference(definitions),
            event_id: event.has_own_id.then_some(own_id),
            node: text(&event.node),
            pid: text(&event.pid),
            correlation_id: match &event.correlation_id {
                None => kinescope_ring::Inherited::FromContext,
                Some(None) => kinescope_ring::Inherited::None,
                Some(Some(id)) => kinescope_ring::Inherited::Value(id.reference(definitions)),
            },
            parent_id: match event.parent_id {
                None => kinescope_ring::Inherited::FromContext,
                Some(None) => kinescope_ring::Inherited::None,
                Some(Some(id)) => kinescope_ring::Inherited::Value(id),
            },
            site: self.site(&event.site),
            module: text(&event.place.module),
            function: text(&event.place.function),
            arity: event.place.arity,
            file: text(&event.place.file),
            line: event.place.line,
            tags: tags.map(|tags| Tags::new(tags).unwrap()),
            wall_time_ns: event.wall_time_ns,
            data,
        }
    }

    fn site<'a>(&self, site: &'a AnySite) -> SiteRef<'a> {
        fn plain(text: &Option<AnyText>) -> Option<&str> {
            text.as_ref().map(|text| text.text.as_str())
        }
        let definitions = self.store.definitions();
        match site {
            AnySite::None => SiteRef::None,
            AnySite::Defined(site) => {
                let definition = SiteDefinition {
                    module: plain(&site.module),
                    function: plain(&site.function),
                    arity: site.arity,
                    file: plain(&site.file),
                    line: site.line,
                };
                SiteRef::Defined(definitions.define_site(definition).unwrap())
            }
            AnySite::Inline(site) => {
                let text = |text: &'a Option<AnyText>| {
                    text.as_ref().map(|text| text.reference(definitions))
                };
                SiteRef::Inline(InlineSite {
                    module: text(&site.module),
                    function: text(&site.function),
                    arity: site.arity,
                    file: text(&site.file),
                    line: site.line,
                })
            }
        }
    }

    /// Compares the log with what is expected: of one producer everything stored so far, of the others no more than
    /// that; without a producer, everything of everyone.
    pub fn check(&self, settled: Option<u16>) {
        let snapshot = self.store.snapshot().unwrap();
        let log = rows(&snapshot);
        assert_eq!(snapshot.watermark, log.len() as u64);
        let found = fates_of(&log);
        for (number, expected) in &self.fates {
            let found = found.get(number).map_or(&[][..], Vec::as_slice);
            for (sequence, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert_same(found, expected, &format!("{number}-{sequence}"));
            }
            assert!(found.len() <= expected.len());
            let unseen = &expected[found.len()..];
            if settled.is_none() {
                assert_eq!(unseen, [], "numbers of producer {number} without a trace");
            } else if settled == Some(*number) {
                // Losses behind the last record may still be told later.
                assert!(unseen.iter().all(|fate| *fate == Fate::Lost), "{unseen:?}");
            }
        }
        if settled.is_none() {
            self.check_counts(&log);
        }
    }

    fn check_counts(&self, log: &[EventRow]) {
        let stats = self.store.stats();
        let losses: Vec<LossRow> = log.iter().filter_map(loss_of).collect();
        let lost: u64 = losses.iter().map(|loss| loss.count).sum();
        let attempts: usize = self.fates.values().map(Vec::len).sum();
        assert_eq!((log.len() - losses.len()) as u64 + lost, attempts as u64);
        if self.is_reopened {
            return;
        }
        assert_eq!(stats.stored, (log.len() - losses.len()) as u64);
        assert_eq!(stats.lost.iter().sum::<u64>(), lost);
        assert_eq!(stats.recorded, stats.stored);
        assert_eq!(stats.stored + lost, attempts as u64);
        assert_eq!(stats.evicted, 0);
        let known = self.store.shared().lost_between(i64::MIN, i64::MAX);
        for (number, fates) in &self.fates {
            let of_producer = known.iter().filter(|range| range.producer == *number);
            let known: u64 = of_producer.map(|range| range.count).sum();
            let expected = fates.iter().filter(|fate| **fate == Fate::Lost).count();
            assert_eq!(known, expected as u64, "losses of producer {number}");
        }
    }
}

enum Alive {
    Yes,
    Ended,
    Killed,
}

pub fn own_id(number: u16, sequence: u64) -> u64 {
    EventId::new(OWN_ID_PRODUCERS | number, sequence).0
}

fn tagged_tags(tags: &[(String, String)]) -> Vec<u8> {
    let mut out = ValueWriter::new();
    out.object();
    for (key, value) in tags {
        out.text(Text::Inline(key)).text(Text::Inline(value));
    }
    out.end();
    out.as_bytes().to_vec()
}

/// The log's rows as fates by producer; checks that `seq` is dense, that every producer's numbers come in order
/// without a gap, and that loss rows are what they should be.
fn fates_of(log: &[EventRow]) -> HashMap<u16, Vec<Fate>> {
    let mut fates: HashMap<u16, Vec<Fate>> = HashMap::new();
    let mut own_sequence = 0;
    for (seq, row) in log.iter().enumerate() {
        assert_eq!(row.seq, seq as u64);
        let id = EventId(row.event_id);
        if id.producer() == 0 {
            let loss = loss_of(row).expect("only losses are the store's own");
            assert_eq!(id.sequence(), own_sequence);
            own_sequence += 1;
            assert!(row.pid.starts_with("thread-"), "{row:?}");
            assert_eq!((&row.correlation_id, row.parent_id), (&None, None));
            assert_eq!((&row.module, &row.tags, &*row.node), (&None, &None, NODE));
            let fates = fates.entry(loss.producer).or_default();
            assert_eq!(loss.first, fates.len() as u64, "{loss:?}");
            fates.extend((0..loss.count).map(|_| Fate::Lost));
        } else {
            let fates = fates.entry(id.producer() & !OWN_ID_PRODUCERS).or_default();
            assert_eq!(id.sequence(), fates.len() as u64, "{row:?}");
            fates.push(Fate::Stored(Box::new(row.clone())));
        }
    }
    fates
}

fn assert_same(found: &Fate, expected: &Fate, number: &str) {
    let mut expected = expected.clone();
    if let (Fate::Stored(found), Fate::Stored(expected)) = (found, &mut expected) {
        expected.seq = found.seq;
        if expected.wall_time == ANY_WALL_TIME {
            expected.wall_time = found.wall_time;
        }
    }
    assert_eq!(*found, expected, "number {number}");
}
