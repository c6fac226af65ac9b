//! Owns the delay-based rate: lowered to 0.85 of what arrives when a queue grows, raised while none does. Never looks at
//! packets.
//!
//! `aimd_rate_control.cc`; GCC draft, section 5.5.

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::estimator::link_capacity::LinkCapacity;
use crate::estimator::trendline::Usage;
use crate::time::Time;

#[derive(Debug, Clone)]
pub(crate) struct Aimd {
    rate: Bitrate,
    state: State,
    capacity: LinkCapacity,
    changed_at: Time,
    lowered_at: Option<Time>,
    round_trip: Duration,
}

/// `Decrease` is a moment, not a state that lasts: it falls to `Hold` until the queue has drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
    Decrease,
}

impl Aimd {
    pub fn new(now: Time, rate: Bitrate) -> Aimd {
        Aimd {
            rate,
            state: State::Hold,
            capacity: LinkCapacity::default(),
            changed_at: now,
            lowered_at: None,
            round_trip: ROUND_TRIP,
        }
    }

    pub fn rate(&self) -> Bitrate {
        self.rate
    }

    pub fn capacity(&self) -> Option<Bitrate> {
        self.capacity.estimate()
    }

    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// A probe measured the line.
    pub fn set_probed(&mut self, now: Time, rate: Bitrate) {
        self.capacity.handle_probe(rate);
        self.set(now, rate);
    }

    pub fn set(&mut self, now: Time, rate: Bitrate) {
        self.rate = rate;
        self.changed_at = now;
    }

    /// So much arrives and makes no queue.
    pub fn handle_carried(&mut self, rate: Option<Bitrate>) {
        if self.state == State::Increase {
            self.rate = self.rate.max(rate.unwrap_or_default());
        }
    }

    /// Once per feedback. Says whether it lowered the rate.
    pub fn handle(&mut self, now: Time, usage: Usage, acknowledged: Option<Bitrate>, may_raise: bool) -> bool {
        self.state = match (self.state, usage) {
            (_, Usage::Overusing) => State::Decrease,
            (_, Usage::Underusing) => State::Hold,
            (State::Hold, Usage::Normal) => {
                self.changed_at = now;
                State::Increase
            }
            (state, Usage::Normal) => state,
        };
        match self.state {
            State::Hold => false,
            State::Increase => {
                self.increase(now, acknowledged.unwrap_or(self.rate), may_raise);
                false
            }
            State::Decrease => {
                let lowers = self.may_lower(now, acknowledged);
                if lowers {
                    self.decrease(now, acknowledged);
                }
                self.state = State::Hold;
                lowers
            }
        }
    }

    /// TimeToReduceFurther: what the last decrease did shows after a round trip.
    fn may_lower(&self, now: Time, acknowledged: Option<Bitrate>) -> bool {
        let pause = self.round_trip.clamp(Duration::from_millis(10), Duration::from_millis(200));
        let Some(lowered_at) = self.lowered_at else { return true };
        now.since(lowered_at) >= pause || acknowledged.is_some_and(|rate| rate < self.rate.scaled(0.5))
    }

    fn decrease(&mut self, now: Time, acknowledged: Option<Bitrate>) {
        let mut lowered = match acknowledged {
            Some(rate) => rate.scaled(BACKOFF),
            // Nothing measured yet: kInitialBackoff of `delay_based_bwe.cc`.
            None => self.rate.scaled(0.5),
        };
        // So soon after it was lowered it is the same queue.
        let is_news = self.lowered_at.is_none_or(|at| now.since(at) >= SHOWN_AFTER);
        if lowered > self.rate
            && is_news
            && let Some(capacity) = self.capacity.estimate()
        {
            lowered = capacity.scaled(BACKOFF);
        }
        self.rate = self.rate.min(lowered);
        if let Some(rate) = acknowledged {
            if rate < self.capacity.bounds().0 {
                self.capacity.reset();
            }
            self.capacity.handle_overuse(rate);
        }
        self.changed_at = now;
        self.lowered_at = Some(now);
    }

