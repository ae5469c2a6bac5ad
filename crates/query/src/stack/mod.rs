//! The call stack of a logical process at a time.

mod exits;
mod history;

use kinescope_store::columns::{DictionaryColumn, NullableColumn};
use kinescope_store::index::calls::ENTRY;
use kinescope_store::{Error, ErrorCode, Snapshot};

use crate::cancel::Cancel;
use crate::find::Located;
use crate::id_set::IdSet;
use exits::Exits;
use history::History;

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
    let history = History::new(pid, time, snapshot);
    if history.has_links(cancel)? {
        let exits = Exits::new(time, snapshot);
        let innermost = history.innermost_open(&exits, cancel)?;
        by_parents(innermost, &exits, has_evictions, snapshot, cancel)
    } else {
        Ok(by_matching(&history.calls(cancel)?, has_evictions))
    }
}

/// # Errors
/// `NOT_FOUND`.
pub(crate) fn require_pid(pid: &str, snapshot: &Snapshot) -> Result<(), Error> {
    let column = DictionaryColumn::Pid;
    let is_known = snapshot.parts().iter().any(|part| {
        let code = part.segment.columns.dictionaries[column as usize].code_of(pid);
        // The open segment's dictionary may be ahead of the snapshot.
        code.is_some_and(|code| {
            let whole = part.whole_index();
            match whole.and_then(|index| index.column(column).counts().get(code as usize)) {
                Some(&count) => count > 0,
                None => part.segment.columns.codes[column as usize].slice(part.rows.end)
                    [part.rows.clone()]
                .contains(&(code as i32)),
            }
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

/// The innermost open call and its chain of parents, across pids, leaving out exited calls and events that are no entries.
fn by_parents(
    innermost: Option<Located<'_>>,
    exits: &Exits<'_>,
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
        at.text(DictionaryColumn::EventType, None) == Some(ENTRY) && at.timestamp() <= exits.time
    };
    chain.retain(is_entry);
    let ids = chain.iter().map(Located::event_id).collect();
    let exited = exits.among(&ids, cancel)?;
    let open = chain
        .into_iter()
        .filter(|at| !exited.contains(at.event_id()));
    Ok(CallStack {
        frames: open.map(frame).collect(),
        incomplete,
    })
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
