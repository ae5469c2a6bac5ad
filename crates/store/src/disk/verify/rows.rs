//! Checks the files that hold rows.

use std::io;

use super::Verifier;
use super::index_checksums::index_damage;
use super::parts::{Rows, Sealed};
use super::report::VerifiedSegment;
use crate::disk::columns_of_file::{Lens, check};
use crate::disk::directory::Kind;
use crate::disk::head::Head;
use crate::disk::stored::Stored;
use crate::error::Error;
use crate::segment::{ProducerRange, Segment};
use crate::slot::StoredSegment;

impl Verifier {
    pub(super) fn sealed(&mut self, base_seq: u64, stored: Sealed) {
        let index = self.directory.segment_file(base_seq, Kind::Index);
        let index_damage = match index_damage(&index, self.directory.id(), base_seq) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some("it is missing".to_owned())
            }
            Err(error) => Some(error.to_string()),
            Ok(damage) => damage,
        };
        let (rows, damage) = match stored {
            Ok(Some(stored)) => {
                let rows = stored.summary().rows as u64;
                let damage = stored.load(true).and_then(|segment| {
                    bounds_hold(&stored, &segment)
                        .then_some(())
                        .ok_or_else(|| Error::corrupt("its index tells of other rows"))
                });
                (Some(rows), damage.err().map(|error| error.message))
            }
            Ok(None) => (
                None,
                Some("it is not as long as its index says, or no such file".to_owned()),
            ),
            Err(error) => (None, Some(error.to_string())),
        };
        self.segment_file(base_seq, Kind::Arrow, damage.clone());
        // Of files that go, this is the last.
        if self.directory.segment_file(base_seq, Kind::Arrow).exists() {
            self.segment_file(base_seq, Kind::Index, index_damage);
        }
        self.report.segments.push(VerifiedSegment {
            base_seq,
            rows,
            is_sealed: true,
            damage,
        });
    }

    pub(super) fn head(&mut self, head: &Rows) {
        let base_seq = head.base_seq;
        let checked = || -> Result<(), Error> {
            let Some(entries) = head.entries else {
                return Ok(());
            };
            let columns = Head::open(&self.directory, base_seq, false)?.watch()?;
            check(&columns, base_seq, &Lens::default(), head.rows, &entries).map(|_| ())
        };
        let path = self.directory.segment_file(base_seq, Kind::Head);
        let found = head.damage.clone();
        // A head that is gone has become a file, which has been written from what was whole.
        let damage = found.or_else(|| {
            let error = checked().err()?;
            path.exists().then_some(error.message)
        });
        self.segment_file(base_seq, Kind::Head, damage.clone());
        if head.rows == 0 && damage.is_none() {
            return;
        }
        self.report.segments.push(VerifiedSegment {
            base_seq,
            rows: head.entries.map(|_| head.rows as u64),
            is_sealed: false,
            damage,
        });
    }
}

/// Whether an index leaves out no row that is there; its bounds may be wider.
fn bounds_hold(stored: &Stored, segment: &Segment) -> bool {
    let summary = stored.summary();
    let timestamps = segment.columns.timestamp.slice(summary.rows);
    let is_inside = |time: &i64| (summary.min_timestamp..=summary.max_timestamp).contains(time);
    let producers = ProducerRange::of(segment.columns.event_id.slice(summary.rows));
    let is_known = |range: &ProducerRange| {
        let known = summary.producer_range(range.producer);
        known.is_some_and(|known| known.first <= range.first && known.last >= range.last)
    };
    timestamps.iter().all(is_inside)
        && (!summary.in_time_order || timestamps.is_sorted())
        && producers.iter().all(is_known)
}
