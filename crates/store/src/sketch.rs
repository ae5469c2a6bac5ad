//! Quantiles of bounded relative error.

/// Bits of a float's fraction that its bucket keeps.
const FRACTION_BITS: u32 = 5;

/// No estimate is farther from the value at its rank than this share of that value.
pub const QUANTILE_ERROR: f64 = 1.0 / (2u64 << FRACTION_BITS) as f64;

/// Lifts the smallest floats, which have fewer bits, into the range of normal ones.
const SUBNORMAL_SCALE_BITS: i32 = 64;

/// Counts of values by bucket, every power of two divided evenly into 32 of them, positive, zero and negative.
///
/// Method: DDSketch with its interpolated mapping (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile
/// sketch with relative-error guarantees", VLDB 2019). Buckets are never collapsed, so merging is exact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    /// Ascending; none is empty.
    pages: Vec<Page>,
    total: u64,
}

/// Buckets of a page: the values of a group lie within a few powers of two, so that few pages hold all of them.
const PAGE_BUCKETS: usize = 32;

/// Neighbouring buckets.
#[derive(Clone, Debug, PartialEq)]
struct Page {
    number: i32,
    counts: [u64; PAGE_BUCKETS],
}

impl Sketch {
    /// Adds a finite value.
    pub fn add(&mut self, value: f64) {
        self.add_count(bucket_of(value), 1);
    }

    /// Adds everything that was added to another.
    pub fn merge(&mut self, other: &Self) {
        self.total += other.total;
        for page in &other.pages {
            let own = self.page(page.number);
            own.counts
                .iter_mut()
                .zip(&page.counts)
                .for_each(|(own, count)| *own += count);
        }
    }

    /// Adds everything that was added to another, given as what it came to, as [`Bucket::packed`].
    pub fn merge_buckets(&mut self, buckets: &[u64]) {
        for bucket in buckets.iter().copied().map(Bucket::of) {
            self.add_count(bucket.number, bucket.count.into());
        }
    }

    /// What was added, in little memory and ascending, as [`Bucket::packed`]; none with more than 2^32 values in a bucket.
    pub fn to_buckets(&self) -> Option<Vec<u64>> {
        let bucket = |(number, count)| {
            let count = u32::try_from(count).ok()?;
            Some(Bucket { number, count }.packed())
        };
        self.buckets().map(bucket).collect()
    }

    fn add_count(&mut self, bucket: i32, count: u64) {
        const PAGE: i32 = PAGE_BUCKETS as i32;
        self.total += count;
        let page = self.page(bucket.div_euclid(PAGE));
        page.counts[bucket.rem_euclid(PAGE) as usize] += count;
    }

    fn page(&mut self, number: i32) -> &mut Page {
        // Values of a group are near each other, so the page is mostly one of very few.
        let place = self.pages.partition_point(|page| page.number < number);
        if self
            .pages
            .get(place)
            .is_none_or(|page| page.number != number)
        {
            let counts = [0; PAGE_BUCKETS];
            self.pages.insert(place, Page { number, counts });
        }
        &mut self.pages[place]
    }

    /// Those that are not empty, ascending.
    fn buckets(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        let all = self.pages.iter().flat_map(|page| {
            let first = page.number * PAGE_BUCKETS as i32;
            (first..).zip(page.counts)
        });
        all.filter(|&(_, count)| count > 0)
    }

    /// Of the values in order, the one of the nearest rank, `ceil(q * n)`, within [`QUANTILE_ERROR`]; none of no values.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        value_at(nearest_rank(q, self.total)?, self.buckets())
    }
}

/// The value at a rank, from 0, of buckets in order.
fn value_at(rank: u64, buckets: impl Iterator<Item = (i32, u64)>) -> Option<f64> {
    let mut below = 0;
    for (number, count) in buckets {
        below += count;
        if below > rank {
            return Some(value_of(number));
        }
    }
    None
}

/// Quantiles of what lies in several sketches, one question after the other in the same memory: merging thousands of
/// sketches two by two would take several times as long as the question.
#[derive(Default)]
pub struct MergedQuantiles {
    counts: Vec<u64>,
    sparse: Vec<(i32, u64)>,
}

/// Buckets that are counted side by side. Values farther apart than 128 powers of two are sorted instead.
const DENSE_BUCKETS_MAX: usize = 128 << FRACTION_BITS;

/// Of a cache line of 64 bytes.
const BUCKETS_OF_LINE: usize = 64 / size_of::<u64>();

