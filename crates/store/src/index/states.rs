//! Checkpoints for states: which of a segment's events each logical process's last values come from.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::codes::CodeColumn;
use super::file::{Sink, Source};
use super::rows_by_pid::RowsByPid;
use crate::columns::{DictionaryColumn, NullableColumn};
use crate::json::{self, Found};
use crate::scalar::Scalar;
use crate::segment::Segment;

/// Types of the events that tell state.
pub const STATE_EVENT_TYPES: [&str; 3] =
    ["local_variable_snapshot", "state_snapshot", "state_change"];

/// Values that a segment's states have, at most; of more there are no checkpoints.
const VALUES_MAX: usize = 1 << 18;

/// The rows of all events that have the last value of something.
#[derive(PartialEq)]
pub struct StateIndex {
    last: RowsByPid,
}

impl StateIndex {
    /// None when there are too many values.
    pub(crate) fn build(
        segment: &Segment,
        rows: usize,
        codes: &[CodeColumn; DictionaryColumn::COUNT],
    ) -> Option<Self> {
        let types = &segment.columns.dictionaries[DictionaryColumn::EventType as usize];
        let state_types = STATE_EVENT_TYPES.map(|text| types.code_of(text));
        if state_types.iter().all(Option::is_none) {
            return Some(Self {
                last: RowsByPid::default(),
            });
        }
        let code =
            |column: DictionaryColumn, row: usize| codes[column as usize].codes.get(row) as u32;
        let timestamps = segment.columns.timestamp.slice(rows);
        let mut last: HashMap<(u32, u64), u32, FixedState> = HashMap::default();
        for row in 0..rows {
            let event_type = Some(code(DictionaryColumn::EventType, row));
            let Some(kind) = state_types.iter().position(|&of| of == event_type) else {
                continue;
            };
            let pid = code(DictionaryColumn::Pid, row);
            for key in keys_of(segment, row, kind, &code) {
                let known = last.entry((pid, key)).or_insert(row as u32);
                if timestamps[row] >= timestamps[*known as usize] {
                    *known = row as u32;
                }
            }
            if last.len() > VALUES_MAX {
                return None;
            }
        }
        let last = last.into_iter().map(|((pid, _), row)| (pid, row));
        Some(Self {
            last: RowsByPid::new(last.collect()),
        })
    }

    /// Of a pid, by its code, the rows that its last values come from, ascending.
    pub fn last_of(&self, pid: u32) -> &[u32] {
        self.last.of(pid)
    }

    pub(super) fn write(&self, to: &mut Sink<'_>) {
        self.last.write(to);
    }

    pub(super) fn read(from: &mut Source<'_>, rows: usize) -> Option<Self> {
        let last = RowsByPid::read(from, rows)?;
        Some(Self { last })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.last.bytes()
    }
}

/// Hashes of what an event of a kind, by its place in [`STATE_EVENT_TYPES`], has values of. Two things of one hash would
/// lose the earlier one's value, which 64 bits make less likely than a failure of memory.
fn keys_of(
    segment: &Segment,
    row: usize,
    kind: usize,
    code: &impl Fn(DictionaryColumn, usize) -> u32,
) -> Vec<u64> {
    if !segment.is_valid(NullableColumn::Data, row) {
        return Vec::new();
    }
    let data = segment.columns.data.text(row);
    let hasher = FixedState::default();
    let module = code(DictionaryColumn::Module, row);
    if kind == 0 {
        let arity = segment.columns.arity.slice(row + 1)[row];
        let arity = segment
            .is_valid(NullableColumn::Arity, row)
            .then_some(arity);
        let function = code(DictionaryColumn::Function, row);
        let variables = json::text_at(data, &["variables".to_owned()]).unwrap_or_default();
        return json::fields(variables)
            .map(|(name, _)| hasher.hash_one((0u8, module, function, arity, &*name)))
            .collect();
    }
    let field = if kind == 1 { "state" } else { "new_state" };
    if !json::fields(data).any(|(name, _)| name == field) {
        return Vec::new();
    }
    let name = match json::value_at(data, &["name".to_owned()]) {
        Some(Found::Scalar(Scalar::Text(name))) => Some(name),
        _ => None,
    };
    vec![hasher.hash_one((1u8, module, name.as_deref()))]
}
