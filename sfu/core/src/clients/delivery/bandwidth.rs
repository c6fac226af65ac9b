//! Owns what is known of one client's line: the transport-wide numbers of what is sent to it, what it says of them, and
//! the estimate that follows. Never sends a packet and never chooses one.

use std::time::{Duration, Instant};

use chappe_sfu_rate::{
    Basis, Bitrate, FeedbackCounts, PacketClass, PacketReport, RateConfig, RateControl, ReceiverReport, ReceiverTime,
    ReferenceClock, Time,
};

use crate::clients::delivery::Sender;
use crate::stats::DropReason;
use crate::wire::rtcp::TransportFeedback;

pub(crate) struct Bandwidth {
    control: RateControl,
    /// Time zero of the control loop.
    zero: Instant,
    reference: ReferenceClock,
    /// Packets have transport-wide numbers. Without them the client's reports and REMB are all there is.
    is_numbered: bool,
}

/// What a snapshot says of the line to one client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineStats {
    /// What the line is thought to carry, in bits per second.
    pub estimate: u64,
    pub basis: LineBasis,
    /// What arrived lately, in bits per second; only transport-wide feedback tells.
    pub acknowledged: Option<u64>,
    /// Of the last seconds, 0 to 1.
    pub loss: f64,
    /// How long a packet waits in the queue of the line.
    pub queue: Duration,
}

/// What an estimate stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineBasis {
    /// Nothing was heard yet.
    Start,
    /// Transport-wide feedback.
    Feedback,
    /// Transport-wide feedback that does not come any more.
    Silent,
    /// Receiver reports, or the client's own estimate (REMB).
    Reports,
}

impl Bandwidth {
    /// For a client that tells the fate of each packet.
    pub fn numbered(now: Instant) -> Bandwidth {
        Bandwidth::new(now, &RateConfig::default(), true)
    }

    /// For a client that has only reports and has had `sent` until now, which its first report says more of than any
    /// guess would.
    pub fn reported(now: Instant, sent: Bitrate) -> Bandwidth {
        let config = RateConfig::default();
        Bandwidth::new(now, &RateConfig { start: sent.max(config.start), ..config }, false)
    }

    fn new(now: Instant, config: &RateConfig, is_numbered: bool) -> Bandwidth {
        let control = RateControl::new(Time::default(), config);
        Bandwidth { control, zero: now, reference: ReferenceClock::default(), is_numbered }
    }

    pub fn is_numbered(&self) -> bool {
        self.is_numbered
    }

    /// Whether the packets of a sender have transport-wide numbers.
    #[inline]
    pub fn numbers(&self, sender: &Sender) -> bool {
        self.is_numbered && sender.is_numbered()
    }

    /// This moment for the control loop.
    #[inline]
    pub fn time(&self, now: Instant) -> Time {
        Time::from_micros(now.saturating_duration_since(self.zero).as_micros() as u64)
    }

    /// Notes a datagram of this length as it leaves, and gives its transport-wide number.
    #[inline]
    pub fn number(&mut self, now: Time, datagram_bytes: usize, class: PacketClass) -> u16 {
        self.control.handle_sent(now, datagram_bytes as u32 + IP_AND_UDP_BYTES, class)
    }

    pub fn handle_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) -> Result<(), DropReason> {
        let reference = self.reference.unwrap(feedback.reference_time).as_micros();
        let reports = feedback.arrivals().map(|(seq, at)| PacketReport {
            seq: seq.0,
            received: at.map(|at| ReceiverTime::from_micros(reference + at)),
        });
        let before = self.control.estimator().counts();
        self.control.handle_feedback(self.time(now), reports);
        let after = self.control.estimator().counts();
        if after.unknown > before.unknown {
            Err(DropReason::FeedbackUnsent)
        } else if known(&after) == known(&before) {
            Err(DropReason::FeedbackRepeated)
        } else {
            Ok(())
        }
    }

    pub fn handle_remb(&mut self, now: Instant, bits_per_second: u64) {
        self.control.handle_remb(self.time(now), Bitrate::from_bps(bits_per_second));
    }

    /// A report block says how much was lost of `packets`.
    pub fn handle_report(&mut self, now: Instant, fraction_lost: u8, packets: u32, round_trip: Option<Duration>) {
        self.control.handle_receiver_report(self.time(now), ReceiverReport { fraction_lost, packets, round_trip });
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.control.handle_timeout(self.time(now));
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let at = self.control.poll_timeout().filter(|_| self.is_numbered)?;
        Some(self.zero + Duration::from_micros(at.as_micros()))
    }

    pub fn stats(&self) -> LineStats {
        let estimator = self.control.estimator();
        LineStats {
            estimate: estimator.estimate().bps(),
            basis: match estimator.basis() {
                Basis::Start => LineBasis::Start,
                Basis::Transport => LineBasis::Feedback,
                Basis::Silent => LineBasis::Silent,
                Basis::Reports => LineBasis::Reports,
            },
            acknowledged: estimator.acknowledged().map(Bitrate::bps),
            loss: estimator.loss(),
            queue: estimator.queue(),
        }
    }
}

/// Fates that were learned.
fn known(counts: &FeedbackCounts) -> u64 {
    counts.received + counts.lost + counts.late
}

/// What the line carries beside the datagram.
const IP_AND_UDP_BYTES: u32 = 28;
