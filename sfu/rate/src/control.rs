//! Owns the control loop of one viewer: estimator, prober and pacer, put together. Chooses no layer and holds no packet.

use crate::allocation::Line;
use crate::bitrate::Bitrate;
use crate::config::{Known, RateConfig};
use crate::coupled::Taken;
use crate::estimator::{Estimator, Outcome, PacketReport, ReceiverReport};
use crate::pacer::{Backlog, Grant, Pacer};
use crate::probe::Prober;
use crate::time::Time;

/// What a viewer's line carries and what may be sent to it now.
#[derive(Debug, Clone)]
pub struct RateControl {
    estimator: Estimator,
    prober: Prober,
    pacer: Pacer,
    /// The cluster that the estimator was told of last.
    expected: Option<u8>,
    /// Of a line that is known: nothing but sound has left yet. A probe would measure how long that is so, and what is known
    /// would be taken back.
    awaits_picture: bool,
}

/// What a packet is, for the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketClass {
    Audio,
    Repair,
    Video,
    Padding,
}

impl RateControl {
    pub fn new(now: Time, config: &RateConfig) -> RateControl {
        let estimator = Estimator::new(now, config.min, config.first(), config.max);
        let (prober, awaits_picture) = (Prober::new(now, config), config.is_known());
        RateControl { estimator, prober, pacer: Pacer::new(now), expected: None, awaits_picture }
    }

    pub fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    pub fn prober(&self) -> &Prober {
        &self.prober
    }

    #[inline]
    pub fn estimate(&self) -> Bitrate {
        self.estimator.estimate()
    }

    /// Reads what is needed of it when a packet leaves, so that a caller who is about to send to many finds it in the
    /// processor's caches. The sum means nothing.
    #[inline]
    pub fn read_for_sending(&self) -> u64 {
        self.pacer.read() ^ u64::from(self.prober.is_idle()) ^ self.estimator.read_for_sending()
    }

    /// The same when feedback tells of `packets`.
    #[inline]
    pub fn read_for_feedback(&self, packets: usize) -> u64 {
        u64::from(self.prober.is_idle()) ^ self.estimator.read_for_feedback(packets)
    }

    /// For the choice of layers.
    pub fn line(&self, now: Time) -> Line {
        let (is_calm, is_measured) = (self.estimator.is_calm(), self.estimator.is_measured(now));
        Line { estimate: self.estimate(), is_calm, is_measured }
    }

    /// For [`SharedLine::part`]; `demand` is what all layers that are wanted would take.
    ///
    /// [`SharedLine::part`]: crate::SharedLine::part
    pub fn taken(&self, demand: Bitrate) -> Taken {
        let arriving = self.estimator.acknowledged().unwrap_or_default();
        Taken { arriving, demand, queue: self.estimator.queue(), delay: self.estimator.delay() }
    }

    /// For the same client's next session.
    pub fn export(&self) -> Known {
        Known { estimate: self.estimate() }
    }

    /// What all layers that are wanted would take, whether or not the line carries them: no use in probing for more.
    pub fn handle_demand(&mut self, demand: Bitrate) {
        self.prober.handle_demand(demand);
    }

    /// What may leave now.
    #[inline]
    pub fn poll_grant(&mut self, now: Time, backlog: &Backlog) -> Grant {
        self.pacer.poll_grant(now, self.estimator.estimate(), backlog, &self.prober)
    }

    /// Whether so many bytes of video may leave at once, as one run.
    #[inline]
    pub fn covers(&mut self, now: Time, bytes: u64) -> bool {
        self.pacer.covers(now, self.estimator.estimate(), bytes)
    }

    /// Begins to probe as at the start: for a sender that sent a burst before anything was heard of it.
    pub fn restart_probing(&mut self, now: Time) {
        self.prober.restart(now, self.estimator.estimate());
    }

    /// Notes a packet without a transport-wide sequence number.
    #[inline]
    pub fn handle_sent_untold(&mut self, bytes: u32) {
        self.pacer.handle_sent(bytes);
    }

    /// Notes a packet as it leaves, and gives its transport-wide sequence number. `bytes` is all that the line carries
    /// of it, UDP and IP included.
    #[inline]
    pub fn handle_sent(&mut self, now: Time, bytes: u32, class: PacketClass) -> u16 {
        self.awaits_picture &= class == PacketClass::Audio;
        let cluster = self.prober.cluster().filter(|_| !self.awaits_picture);
        if let Some(cluster) = cluster {
            if self.expected != Some(cluster.id) {
                self.expected = Some(cluster.id);
                self.estimator.expect_probe(&cluster);
            }
            self.prober.handle_sent(now, bytes, self.estimator.round_trip());
        }
        if class != PacketClass::Padding {
            self.pacer.handle_sent(bytes);
        }
        self.estimator.handle_sent(now, bytes, cluster.map(|cluster| cluster.id))
    }

    /// What a feedback packet says of each packet, in the order of the sequence numbers.
    pub fn handle_feedback(&mut self, now: Time, reports: impl IntoIterator<Item = PacketReport>) {
        let outcome = self.estimator.handle_feedback(now, reports);
        self.advance(now, outcome);
    }

    pub fn handle_remb(&mut self, now: Time, rate: Bitrate) {
        self.estimator.handle_remb(now, rate);
        self.advance(now, Outcome::default());
    }

    pub fn handle_receiver_report(&mut self, now: Time, report: ReceiverReport) {
        self.estimator.handle_receiver_report(now, report);
        self.advance(now, Outcome::default());
    }

    pub fn handle_timeout(&mut self, now: Time) {
        self.estimator.handle_timeout(now);
        self.prober.handle_timeout(now);
    }

    /// When [`RateControl::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Time> {
        match (self.estimator.poll_timeout(), self.prober.poll_timeout()) {
            (Some(silence), Some(probe)) => Some(silence.min(probe)),
            (silence, probe) => silence.or(probe),
        }
    }

    fn advance(&mut self, now: Time, outcome: Outcome) {
        self.prober.handle_limited(outcome.is_limited);
        if let Some(result) = outcome.probed {
            self.prober.handle_result(now, result.cluster, result.rate);
        }
        self.prober.handle_estimate(now, self.estimator.estimate(), outcome.lowered);
        if !self.estimator.may_probe() {
            self.prober.handle_queue(now);
        }
    }
}
