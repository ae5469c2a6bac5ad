//! The call stack of a logical process at a time.

use std::sync::Arc;

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::{Error, ErrorCode, Segment, Snapshot};

use crate::cancel::Cancel;
use crate::evaluate::{Rows, retain_valid};
use crate::filter::{Filter, matching_rows};
use crate::find::Located;
use crate::id_set::IdSet;

const ENTRY: &str = "function_entry";
const EXIT: &str = "function_exit";

/// An open call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackFrame {
    /// The logical process that entered it.
    pub pid: String,
    /// Module.
    pub module: Option<String>,
    /// Function.
    pub function: Option<String>,
    /// Number of parameters.
    pub arity: Option<u16>,
    /// Source file.
    pub file: Option<String>,
    /// 1-based.
    pub line: Option<u32>,
    /// The id of its entry.
    pub entry_id: u64,
    /// The time of its entry.
    pub entered_at: i64,
}

/// Why a stack may lack frames, or have some too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// The log does not reach back far enough.
    Truncated,
    /// An exit without its entry.
    Unbalanced,
}

/// A call stack, innermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallStack {
    /// Open calls.
    pub frames: Vec<StackFrame>,
    /// None: the stack is complete.
    pub incomplete: Option<Incomplete>,
}

/// The stack of `pid` at `time`, events at that time included.
///
/// # Errors
/// `NOT_FOUND` for a pid that never recorded, as far as the log tells; as [`Cancel::check`].
pub fn call_stack_at(
    pid: &str,
    time: i64,
    snapshot: &Snapshot,
    cancel: &Cancel,
) -> Result<CallStack, Error> {
    require_pid(pid, snapshot)?;
    let has_evictions = snapshot.first_seq() > 0;
    let filter = calls_filter(Some(pid), time);
    let links = |(segment, visible): (&Arc<Segment>, usize)| {
        matching_rows(&filter, segment, visible).is_some_and(|mut calls| {
            let rows = Rows {
                segment,
                count: visible,
            };
            retain_valid(NullableColumn::ParentId, rows, &mut calls);
            !calls.is_empty()
        })
    };
    if snapshot.segments().any(links) {
        let innermost = innermost_open(pid, time, snapshot, cancel)?;
        by_parents(innermost, time, has_evictions, snapshot, cancel)
    } else {
        Ok(by_matching(
            &calls_of(&filter, snapshot, cancel)?,
            has_evictions,
        ))
    }
}

/// Entries and exits up to the time, of one logical process or of all.
fn calls_filter(pid: Option<&str>, time: i64) -> Filter {
    Filter {
        timestamps: Some(i64::MIN..time.saturating_add(1)),
        pids: pid.map(|pid| vec![pid.to_owned()]),
        event_types: Some(vec![ENTRY.to_owned(), EXIT.to_owned()]),
        ..Filter::default()
    }
}

/// The pid's most recently entered call that no exit at or before the time belongs to.
///
/// In a log that is in the order of time the newest entries and exits tell, and only an exit that was recorded before its
/// own entry can prove them wrong; then, and in any other log, all exits are taken in before any entry is judged.
fn innermost_open<'a>(
    pid: &str,
    time: i64,
    snapshot: &'a Snapshot,
    cancel: &Cancel,
) -> Result<Option<Located<'a>>, Error> {
    if is_in_time_order(snapshot) {
        let newest = newest_open(pid, time, snapshot, cancel)?;
        let Some(candidate) = newest else {
            return Ok(None);
        };
        let id = candidate.event_id();
        if !exited_among(&IdSet::from_iter([id]), time, snapshot, cancel)?.contains(id) {
            return Ok(newest);
        }
    }
    let entries = calls_of(&calls_filter(Some(pid), time), snapshot, cancel)?;
    let entries = || {
        entries
            .iter()
            .filter(|call| call.is_entry)
            .map(|call| call.at)
    };
    let exited = exited_among(
        &entries().map(|at| at.event_id()).collect(),
        time,
        snapshot,
        cancel,
    )?;
    Ok(entries().rfind(|at| !exited.contains(at.event_id())))
}

