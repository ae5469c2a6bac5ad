//! Files of a sealed segment before they are where a segment's files are.

use std::io;
use std::path::{Path, PathBuf};

use super::directory::{Directory, Kind};

/// The paths of files that are being written; what has not been put in place goes when this does.
pub(super) struct Unplaced {
    directory: Directory,
    base_seq: u64,
    /// Ends the names of the files, itself in `.new`: so the next writer removes what a killed one has left.
    ending: &'static str,
    placed: Vec<Kind>,
}

impl Unplaced {
    /// Files of a segment, of which nothing is written yet.
    pub(super) fn new(directory: &Directory, base_seq: u64, ending: &'static str) -> Self {
        Self {
            directory: directory.clone(),
            base_seq,
            ending,
            placed: Vec::new(),
        }
    }

    pub(super) fn path(&self, kind: Kind) -> PathBuf {
        let path = self.directory.segment_file(self.base_seq, kind);
        let mut path = path.into_os_string();
        path.push(self.ending);
        path.into()
    }

    /// Renames a file to what it is to be called, over one that is there; nothing if that has been done.
    ///
    /// # Errors
    /// What the system says; the file is where it was then.
    pub(super) fn place(&mut self, kind: Kind, step: &'static str) -> io::Result<()> {
        if self.is_placed(kind) {
            return Ok(());
        }
        self.directory.step_by_name(step)?;
        let path: &Path = &self.directory.segment_file(self.base_seq, kind);
        std::fs::rename(self.path(kind), path)?;
        self.placed.push(kind);
        Ok(())
    }

    pub(super) fn is_placed(&self, kind: Kind) -> bool {
        self.placed.contains(&kind)
    }
}

impl Drop for Unplaced {
    fn drop(&mut self) {
        // The disk may be full of just these.
        for kind in [Kind::Arrow, Kind::Index] {
            if !self.is_placed(kind) {
                let _ = std::fs::remove_file(self.path(kind));
            }
        }
    }
}
