//! Owns the grouping of packets into bursts and the differences between these. Never judges them.
//!
//! GCC draft, sections 5.2 and 5.3; `inter_arrival_delta.cc`.

use crate::estimator::ReceiverTime;
use crate::time::Time;

#[derive(Debug, Clone, Default)]
pub(crate) struct InterArrival {
    current: Option<Group>,
    /// The group before, complete.
    before: Option<Group>,
    reordered: u8,
}

/// How much later than its predecessor a group was sent and arrived, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Delta {
    pub sent_ms: f64,
    pub arrived_ms: f64,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: Time,
    sent: Time,
    first_arrival: ReceiverTime,
    arrival: ReceiverTime,
    /// When its last feedback came, by our clock.
    told: Time,
}

impl InterArrival {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.before.is_none()
    }

    /// A packet arrived; gives the difference of two groups when it begins a third.
    pub fn handle(&mut self, now: Time, sent: Time, arrival: ReceiverTime) -> Option<Delta> {
        let fresh = Group { first_sent: sent, sent, first_arrival: arrival, arrival, told: now };
        let Some(group) = &mut self.current else {
            self.current = Some(fresh);
            return None;
        };
        if sent < group.first_sent {
            return None;
        }
        if group.takes(sent, arrival) {
            group.sent = group.sent.max(sent);
            group.arrival = arrival;
            group.told = now;
            return None;
        }
        let complete = *group;
        let before = self.before.replace(complete);
        self.current = Some(fresh);
        let before = before?;
        let delta = Delta {
            sent_ms: complete.sent.millis_after(before.sent),
            arrived_ms: complete.arrival.millis_after(before.arrival),
        };
        if delta.arrived_ms - complete.told.millis_after(before.told) >= CLOCK_JUMP_MS {
            // The receiver's clock jumped.
            *self = InterArrival::default();
            return None;
        }
        if delta.arrived_ms < 0.0 {
            self.reordered += 1;
            if self.reordered >= REORDERED_MAX {
                *self = InterArrival::default();
            }
            return None;
        }
        self.reordered = 0;
        Some(delta)
    }
}

impl Group {
    /// Sent within the burst, or arrived with it although sent later: a queue let both go at once.
    fn takes(&self, sent: Time, arrival: ReceiverTime) -> bool {
        let sent_ms = sent.millis_after(self.sent);
        let arrived_ms = arrival.millis_after(self.arrival);
        let is_burst = sent_ms == 0.0
            || (arrived_ms < sent_ms
                && arrived_ms <= BURST_MS
                && arrival.millis_after(self.first_arrival) < BURST_MS_MAX);
        is_burst || sent.millis_after(self.first_sent) <= GROUP_MS
    }
}

/// kSendTimeGroupLength of `delay_based_bwe.cc`; burst_time of the draft.
const GROUP_MS: f64 = 5.0;
const BURST_MS: f64 = 5.0;
const BURST_MS_MAX: f64 = 100.0;
/// kArrivalTimeOffsetThreshold.
const CLOCK_JUMP_MS: f64 = 3000.0;
/// kReorderedResetThreshold.
const REORDERED_MAX: u8 = 3;
