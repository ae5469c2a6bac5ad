//! Checks the files that hold records: what has been committed, producers' numbers, losses.

use std::io;

use super::Verifier;
use crate::disk::codec::Record;
use crate::disk::commit::{Commit, State};
use crate::disk::directory::boot_id;
use crate::disk::durable::{Durable, DurableFile};
use crate::disk::{losses, sequences};
use crate::loss::{LossCause, LossLog};

const LOSS_RECORD_BYTES: u64 = 64;

impl Verifier {
    /// The commit that counts, of both files that have one, and whether the machine has stopped since.
    pub(super) fn commit(&mut self) -> (Commit, bool) {
        let path = self.directory.file("state");
        let (of_state, state_damage) = self.settled(|| match State::watch(&self.directory) {
            Ok(state) => newest(
                state.records(),
                |commit: &Commit| commit.generation,
                // Whoever is killed while writing one leaves it torn; whoever closes leaves both whole.
                |commit| commit.session == 0,
            ),
            Err(error) => (None, path.exists().then_some(error.message)),
        });
        let (durable, durable_damage) =
            self.settled(|| match DurableFile::records(&self.directory) {
                Ok(records) => newest(
                    records,
                    |durable: &Durable| durable.commit.generation,
                    |durable| durable.is_clean,
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => (None, None),
                Err(error) => (None, Some(error.to_string())),
            });
        let is_begun = of_state.is_some_and(|commit| commit.session != 0 || commit.next_seq > 0);
        let no_record = |is_damage: bool| is_damage.then(|| "it has no record".to_owned());
        let lacks_state = of_state.is_none() && durable.is_some() && !path.exists();
        self.file("state", state_damage.or_else(|| no_record(lacks_state)));
        let lacks_durable = durable.is_none() && is_begun;
        self.file(
            "durable",
            durable_damage.or_else(|| no_record(lacks_durable)),
        );
        let boot_id = boot_id();
        let of_state = of_state.filter(|commit| commit.boot_id == boot_id && boot_id != [0; 16]);
        let is_clean = durable.is_some_and(|durable| durable.is_clean);
        let commit = of_state.or(durable.map(|durable| durable.commit));
        (commit.unwrap_or_default(), of_state.is_none() && !is_clean)
    }

    pub(super) fn producers(&mut self) {
        let (_, damage) = self.settled(|| {
            let entries = sequences::read(&self.directory);
            let damaged = entries.iter().find(|(_, next)| next.is_none());
            let says = |(number, _): &(u16, Option<u64>)| {
                format!("the number of producer {number} does not have its check")
            };
            ((), damaged.map(says))
        });
        self.file("producers", damage);
    }

    /// What is known to be missing. Looked at after the files: what retention removes is written down first.
    pub(super) fn losses(&mut self, commit: &Commit) -> LossLog {
        let ((found, name), damage) = self.settled(|| {
            let newest = State::watch(&self.directory).ok();
            let newest = newest.filter(|_| self.report.is_live);
            let newest = newest.and_then(|state| state.read());
            let counted = newest.unwrap_or(*commit).losses;
            let found = losses::read(&self.directory, 0, counted);
            let records = counted.len / LOSS_RECORD_BYTES;
            let is_short = (found.len() as u64) < records;
            let damage =
                is_short.then(|| format!("record {} of {records} is damaged", found.len()));
            ((found, format!("losses-{}", counted.number)), damage)
        });
        self.file(&name, damage);
        let mut known = LossLog::default();
        for range in found {
            if range.cause == LossCause::Retention {
                known.push_evicted(range);
            } else {
                known.push(range);
            }
        }
        known
    }
}

/// The newest of two records, and what is wrong with the file that has them. A record that is torn is no damage where
/// the other does not say that nobody was writing any more.
fn newest<T>(
    records: [Record<T>; 2],
    number: impl Fn(&T) -> u64,
    is_last: impl Fn(&T) -> bool,
) -> (Option<T>, Option<String>) {
    let is_torn = records
        .iter()
        .any(|record| matches!(record, Record::Damaged));
    let valid = records.into_iter().filter_map(Record::valid);
    let newest = valid.max_by_key(number);
    let damage = match &newest {
        None if is_torn => Some("neither of its records has its checksum"),
        Some(record) if is_torn && is_last(record) => {
            Some("one of its two records does not have its checksum")
        }
        Some(_) | None => None,
    };
    (newest, damage.map(str::to_owned))
}
