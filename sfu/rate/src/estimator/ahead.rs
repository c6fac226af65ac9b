//! Owns the reading of an estimator before it is worked with. Never changes it.

use crate::estimator::Estimator;

impl Estimator {
    /// Reads what is needed of it when a packet leaves. The sum means nothing.
    #[inline]
    pub(crate) fn read_for_sending(&self) -> u64 {
        self.estimate.bps() ^ self.heard_at.as_micros() ^ self.app_limited.read() ^ self.history.read(1)
    }

    /// The same when feedback tells of `packets`.
    #[inline]
    pub(crate) fn read_for_feedback(&self, packets: usize) -> u64 {
        let (delay, rate) = (self.queue.delay().unwrap_or(0) as u64, self.acknowledged.rate().unwrap_or_default());
        let parts = [self.overuse.read(), self.loss.read(), self.aimd.rate().bps(), rate.bps(), delay];
        let own = self.counts.received ^ self.round_trip.as_secs() ^ self.remb.unwrap_or_default().bps();
        parts.into_iter().fold(own ^ self.read_for_sending() ^ self.history.read(packets), |sum, part| sum ^ part)
    }
}
