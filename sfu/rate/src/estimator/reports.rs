//! Owns the rate of a viewer that sends receiver reports and nothing better. Never sees a packet.
//!
//! The loss-based controller of the GCC draft, section 6; `send_side_bandwidth_estimation.cc`. It takes a step with each
//! report, of which Chromium sends several in a second, GStreamer one in 2.5 to 7.5 s (RFC 3550, section 6.2): a line that
//! loses more than chance does is believed at once to carry what arrived.

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::time::Time;

/// A report block (RFC 3550, section 6.4.1) on something that we send, as far as it says something of the line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReceiverReport {
    /// The fraction lost since the report before, in 256ths.
    pub fraction_lost: u8,
    /// How many packets it speaks of; few of them say little.
    pub packets: u32,
    /// What arrived of all that was sent, since the report before.
    pub arrived: Option<Bitrate>,
    pub round_trip: Option<Duration>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct LossReports {
    packets: u64,
    /// In 256ths of packets.
    lost: u64,
    lowered_at: Option<Time>,
    raised_at: Option<Time>,
}

impl LossReports {
    /// The rate after this report, from that before it.
    pub fn handle(&mut self, now: Time, report: ReceiverReport, rate: Bitrate, round_trip: Duration) -> Bitrate {
        let loss = f64::from(report.fraction_lost) / 256.0;
        let is_full = u64::from(report.packets) >= PACKETS_MIN && loss > LOSS_OF_CHANCE;
        let arrived = report.arrived.filter(|_| is_full).map(|arrived| arrived.scaled(ROOM));
        let rate = self.step(now, report, rate, round_trip);
        arrived.map_or(rate, |arrived| rate.min(arrived))
    }

    fn step(&mut self, now: Time, report: ReceiverReport, rate: Bitrate, round_trip: Duration) -> Bitrate {
        self.packets += u64::from(report.packets);
        self.lost += u64::from(report.packets) * u64::from(report.fraction_lost);
        if self.packets < PACKETS_MIN {
            return rate;
        }
        let loss = self.lost as f64 / 256.0 / self.packets as f64;
        (self.packets, self.lost) = (0, 0);
        if loss <= LOSS_LOW {
            let elapsed = self.raised_at.map_or(Duration::ZERO, |at| now.since(at)).min(Duration::from_secs(1));
            self.raised_at = Some(now);
            return rate.scaled(1.0 + 0.08 * elapsed.as_secs_f64()) + Bitrate::from_bps(1000);
        }
        self.raised_at = Some(now);
        let pause = DECREASE_PAUSE + round_trip;
        if loss > LOSS_HIGH && self.lowered_at.is_none_or(|at| now.since(at) >= pause) {
            self.lowered_at = Some(now);
            return rate.scaled(1.0 - 0.5 * loss);
        }
        rate
    }
}

/// kLimitNumPackets.
const PACKETS_MIN: u64 = 20;
/// kDefaultLowLossThreshold and kDefaultHighLossThreshold.
const LOSS_LOW: f64 = 0.02;
const LOSS_HIGH: f64 = 0.1;
/// Beyond this it is not chance that loses.
const LOSS_OF_CHANCE: f64 = 0.3;
/// More than what arrived: a little less than it carries passes a line that is full for part of the time.
const ROOM: f64 = 1.1;
/// kBweDecreaseInterval.
const DECREASE_PAUSE: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(fraction_lost: u8) -> u64 {
        let mut reports = LossReports::default();
        let report = ReceiverReport { fraction_lost, packets: 100, arrived: None, round_trip: None };
        let round_trip = Duration::from_millis(50);
        let rate = reports.handle(Time::from_millis(1000), report, Bitrate::from_kbps(1000), round_trip);
        reports.handle(Time::from_millis(2000), report, rate, round_trip).bps() / 1000
    }

    #[test]
    fn little_loss_raises_some_holds_and_much_lowers() {
        assert_eq!(after(0), 1082);
        assert_eq!(after(13), 1000);
        assert_eq!(after(51), 810);
    }

    #[test]
    fn what_loses_more_than_chance_carries_what_arrived() {
        for (fraction_lost, packets, kbps) in [(64, 1000, 2625), (215, 1000, 528), (215, 19, 3000)] {
            let arrived = Some(Bitrate::from_kbps(480));
            let report = ReceiverReport { fraction_lost, packets, arrived, round_trip: None };
            let (now, rate) = (Time::from_millis(1000), Bitrate::from_kbps(3000));
            let after = LossReports::default().handle(now, report, rate, Duration::from_millis(50));
            assert_eq!(after.bps() / 1000, kbps, "{fraction_lost} of 256, {packets} packets");
        }
    }
}