/// Walks back from the time until a call of the pid is entered whose exit has not been passed.
fn newest_open<'a>(
    pid: &str,
    time: i64,
    snapshot: &'a Snapshot,
    cancel: &Cancel,
) -> Result<Option<Located<'a>>, Error> {
    let filter = calls_filter(None, time);
    let mut exited = IdSet::default();
    let mut open = |call: Call<'a>| {
        if !call.is_entry {
            call.at.parent_id().map(|entry| exited.insert(entry));
            return None;
        }
        let is_open = !exited.contains(call.at.event_id())
            && call.at.text(DictionaryColumn::Pid, None) == Some(pid);
        is_open.then_some(call.at)
    };
    for (segment, visible) in snapshot.segments().rev() {
        cancel.check()?;
        let Some(matching) = matching_rows(&filter, segment, visible) else {
            continue;
        };
        let mut calls = matching.iter_back().map(|row| {
            Call::new(Located {
                segment,
                visible,
                row,
            })
        });
        let found = calls.find_map(&mut open);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Whether timestamps do not decrease from row to row, and from segment to segment.
fn is_in_time_order(snapshot: &Snapshot) -> bool {
    let mut latest = i64::MIN;
    snapshot.segments().all(|(segment, _)| {
        let follows = segment.bounds.in_time_order() && segment.bounds.min_timestamp() >= latest;
        latest = segment.bounds.max_timestamp();
        follows
    })
}

/// # Errors
/// `NOT_FOUND`.
pub(crate) fn require_pid(pid: &str, snapshot: &Snapshot) -> Result<(), Error> {
    let column = DictionaryColumn::Pid as usize;
    let is_known = snapshot.segments().any(|(segment, count)| {
        let code = segment.columns.dictionaries[column].code_of(pid);
        // The open segment's dictionary may be ahead of the snapshot.
        code.is_some_and(|code| {
            segment.columns.codes[column]
                .slice(count)
                .contains(&(code as i32))
        })
    });
    if is_known {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::NotFound,
        format!("pid: {pid:?} has not recorded anything that the log still holds"),
    ))
}

struct Call<'a> {
    at: Located<'a>,
    is_entry: bool,
}

impl<'a> Call<'a> {
    fn new(at: Located<'a>) -> Self {
        Self {
            at,
            is_entry: at.text(DictionaryColumn::EventType, None) == Some(ENTRY),
        }
    }
}

/// Entries and exits in the order of time.
fn calls_of<'a>(
    filter: &Filter,
    snapshot: &'a Snapshot,
    cancel: &Cancel,
) -> Result<Vec<Call<'a>>, Error> {
    let mut calls = Vec::new();
    for (segment, visible) in snapshot.segments() {
        cancel.check()?;
        let Some(matching) = matching_rows(filter, segment, visible) else {
            continue;
        };
        calls.extend(matching.iter().map(|row| {
            Call::new(Located {
                segment,
                visible,
                row,
            })
        }));
    }
    calls.sort_by_key(|call| (call.at.timestamp(), call.at.seq()));
    Ok(calls)
}

