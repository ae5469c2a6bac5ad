//! Random programs of several producers.

use kinescope_ring::{ExitReason, LossCause, RecordTime};
use proptest::prelude::*;

use super::value::{AnyText, Value, any_text, fields, tags, text, value};

/// Fields of the one emitter that programs use.
pub const EMITTER_FIELDS: [&str; 5] = ["count", "ok", "label", "kind", "other"];

/// Producers that record at the same time.
pub const PRODUCERS: usize = 3;
/// Slots beside the thread's own.
pub const SLOTS: u16 = 3;

#[derive(Clone, Debug)]
pub struct Head {
    pub slot: u16,
    pub time: RecordTime,
    pub parent: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Site {
    pub module: Option<AnyText>,
    pub function: Option<AnyText>,
    pub arity: Option<u16>,
    pub file: Option<AnyText>,
    pub line: Option<u32>,
}

#[derive(Clone, Debug)]
pub enum AnySite {
    None,
    Defined(Site),
    Inline(Site),
}

/// An absent value stays with the context; `Some(None)` is none whatever the context says.
pub type Inherited<T> = Option<Option<T>>;

#[derive(Clone, Debug)]
pub struct Event {
    pub event_type: AnyText,
    pub has_own_id: bool,
    pub node: Option<AnyText>,
    pub pid: Option<AnyText>,
    pub correlation_id: Inherited<AnyText>,
    pub parent_id: Inherited<u64>,
    pub site: AnySite,
    /// What the event says itself, over the site's.
    pub place: Site,
    pub tags: Option<Vec<(String, String)>>,
    pub wall_time_ns: Option<i64>,
    pub data: Option<Value>,
    pub is_high_priority: bool,
}

#[derive(Clone, Debug)]
pub enum Record {
    Event(Box<Event>),
    /// Values of [`EMITTER_FIELDS`].
    Emit(Option<i64>, Option<bool>, Option<String>, Option<AnyText>),
    Enter(AnySite, Option<Value>),
    Exit(AnySite, i64, ExitReason, Option<Vec<(String, Value)>>),
}

#[derive(Clone, Debug)]
pub enum Step {
    Record(Head, Record),
    /// Events with this many bytes of data each, one after the other.
    Burst(usize, usize),
    Context {
        slot: u16,
        parent: Option<u64>,
        pid: Option<AnyText>,
        correlation_id: Option<AnyText>,
        tags: Vec<(String, String)>,
    },
    Lose(LossCause),
    /// Waits until what was recorded is visible.
    Settle,
    /// The thread ends; the next step is another one's.
    End,
    /// The thread is killed while it records.
    Die,
}

fn head() -> impl Strategy<Value = Head> {
    let time = prop_oneof![
        4 => (0i64..2000).prop_map(RecordTime::Raw),
        1 => (0i64..2000).prop_map(RecordTime::Coarse),
        1 => any::<i64>().prop_map(RecordTime::Given),
        1 => (0i64..2000).prop_map(RecordTime::Given),
    ];
    (0..=SLOTS, time, prop::option::of(0u64..1 << 47)).prop_map(|(slot, time, parent)| Head {
        slot,
        time,
        parent,
    })
}

fn site() -> impl Strategy<Value = Site> {
    let text = || prop::option::of(any_text());
    let number = prop::option::of(any::<u16>());
    (
        text(),
        text(),
        number,
        text(),
        prop::option::of(any::<u32>()),
    )
        .prop_map(|(module, function, arity, file, line)| Site {
            module,
            function,
            arity,
            file,
            line,
        })
}

fn any_site() -> impl Strategy<Value = AnySite> {
    prop_oneof![
        Just(AnySite::None),
        site().prop_map(AnySite::Defined),
        site().prop_map(AnySite::Inline),
    ]
}

fn event() -> impl Strategy<Value = Record> {
    let text = || prop::option::of(any_text());
    let inherited = (
        prop::option::of(prop::option::of(any_text())),
        prop::option::of(prop::option::of(any::<u64>())),
    );
    let place = prop_oneof![Just(Site::default()), site()];
    let rest = (
        prop::option::of(tags()),
        prop::option::of(any::<i64>()),
        prop::option::of(value()),
    );
    (
        any_text(),
        any::<bool>(),
        (text(), text()),
        inherited,
        (any_site(), place),
        rest,
        any::<bool>(),
    )
        .prop_map(
            |(event_type, has_own_id, own, inherited, site, rest, high)| {
                Record::Event(Box::new(Event {
                    event_type,
                    has_own_id,
                    node: own.0,
                    pid: own.1,
                    correlation_id: inherited.0,
                    parent_id: inherited.1,
                    site: site.0,
                    place: site.1,
                    tags: rest.0,
                    wall_time_ns: rest.1,
                    data: rest.2,
                    is_high_priority: high,
                }))
            },
        )
}

fn record() -> impl Strategy<Value = Record> {
    let emit = (
        prop::option::of(any::<i64>()),
        prop::option::of(any::<bool>()),
        prop::option::of(text()),
        prop::option::of(any_text()),
    );
    let reason = prop::sample::select(vec![
        ExitReason::Normal,
        ExitReason::Throw,
        ExitReason::Reject,
        ExitReason::Abandoned,
    ]);
    prop_oneof![
        2 => event(),
        2 => emit.prop_map(|(count, ok, label, kind)| Record::Emit(count, ok, label, kind)),
        1 => (any_site(), prop::option::of(value())).prop_map(|(site, data)| Record::Enter(site, data)),
        1 => (any_site(), 0i64..2000, reason, prop::option::of(fields(value())))
            .prop_map(|(site, entry, reason, fields)| Record::Exit(site, entry, reason, fields)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let context = (
        1..=SLOTS,
        prop::option::of(any::<u64>().prop_filter("all ones is none", |id| *id != u64::MAX)),
        prop::option::of(any_text()),
        prop::option::of(any_text()),
        tags(),
    );
    let causes = vec![LossCause::TooLarge, LossCause::Encoder, LossCause::RingFull];
    prop_oneof![
        24 => (head(), record()).prop_map(|(head, record)| Step::Record(head, record)),
        2 => (1usize..8, 10usize..18_000).prop_map(|(count, bytes)| Step::Burst(count, bytes)),
        4 => context.prop_map(|(slot, parent, pid, correlation_id, tags)| Step::Context {
            slot, parent, pid, correlation_id, tags,
        }),
        1 => prop::sample::select(causes).prop_map(Step::Lose),
        2 => Just(Step::Settle),
        1 => Just(Step::End),
        1 => Just(Step::Die),
    ]
}

/// What each producer does, in the order in which it is done.
pub fn program(steps_max: usize) -> impl Strategy<Value = Vec<(usize, Step)>> {
    prop::collection::vec((0..PRODUCERS, step()), 1..steps_max)
}

/// Steps that do not wait for the writer.
pub fn without_waiting(program: &[(usize, Step)]) -> Vec<(usize, Step)> {
    let waits = |step: &Step| matches!(step, Step::Settle | Step::End | Step::Die);
    program
        .iter()
        .filter(|(_, step)| !waits(step))
        .cloned()
        .collect()
}
