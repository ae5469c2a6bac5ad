//! Filters that the tests can do by hand, places to begin at, and what may be done to a recording and its subscriptions.

use kinescope_query::Filter;
use kinescope_query::condition::{Comparison, Condition, Field, Test};
use kinescope_query::scalar::Scalar;
use kinescope_stream::StreamQuery;
use proptest::prelude::*;

pub const TYPES: [&str; 3] = ["a", "b", "c"];

/// What the test remembers of an event.
#[derive(Clone, Debug)]
pub struct Known {
    pub event_type: &'static str,
    pub trace: Option<String>,
    pub number: i64,
    pub time: i64,
}

/// One of the filters that the test can do by hand.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    All,
    Type(usize),
    Types(usize, usize),
    NoType,
    Trace(i64),
    TypeAndNumber(usize, i64),
    Number(i64),
}

impl Wanted {
    pub fn holds(self, event: &Known) -> bool {
        match self {
            Self::All => true,
            Self::Type(a) => event.event_type == TYPES[a],
            Self::Types(a, b) => [TYPES[a], TYPES[b]].contains(&event.event_type),
            Self::NoType => false,
            Self::Trace(trace) => event.trace == Some(trace.to_string()),
            Self::TypeAndNumber(a, least) => event.event_type == TYPES[a] && event.number >= least,
            Self::Number(least) => event.number >= least,
        }
    }

    pub fn query(self) -> StreamQuery {
        let types = |types: &[&str]| Some(types.iter().map(|&text| text.to_owned()).collect());
        let at_least = |least: i64| {
            let test = Test::Compare(Comparison::Gte, Scalar::Int(least.into()));
            Some(Condition::Test(Field::Path(Vec::new()), test))
        };
        let mut filter = Filter::default();
        match self {
            Self::All => {}
            Self::Type(a) => filter.event_types = types(&[TYPES[a]]),
            Self::Types(a, b) => filter.event_types = types(&[TYPES[a], TYPES[b]]),
            Self::NoType => filter.event_types = types(&[]),
            Self::Trace(trace) => filter.correlation_ids = Some(vec![trace.to_string()]),
            Self::TypeAndNumber(a, least) => {
                filter.event_types = types(&[TYPES[a]]);
                filter.condition = at_least(least);
            }
            Self::Number(least) => filter.condition = at_least(least),
        }
        StreamQuery::new(filter, None)
    }
}

pub fn wanted() -> impl Strategy<Value = Wanted> {
    let index = || 0usize..3;
    prop_oneof![
        Just(Wanted::All),
        index().prop_map(Wanted::Type),
        (index(), index()).prop_map(|(a, b)| Wanted::Types(a, b)),
        Just(Wanted::NoType),
        (0i64..4).prop_map(Wanted::Trace),
        (index(), 0i64..200).prop_map(|(a, least)| Wanted::TypeAndNumber(a, least)),
        (0i64..200).prop_map(Wanted::Number),
    ]
}

#[derive(Clone, Copy, Debug)]
pub enum Where {
    Now,
    At(u64),
    Behind,
    Time(i64),
}

pub fn place() -> impl Strategy<Value = Where> {
    prop_oneof![
        Just(Where::Now),
        (0u64..400).prop_map(Where::At),
        Just(Where::Behind),
        (0i64..400).prop_map(Where::Time),
    ]
}

#[derive(Clone, Debug)]
pub enum Action {
    Record(Vec<(usize, Option<i64>, i64)>),
    Subscribe(Wanted, Where, usize, u64, u64),
    Want(usize, usize),
    Take(usize),
    Pause(usize),
    Resume(usize),
    Skip(usize),
    Latest(usize, usize),
    Move(usize, Where),
    Update(usize, Wanted),
    Unsubscribe(usize),
    Rest,
}

pub fn action() -> impl Strategy<Value = Action> {
    let event = (0usize..3, prop::option::of(0i64..4), 0i64..40);
    let which = || 0usize..16;
    let size = prop_oneof![Just(0usize), Just(1), 2usize..8, Just(1024)];
    let millis = || prop_oneof![Just(0u64), Just(5), Just(40)];
    prop_oneof![
        8 => prop::collection::vec(event, 1..40).prop_map(Action::Record),
        5 => (wanted(), place(), size, millis(), millis())
            .prop_map(|(wanted, place, size, timeout, progress)| Action::Subscribe(wanted, place, size, timeout, progress)),
        8 => (which(), 1usize..4).prop_map(|(which, count)| Action::Want(which, count)),
        8 => which().prop_map(Action::Take),
        2 => which().prop_map(Action::Pause),
        2 => which().prop_map(Action::Resume),
        1 => which().prop_map(Action::Skip),
        1 => (which(), 0usize..5).prop_map(|(which, count)| Action::Latest(which, count)),
        1 => (which(), place()).prop_map(|(which, place)| Action::Move(which, place)),
        2 => (which(), wanted()).prop_map(|(which, wanted)| Action::Update(which, wanted)),
        1 => which().prop_map(Action::Unsubscribe),
        2 => Just(Action::Rest),
    ]
}
