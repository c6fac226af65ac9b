//! Owns the estimate of one viewer's line: what was sent, what feedback says of it, and the rates that delay, loss,
//! probes and the viewer's own limits allow. Never decides what to send.
//!
//! `goog_cc_network_control.cc` and `send_side_bandwidth_estimation.cc`, which put the same parts together.

mod acknowledged;
mod ahead;
mod aimd;
mod app_limited;
mod busy;
mod contest;
mod feedback;
mod history;
mod inter_arrival;
mod link_capacity;
mod loss;
mod loss_window;
mod outcome;
mod overuse;
mod reports;
mod standing_queue;
mod trendline;
mod trust;

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::bitrate::Bitrate;
use crate::probe::ProbeCluster;
use crate::probe::measure::{ProbeMeasures, ProbeResult};
use crate::time::Time;
use acknowledged::AcknowledgedRate;
use aimd::Aimd;
use app_limited::AppLimited;
use contest::Contest;
use history::{Fate, SendHistory, SentPacket};
use loss::LossBased;
use overuse::Overuse;
use reports::LossReports;
use standing_queue::{Drain, Flow, QUEUE_OF_PROBES, StandingQueue};
use trust::Trust;

pub use feedback::{Basis, FeedbackCounts, PacketReport, ReceiverTime, ReferenceClock, ReportClock};
pub(crate) use outcome::Outcome;
pub use reports::ReceiverReport;
pub use trendline::Usage;

/// The estimate of one viewer's line.
#[derive(Debug, Clone)]
pub struct Estimator {
    min: Bitrate,
    max: Bitrate,
    estimate: Bitrate,
    basis: Basis,
    history: SendHistory,
    counts: FeedbackCounts,
    overuse: Overuse,
    aimd: Aimd,
    acknowledged: AcknowledgedRate,
    loss: LossBased,
    app_limited: AppLimited,
    contest: Contest,
    probes: ProbeMeasures,
    reports: LossReports,
    queue: StandingQueue,
    /// The receiver's own estimate (REMB) is an upper bound.
    remb: Option<Bitrate>,
    round_trip: Duration,
    /// When the basis of the estimate was last heard, or the estimate was lowered because it was not.
    heard_at: Time,
    trust: Trust,
}

impl Estimator {
    pub fn new(now: Time, min: Bitrate, start: Bitrate, max: Bitrate) -> Estimator {
        let max = max.max(min);
        let start = start.clamp(min, max);
        Estimator {
            min,
            max,
            estimate: start,
            basis: Basis::Start,
            history: SendHistory::new(),
            counts: FeedbackCounts::default(),
            overuse: Overuse::default(),
            aimd: Aimd::new(now, start),
            acknowledged: AcknowledgedRate::new(),
            loss: LossBased::new(min, max),
            app_limited: AppLimited::new(now),
            contest: Contest::default(),
            probes: ProbeMeasures::default(),
            reports: LossReports::default(),
            queue: StandingQueue::new(now),
            remb: None,
            round_trip: ROUND_TRIP,
            heard_at: now,
            trust: Trust::default(),
        }
    }

    /// Within the limits, always.
    #[inline]
    pub fn estimate(&self) -> Bitrate {
        self.estimate
    }

    pub fn basis(&self) -> Basis {
        self.basis
    }

    pub fn usage(&self) -> Usage {
        self.overuse.usage()
    }

    pub fn acknowledged(&self) -> Option<Bitrate> {
        self.acknowledged.rate()
    }

    /// The loss of the last seconds, from 0 to 1.
    pub fn loss(&self) -> f64 {
        self.loss.loss()
    }

    pub fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// How long a packet waits in the queue of the line.
    pub fn queue(&self) -> Duration {
        self.queue.queue()
    }

    /// How long a packet takes, in microseconds and between two clocks: the least of the newest feedback.
    pub fn delay(&self) -> Option<i64> {
        self.queue.delay()
    }

    /// Whether the line may be probed: no queue stands in it, or one that is others' anyway.
    pub(crate) fn may_probe(&self) -> bool {
        let (queue, is_others) = (self.queue(), self.queue.is_others());
        queue < QUEUE_OF_PROBES || self.contest.may_probe(queue, is_others, self.acknowledged.rate())
    }

    /// Whether what is sent has arrived for a while without a queue: then the line carries it, whatever the estimate says.
    pub fn is_calm(&self) -> bool {
        self.basis == Basis::Transport && self.acknowledged.is_calm()
    }

    /// Whether the estimate was measured just now.
    pub fn is_measured(&self, now: Time) -> bool {
        self.trust.is_measured(now)
    }

    pub fn counts(&self) -> FeedbackCounts {
        self.counts
    }

    pub fn heap_bytes(&self) -> usize {
        self.history.bytes()
    }

