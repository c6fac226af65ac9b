//! Owns the sight of overuse: the groups of packets and the trend of their delays, begun anew after a pause. Never judges
//! whether it is to be believed.
//!
//! `delay_based_bwe.cc`.

use std::time::Duration;

use crate::estimator::ReceiverTime;
use crate::estimator::inter_arrival::InterArrival;
use crate::estimator::trendline::{Trendline, Usage};
use crate::time::Time;

#[derive(Debug, Clone, Default)]
pub(crate) struct Overuse {
    groups: InterArrival,
    trend: Trendline,
    last_at: Option<Time>,
}

impl Overuse {
    pub fn usage(&self) -> Usage {
        self.trend.usage()
    }

    #[inline]
    pub fn read(&self) -> u64 {
        self.trend.read() ^ u64::from(self.groups.is_empty()) ^ u64::from(self.last_at.is_some())
    }

    /// A packet arrived, as we hear now.
    #[inline]
    pub fn handle(&mut self, now: Time, sent: Time, arrival: ReceiverTime) {
        if self.last_at.replace(now).is_some_and(|at| now.since(at) > STREAM_TIMEOUT) {
            (self.groups, self.trend) = (InterArrival::default(), Trendline::default());
        }
        if let Some(delta) = self.groups.handle(now, sent, arrival) {
            self.trend.handle(delta, arrival);
        }
    }
}

/// kStreamTimeOut.
const STREAM_TIMEOUT: Duration = Duration::from_secs(2);
