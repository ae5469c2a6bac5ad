//! One writer: a lock that the kernel takes back when its process ends.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::directory::open_or_create;
use crate::error::{Error, ErrorCode};

/// How long a lock is waited for that another one than a writer may hold for a moment: [`Lock::is_held`], or a process that
/// was being started when the writer died, which has copies of its files until it runs its program.
const PASSING_MAX: Duration = Duration::from_millis(100);
/// How long a process may take to end.
const ENDING_MAX: Duration = Duration::from_secs(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

/// Held for as long as it lives.
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// Takes a lock file, and writes into it who did.
    ///
    /// # Errors
    /// `LOCKED` with the holder's process id, `IO`.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let io = |error: std::io::Error| Error::io(path.display(), &error);
        let mut file = open_or_create(path).map_err(io)?;
        let give_up = Instant::now() + PASSING_MAX;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if Instant::now() < give_up => {
                    std::thread::sleep(BETWEEN_TRIES);
                }
                Err(Errno::WOULDBLOCK) => return Err(locked(path)),
                Err(errno) => return Err(io(errno.into())),
            }
        }
        let own = std::process::id();
        let written = file
            .set_len(0)
            .and_then(|()| file.write_all(format!("{own} {}\n", start_time(own)).as_bytes()));
        // On a full disk the lock holds all the same; only who has it cannot be told.
        let _ = written;
        Ok(Self { file })
    }

    /// Whether somebody holds a lock file now.
    pub(crate) fn is_held(path: &Path) -> bool {
        File::open(path).is_ok_and(|file| {
            let is_free = flock(&file, FlockOperation::NonBlockingLockShared);
            // As in `drop`.
            let _ = flock(&file, FlockOperation::Unlock);
            is_free == Err(Errno::WOULDBLOCK)
        })
    }

    /// Whether somebody holds a lock file and goes on holding it. Waits for a process that is just ending, which gives its locks back
    /// one by one; one that holds a lock without being who took it has inherited it, and does not count.
    pub(crate) fn is_kept(path: &Path) -> bool {
        let give_up = Instant::now() + ENDING_MAX;
        while Self::is_held(path) {
            let lives = holder(path).is_some_and(|(id, started)| start_time(id) == started);
            if !lives || Instant::now() >= give_up {
                return lives;
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        false
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would leave the lock with a process that is just being started, which has a copy of it.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Who holds a lock, if that can be told, as a process id and when that process was started.
fn holder(path: &Path) -> Option<(u32, u64)> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(64).read_to_string(&mut text).ok()?;
    let (id, started) = text.trim_end().split_once(' ')?;
    Some((id.parse().ok()?, started.parse().ok()?))
}

fn locked(path: &Path) -> Error {
    let holder = holder(path).map_or("another process".to_owned(), |(id, _)| {
        format!("process {id}")
    });
    let recording = path.parent().unwrap_or(path).display();
    Error::new(
        ErrorCode::Locked,
        format!(
            "path: expected a recording that nobody writes, got {recording}, which {holder} writes; mode 'read' opens it all the same"
        ),
    )
}

/// When a process was started, in clock ticks since the machine was: process ids come again.
fn start_time(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name may hold anything, so fields are counted from the parenthesis that ends it.
    stat.rsplit_once(')')
        .and_then(|(_, fields)| fields.split_ascii_whitespace().nth(19)?.parse().ok())
        .unwrap_or(0)
}