    /// Notes a packet as it leaves, with all that the line carries of it, and gives its transport-wide sequence number.
    #[inline]
    pub fn handle_sent(&mut self, now: Time, bytes: u32, cluster: Option<u8>) -> u16 {
        if self.history.last_sent().is_none_or(|last| now.since(last) > SILENCE) {
            // After a pause there was nothing to be heard of.
            self.heard_at = self.heard_at.max(now);
        }
        self.app_limited.handle_sent(now, bytes, self.estimate);
        self.history.insert(now, bytes, cluster.unwrap_or(0))
    }

    pub(crate) fn expect_probe(&mut self, cluster: &ProbeCluster) {
        self.probes.expect(cluster);
    }

    /// What feedback says, in the order of its sequence numbers.
    pub(crate) fn handle_feedback(&mut self, now: Time, reports: impl IntoIterator<Item = PacketReport>) -> Outcome {
        let mut outcome = Outcome::default();
        let mut received: ArrayVec<ReceivedPacket, CHUNK> = ArrayVec::new();
        let mut newest: Option<Time> = None;
        let mut is_news = false;
        if self.acknowledged.is_calm() && self.app_limited.uses_little(self.acknowledged.rate(), self.estimate) {
            self.trust.handle_calm(now);
        }
        for report in reports {
            let fate = self.history.resolve(now, report.seq, report.received.is_some());
            let packet = match fate {
                Fate::Received(packet) | Fate::ReceivedLate(packet) | Fate::Lost(packet) => packet,
                Fate::Repeated => {
                    self.counts.repeated += 1;
                    continue;
                }
                Fate::Unknown => {
                    self.counts.unknown += 1;
                    continue;
                }
            };
            is_news = true;
            self.count_fate(&fate, packet);
            let Some(arrival) = report.received else { continue };
            newest = Some(newest.map_or(packet.sent, |newest| newest.max(packet.sent)));
            received.push((packet, arrival));
            if received.is_full() {
                self.handle_received(now, &mut received, &mut outcome);
            }
        }
        self.handle_received(now, &mut received, &mut outcome);
        if is_news {
            if let Some(sent) = newest {
                self.round_trip = now.since(sent).min(ROUND_TRIP_MAX);
                self.aimd.set_round_trip(self.round_trip);
            }
            self.basis = Basis::Transport;
            self.heard_at = now;
            self.update(now, &mut outcome);
        }
        outcome
    }

    /// The receiver's own estimate, for those without transport-wide feedback; to others an upper bound.
    pub fn handle_remb(&mut self, now: Time, rate: Bitrate) {
        self.remb = Some(rate);
        if self.basis != Basis::Transport {
            self.basis = Basis::Reports;
            self.heard_at = now;
            self.set(rate);
        } else {
            self.set(self.estimate.min(rate));
        }
    }

    pub fn handle_receiver_report(&mut self, now: Time, report: ReceiverReport) {
        if self.basis == Basis::Transport {
            return;
        }
        self.basis = Basis::Reports;
        self.heard_at = now;
        self.round_trip = report.round_trip.unwrap_or(self.round_trip).min(ROUND_TRIP_MAX);
        let rate = self.reports.handle(now, report, self.estimate, self.round_trip);
        self.set(rate.min(self.remb.unwrap_or(rate)));
    }

    /// Feedback that does not come: the line may be gone, or the way back.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        self.heard_at = now;
        if matches!(self.basis, Basis::Transport | Basis::Silent) {
            self.basis = Basis::Silent;
            let lowered = self.estimate.scaled(SILENCE_BACKOFF);
            self.aimd.set(now, lowered.max(self.min));
            self.set(lowered);
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        let last = self.history.last_sent()?;
        let waits = matches!(self.basis, Basis::Transport | Basis::Silent) && last > self.heard_at;
        waits.then(|| self.heard_at + SILENCE + 2 * self.round_trip)
    }

    fn count_fate(&mut self, fate: &Fate, packet: SentPacket) {
        match fate {
            Fate::Received(_) => {
                self.counts.received += 1;
                self.loss.window().handle(packet.sent, packet.bytes, false);
            }
            Fate::ReceivedLate(_) => {
                self.counts.late += 1;
                self.loss.window().handle_late(packet.bytes);
            }
            Fate::Lost(_) => {
                self.counts.lost += 1;
                self.loss.window().handle(packet.sent, packet.bytes, true);
            }
            Fate::Repeated | Fate::Unknown => {}
        }
    }

    fn handle_received(&mut self, now: Time, received: &mut ArrayVec<ReceivedPacket, CHUNK>, outcome: &mut Outcome) {
        received.sort_unstable_by_key(|(_, arrival)| *arrival);
        outcome.is_limited = self.app_limited.is_limited();
        for (packet, arrival) in received.drain(..) {
            let queued = self.queue.handle(packet.sent, arrival);
            self.acknowledged.handle(arrival, packet.bytes, queued, outcome.is_limited);
            self.overuse.handle(now, packet.sent, arrival);
            if packet.cluster != 0 {
                let probed = self.probes.handle(packet.cluster, packet.sent, arrival, packet.bytes);
                outcome.probed = probed.or(outcome.probed);
            }
        }
    }

