//! Owns the loss-based rate: which bandwidth and which inherent loss of the line explain best what was lost lately. Never
//! looks at delay.
//!
//! `loss_based_bwe_v2.cc` with its present defaults. A maximum-likelihood model: below the bandwidth the line loses its
//! inherent share, above it the excess too. Left out: the candidates and factors whose default is off, loss by packets
//! instead of bytes, and the padding state (`kIncreaseUsingPadding`), because the prober raises what is app-limited.

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::estimator::loss_window::{LossWindow, Observation};
use crate::time::Time;

#[derive(Debug, Clone)]
pub(crate) struct LossBased {
    window: LossWindow,
    best: Option<Channel>,
    state: State,
    /// What it last said.
    rate: Bitrate,
    acknowledged: Option<Bitrate>,
    hold: Hold,
    /// The rise allowed within the present window of [`RISE_WINDOW`], and when that began.
    rise: Option<(Bitrate, Time)>,
    min: Bitrate,
    max: Bitrate,
}

/// What the line is thought to be.
#[derive(Debug, Clone, Copy)]
struct Channel {
    kbps: f64,
    inherent_loss: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Loss does not limit.
    Delay,
    Increasing,
    Decreasing,
}

/// After a decrease the rate stays for a while, longer each time.
#[derive(Debug, Clone, Copy)]
struct Hold {
    until: Time,
    duration: Duration,
    rate: Bitrate,
}

impl LossBased {
    pub fn new(min: Bitrate, max: Bitrate) -> LossBased {
        LossBased {
            window: LossWindow::default(),
            best: None,
            state: State::Delay,
            rate: max,
            acknowledged: None,
            hold: Hold::NONE,
            rise: None,
            min,
            max,
        }
    }

    pub fn loss(&self) -> f64 {
        self.window.loss()
    }

    #[inline]
    pub fn read(&self) -> u64 {
        self.rate.bps() ^ self.hold.rate.bps() ^ u64::from(self.window.count())
    }

    pub fn limits(&self) -> bool {
        self.state != State::Delay
    }

    /// A probe showed that the line carries more, or others lose as much.
    pub fn forgive(&mut self, rate: Bitrate) {
        if self.loss() >= FORGIVEN_MAX {
            return;
        }
        self.best = Some(Channel { kbps: rate.kbps(), inherent_loss: INHERENT_LOSS });
        self.rate = rate;
        self.state = State::Delay;
        self.rise = None;
        self.hold = Hold::NONE;
    }

    pub fn window(&mut self) -> &mut LossWindow {
        &mut self.window
    }

    /// The rate that loss allows, at most that of the delay. Once per feedback.
    pub fn decide(&mut self, delay: Bitrate, acknowledged: Option<Bitrate>, is_app_limited: bool) -> Bitrate {
        self.acknowledged = acknowledged;
        if !self.window.close_observation() {
            return if self.is_ready() { self.rate.min(delay) } else { delay };
        }
        let best = self.best.unwrap_or(Channel { kbps: delay.kbps(), inherent_loss: INHERENT_LOSS });
        let candidate = self.bound_rise(self.best_candidate(best, delay, is_app_limited), best);
        let bounded = self.bounded(candidate, delay);
        self.best = Some(if bounded.kbps() < candidate.kbps {
            Channel { kbps: bounded.kbps(), inherent_loss: 0.0 }
        } else {
            Channel { kbps: candidate.kbps.max(self.lower_bound().kbps()), ..candidate }
        });
        if self.is_ready() {
            self.advance(bounded, delay);
        }
        self.note_rise();
        if self.is_ready() { self.rate.min(delay) } else { delay }
    }

    fn is_ready(&self) -> bool {
        self.best.is_some() && self.window.count() >= OBSERVATIONS_MIN
    }

