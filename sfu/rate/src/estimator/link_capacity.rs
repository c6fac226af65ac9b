//! Owns what is known of the capacity of the link: the mean of what came through when it was overused, and its spread.
//!
//! `link_capacity_estimator.cc`; the convergence region of the GCC draft, section 5.5.

use crate::bitrate::Bitrate;

#[derive(Debug, Clone, Default)]
pub(crate) struct LinkCapacity {
    kbps: Option<f64>,
    /// Variance over the mean.
    variance: f64,
}

impl LinkCapacity {
    pub fn handle_overuse(&mut self, acknowledged: Bitrate) {
        self.update(acknowledged, 0.05);
    }

    pub fn handle_probe(&mut self, rate: Bitrate) {
        self.update(rate, 0.5);
    }

    pub fn reset(&mut self) {
        self.kbps = None;
    }

    pub fn estimate(&self) -> Option<Bitrate> {
        self.kbps.map(Bitrate::of_kbps)
    }

    /// Three deviations around the mean; everything while it is not known.
    pub fn bounds(&self) -> (Bitrate, Bitrate) {
        let Some(kbps) = self.kbps else { return (Bitrate::ZERO, Bitrate::from_bps(u64::MAX)) };
        let spread = 3.0 * (self.variance * kbps).sqrt();
        (Bitrate::of_kbps(kbps - spread), Bitrate::of_kbps(kbps + spread))
    }

    fn update(&mut self, sample: Bitrate, weight: f64) {
        let sample = sample.kbps();
        let kbps = self.kbps.map_or(sample, |kbps| (1.0 - weight) * kbps + weight * sample);
        self.kbps = Some(kbps);
        let error = kbps - sample;
        let variance = (1.0 - weight) * self.variance + weight * error * error / kbps.max(1.0);
        // About 14 and 35 kbit/s at 500 kbit/s.
        self.variance = variance.clamp(0.4, 2.5);
    }
}
