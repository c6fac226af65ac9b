//! Owns the sight of the queue that stands in the line, and the moment in which less is sent to let it drain. Changes no
//! estimate of the capacity.
//!
//! Our own: libwebrtc only lowers its rate to 0.85 of what arrives, so that the queue of a sudden drop drains at 0.15 of the
//! new capacity: for some 8 s from 1.3 s. Its congestion window (`congestion_window_pushback_controller.cc`, off by default)
//! has the same aim. A queue that does not drain is somebody else's (a greedy flow), and is then let be.

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::estimator::ReceiverTime;
use crate::estimator::contest::BORNE;
use crate::time::Time;

#[derive(Debug, Clone)]
pub(crate) struct StandingQueue {
    /// The least one-way delay of this period and of the one before, in microseconds and between two clocks.
    base: Option<i64>,
    base_before: Option<i64>,
    period_began: Time,
    /// The least of the feedback at work: jitter only adds.
    least: Option<i64>,
    /// That of the last one.
    delay: Option<i64>,
    queue: Duration,
    /// Feedback packets in a row that saw a queue.
    seen: u32,
    /// Since when it was never drained.
    stands_since: Option<Time>,
    state: State,
    failures: u32,
}

/// What is known of what we send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub is_overused: bool,
    /// Others fill the line.
    pub is_contested: bool,
    /// Of the last moment.
    pub arriving: Option<Bitrate>,
    /// Of the last seconds.
    pub usual: Bitrate,
}

/// What the queue asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    No,
    /// Not more than this is to be sent.
    Limit(Bitrate),
    /// It is empty; this came through while it was not. After a long one that is a line that has dropped, and not only what
    /// is left of it by others.
    Done {
        capacity: Bitrate,
        is_new: bool,
    },
}

/// `Idle` to `Draining` at a queue, back when it is empty; to `Refraining` when it does not get so.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Idle,
    /// From that moment, when so much had arrived, and with that queue, the longest of its beginning.
    Draining {
        since: Time,
        kbps: f64,
        before: f64,
        peak: Duration,
    },
    Refraining {
        until: Time,
    },
}

impl StandingQueue {
    pub fn new(now: Time) -> StandingQueue {
        StandingQueue {
            base: None,
            base_before: None,
            period_began: now,
            least: None,
            delay: None,
            queue: Duration::ZERO,
            seen: 0,
            stands_since: None,
            state: State::Idle,
            failures: 0,
        }
    }

    /// How long what is sent now waits, as far as it is known.
    pub fn queue(&self) -> Duration {
        self.queue
    }

    pub fn delay(&self) -> Option<i64> {
        self.delay
    }

    /// Whether it did not get shorter when less was sent.
    pub fn is_others(&self) -> bool {
        matches!(self.state, State::Refraining { .. })
    }

    /// How long this packet waited, as far as it is known.
    #[inline]
    pub fn handle(&mut self, sent: Time, arrival: ReceiverTime) -> Duration {
        let delay = arrival.as_micros().saturating_sub_unsigned(sent.as_micros());
        self.least = Some(self.least.map_or(delay, |least| least.min(delay)));
        self.base().map_or(Duration::ZERO, |base| above(base, delay))
    }

    /// Then what is to be done.
    pub fn decide(&mut self, now: Time, flow: &Flow) -> Drain {
        let Some(arriving) = flow.arriving.map(Bitrate::kbps) else { return Drain::No };
        let stands = self.stands(now, flow);
        self.state = match self.state {
            State::Idle if stands => {
                State::Draining { since: now, kbps: arriving, before: flow.usual.kbps(), peak: self.queue }
            }
            State::Draining { kbps, before, peak, .. } if self.queue < DRAINED => {
                (self.failures, self.state) = (0, State::Idle);
                return Drain::Done {
                    capacity: Bitrate::of_kbps(kbps),
                    is_new: peak >= DROPPED && kbps < DROPPED_TO * before,
                };
            }
            State::Draining { since, peak, .. } if self.is_foreign(now.since(since), peak) => {
                self.failures += 1;
                State::Refraining { until: now + REFRAIN * (1 << self.failures.min(6)) }
            }
            State::Draining { since, kbps, before, peak } => {
                // What arrives while the queue is not empty is the capacity; at first the old one.
                let kbps = match self.queue >= NOTICED {
                    true if arriving < 0.8 * kbps => arriving,
                    true => 0.5 * (kbps + arriving),
                    false => kbps,
                };
                let is_growing = now.since(since) < SHOWS_AFTER / 2 + peak;
                State::Draining { since, kbps, before, peak: if is_growing { peak.max(self.queue) } else { peak } }
            }
            State::Refraining { until } if now >= until => State::Idle,
            state => state,
        };
        let State::Draining { kbps, .. } = self.state else { return Drain::No };
        let rest = 1.0 - self.queue.as_secs_f64() / DRAIN_WITHIN.as_secs_f64();
        Drain::Limit(Bitrate::of_kbps(kbps * rest.clamp(REST_MIN, REST_MAX)))
    }