    fn increase(&mut self, now: Time, acknowledged: Bitrate, may_raise: bool) {
        if acknowledged > self.capacity.bounds().1 {
            self.capacity.reset();
        }
        // Not far beyond what is known to arrive.
        let limit = acknowledged.scaled(1.5) + Bitrate::from_kbps(10);
        if may_raise && self.rate < limit {
            let elapsed = now.since(self.changed_at).min(Duration::from_secs(1)).as_secs_f64();
            let more = if self.capacity.estimate().is_some() {
                self.near_max_bps_per_second() * elapsed
            } else {
                let more = (self.rate.bps() as f64 * (1.08_f64.powf(elapsed) - 1.0)).max(1000.0 * elapsed);
                // A flow that has most of a link that others use would get the rest of it so, too.
                let is_contended = self.lowered_at.is_some_and(|at| now.since(at) < CONTENDED);
                if is_contended { more.min(CONTENDED_BPS_PER_SECOND * elapsed) } else { more }
            };
            self.rate = (self.rate + Bitrate::from_bps(more as u64)).min(limit);
        }
        self.changed_at = now;
    }

    /// One packet per response time, at least 4 kbit/s each second.
    fn near_max_bps_per_second(&self) -> f64 {
        let bits_per_frame = self.rate.bps() as f64 / 30.0;
        let packets = (bits_per_frame / (8.0 * 1200.0)).ceil().max(1.0);
        let response = 2.0 * (self.round_trip.as_secs_f64() + 0.1);
        (bits_per_frame / packets / response).max(4000.0)
    }
}

/// What a decrease did shows by then.
const SHOWN_AFTER: Duration = Duration::from_millis(500);
/// kDefaultBackoffFactor.
const BACKOFF: f64 = 0.85;
/// Our own: so soon after a decrease the rise is the same for large and small flows. Probes make the great steps.
const CONTENDED: Duration = Duration::from_secs(15);
const CONTENDED_BPS_PER_SECOND: f64 = 100_000.0;
/// kDefaultRtt, until one is known.
const ROUND_TRIP: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    /// The states of the picture in the crate's documentation.
    #[test]
    fn each_usage_leads_to_the_state_of_the_table() {
        for state in [State::Hold, State::Increase] {
            for (usage, next) in
                [(Usage::Overusing, State::Hold), (Usage::Normal, State::Increase), (Usage::Underusing, State::Hold)]
            {
                let mut aimd = Aimd { state, ..Aimd::new(Time::default(), kbps(1000)) };
                let lowered = aimd.handle(Time::from_millis(100), usage, Some(kbps(1000)), true);
                assert_eq!((aimd.state, lowered), (next, usage == Usage::Overusing), "{state:?} {usage:?}");
            }
        }
    }

    #[test]
    fn it_rises_by_8_percent_a_second_until_the_capacity_is_known_and_then_by_a_packet_per_response_time() {
        let mut aimd = Aimd::new(Time::default(), kbps(1000));
        let run = |aimd: &mut Aimd, from: u64| {
            for tick in 0..=10 {
                let acknowledged = Some(aimd.rate());
                aimd.handle(Time::from_millis(from + tick * 100), Usage::Normal, acknowledged, true);
            }
        };
        run(&mut aimd, 0);
        assert_eq!(aimd.rate().kbps().round(), 1080.0);
        aimd.handle(Time::from_millis(2000), Usage::Overusing, Some(kbps(1080)), true);
        assert_eq!(aimd.rate().kbps().round(), 918.0);
        aimd.set_round_trip(Duration::from_millis(100));
        run(&mut aimd, 3000);
        // 918 kbit/s are frames of 3.8 kB, four packets of 7.6 kbit; a response takes 400 ms.
        assert_eq!(aimd.rate().kbps().round(), 918.0 + 19.0);
    }

    #[test]
    fn it_does_not_rise_far_beyond_what_arrives() {
        let mut aimd = Aimd::new(Time::default(), kbps(1000));
        for tick in 0..1000 {
            aimd.handle(Time::from_millis(tick * 100), Usage::Normal, Some(kbps(800)), true);
        }
        assert_eq!(aimd.rate(), kbps(1210));
    }
}
