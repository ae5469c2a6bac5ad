//! Puts a merged segment's files where those of its parts are.

use std::io;
use std::sync::Arc;

use super::directory::{Directory, Kind};
use super::merger::Merged;
use super::stored::Stored;

/// Files that take the place of others, as far as that has come.
pub(crate) struct Placement(pub(super) Merged);

impl Placement {
    pub(super) fn base_seq(&self) -> u64 {
        self.0.parts.first().map_or(0, |part| part.base_seq)
    }

    pub(super) fn stored(&self) -> Arc<Stored> {
        Arc::clone(&self.0.stored)
    }

    /// Puts the files in place and removes those that they replace, in the order that docs/format.md draws: whoever looks
    /// at any step finds each row once. After an error it goes on where it was.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn run(&mut self, directory: &Directory) -> io::Result<()> {
        let first = self.base_seq();
        let files = &mut self.0.files;
        if !files.is_placed(Kind::Arrow) {
            // The old index is not that of the new file, and a file whose index is of another has no rows.
            directory.remove(&directory.segment_file(first, Kind::Index))?;
            directory.sync()?;
            files.place(Kind::Arrow, "merge.rename-arrow")?;
        }
        // Not before the file is certain to be there: the new index is not that of the old one either.
        directory.sync()?;
        files.place(Kind::Index, "merge.rename-index")?;
        directory.sync()?;
        for part in self.0.parts.iter().skip(1) {
            Stored::remove(directory, part.base_seq)?;
        }
        Ok(())
    }

    /// Bases of all files that may be there.
    pub(super) fn bases(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.parts.iter().map(|part| part.base_seq)
    }
}
