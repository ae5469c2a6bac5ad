//! Estimated quantiles by group.

use kinescope_store::sketch::{MergedQuantiles, Sketch};

/// Runs that wait, at most, so that an aggregate of many segments is bounded in memory.
const RUNS_MAX: usize = 1 << 20;

/// A quantile of each group.
pub(crate) struct Quantiles<'a> {
    q: f64,
    sketches: Vec<Sketch>,
    /// What indexes know of some rows of a group; besides what is in its sketch.
    runs: Vec<(u32, &'a [u64])>,
}

impl<'a> Quantiles<'a> {
    pub(crate) fn new(q: f64) -> Self {
        Self {
            q,
            sketches: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn grow(&mut self, groups: usize) {
        self.sketches.resize(groups, Sketch::default());
    }

    pub(crate) fn add(&mut self, group: usize, value: f64) {
        self.sketches[group].add(value);
    }

    /// Adds what [`Sketch::to_buckets`] gave.
    pub(crate) fn add_run(&mut self, group: usize, buckets: &'a [u64]) {
        if self.runs.len() == RUNS_MAX {
            for (group, buckets) in self.runs.drain(..) {
                self.sketches[group as usize].merge_buckets(buckets);
            }
        }
        self.runs.push((group as u32, buckets));
    }

    /// Group `g` of the other one is this one's `groups[g]`.
    pub(crate) fn merge(&mut self, other: Self, groups: &[u32]) {
        for (sketch, &group) in other.sketches.iter().zip(groups) {
            self.sketches[group as usize].merge(sketch);
        }
        for (group, buckets) in other.runs {
            self.add_run(groups[group as usize] as usize, buckets);
        }
    }

    /// Of every group in turn.
    pub(crate) fn finish(mut self) -> impl Iterator<Item = Option<f64>> + 'a {
        // One group after the other, so that what is counted stays in the cache.
        self.runs.sort_by_key(|&(group, _)| group);
        let (mut merged, mut own, mut start) = (MergedQuantiles::default(), Vec::new(), 0);
        (0..).zip(self.sketches).map(move |(group, sketch)| {
            let runs = self.runs[start..].iter().take_while(|run| run.0 == group);
            own.clear();
            own.extend(runs.map(|&(_, buckets)| buckets));
            start += own.len();
            merged.quantile(&sketch, &own, self.q)
        })
    }
}
