//! The state of a logical process at a time.

use std::collections::BTreeMap;

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::index::states::STATE_EVENT_TYPES;
use kinescope_store::{Error, Part, Snapshot};

use crate::cancel::Cancel;
use crate::filter::{Filter, matching_rows};
use crate::find::Located;
use crate::json;
use crate::stack::require_pid;

/// A value and the event that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateValue {
    /// Module.
    pub module: Option<String>,
    /// Function; of variables only.
    pub function: Option<String>,
    /// Number of parameters; of variables only.
    pub arity: Option<u16>,
    /// The variable's or the state's name; a state may have none.
    pub name: Option<String>,
    /// As JSON text.
    pub value: String,
    /// The event.
    pub event_id: u64,
    /// Its time.
    pub timestamp: i64,
}

/// What a logical process knew at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The last value of every variable, in the order of module, function, arity and name, absent ones last.
    pub variables: Vec<StateValue>,
    /// The last value of every state, in the order of module and name, absent ones last.
    pub states: Vec<StateValue>,
}

/// Sorts absent values behind all others.
type AbsentLast<T> = (bool, Option<T>);
type Key = (
    AbsentLast<String>,
    AbsentLast<String>,
    AbsentLast<u16>,
    AbsentLast<String>,
);

/// The last value at or before `time` of every variable and state of `pid`.
///
/// # Errors
/// `NOT_FOUND` for a pid that never recorded, as far as the log tells; as [`Cancel::check`].
pub fn state_at(
    pid: &str,
    time: i64,
    snapshot: &Snapshot,
    cancel: &Cancel,
) -> Result<State, Error> {
    require_pid(pid, snapshot)?;
    let filter = Filter {
        timestamps: Some(i64::MIN..time.saturating_add(1)),
        pids: Some(vec![pid.to_owned()]),
        event_types: Some(STATE_EVENT_TYPES.map(str::to_owned).to_vec()),
        ..Filter::default()
    };
    let mut events = Vec::new();
    for part in snapshot.parts() {
        cancel.check()?;
        let (segment, visible) = (part.segment, part.rows.end);
        if let Some(last) = last_values(pid, time, &part) {
            events.extend(last);
        } else if let Some(mut matching) = matching_rows(&filter, &part) {
            let validity = &segment.columns.validity[NullableColumn::Data as usize];
            matching.intersect_words(|index| validity.word(index));
            events.extend(matching.iter().map(|row| Located {
                segment,
                visible,
                row,
            }));
        }
    }
    events.sort_by_key(|at| (at.timestamp(), at.seq()));
    let mut variables = BTreeMap::new();
    let mut states = BTreeMap::new();
    for at in events {
        let data = at.segment.columns.data.text(at.row);
        match at.text(DictionaryColumn::EventType, None) {
            Some("local_variable_snapshot") => add_variables(at, data, &mut variables),
            Some("state_snapshot") => add_state(at, data, "state", &mut states),
            _ => add_state(at, data, "new_state", &mut states),
        }
    }
    Ok(State {
        variables: variables.into_values().collect(),
        states: states.into_values().collect(),
    })
}

/// The events that the last values of a part come from, where its index tells: all of its rows are at or before the time.
fn last_values<'a>(
    pid: &str,
    time: i64,
    part: &Part<'a>,
) -> Option<impl Iterator<Item = Located<'a>> + use<'a>> {
    let states = part.whole_index()?.states.as_ref()?;
    let segment = part.segment;
    if segment.bounds.max_timestamp() > time {
        return None;
    }
    let pids = &segment.columns.dictionaries[DictionaryColumn::Pid as usize];
    let last = pids.code_of(pid).map(|pid| states.last_of(pid));
    let visible = part.rows.end;
    let last = last.unwrap_or_default().iter();
    Some(last.map(move |&row| Located {
        segment,
        visible,
        row: row as usize,
    }))
}

fn add_variables(at: Located<'_>, data: &str, variables: &mut BTreeMap<Key, StateValue>) {
    let Some(object) = json::text_at(data, &["variables".to_owned()]) else {
        return;
    };
    for (name, value) in json::fields(object) {
        let text = |column, nullable| at.text(column, Some(nullable)).map(str::to_owned);
        let is_arity_known = at.segment.is_valid(NullableColumn::Arity, at.row);
        let found = StateValue {
            module: text(DictionaryColumn::Module, NullableColumn::Module),
            function: text(DictionaryColumn::Function, NullableColumn::Function),
            arity: is_arity_known.then(|| at.segment.columns.arity.slice(at.visible)[at.row]),
            name: Some(name.into_owned()),
            value: value.to_owned(),
            event_id: at.event_id(),
            timestamp: at.timestamp(),
        };
        variables.insert(key(&found), found);
    }
}

fn add_state(at: Located<'_>, data: &str, field: &str, states: &mut BTreeMap<Key, StateValue>) {
    let Some(value) = json::fields(data).find_map(|(name, value)| (name == field).then_some(value))
    else {
        return;
    };
    let name = match json::value_at(data, &["name".to_owned()]) {
        Some(json::Found::Scalar(crate::scalar::Scalar::Text(name))) => Some(name.into_owned()),
        _ => None,
    };
    let found = StateValue {
        module: at
            .text(DictionaryColumn::Module, Some(NullableColumn::Module))
            .map(str::to_owned),
        function: None,
        arity: None,
        name,
        value: value.to_owned(),
        event_id: at.event_id(),
        timestamp: at.timestamp(),
    };
    states.insert(key(&found), found);
}

fn key(value: &StateValue) -> Key {
    fn absent_last<T: Clone>(value: &Option<T>) -> AbsentLast<T> {
        (value.is_none(), value.clone())
    }
    (
        absent_last(&value.module),
        absent_last(&value.function),
        absent_last(&value.arity),
        absent_last(&value.name),
    )
}
