//! Owns counting how long something took, in buckets of fixed bounds: nothing is allocated. Never reads a clock.

use std::time::Duration;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How often it was within each bound and beyond the one before; the last is beyond all.
    counts: [u64; Histogram::BOUNDS_US.len() + 1],
    sum_us: u64,
}

impl Histogram {
    /// Upper ends of the buckets, in microseconds: from a turn of the event loop to a viewer's patience.
    pub const BOUNDS_US: [u64; 17] = [
        50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
        2_500_000, 5_000_000, 10_000_000,
    ];

    #[inline]
    pub fn note(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = Histogram::BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(us);
    }

    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_as_long_as_a_bound_is_within_it() {
        let mut histogram = Histogram::default();
        [0, 50, 51, 10_000_000, 10_000_001].into_iter().for_each(|us| histogram.note(Duration::from_micros(us)));
        assert_eq!((histogram.counts()[0], histogram.counts()[1]), (2, 1));
        assert_eq!(histogram.counts()[16..], [1, 1]);
        assert_eq!((histogram.count(), histogram.sum_us()), (5, 20_000_102));
    }
}
