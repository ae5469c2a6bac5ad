//! The call stack of a logical process at a time.

use std::collections::HashSet;

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::{Error, ErrorCode, Snapshot};

use crate::bitmap::Bitmap;
use crate::cancel::Cancel;
use crate::filter::{Filter, matching_rows};
use crate::find::Located;

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
    let calls = calls_of(pid, time, snapshot, cancel)?;
    let has_evictions = snapshot.first_seq() > 0;
    if calls.iter().any(|call| call.at.parent_id().is_some()) {
        by_parents(&calls, time, has_evictions, snapshot, cancel)
    } else {
        Ok(by_matching(&calls, has_evictions))
    }
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

/// Entries and exits of the pid up to the time, in time order.
fn calls_of<'a>(
    pid: &str,
    time: i64,
    snapshot: &'a Snapshot,
    cancel: &Cancel,
) -> Result<Vec<Call<'a>>, Error> {
    let filter = Filter {
        timestamps: Some(i64::MIN..time.saturating_add(1)),
        pids: Some(vec![pid.to_owned()]),
        event_types: Some(vec![ENTRY.to_owned(), EXIT.to_owned()]),
        ..Filter::default()
    };
    let mut calls = Vec::new();
    for (segment, visible) in snapshot.segments() {
        cancel.check()?;
        let Some(matching) = matching_rows(&filter, segment, visible) else {
            continue;
        };
        let entry_code =
            segment.columns.dictionaries[DictionaryColumn::EventType as usize].code_of(ENTRY);
        let types = segment.columns.codes[DictionaryColumn::EventType as usize].slice(visible);
        calls.extend(matching.iter().map(|row| Call {
            at: Located {
                segment,
                visible,
                row,
            },
            is_entry: Some(types[row] as u32) == entry_code,
        }));
    }
    calls.sort_by_key(|call| (call.at.timestamp(), call.at.seq()));
    Ok(calls)
}

/// The most recently entered open call and its chain of parents, across pids, leaving out exited calls and events that
/// are no entries.
fn by_parents(
    calls: &[Call<'_>],
    time: i64,
    has_evictions: bool,
    snapshot: &Snapshot,
    cancel: &Cancel,
) -> Result<CallStack, Error> {
    let entry_ids: HashSet<u64> = calls
        .iter()
        .filter(|call| call.is_entry)
        .map(|call| call.at.event_id())
        .collect();
    let exited = exited_among(&entry_ids, time, snapshot, cancel)?;
    let innermost = calls
        .iter()
        .rev()
        .find(|call| call.is_entry && !exited.contains(&call.at.event_id()));
    let Some(innermost) = innermost else {
        return Ok(CallStack {
            frames: Vec::new(),
            incomplete: has_evictions.then_some(Incomplete::Truncated),
        });
    };
    let mut chain = vec![innermost.at];
    let mut visited = HashSet::from([innermost.at.seq()]);
    let mut incomplete = None;
    let mut next = innermost.at;
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
        .filter(|at| !exited.contains(&at.event_id()));
    Ok(CallStack {
        frames: open.map(frame).collect(),
        incomplete,
    })
}

/// Those of the entries that an exit at or before the time belongs to.
fn exited_among(
    entry_ids: &HashSet<u64>,
    time: i64,
    snapshot: &Snapshot,
    cancel: &Cancel,
) -> Result<HashSet<u64>, Error> {
    let filter = Filter {
        timestamps: Some(i64::MIN..time.saturating_add(1)),
        event_types: Some(vec![EXIT.to_owned()]),
        ..Filter::default()
    };
    let mut exited = HashSet::new();
    for (segment, visible) in snapshot.segments() {
        cancel.check()?;
        let Some(mut matching) = matching_rows(&filter, segment, visible) else {
            continue;
        };
        let validity = &segment.columns.validity[NullableColumn::ParentId as usize];
        matching.intersect_words(|index| validity.word(index));
        let parents = segment.columns.parent_id.slice(visible);
        exited.extend(members(&matching, parents, entry_ids));
    }
    Ok(exited)
}

fn members<'a>(
    rows: &'a Bitmap,
    values: &'a [u64],
    wanted: &'a HashSet<u64>,
) -> impl Iterator<Item = u64> + 'a {
    rows.iter()
        .map(|row| values[row])
        .filter(|value| wanted.contains(value))
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
