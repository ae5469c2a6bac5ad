//! What a recording on disk counts.

use std::sync::atomic::Ordering;

use super::DiskJournal;
use crate::journal::Position;

impl DiskJournal {
    /// Counts what a position speaks of that is in no file.
    pub(super) fn count_unsaved(&self, position: &Position) {
        let is_open_stranded = !self.heads.contains_key(&position.base_seq);
        let open = u64::from(is_open_stranded) * position.rows as u64;
        let sealed = self.sealer.done.stranded_rows.load(Ordering::Relaxed);
        let unsaved = &self.shared.counters.unsaved;
        unsaved.store(open + sealed, Ordering::Release);
    }

    pub(super) fn count_disk_bytes(&self) {
        let heads: u64 = self.heads.values().map(|head| head.disk_bytes()).sum();
        let counters = &self.shared.counters;
        counters
            .disk_bytes
            .store(heads + self.sealed_bytes, Ordering::Relaxed);
    }

    /// A segment's files have so many bytes now.
    pub(super) fn count_file(&mut self, base_seq: u64, bytes: u64) {
        let before = match bytes {
            0 => self.file_bytes.remove(&base_seq),
            _ => self.file_bytes.insert(base_seq, bytes),
        };
        self.sealed_bytes = self.sealed_bytes + bytes - before.unwrap_or(0);
    }
}
