//! Owns the decision to probe: when, how fast, how much. Never measures (that is [`measure`]) and never sends.
//!
//! `probe_controller.cc`. It differs in what repeats probing: not only an application-limited sender, but each that
//! could use more than the estimate, because a source with layers can't grow by a little.

pub(crate) mod measure;

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::config::RateConfig;
use crate::time::Time;

/// When a viewer's line is probed.
#[derive(Debug, Clone)]
pub struct Prober {
    state: State,
    /// Clusters still to send, the next last.
    queued: [Option<Bitrate>; 2],
    id: u8,
    max: Bitrate,
    /// What could be sent if the line carried it.
    demand: Bitrate,
    estimate: Bitrate,
    /// The estimate before a large drop, and when that was.
    dropped: Option<(Bitrate, Time)>,
    /// When it may probe again for more.
    next: Time,
    lowered_at: Option<Time>,
    /// A result came, whose effect on the estimate is not known yet.
    has_result: bool,
    /// When a result raised the estimate.
    raised_at: Option<Time>,
    /// Probes in a row whose result the line then did not carry.
    refuted: u32,
    /// As [`RateConfig`] has it.
    is_coarse: bool,
    /// Much less is sent than the line is thought to carry: a step to the next layer waits for it.
    is_limited: bool,
    /// The last result was near what was sent: how near takes a longer look.
    is_near: bool,
    /// The first probes are not through, and took no longer look yet.
    is_start: bool,
}

/// The picture is in the crate's documentation.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Idle,
    Sending { cluster: ProbeCluster, began: Option<Time>, queued_at: Time, sent: u64, packets: u32 },
    Waiting { cluster: ProbeCluster, until: Time },
}

/// Packets that are sent at a rate of their own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeCluster {
    /// Never 0.
    pub id: u8,
    pub rate: Bitrate,
    /// At least so many packets and bytes.
    pub packets: u32,
    pub bytes: u64,
}

impl ProbeCluster {
    /// Padding in packets of this size keeps a cluster of a low rate short.
    pub fn packet_bytes(&self) -> u64 {
        (self.bytes / u64::from(self.packets.max(1))).clamp(PACKET_BYTES_MIN, PACKET_BYTES_MAX)
    }
}

impl Prober {
    /// Probes at three and six times the first estimate; at once and twice it if that is known from before.
    pub fn new(now: Time, config: &RateConfig) -> Prober {
        let (first, max) = (config.first(), config.max);
        let factors = if config.is_known() { FACTORS_KNOWN } else { FACTORS };
        let mut prober = Prober {
            state: State::Idle,
            queued: factors.map(|factor| Some(first.scaled(factor).min(max))),
            id: 0,
            max,
            demand: Bitrate::ZERO,
            estimate: first,
            dropped: None,
            next: now + INTERVAL,
            lowered_at: None,
            has_result: false,
            raised_at: None,
            refuted: 0,
            is_coarse: config.is_coarse,
            is_limited: false,
            is_near: false,
            is_start: true,
        };
        prober.begin_queued(now);
        prober
    }

    /// As at the start.
    pub fn restart(&mut self, now: Time, estimate: Bitrate) {
        self.queued = FACTORS.map(|factor| Some(estimate.scaled(factor).min(self.max)));
        self.is_start = true;
        self.begin_queued(now);
    }

    pub fn handle_demand(&mut self, demand: Bitrate) {
        self.demand = demand;
    }

    pub fn handle_limited(&mut self, is_limited: bool) {
        self.is_limited = is_limited;
        self.is_near &= is_limited;
    }

    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// The cluster under way, if it is to be announced to the measures: each once.
    #[inline]
    pub fn cluster(&self) -> Option<ProbeCluster> {
        match self.state {
            State::Sending { cluster, .. } => Some(cluster),
            State::Idle | State::Waiting { .. } => None,
        }
    }

    /// The bytes of the cluster that are due by now.
    #[inline]
    pub fn due(&self, now: Time) -> u64 {
        let State::Sending { cluster, began, sent, .. } = self.state else { return 0 };
        let elapsed = began.map_or(Duration::ZERO, |began| now.since(began));
        (cluster.rate.bytes_in(elapsed) + cluster.packet_bytes()).saturating_sub(sent)
    }