    /// Where others fill the line less of us would only be more of them, unless the queue is long.
    fn stands(&mut self, now: Time, flow: &Flow) -> bool {
        self.seen = if self.queue >= STANDING { self.seen + 1 } else { 0 };
        let since = self.stands_since.filter(|_| self.queue >= DRAINED).unwrap_or(now);
        self.stands_since = Some(since);
        let is_seen = self.seen >= SEEN || now.since(since) >= STANDS_FOR;
        let is_noticed = flow.is_overused && self.queue >= NOTICED;
        match flow.is_contested {
            true => self.queue >= BORNE,
            false => self.queue >= LONG || is_seen || is_noticed,
        }
    }

    /// Less is sent and still it stands. What is sent now shows after the queue that stands.
    fn is_foreign(&self, drained_for: Duration, peak: Duration) -> bool {
        drained_for >= DRAIN_MAX + peak || (drained_for >= SHOWS_AFTER + peak && self.queue > peak.mul_f64(0.85))
    }

    /// After the packets of a feedback.
    pub fn measure(&mut self, now: Time) {
        let Some(least) = self.least.take() else { return };
        self.delay = Some(least);
        if now.since(self.period_began) >= PERIOD {
            (self.base_before, self.base, self.period_began) = (self.base, None, now);
        }
        self.base = Some(self.base.map_or(least, |base| base.min(least)));
        self.queue = self.base().map_or(Duration::ZERO, |base| above(base, least));
    }

    fn base(&self) -> Option<i64> {
        let before = self.base_before.or(self.base)?;
        Some(self.base.map_or(before, |base| base.min(before)))
    }
}

fn above(base: i64, delay: i64) -> Duration {
    Duration::from_micros(u64::try_from(delay.saturating_sub(base)).unwrap_or(0)).min(QUEUE_MAX)
}

/// A line with a longer one is not probed.
pub(crate) const QUEUE_OF_PROBES: Duration = Duration::from_millis(40);
/// The least delay is that of the last one or two of these.
const PERIOD: Duration = Duration::from_secs(15);
/// A receiver's clock that jumps is no queue.
const QUEUE_MAX: Duration = Duration::from_secs(3);
/// With overuse, a queue of this is drained; without, one of [`STANDING`] that [`SEEN`] feedback packets saw.
const NOTICED: Duration = Duration::from_millis(50);
const STANDING: Duration = Duration::from_millis(60);
const SEEN: u32 = 3;
/// One that was never drained for so long is tried: flows of our kind empty it more often.
const STANDS_FOR: Duration = Duration::from_secs(4);
/// A queue of this is seen once.
const LONG: Duration = Duration::from_millis(100);
/// So long a queue, while so much less than before arrives, is not of a rate that was a little too high.
const DROPPED: Duration = Duration::from_millis(200);
const DROPPED_TO: f64 = 0.7;
const DRAINED: Duration = Duration::from_millis(35);
/// So fast it is to be empty; less than [`REST_MIN`] of what arrives is not sent for it.
const DRAIN_WITHIN: Duration = Duration::from_millis(1000);
const REST_MIN: f64 = 0.25;
const REST_MAX: f64 = 0.85;
const DRAIN_MAX: Duration = Duration::from_millis(2500);
/// By then less of it must stand.
const SHOWS_AFTER: Duration = Duration::from_millis(800);
/// Doubled for each failure: 2 s, because two of our kind that drained one after the other fill it for each other, up to 64.
const REFRAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Feedback each 100 ms with these delays; what it allows after each.
    fn limits(delays_ms: impl IntoIterator<Item = i64>) -> Vec<Option<u64>> {
        let mut queue = StandingQueue::new(Time::default());
        let each = delays_ms.into_iter().enumerate().map(|(index, delay_ms)| {
            let now = Time::from_millis(100 * index as u64);
            queue.handle(now, ReceiverTime::from_micros(now.as_micros() as i64 + 1000 * delay_ms - 777));
            queue.measure(now);
            let rate = Bitrate::from_kbps(1000);
            let flow = Flow { is_overused: false, is_contested: false, arriving: Some(rate), usual: rate };
            let limit = queue.decide(now, &flow);
            match limit {
                Drain::Limit(limit) => Some(limit.bps() / 1000),
                Drain::No | Drain::Done { .. } => None,
            }
        });
        each.collect()
    }

    #[test]
    fn a_queue_that_stands_is_drained_the_faster_the_longer_it_is_and_until_it_is_empty() {
        assert_eq!(limits([20, 20, 520, 420, 120, 30, 30]), [None, None, Some(500), Some(600), Some(850), None, None]);
        assert_eq!(limits([20, 1500]), [None, Some(250)]);
    }

    #[test]
    fn a_queue_that_does_not_drain_is_somebody_elses_and_tried_ever_more_rarely() {
        let limits = limits([20].into_iter().chain(std::iter::repeat_n(300, 240)));
        let limited = |from: usize, to: usize| limits[from..to].iter().flatten().count();
        assert!((8..=14).contains(&limited(0, 25)), "{} of 25 feedback packets", limited(0, 25));
        assert!((8..=14).contains(&limited(120, 240)), "{} of 120 feedback packets", limited(120, 240));
    }
}
