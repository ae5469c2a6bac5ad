//! What is on a disk after a machine has lost its power: names as of the last sync of the directory, contents as of the last
//! sync of the file, and of everything since then any part.
//!
//! The idea is that of CrashMonkey (Mohan et al., OSDI 2018), with the steps of [`Probe`] in place of block writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kinescope_store::Probe;

/// Larger files are heads, which nothing syncs here.
const CONTENT_MAX_BYTES: u64 = 1 << 20;
/// Where a commit record begins that only the machine's memory has.
const COMMIT_AT: usize = 4096;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Bytes(Arc<Vec<u8>>),
    Zeros(u64),
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(len) => *len,
        }
    }
}

type Files = BTreeMap<String, Content>;

/// A directory before a step that changes it.
struct Seen {
    thread: String,
    step: &'static str,
    files: Files,
}

/// Names that one step gave contents to, or took away; all of them or none.
type Change = Vec<(String, Option<Content>)>;

/// Watches a recording's directory.
#[derive(Clone)]
pub struct PowerLosses {
    path: PathBuf,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl PowerLosses {
    /// Everything that is there now is on the disk.
    pub fn of(path: &Path) -> Self {
        let start = Seen {
            thread: String::new(),
            step: "start",
            files: files_in(path),
        };
        Self {
            path: path.to_owned(),
            seen: Arc::new(Mutex::new(vec![start])),
        }
    }

    pub fn probe(&self) -> Probe {
        let own = self.clone();
        Arc::new(move |step| {
            own.see(step);
            Ok(())
        })
    }

    fn see(&self, step: &'static str) {
        // Held while the directory is read: nobody else begins a step meanwhile.
        let mut seen = self.seen.lock().unwrap();
        let thread = std::thread::current().name().unwrap_or("").to_owned();
        let files = files_in(&self.path);
        seen.push(Seen {
            thread,
            step,
            files,
        });
    }

    /// How many steps have begun.
    pub fn steps(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// What the step is called before which power is lost at `at`.
    pub fn step(&self, at: usize) -> &'static str {
        self.seen.lock().unwrap()[at].step
    }

    /// Makes what may be there if power is lost before a step; `choose` gives a number below the one that it is given, where
    /// 0 is for what has been there for longest.
    pub fn lose(&self, at: usize, to: &Path, mut choose: impl FnMut(usize) -> usize) {
        let seen = self.seen.lock().unwrap();
        let seen = &seen[..=at];
        let base = (0..at).rev().find(|&base| {
            let done = |later: &Seen| later.thread == seen[base].thread;
            seen[base].step == "directory.sync" && seen[base + 1..].iter().any(done)
        });
        let base = base.unwrap_or(0);
        let mut names = seen[base].files.clone();
        for pair in seen[base..].windows(2) {
            for change in changes(&pair[0].files, &pair[1].files) {
                if choose(2) == 1 {
                    apply(&mut names, change);
                }
            }
        }
        let synced = synced(seen);
        for (name, content) in names {
            let content = kept(seen, &synced, &name, content, &mut choose);
            write(&to.join(&name), &name, &content);
        }
    }
}

/// Of a directory's files; other directories are rings, which are in memory.
fn files_in(path: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        // One that has gone meanwhile is not there.
        let Ok(meta) = entry.metadata() else { continue };
        if !meta.is_file() {
            continue;
        }
        let content = match meta.len() <= CONTENT_MAX_BYTES {
            true => fs::read(entry.path()).map(|bytes| Content::Bytes(Arc::new(bytes))),
            false => Ok(Content::Zeros(meta.len())),
        };
        if let Ok(content) = content {
            files.insert(entry.file_name().to_string_lossy().into_owned(), content);
        }
    }
    files
}

/// What is different, one by one but for files that were renamed.
fn changes(before: &Files, after: &Files) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut changed: BTreeMap<&String, Option<&Content>> = BTreeMap::new();
    for name in before.keys().chain(after.keys()) {
        if before.get(name) != after.get(name) {
            changed.insert(name, after.get(name));
        }
    }
    let gone: Vec<&String> = changed
        .iter()
        .filter(|(_, content)| content.is_none())
        .map(|(name, _)| *name)
        .collect();
    for name in gone {
        let content = before.get(name);
        let new_name = changed
            .iter()
            .find(|(_, now)| now.is_some() && **now == content)
            .map(|(name, _)| *name);
        let mut change = vec![(name.clone(), None)];
        changed.remove(name);
        if let Some(new_name) = new_name {
            changed.remove(new_name);
            change.push((new_name.clone(), content.cloned()));
        }
        changes.push(change);
    }
    let others = changed.into_iter();
    changes.extend(others.map(|(name, content)| vec![(name.clone(), content.cloned())]));
    changes
}

fn apply(files: &mut Files, change: Change) {
    for (name, content) in change {
        match content {
            Some(content) => files.insert(name, content),
            None => files.remove(&name),
        };
    }
}

/// Contents of which the disk has every byte.
fn synced(seen: &[Seen]) -> BTreeSet<Content> {
    let mut synced: BTreeSet<Content> = seen[0].files.values().cloned().collect();
    for (at, of) in seen.iter().enumerate() {
        // A merger's files are put in place by another thread, after its end.
        let is_done = seen[at + 1..].iter().any(|later| {
            later.thread == of.thread
                || (of.thread == "kinescope-merger" && later.step == "merge.rename-arrow")
        });
        let is_synced = |name: &str| match of.step {
            "seal.sync" | "index.sync" | "replace.sync" => name.ends_with(".new"),
            "durable.sync" => name == "durable",
            _ => false,
        };
        if is_done {
            let files = of.files.iter().filter(|(name, _)| is_synced(name));
            synced.extend(files.map(|(_, content)| content.clone()));
        }
    }
    synced
}

/// What the disk has of a file: what was synced, what is there, or, of a new one, no more than its name or its length.
fn kept(
    seen: &[Seen],
    synced: &BTreeSet<Content>,
    name: &str,
    content: Content,
    choose: &mut impl FnMut(usize) -> usize,
) -> Content {
    if synced.contains(&content) {
        return content;
    }
    let history = seen.iter().rev().map(|seen| seen.files.get(name));
    let old = history
        .take_while(Option::is_some)
        .flatten()
        .find(|old| synced.contains(old));
    let zeros = Content::Zeros(content.len());
    let candidates = match old {
        Some(old) => vec![old.clone(), content],
        None => vec![Content::Zeros(0), zeros, content],
    };
    candidates[choose(candidates.len())].clone()
}

fn write(path: &Path, name: &str, content: &Content) {
    match content {
        Content::Bytes(bytes) if name == "state" => {
            let mut bytes = bytes.to_vec();
            let len = bytes.len();
            bytes[COMMIT_AT.min(len)..].fill(0);
            fs::write(path, bytes).unwrap();
        }
        Content::Bytes(bytes) => fs::write(path, bytes.as_slice()).unwrap(),
        Content::Zeros(len) => fs::File::create(path).unwrap().set_len(*len).unwrap(),
    }
}