impl MergedQuantiles {
    /// [`Sketch::quantile`] of `sketch` and `runs` merged; each of the runs is what [`Sketch::to_buckets`] gave.
    pub fn quantile(&mut self, sketch: &Sketch, runs: &[&[u64]], q: f64) -> Option<f64> {
        let (mut lowest, mut highest) = (i32::MAX, i32::MIN);
        for run in runs {
            // The first would do; but to ask one of each cache line loads all lines at once instead of one by one below.
            for line in run.chunks(BUCKETS_OF_LINE) {
                lowest = lowest.min(Bucket::of(line[0]).number);
            }
            let last = run.last().map(|&last| Bucket::of(last).number);
            highest = last.map_or(highest, |last| highest.max(last));
        }
        for (number, _) in sketch.buckets() {
            lowest = lowest.min(number);
            highest = highest.max(number);
        }
        if lowest > highest {
            return None;
        }
        let listed = runs.iter().flat_map(|run| run.iter().copied());
        let listed = listed.map(Bucket::of);
        let listed = listed.map(|bucket| (bucket.number, u64::from(bucket.count)));
        let buckets = listed.chain(sketch.buckets());
        let width = i64::from(highest) - i64::from(lowest) + 1;
        if width > DENSE_BUCKETS_MAX as i64 {
            self.sparse.clear();
            self.sparse.extend(buckets);
            self.sparse.sort_unstable();
            let total = self.sparse.iter().map(|&(_, count)| count).sum();
            return value_at(nearest_rank(q, total)?, self.sparse.iter().copied());
        }
        self.counts.clear();
        self.counts.resize(width as usize, 0);
        for run in runs {
            for bucket in run.iter().copied().map(Bucket::of) {
                self.counts[(bucket.number - lowest) as usize] += u64::from(bucket.count);
            }
        }
        for (number, count) in sketch.buckets() {
            self.counts[(number - lowest) as usize] += count;
        }
        let total = self.counts.iter().sum();
        let rank = nearest_rank(q, total)?;
        if q <= 0.5 {
            return value_at(rank, (lowest..).zip(self.counts.iter().copied()));
        }
        let descending = (lowest..=highest).rev();
        value_at(
            total - 1 - rank,
            descending.zip(self.counts.iter().rev().copied()),
        )
    }
}

/// How many values one bucket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Ascending with the values.
    pub number: i32,
    /// At least 1.
    pub count: u32,
}

/// Bits of a packed bucket's count; its number is above them.
const COUNT_BITS: u32 = 32;

/// The bucket of the highest finite value.
const NUMBER_MAX: i32 = bucket_of_bits(f64::MAX.to_bits(), 0);

impl Bucket {
    /// Both numbers in one that ascends with the values.
    pub fn packed(self) -> u64 {
        // Of numbers of two signs the order is that of unsigned ones with the upper bit inverted.
        let number = self.number as u32 ^ 1 << (u32::BITS - 1);
        u64::from(number) << COUNT_BITS | u64::from(self.count)
    }

    /// The reverse of [`Bucket::packed`].
    #[inline]
    pub fn of(packed: u64) -> Self {
        Self {
            number: ((packed >> COUNT_BITS) as u32 ^ 1 << (u32::BITS - 1)) as i32,
            count: packed as u32,
        }
    }

    /// Whether a finite value may be here, and one is.
    pub(crate) fn is_sound(self) -> bool {
        (-NUMBER_MAX..=NUMBER_MAX).contains(&self.number) && self.count > 0
    }
}

/// The index, from 0, of the value at quantile `q` of `count` values in order; none of no values.
pub fn nearest_rank(q: f64, count: u64) -> Option<u64> {
    (count > 0).then(|| ((q * count as f64).ceil() as u64).clamp(1, count) - 1)
}

/// Ascending with the value; 0 is zero's.
fn bucket_of(value: f64) -> i32 {
    if value == 0.0 {
        return 0;
    }
    let magnitude = value.abs();
    let (bits, scale) = if magnitude < f64::MIN_POSITIVE {
        let lifted = magnitude * 2f64.powi(SUBNORMAL_SCALE_BITS);
        (lifted.to_bits(), SUBNORMAL_SCALE_BITS)
    } else {
        (magnitude.to_bits(), 0)
    };
    let bucket = bucket_of_bits(bits, scale);
    if value < 0.0 { -bucket } else { bucket }
}

/// From 1 on, whatever the exponent: the bucket of a positive float, of which `scale` has been added to the exponent.
const fn bucket_of_bits(bits: u64, scale: i32) -> i32 {
    let place = (bits >> (f64::MANTISSA_DIGITS - 1 - FRACTION_BITS)) as i32;
    place + ((SUBNORMAL_SCALE_BITS - scale) << FRACTION_BITS) + 1
}

/// The value that is relatively as near to the bucket's one end as to its other.
fn value_of(bucket: i32) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let place = bucket.abs() - 1 - (SUBNORMAL_SCALE_BITS << FRACTION_BITS);
    let lifted_place = place + (SUBNORMAL_SCALE_BITS << FRACTION_BITS);
    let is_subnormal = place < 1 << FRACTION_BITS;
    let place = if is_subnormal { lifted_place } else { place };
    let start = f64::from_bits((place as u64) << (f64::MANTISSA_DIGITS - 1 - FRACTION_BITS));
    // The bucket's width is the same share of its power of two, wherever in it the bucket lies.
    let power =
        f64::from_bits(start.to_bits() >> (f64::MANTISSA_DIGITS - 1) << (f64::MANTISSA_DIGITS - 1));
    let width = power / f64::from(1 << FRACTION_BITS);
    // 2 * start * end / (start + end), without leaving the range of floats.
    let middle = start + width / (2.0 + width / start);
    let middle = if is_subnormal {
        middle / 2f64.powi(SUBNORMAL_SCALE_BITS)
    } else {
        middle
    };
    if bucket < 0 { -middle } else { middle }
}
