//! Recordings in directories of their own, and images of them as a killed process would leave them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use kinescope_store::{DiskOptions, Probe, Store, StoreOptions};

use super::PATIENCE;

/// A directory that goes when this does.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kinescope-test-{}-{number}", std::process::id());
        // In memory where there is such a file system: waiting for a disk shows nothing here.
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let path = root.join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Options of a recording that keeps everything in its directory, so that an image of that is an image of all.
pub fn disk(path: &Path, probe: Option<Probe>) -> DiskOptions {
    DiskOptions {
        path: path.to_owned(),
        rings_in_directory: true,
        memory_bytes: None,
        probe,
    }
}

/// Later than any other process of the recording, so that raw time needs no offset.
pub fn later(mut options: StoreOptions, lives: i64) -> StoreOptions {
    options.raw_now_ns += lives * 1_000_000_000_000;
    options
}

/// What a file system that is looked at now would give after a crash: pages of shared mappings included.
pub fn image(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            image(&entry.path(), &target);
        } else {
            copy_sparse(&entry.path(), &target);
        }
    }
}

/// Copies without filling the holes: heads have room for more than they hold.
fn copy_sparse(from: &Path, to: &Path) {
    let Ok(mut source) = fs::File::open(from) else {
        return;
    };
    use io::{Read, Seek, SeekFrom, Write};
    let len = source.metadata().unwrap().len();
    let mut target = fs::File::create(to).unwrap();
    target.set_len(len).unwrap();
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    while at < len {
        let read = source.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        if buffer[..read].iter().any(|byte| *byte != 0) {
            target.seek(SeekFrom::Start(at)).unwrap();
            target.write_all(&buffer[..read]).unwrap();
        }
        at += read as u64;
    }
}

/// Which step of which thread an image is taken before.
#[derive(Clone, Debug)]
struct Armed {
    thread: &'static str,
    steps: u32,
}

#[derive(Default)]
struct Points {
    armed: Mutex<Option<Armed>>,
    fired: Mutex<Option<&'static str>>,
    changed: Condvar,
}

/// Takes an image of a recording before a step that changes a file.
#[derive(Clone)]
pub struct CrashPoints {
    from: PathBuf,
    to: PathBuf,
    points: Arc<Points>,
}

impl CrashPoints {
    pub fn new(from: &Path, to: &Path) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            points: Arc::default(),
        }
    }

    pub fn probe(&self) -> Probe {
        let own = self.clone();
        Arc::new(move |step| {
            own.pass(step);
            Ok(())
        })
    }

    fn pass(&self, step: &'static str) {
        // Held while an image is taken: nobody else begins a step meanwhile.
        let mut armed = self.points.armed.lock().unwrap();
        let name = std::thread::current().name().unwrap_or("").to_owned();
        let Some(point) = armed.as_mut().filter(|point| point.thread == name) else {
            return;
        };
        if point.steps > 0 {
            point.steps -= 1;
            return;
        }
        *armed = None;
        image(&self.from, &self.to);
        *self.points.fired.lock().unwrap() = Some(step);
        self.points.changed.notify_all();
    }

    /// Runs `work` while no step can begin, and takes an image before the `steps`-th step of a thread after it. Gives that
    /// step, or none if the thread does not come that far while `until` does not hold.
    pub fn crash(
        &self,
        thread: &'static str,
        steps: u32,
        work: impl FnOnce(),
        until: impl Fn() -> bool,
    ) -> Option<&'static str> {
        let mut armed = self.points.armed.lock().unwrap();
        work();
        *armed = Some(Armed { thread, steps });
        drop(armed);
        self.wait(until)
    }

    /// Takes an image before the `steps`-th step of a thread from now on, while `work` is done; gives as [`CrashPoints::crash`].
    pub fn crash_during(
        &self,
        thread: &'static str,
        steps: u32,
        work: impl FnOnce(),
        until: impl Fn() -> bool,
    ) -> Option<&'static str> {
        *self.points.armed.lock().unwrap() = Some(Armed { thread, steps });
        work();
        self.wait(until)
    }

    fn wait(&self, until: impl Fn() -> bool) -> Option<&'static str> {
        let end = std::time::Instant::now() + PATIENCE;
        let mut fired = self.points.fired.lock().unwrap();
        while fired.is_none() && !until() {
            assert!(
                std::time::Instant::now() < end,
                "neither a crash nor an end"
            );
            let pause = Duration::from_millis(2);
            fired = self.points.changed.wait_timeout(fired, pause).unwrap().0;
        }
        drop(fired);
        // Whoever is at it finishes.
        *self.points.armed.lock().unwrap() = None;
        self.points.fired.lock().unwrap().take()
    }
}

/// Files of a recording whose names end so.
pub fn files(path: &Path, end: &str) -> usize {
    let names = fs::read_dir(path).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(end)).count()
}

pub fn open_on_disk(options: StoreOptions, path: &Path) -> Store {
    Store::open_on_disk(options, &disk(path, None)).unwrap()
}