    fn best_candidate(&self, best: Channel, delay: Bitrate, is_app_limited: bool) -> Channel {
        let acknowledged = self.acknowledged.filter(|_| !is_app_limited).map(Bitrate::kbps);
        let delay = Some(delay.kbps()).filter(|&delay| delay > best.kbps);
        let factors = CANDIDATE_FACTORS.map(|factor| Some(factor * best.kbps));
        let limit = match self.rise {
            Some((limit, _)) if self.limits() => limit,
            _ => self.max,
        };
        let limit = limit.kbps().max(best.kbps);
        let mut chosen = (f64::NEG_INFINITY, best);
        for kbps in factors.into_iter().chain([acknowledged, delay]).flatten() {
            let mut candidate = Channel { kbps: kbps.min(limit), ..best };
            candidate.inherent_loss = feasible(candidate.inherent_loss, candidate.kbps);
            candidate.inherent_loss = self.fitted_loss(candidate);
            let objective = self.objective(candidate);
            if objective > chosen.0 {
                chosen = (objective, candidate);
            }
        }
        // More than the inherent loss is lost: no reason to rise.
        if self.window.loss() > chosen.1.inherent_loss && chosen.1.kbps > best.kbps {
            chosen.1.kbps = best.kbps;
        }
        chosen.1
    }

    /// One step of Newton's method towards the most likely inherent loss.
    fn fitted_loss(&self, channel: Channel) -> f64 {
        let (mut first, mut second) = (0.0, 0.0);
        for (weight, observation) in self.window.observations() {
            let probability = channel.loss_probability(observation);
            let (lost, received) = (observation.lost_kb, observation.received_kb());
            first += weight * (lost / probability - received / (1.0 - probability));
            second -= weight * (lost / probability.powi(2) + received / (1.0 - probability).powi(2));
        }
        let step = if second < 0.0 { NEWTON_STEP * first / second } else { 0.0 };
        feasible(channel.inherent_loss - step, channel.kbps)
    }

    /// The log-likelihood, with a preference for more bandwidth while little is lost.
    fn objective(&self, channel: Channel) -> f64 {
        let distance = LOSS_OF_PREFERENCE - self.window.loss();
        let preference = distance / (PREFERENCE_SMOOTHING + distance.abs());
        let bias = preference * (BIAS * channel.kbps + LOG_BIAS * (1.0 + channel.kbps).ln());
        // Below the bandwidth all observations have the same, and a logarithm costs more than all the rest.
        let (mut of, mut lost_ln, mut received_ln) = (f64::NAN, 0.0, 0.0);
        let likelihood = self.window.observations().map(|(weight, observation)| {
            let probability = channel.loss_probability(observation);
            if probability != of {
                (of, lost_ln, received_ln) = (probability, probability.ln(), (1.0 - probability).ln());
            }
            weight * (observation.lost_kb * lost_ln + observation.received_kb() * received_ln + bias * observation.kb)
        });
        likelihood.sum()
    }

    fn bound_rise(&self, mut candidate: Channel, best: Channel) -> Channel {
        if !self.limits() {
            return candidate;
        }
        if let Some((limit, began)) = self.rise
            && self.window.newest() < began + RISE_WINDOW
        {
            candidate.kbps = candidate.kbps.min(limit.kbps());
        }
        if candidate.kbps > best.kbps
            && let Some(acknowledged) = self.acknowledged
        {
            let is_near_hold = acknowledged.kbps() < 1.3 * self.hold.rate.kbps();
            let factor = if is_near_hold { RAMP_UP_IN_HOLD } else { RAMP_UP };
            candidate.kbps = candidate.kbps.min(factor * acknowledged.kbps()).max(best.kbps);
        }
        candidate
    }

    fn bounded(&self, candidate: Channel, delay: Bitrate) -> Bitrate {
        let excess = self.window.loss() - INSTANT_LOSS;
        let upper = if excess > 0.0 { Bitrate::of_kbps(BALANCE_KBPS / excess) } else { self.max };
        Bitrate::of_kbps(candidate.kbps).min(upper).min(delay).max(self.lower_bound())
    }

    /// What arrives can't be too much.
    fn lower_bound(&self) -> Bitrate {
        self.acknowledged.unwrap_or_default().max(self.min)
    }

