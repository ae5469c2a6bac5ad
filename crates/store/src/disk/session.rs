//! The files of one process that records: rings, definitions, contexts.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kinescope_ring::{Definitions, Publication, Ring, RingError};

use super::blocks::allocate;
use super::commit::{Commit, Place};
use super::directory::{Directory, open_or_create, read_bounded};
use super::lock::Lock;
use super::sequences::{SEQUENCE_JUMP, Sequences};
use crate::error::Error;

/// Memory that is a file system; what is there is gone when the machine stops.
const SHARED_MEMORY: &str = "/dev/shm";
/// Rings for which there should be room before a session's files go there.
const ROOM_FOR_RINGS: u64 = 4;
/// Definitions are capped below this.
const DEFINITIONS_MAX_BYTES: u64 = 256 << 20;

fn hexadecimal(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a session's files may be: in the recording, and in shared memory.
fn places(directory: &Directory, session: u64) -> [(Place, PathBuf); 2] {
    let id = hexadecimal(directory.id());
    [
        (
            Place::SharedMemory,
            Path::new(SHARED_MEMORY).join(format!("kinescope-{id}-{session:016x}")),
        ),
        (
            Place::Directory,
            directory.file(&format!("live-{session:016x}")),
        ),
    ]
}

/// A running process's files.
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) place: Place,
    /// Where definitions and contexts are, and rings as long as they fit.
    pub(crate) path: PathBuf,
    /// Where rings go that find no room.
    overflow: PathBuf,
    sequences: Sequences,
    _owner: Lock,
}

impl Session {
    /// Makes a place for a session's files: in shared memory if there is room for some rings, unless `keep_here`.
    ///
    /// # Errors
    /// `IO`.
    pub(crate) fn create(
        directory: &Directory,
        id: u64,
        ring_bytes: usize,
        keep_here: bool,
    ) -> Result<Self, Error> {
        let needed = Ring::file_bytes(ring_bytes).saturating_mul(ROOM_FOR_RINGS);
        let has_room = !keep_here && free_bytes(Path::new(SHARED_MEMORY)) >= needed;
        let [(_, shared), (_, here)] = places(directory, id);
        let candidates = [
            has_room.then_some((Place::SharedMemory, shared)),
            Some((Place::Directory, here.clone())),
        ];
        let mut last = None;
        for (place, path) in candidates.into_iter().flatten() {
            let owned = private_directory(&path)
                .map_err(|error| Error::io(path.display(), &error))
                .and_then(|()| Lock::take(&path.join("owner")));
            match owned {
                Ok(owner) => {
                    return Ok(Self {
                        id,
                        place,
                        _owner: owner,
                        path,
                        overflow: here,
                        sequences: Sequences::create(directory)
                            .map_err(|error| Error::io("producers", &error))?,
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::corrupt("no place for rings")))
    }

    /// A producer's ring: in the session's place, else in the directory, else in memory that dies with the process.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub(crate) fn create_ring(
        &self,
        producer: u16,
        bytes: usize,
        first_sequence: u64,
        publication: Publication,
        label: &str,
    ) -> Result<Arc<Ring>, RingError> {
        let in_place = |path: &Path| {
            let path = path.join(ring_name(producer));
            let file = ring_file(&path, Ring::file_bytes(bytes)).ok()?;
            let ring = Ring::create_in(&file, producer, bytes, first_sequence, publication, label);
            if ring.is_err() {
                let _ = fs::remove_file(&path);
            }
            ring.ok()
        };
        let ring = in_place(&self.path).or_else(|| {
            private_directory(&self.overflow).ok()?;
            in_place(&self.overflow)
        });
        match ring {
            Some(ring) => Ok(ring),
            None => {
                // Nobody will find out how far it had come, so that has to be written down before.
                let far = first_sequence.saturating_add(SEQUENCE_JUMP);
                let written = self.sequences.write(producer, far);
                written.map_err(|error| RingError::File(format!("producers: {error}")))?;
                Ring::new(producer, bytes, first_sequence, publication)
            }
        }
    }

    /// Definitions that outlive the process.
    ///
    /// # Errors
    /// `IO`.
    pub(crate) fn definitions(&self) -> Result<Definitions, Error> {
        let path = self.path.join("definitions");
        let file = open_or_create(&path).map_err(|error| Error::io(path.display(), &error))?;
        let mut len = 0;
        Ok(Definitions::with_log(Box::new(move |entry| {
            // What was written in part is overwritten by the next.
            let written = file.write_all_at(entry, len).is_ok();
            if written {
                len += entry.len() as u64;
            }
            written
        })))
    }

    /// A ring has been drained.
    pub(crate) fn remove_ring(&self, producer: u16) {
        for path in [&self.path, &self.overflow] {
            let _ = fs::remove_file(path.join(ring_name(producer)));
        }
    }

    /// All rings have been drained.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.path);
        let _ = fs::remove_dir_all(&self.overflow);
    }
}

fn ring_name(producer: u16) -> String {
    format!("ring-{producer}")
}

fn ring_file(path: &Path, len: u64) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    let allocated = file.set_len(len).and_then(|()| allocate(&file, 0, len));
    if allocated.is_err() {
        let _ = fs::remove_file(path);
    }
    allocated.map(|()| file)
}

/// Makes a directory that only its owner may look into.
fn private_directory(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_own(path) => Ok(()),
        result => result,
    }
}

/// Whether it is a directory of this user's: in shared memory anyone may make one of any name.
fn is_own(path: &Path) -> bool {
    let own = fs::metadata("/proc/self").map(|meta| meta.uid());
    fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.is_dir() && own.is_ok_and(|own| own == meta.uid()))
}

fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// What a dead process has left.
pub(crate) struct Remains {
    /// None: they are gone, as those in shared memory are when their container is.
    pub(crate) path: Option<PathBuf>,
    pub(crate) rings: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Remains {
    /// The files of the session that a commit speaks of.
    pub(crate) fn of(directory: &Directory, commit: &Commit) -> Self {
        let mut remains = Self {
            path: None,
            rings: Vec::new(),
            directories: Vec::new(),
        };
        if commit.session == 0 {
            return remains;
        }
        for (place, path) in places(directory, commit.session) {
            // This is a copy of a recording whose process lives: what is there is that one's.
            if !is_own(&path) || Lock::is_kept(&path.join("owner")) {
                continue;
            }
            for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with("ring-") {
                    remains.rings.push(entry.path());
                }
            }
            if place == commit.place {
                remains.path = Some(path.clone());
            }
            remains.directories.push(path);
        }
        remains.rings.sort();
        remains
    }

    pub(crate) fn definitions(&self) -> Definitions {
        let bytes = self
            .path
            .as_ref()
            .and_then(|path| read_bounded(&path.join("definitions"), DEFINITIONS_MAX_BYTES).ok());
        Definitions::of_log(&bytes.unwrap_or_default())
    }

    /// They have been drained.
    pub(crate) fn remove(&self) {
        for path in &self.directories {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Removes sessions of this recording that nobody owns and no commit speaks of: their process was stopped before it
/// recorded anything.
pub(crate) fn remove_orphans(directory: &Directory) {
    let prefix = format!("kinescope-{}-", hexadecimal(directory.id()));
    let roots = [
        (Path::new(SHARED_MEMORY), prefix.as_str()),
        (directory.path(), "live-"),
    ];
    for (root, prefix) in roots {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_ours = entry.file_name().to_string_lossy().starts_with(prefix) && is_own(&path);
            if is_ours && !Lock::is_held(&path.join("owner")) {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}