/// The innermost open call and its chain of parents, across pids, leaving out exited calls and events that are no entries.
fn by_parents(
    innermost: Option<Located<'_>>,
    time: i64,
    has_evictions: bool,
    snapshot: &Snapshot,
    cancel: &Cancel,
) -> Result<CallStack, Error> {
    let Some(innermost) = innermost else {
        return Ok(CallStack {
            frames: Vec::new(),
            incomplete: has_evictions.then_some(Incomplete::Truncated),
        });
    };
    let mut chain = vec![innermost];
    let mut visited = IdSet::from_iter([innermost.seq()]);
    let mut incomplete = None;
    let mut next = innermost;
    while let Some(parent_id) = next.parent_id() {
        cancel.check()?;
        let Some(parent) = Located::by_id(parent_id, snapshot) else {
            incomplete = Some(Incomplete::Truncated);
            break;
        };
        if !visited.insert(parent.seq()) {
            break;
        }
        chain.push(parent);
        next = parent;
    }
    let is_entry = |at: &Located<'_>| {
        at.text(DictionaryColumn::EventType, None) == Some(ENTRY) && at.timestamp() <= time
    };
    chain.retain(is_entry);
    let ids = chain.iter().map(Located::event_id).collect();
    let exited = exited_among(&ids, time, snapshot, cancel)?;
    let open = chain
        .into_iter()
        .filter(|at| !exited.contains(at.event_id()));
    Ok(CallStack {
        frames: open.map(frame).collect(),
        incomplete,
    })
}

/// Those of the entries that an exit at or before the time belongs to.
fn exited_among(
    entry_ids: &IdSet,
    time: i64,
    snapshot: &Snapshot,
    cancel: &Cancel,
) -> Result<IdSet, Error> {
    let filter = Filter {
        timestamps: Some(i64::MIN..time.saturating_add(1)),
        event_types: Some(vec![EXIT.to_owned()]),
        ..Filter::default()
    };
    let mut exited = IdSet::default();
    for (segment, visible) in snapshot.segments() {
        cancel.check()?;
        let Some(mut matching) = matching_rows(&filter, segment, visible) else {
            continue;
        };
        let validity = &segment.columns.validity[NullableColumn::ParentId as usize];
        matching.intersect_words(|index| validity.word(index));
        let parents = segment.columns.parent_id.slice(visible);
        for row in matching.iter() {
            if entry_ids.contains(parents[row]) {
                exited.insert(parents[row]);
            }
        }
    }
    Ok(exited)
}

/// An exit pops the nearest entry of the same function and leaves the entries above it open.
fn by_matching(calls: &[Call<'_>], has_evictions: bool) -> CallStack {
    let mut open: Vec<(Located<'_>, StackFrame)> = Vec::new();
    let mut has_unmatched = false;
    for call in calls {
        let own = frame(call.at);
        if call.is_entry {
            open.push((call.at, own));
            continue;
        }
        let same = |(_, entry): &(Located<'_>, StackFrame)| {
            (&entry.module, &entry.function, entry.arity) == (&own.module, &own.function, own.arity)
        };
        match open.iter().rposition(same) {
            Some(entry) => drop(open.remove(entry)),
            None => has_unmatched = true,
        }
    }
    let incomplete = match (has_evictions, has_unmatched) {
        (true, _) => Some(Incomplete::Truncated),
        (false, true) => Some(Incomplete::Unbalanced),
        (false, false) => None,
    };
    CallStack {
        frames: open.into_iter().rev().map(|(_, frame)| frame).collect(),
        incomplete,
    }
}

fn frame(at: Located<'_>) -> StackFrame {
    let owned = |column, nullable| at.text(column, Some(nullable)).map(str::to_owned);
    let columns = &at.segment.columns;
    let is_valid = |column| at.segment.is_valid(column, at.row);
    StackFrame {
        pid: at
            .text(DictionaryColumn::Pid, None)
            .unwrap_or_default()
            .to_owned(),
        module: owned(DictionaryColumn::Module, NullableColumn::Module),
        function: owned(DictionaryColumn::Function, NullableColumn::Function),
        arity: is_valid(NullableColumn::Arity).then(|| columns.arity.slice(at.visible)[at.row]),
        file: owned(DictionaryColumn::File, NullableColumn::File),
        line: is_valid(NullableColumn::Line).then(|| columns.line.slice(at.visible)[at.row]),
        entry_id: at.event_id(),
        entered_at: at.timestamp(),
    }
}