    /// A packet of the cluster left.
    pub fn handle_sent(&mut self, now: Time, bytes: u32, round_trip: Duration) {
        let State::Sending { cluster, began, sent, packets, .. } = &mut self.state else { return };
        began.get_or_insert(now);
        *sent += u64::from(bytes);
        *packets += 1;
        if *packets < cluster.packets || *sent < cluster.bytes {
            return;
        }
        let cluster = *cluster;
        if !self.begin_queued(now) {
            self.state = State::Waiting { cluster, until: now + RESULT_WITHIN + round_trip };
        }
    }

    /// The cluster of this id was measured. Of several that were sent at once only the last one counts.
    pub fn handle_result(&mut self, now: Time, id: u8, result: Bitrate) {
        self.has_result = true;
        let State::Waiting { cluster, .. } = self.state else { return };
        if cluster.id != id {
            return;
        }
        self.state = State::Idle;
        // One that is no faster would have the same result, and be followed by another one like it, without end.
        let further = self.useful(result.scaled(FURTHER_SCALE));
        let is_faster = further > cluster.rate;
        let is_near = !is_faster && self.takes_longer_look(cluster.rate, result);
        let was_near = std::mem::replace(&mut self.is_near, is_near);
        let looks_longer = is_near && !was_near;
        if (is_faster || looks_longer) && result >= cluster.rate.scaled(FURTHER_FROM) && result < self.cap() {
            self.begin(now, further.max(cluster.rate));
        }
        self.is_start &= is_faster && !self.is_idle();
    }

    /// After each feedback: the estimate, and whether the delay lowered it.
    pub fn handle_estimate(&mut self, now: Time, estimate: Bitrate, lowered: bool) {
        if lowered {
            self.lowered_at = Some(now);
            if self.raised_at.take().is_some_and(|at| now.since(at) < REFUTED_WITHIN) {
                self.refuted += 1;
            }
        } else if self.raised_at.is_some_and(|at| now.since(at) >= REFUTED_WITHIN) {
            (self.raised_at, self.refuted) = (None, 0);
        }
        if std::mem::take(&mut self.has_result) && estimate > self.estimate.scaled(WORTH) {
            self.raised_at = Some(now);
        }
        if estimate < self.estimate.scaled(DROP) {
            self.dropped = Some((self.estimate, now));
        }
        self.estimate = estimate;
    }

    /// A queue stands in the line: no time to probe.
    pub fn handle_queue(&mut self, now: Time) {
        self.lowered_at = Some(now);
    }