    fn advance(&mut self, bounded: Bitrate, delay: Bitrate) {
        let newest = self.window.newest();
        if self.state == State::Decreasing && self.hold.until > newest && bounded < delay {
            self.hold.rate = self.hold.rate.max(self.lower_bound());
            self.rate = bounded.min(self.hold.rate);
            return;
        }
        let limits = bounded < delay && bounded < self.max;
        let rises = self.limits() && (bounded > self.rate || (bounded == self.rate && self.state == State::Increasing));
        self.state = match (limits, rises) {
            (false, _) => {
                self.hold = Hold::NONE;
                State::Delay
            }
            (true, true) => State::Increasing,
            (true, false) => {
                if self.state != State::Decreasing {
                    let duration = self.hold.duration;
                    let longer = (2 * duration).min(HOLD_MAX);
                    self.hold = Hold { until: newest + duration, duration: longer, rate: bounded };
                }
                State::Decreasing
            }
        };
        self.rate = bounded;
    }

    fn note_rise(&mut self) {
        let newest = self.window.newest();
        if self.limits()
            && self.rise.is_none_or(|(_, began)| began + RISE_WINDOW < newest)
            && let Some(best) = self.best
        {
            self.rise = Some((Bitrate::of_kbps(best.kbps * RISE_MAX), newest));
        }
    }
}

impl Channel {
    fn loss_probability(self, observation: &Observation) -> f64 {
        let excess = (observation.sent_kbps - self.kbps).max(0.0) / observation.sent_kbps.max(1e-3);
        (self.inherent_loss + (1.0 - self.inherent_loss) * excess).clamp(1e-6, 1.0 - 1e-6)
    }
}

impl Hold {
    const NONE: Hold = Hold { until: Time::from_micros(0), duration: HOLD_MIN, rate: Bitrate::from_bps(u64::MAX) };
}

/// A slow line may lose more by itself than a fast one.
fn feasible(inherent_loss: f64, kbps: f64) -> f64 {
    let upper = (INHERENT_LOSS_MAX + BALANCE_KBPS / kbps.max(1e-3)).min(1.0);
    inherent_loss.clamp(INHERENT_LOSS_MIN, upper)
}

/// CandidateFactors.
const CANDIDATE_FACTORS: [f64; 3] = [1.02, 1.0, 0.95];
/// InitialInherentLossEstimate, InherentLossLowerBound, InherentLossUpperBoundOffset.
const INHERENT_LOSS: f64 = 0.01;
const INHERENT_LOSS_MIN: f64 = 1e-3;
const INHERENT_LOSS_MAX: f64 = 0.05;
/// InherentLossUpperBoundBwBalance and InstantUpperBoundBwBalance.
const BALANCE_KBPS: f64 = 100.0;
/// InstantUpperBoundLossOffset.
const INSTANT_LOSS: f64 = 0.05;
/// NewtonStepSize, one iteration.
const NEWTON_STEP: f64 = 0.75;
/// HigherBwBiasFactor, HigherLogBwBiasFactor, LossThresholdOfHighBandwidthPreference, BandwidthPreferenceSmoothingFactor.
const BIAS: f64 = 0.0002;
const LOG_BIAS: f64 = 0.02;
const LOSS_OF_PREFERENCE: f64 = 0.2;
const PREFERENCE_SMOOTHING: f64 = 0.002;
/// BwRampupUpperBoundFactor, BwRampupUpperBoundInHoldFactor.
const RAMP_UP: f64 = 1.5;
const RAMP_UP_IN_HOLD: f64 = 1.2;
/// MaxIncreaseFactor within DelayedIncreaseWindow.
const RISE_MAX: f64 = 1.3;
const RISE_WINDOW: Duration = Duration::from_millis(300);
/// kInitHoldDuration; kMaxHoldDuration is 60 s in libwebrtc, less here, because a line that recovers is to be used.
const HOLD_MIN: Duration = Duration::from_millis(300);
const HOLD_MAX: Duration = Duration::from_secs(4);
/// Above it what loss says stands.
const FORGIVEN_MAX: f64 = 0.05;
/// MinNumObservations.
const OBSERVATIONS_MIN: u32 = 3;
