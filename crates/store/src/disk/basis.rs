//! Where a recording was when its last process ended.

use super::commit::{Commit, State};
use super::directory::{Directory, boot_id, wall_now_ns};
use super::durable::{Durable, DurableFile};
use super::parts::Part;
use super::sequences::{Sequences, jumped};

/// What the files say of where the recording was.
pub(super) struct Basis {
    pub(super) commit: Commit,
    /// The machine has stopped since: only what was synced counts, and more had been handed out.
    pub(super) lost_power: bool,
    pub(super) seq_bound: u64,
    pub(super) sequence_floor: u64,
    pub(super) durable: Option<Durable>,
    pub(super) is_fresh: bool,
}

impl Basis {
    pub(super) fn find(directory: &Directory, state: &State, is_empty: bool) -> Self {
        let boot_id = boot_id();
        let durable = DurableFile::read(directory);
        let of_state = state.read();
        let newest = of_state.map_or(0, |commit| commit.generation);
        let of_state = of_state.filter(|commit| commit.boot_id == boot_id && boot_id != [0; 16]);
        let is_clean = durable.is_some_and(|durable| durable.is_clean);
        let mut commit = match (of_state, durable) {
            (Some(commit), _) => commit,
            (None, Some(durable)) => durable.commit,
            (None, None) => Commit::default(),
        };
        commit.generation = commit.generation.max(newest);
        commit.boot_id = boot_id;
        let is_fresh = of_state.is_none() && durable.is_none() && is_empty;
        Self {
            lost_power: of_state.is_none() && !is_clean && !is_fresh,
            seq_bound: durable.map_or(0, |durable| durable.seq_bound),
            sequence_floor: durable.map_or(0, |durable| durable.sequence_floor),
            commit,
            durable,
            is_fresh,
        }
    }

    /// A time on the recording's time line at which nothing more was appended; none if no commit is known.
    pub(super) fn last_append_max(&self) -> Option<i64> {
        let Commit {
            timestamp,
            wall_minus_timestamp_ns,
            ..
        } = self.commit;
        if timestamp == 0 {
            return None;
        }
        if !self.lost_power {
            return Some(timestamp);
        }
        // More may have come since that commit.
        let now = wall_now_ns().saturating_sub(wall_minus_timestamp_ns);
        Some(now.max(timestamp))
    }

    /// What makes the recording's time line of this process's raw time: it goes on where it was, by the wall clock if the
    /// machine was started since.
    pub(super) fn offset_ns(&self, parts: &[Part], raw_now_ns: i64) -> i64 {
        if self.is_fresh {
            return 0;
        }
        let commit = &self.commit;
        let last_append = parts.last().map_or(i64::MIN, Part::last_append);
        let last = commit.timestamp.max(last_append);
        let boot_of_commit = !self.lost_power && commit.timestamp != 0;
        let mut now = last;
        if boot_of_commit {
            now = now.max(raw_now_ns.saturating_add(commit.offset_ns));
        }
        let wall_then = last.saturating_add(commit.wall_minus_timestamp_ns);
        let elapsed = wall_now_ns().saturating_sub(wall_then);
        if !boot_of_commit || raw_now_ns.saturating_add(commit.offset_ns) < last {
            now = last.saturating_add(elapsed.max(0));
        }
        now.saturating_sub(raw_now_ns)
    }

    /// Nobody knows how far sequences had come: they go on far above what is known of them.
    pub(super) fn jump(&mut self, sequences: &Sequences) {
        let known = sequences.read().into_iter().filter_map(|(_, next)| next);
        let known = known.chain([self.commit.own_sequence, self.sequence_floor]);
        self.sequence_floor = jumped(known);
        self.commit.own_sequence = self.sequence_floor;
    }
}