    fn update(&mut self, now: Time, outcome: &mut Outcome) {
        let acknowledged = self.acknowledged.rate();
        self.queue.measure(now);
        if let Some(claim) = self.contest.handle_queue(now, self.queue.queue(), self.queue.is_others()) {
            self.aimd.set(now, self.aimd.rate().max(claim));
            self.loss.forgive(claim);
        }
        let usage = self.believed_usage(now);
        let limited_by_loss = self.loss.limits() && self.estimate < self.aimd.rate();
        if usage == Usage::Overusing {
            self.trust.handle_overuse(now);
        }
        match outcome.probed {
            Some(probed) if usage != Usage::Overusing => self.handle_probed(now, probed, acknowledged),
            _ => {
                // What loss holds down must not drift away from it.
                let may_raise = !self.app_limited.is_limited() && !limited_by_loss;
                // A decrease from a filtered rate that still climbs would undo the rise that it climbs to.
                let overused = self.acknowledged.at_least().filter(|_| usage == Usage::Overusing);
                outcome.lowered = self.aimd.handle(now, usage, overused.or(acknowledged), may_raise);
                self.aimd.handle_carried(self.acknowledged.carried());
            }
        }
        if self.aimd.rate() > self.max || self.aimd.rate() < self.min {
            self.aimd.set(now, self.aimd.rate().clamp(self.min, self.max));
        }
        let flow = Flow {
            is_overused: usage == Usage::Overusing,
            is_contested: self.contest.is_on(),
            arriving: self.acknowledged.newest(),
            usual: self.acknowledged.usual(),
        };
        let limit = match self.queue.decide(now, &flow) {
            Drain::No => None,
            Drain::Limit(rate) => Some(rate),
            Drain::Done { capacity, is_new } => {
                let capacity = capacity.scaled(AFTER_DRAIN);
                self.trust.handle_measured(now);
                let rate = if is_new { capacity } else { self.aimd.rate().min(capacity) };
                self.aimd.set(now, rate.clamp(self.min, self.max));
                None
            }
        };
        let rate = self.loss.decide(self.aimd.rate(), acknowledged, self.app_limited.is_limited());
        self.set(rate.min(limit.unwrap_or(rate)).min(self.remb.unwrap_or(rate)));
    }

    /// Overuse is believed where the queue bears it out, and is not what others make who fill the line.
    fn believed_usage(&self, now: Time) -> Usage {
        let borne = self.contest.borne(self.queue.is_others(), self.acknowledged.rate());
        let queue_min = borne.unwrap_or_else(|| self.trust.queue_min(now, self.app_limited.is_limited()));
        match self.overuse.usage() {
            Usage::Overusing if self.queue.queue() < queue_min => Usage::Normal,
            usage => usage,
        }
    }

    /// Two things differ from libwebrtc, which takes each result and probes much less often. A result below the estimate
    /// lowers it only while the start is probed: what came beside cross traffic says little. And a result that was below
    /// what was sent counts only on a line that was calm: on one that others use, too, it would take from them.
    fn handle_probed(&mut self, now: Time, probed: ProbeResult, acknowledged: Option<Bitrate>) {
        let is_first = self.aimd.capacity().is_none();
        if !is_first && !self.trust.is_calm(now) && probed.is_saturated {
            let claim = acknowledged.and_then(|usual| self.contest.claim(&probed, usual));
            if let Some(claim) = claim.filter(|claim| *claim > self.estimate) {
                self.aimd.set(now, self.aimd.rate().max(claim.min(self.max)));
                self.acknowledged.expect_change();
                self.loss.forgive(claim);
            }
            return;
        }
        let known = acknowledged.unwrap_or_default().scaled(0.85).min(self.aimd.rate());
        self.contest.handle_capacity(now, probed.rate);
        let rate = self.contest.bound(probed.rate, acknowledged).max(known).clamp(self.min, self.max);
        if rate > self.aimd.rate() || is_first {
            self.aimd.set_probed(now, rate);
            self.trust.handle_probed(now, self.app_limited.is_limited());
            self.acknowledged.expect_change();
            if self.loss.limits() {
                self.loss.forgive(rate);
            }
        }
    }

    fn set(&mut self, rate: Bitrate) {
        self.estimate = rate.clamp(self.min, self.max);
    }
}

type ReceivedPacket = (SentPacket, ReceiverTime);

/// Packets that are sorted by arrival at a time, on the stack.
const CHUNK: usize = 128;
/// kDefaultRtt of libwebrtc.
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// No feedback may make the response time longer.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);

/// Chromium sends feedback at least each 250 ms (`remote_estimator_proxy.cc`); two may be lost.
const SILENCE: Duration = Duration::from_millis(500);
/// The rate is lowered by this each time (kFeedbackTimeout of `send_side_bandwidth_estimation.cc`, which waits longer).
const SILENCE_BACKOFF: f64 = 0.8;
/// What is used of the capacity after a queue was drained.
const AFTER_DRAIN: f64 = 0.95;
