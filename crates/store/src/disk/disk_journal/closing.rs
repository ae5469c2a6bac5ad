//! The end of a process's part of a recording on disk.

use std::sync::atomic::Ordering;

use super::DiskJournal;
use crate::disk::commit::Appended;
use crate::disk::directory::Kind;
use crate::disk::syncer::unsynced;
use crate::journal::Journal;

impl DiskJournal {
    /// Makes files of everything, as far as the disk takes it, and ends the session.
    pub(super) fn finish(&mut self) {
        self.sealer.finish();
        let sealed = self.sealer.done.stranded_rows.load(Ordering::Relaxed);
        let open = if self.commit.head.is_none() {
            self.commit.rows
        } else {
            0
        };
        let unsaved = &self.shared.counters.unsaved;
        unsaved.store(open + sealed, Ordering::Release);
        for slot in self.take_stored() {
            self.uses(&slot);
            let head = self.directory.segment_file(slot.base_seq(), Kind::Head);
            let _ = self.directory.remove(&head);
        }
        // The open head is empty, or has rows that found no space.
        if self.commit.rows == 0
            && let Some(base_seq) = self.commit.head.take()
        {
            self.heads.remove(&base_seq);
            self.commit.list_version += 1;
            self.commit.generation += 1;
            self.state.write(&self.commit);
            let head = self.directory.segment_file(base_seq, Kind::Head);
            let _ = self.directory.remove(&head);
        }
        let _ = self.sequences.sync();
        let _ = self.losses.sync();
        let _ = self.directory.sync();
        self.end_session();
        self.count_disk_bytes();
    }

    /// The session's files are of no use any more.
    fn end_session(&mut self) {
        if let Some(mut live) = self.live.take() {
            let synced = live.syncer.finish();
            self.commit.session = 0;
            self.commit.contexts = Appended::default();
            self.commit.generation += 1;
            self.state.write(&self.commit);
            if let Some((file, mut durable)) = synced {
                durable.commit = if self.commit.head.is_some() {
                    unsynced(&self.commit)
                } else {
                    self.commit
                };
                let unsaved = self.unsaved_sequence.load(Ordering::Relaxed);
                durable.sequence_floor = durable.sequence_floor.max(unsaved);
                // A head that is left has rows that only this run of the machine is sure of.
                durable.is_clean = self.commit.head.is_none() && self.heads.is_empty();
                // The disk that does not take it takes the recording for one whose process was killed.
                let _ = file.write(&mut durable);
            }
            live.session.remove();
        }
    }
}
