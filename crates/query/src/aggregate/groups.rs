//! Groups: combinations of key values, found by table where the combinations are few, else by hash.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use kinescope_store::Error;

use super::DISTINCT_MAX;

/// A table of at most this many bits of index stays within a core's cache.
const TABLE_BITS_MAX: u32 = 20;

/// No group has this combination yet.
const NO_GROUP: u32 = u32::MAX;

/// All groups, numbered in the order of their first appearance.
pub(crate) struct Groups {
    keys: usize,
    /// Per group the code of each key.
    codes: Vec<u32>,
    count: usize,
    /// Rows that have been given their groups.
    rows: usize,
    finder: Finder,
    hasher: RandomState,
}

enum Finder {
    /// By the codes' bits behind each other; `bits` per key.
    Table {
        bits: Vec<u32>,
        groups: Vec<u32>,
    },
    Hash(HashTable<u32>),
}

/// Bits that numbers below `values` need.
fn bits_for(values: usize) -> u32 {
    values.next_power_of_two().trailing_zeros()
}

impl Groups {
    /// Without keys there is one group from the start.
    pub(crate) fn new(keys: usize) -> Self {
        let is_single = keys == 0;
        Self {
            keys,
            codes: Vec::new(),
            count: usize::from(is_single),
            rows: 0,
            finder: Finder::Table {
                bits: vec![0; keys],
                groups: vec![if is_single { 0 } else { NO_GROUP }],
            },
            hasher: RandomState::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The codes of a group's keys.
    pub(crate) fn codes(&self, group: usize) -> &[u32] {
        &self.codes[group * self.keys..(group + 1) * self.keys]
    }

    /// The groups of `rows` rows, in `found`. `codes` has a column per key, whose codes are below `values`.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` above [`DISTINCT_MAX`] groups.
    pub(crate) fn assign(
        &mut self,
        rows: usize,
        codes: &[Vec<u32>],
        values: &[usize],
        found: &mut Vec<u32>,
    ) -> Result<(), Error> {
        self.rows += rows;
        self.make_room(values);
        found.clear();
        found.resize(rows, 0);
        let Finder::Table { bits, .. } = &self.finder else {
            return self.assign_by_hash(codes, found);
        };
        let mut shift = 0;
        for (codes, bits) in codes.iter().zip(bits) {
            for (slot, &code) in found.iter_mut().zip(codes) {
                *slot |= code << shift;
            }
            shift += bits;
        }
        for (row, slot) in found.iter_mut().enumerate() {
            let Finder::Table { groups, .. } = &mut self.finder else {
                break;
            };
            let index = *slot as usize;
            *slot = groups[index];
            if *slot == NO_GROUP {
                *slot = new_group(&mut self.count)?;
                groups[index] = *slot;
                self.codes.extend(codes.iter().map(|codes| codes[row]));
            }
        }
        Ok(())
    }

    fn assign_by_hash(&mut self, codes: &[Vec<u32>], found: &mut [u32]) -> Result<(), Error> {
        let keys = self.keys;
        let mut key = Vec::with_capacity(keys);
        for (row, group) in found.iter_mut().enumerate() {
            key.clear();
            key.extend(codes.iter().map(|codes| codes[row]));
            let hash = self.hasher.hash_one(&key[..]);
            let Finder::Hash(groups) = &mut self.finder else {
                break;
            };
            let known = |group: u32| {
                let start = group as usize * keys;
                &self.codes[start..start + keys]
            };
            if let Some(&known) = groups.find(hash, |&group| known(group) == key) {
                *group = known;
                continue;
            }
            *group = new_group(&mut self.count)?;
            groups.insert_unique(hash, *group, |&group| self.hasher.hash_one(known(group)));
            self.codes.extend_from_slice(&key);
        }
        Ok(())
    }

    /// Sees to it that codes below `values` can be found.
    fn make_room(&mut self, values: &[usize]) {
        let Finder::Table { bits, .. } = &self.finder else {
            return;
        };
        let wanted: Vec<u32> = values.iter().map(|&values| bits_for(values)).collect();
        if wanted.iter().zip(bits).all(|(wanted, bits)| wanted <= bits) {
            return;
        }
        let total: u32 = wanted.iter().sum();
        // A table that is much larger than what is looked up in it takes longer to make than it saves.
        let pays_off = 1usize << total.min(TABLE_BITS_MAX) <= (self.rows * 4).max(4096);
        if total > TABLE_BITS_MAX || !pays_off {
            let mut groups = HashTable::with_capacity(self.count);
            for group in 0..self.count as u32 {
                let hash = |&group: &u32| self.hasher.hash_one(self.codes(group as usize));
                groups.insert_unique(hash(&group), group, hash);
            }
            self.finder = Finder::Hash(groups);
            return;
        }
        let mut groups = vec![NO_GROUP; 1 << total];
        for group in 0..self.count {
            let mut shift = 0;
            let mut slot = 0;
            for (code, bits) in self.codes(group).iter().zip(&wanted) {
                slot |= code << shift;
                shift += bits;
            }
            groups[slot as usize] = group as u32;
        }
        self.finder = Finder::Table {
            bits: wanted,
            groups,
        };
    }
}

fn new_group(count: &mut usize) -> Result<u32, Error> {
    if *count >= DISTINCT_MAX {
        return Err(Error::resource_exhausted(format!(
            "aggregateEvents: expected at most {DISTINCT_MAX} groups, got more; group by less, or filter"
        )));
    }
    *count += 1;
    Ok(*count as u32 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose first key takes the codes of `range`, under one code of a second key.
    fn assign(groups: &mut Groups, range: std::ops::Range<usize>) -> Result<Vec<u32>, Error> {
        let mut found = Vec::new();
        let codes = [
            range.clone().map(|code| code as u32).collect(),
            vec![1; range.len()],
        ];
        groups.assign(range.len(), &codes, &[range.end, 2], &mut found)?;
        Ok(found)
    }

    #[test]
    fn keep_their_numbers_while_the_table_grows_and_gives_way_to_hashing() {
        let mut groups = Groups::new(2);
        for end in [
            1,
            2,
            100,
            1 << (TABLE_BITS_MAX - 1),
            (1 << TABLE_BITS_MAX) + 7,
        ] {
            let found = assign(&mut groups, 0..end).unwrap();
            assert!((0..end as u32).eq(found));
            assert_eq!(groups.len(), end);
        }
        assert!(matches!(groups.finder, Finder::Hash(_)));
        assert_eq!(groups.codes(99), [99, 1]);
    }

    #[test]
    fn are_bounded() {
        let mut groups = Groups::new(2);
        const STEP: usize = 1 << 20;
        for start in (0..DISTINCT_MAX).step_by(STEP) {
            assign(&mut groups, start..(start + STEP).min(DISTINCT_MAX)).unwrap();
        }
        assert_eq!(groups.len(), DISTINCT_MAX);
        let error = assign(&mut groups, DISTINCT_MAX..DISTINCT_MAX + 1).unwrap_err();
        assert_eq!(error.code, kinescope_store::ErrorCode::ResourceExhausted);
        assert!(assign(&mut groups, 0..STEP).is_ok());
    }
}