    /// Begins what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.state {
            State::Sending { queued_at, .. } if now.since(queued_at) >= SENT_WITHIN => self.give_up(now),
            State::Waiting { until, .. } if now >= until => self.give_up(now),
            State::Idle => self.begin_due(now),
            State::Sending { .. } | State::Waiting { .. } => {}
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Sending { queued_at, .. } => Some(queued_at + SENT_WITHIN),
            State::Waiting { until, .. } => Some(until),
            State::Idle => (self.dropped.is_some() || self.estimate < self.cap()).then(|| self.may_begin_at()),
        }
    }

    /// Not before a queue that may still drain has had its time.
    fn may_begin_at(&self) -> Time {
        self.lowered_at.map_or(self.next, |at| self.next.max(at + CALM))
    }

    fn begin_due(&mut self, now: Time) {
        if now < self.may_begin_at() {
            return;
        }
        if let Some((before, at)) = self.dropped.take()
            && now.since(at) < DROP_TIMEOUT
            && self.estimate < before.scaled(DROP)
        {
            self.begin(now, before.scaled(DROP_SCALE));
        } else if self.estimate < self.cap() {
            // Also where it is not worth one, near the most that there is: a deadline must not stay.
            self.next = now + INTERVAL;
            self.begin(now, self.estimate.scaled(FURTHER_SCALE));
        }
    }

    fn begin(&mut self, now: Time, rate: Bitrate) {
        let rate = self.useful(rate);
        if rate < self.estimate.scaled(WORTH) {
            return;
        }
        self.next = now + (INTERVAL * (1 << self.refuted.min(3)));
        self.send(now, rate);
    }

    fn begin_queued(&mut self, now: Time) -> bool {
        let Some(rate) = self.queued.iter_mut().rev().find_map(Option::take) else { return false };
        self.send(now, rate);
        true
    }

    fn send(&mut self, now: Time, rate: Bitrate) {
        self.id = self.id.checked_add(1).unwrap_or(1);
        let bytes = rate.bytes_in(if self.is_near { DURATION_NEAR } else { DURATION });
        let cluster = ProbeCluster { id: self.id, rate, packets: PACKETS, bytes };
        self.state = State::Sending { cluster, began: None, queued_at: now, sent: 0, packets: 0 };
    }

    fn give_up(&mut self, now: Time) {
        self.queued = [None; 2];
        self.state = State::Idle;
        self.next = self.next.max(now + INTERVAL);
    }

    /// Whether a longer probe would tell more: where arrivals are told coarsely, and before the first choice of layers if it
    /// depends on how near to what was sent the result really is.
    fn takes_longer_look(&self, sent: Bitrate, result: Bitrate) -> bool {
        let is_coarse = self.is_coarse && self.is_limited && result >= sent.scaled(NEAR);
        is_coarse || self.is_start && result >= sent.scaled(FURTHER_FROM) && result < self.demand
    }

    fn useful(&self, rate: Bitrate) -> Bitrate {
        rate.min(self.cap().scaled(CAP_HEADROOM)).min(self.max)
    }

    /// More than this is of no use.
    fn cap(&self) -> Bitrate {
        self.demand.scaled(DEMAND_HEADROOM).min(self.max)
    }
}

/// first_exponential_probe_scale, second_exponential_probe_scale; the last one goes first.
const FACTORS: [f64; 2] = [6.0, 3.0];
const FACTORS_KNOWN: [f64; 2] = [2.0, 1.0];
/// min_probe_packets_sent, min_probe_duration.
const PACKETS: u32 = 5;
const DURATION: Duration = Duration::from_millis(15);
/// Our own: arrivals that are told in milliseconds (RFC 8888) make 15 ms of them 14 or 16, and the line as much slower or
/// faster, in each probe again; those that a receiver with much to do notes 3 ms late make it a fifth slower. So much longer
/// a probe makes no queue where the line carries nearly what is sent, and no harm beside a layer that is small.
const DURATION_NEAR: Duration = Duration::from_millis(40);
const NEAR: f64 = 0.8;
const PACKET_BYTES_MIN: u64 = 200;
const PACKET_BYTES_MAX: u64 = 1200;
/// step_size, further_probe_threshold.
const FURTHER_SCALE: f64 = 2.0;
const FURTHER_FROM: f64 = 0.7;
/// kBitrateDropThreshold, kBitrateDropTimeout, kProbeFractionAfterDrop.
const DROP: f64 = 0.66;
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
const DROP_SCALE: f64 = 0.85;
/// kMaxWaitingTimeForProbingResult.
const RESULT_WITHIN: Duration = Duration::from_secs(1);
/// A viewer without anything to send has no use for a probe.
const SENT_WITHIN: Duration = Duration::from_millis(500);

/// alr_interval is 5 s in libwebrtc. A second costs 1.5 % of the estimate here, and lets the top layer back within 3 s.
const INTERVAL: Duration = Duration::from_secs(1);
/// Not while a queue may still drain.
const CALM: Duration = Duration::from_millis(600);
/// A rise by a probe that is followed by overuse so soon was wrong.
const REFUTED_WITHIN: Duration = Duration::from_millis(1500);
/// kProbeUncertainty: below it the result would say nothing new.
const WORTH: f64 = 1.05;
/// The line must carry somewhat more than the layers take.
const DEMAND_HEADROOM: f64 = 1.1;
/// The result is below what was sent.
const CAP_HEADROOM: f64 = 1.05;

#[cfg(test)]
mod tests;
