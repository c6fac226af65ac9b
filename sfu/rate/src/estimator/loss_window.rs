//! Owns what was sent and lost lately, in observations of 250 ms and more. Draws no conclusion but the average loss.
//!
//! The observations of `loss_based_bwe_v2.cc`.

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::time::Time;

#[derive(Debug, Clone, Default)]
pub(crate) struct LossWindow {
    /// A ring; `count` observations were made.
    ring: ArrayVec<Observation, OBSERVATIONS>,
    count: u32,
    partial: Partial,
    /// The newest send time that an observation covers.
    newest: Option<Time>,
    loss: f64,
}

/// Bytes sent during some time, and how many of them were lost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Observation {
    pub kb: f64,
    pub lost_kb: f64,
    pub sent_kbps: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Partial {
    bytes: u64,
    lost: u64,
    first: Option<Time>,
    last: Option<Time>,
}

impl Observation {
    pub fn received_kb(&self) -> f64 {
        self.kb - self.lost_kb
    }

    fn loss(&self) -> f64 {
        if self.kb > 0.0 { self.lost_kb / self.kb } else { 0.0 }
    }
}

impl LossWindow {
    /// The fate of a packet became known.
    pub fn handle(&mut self, sent: Time, bytes: u32, lost: bool) {
        let partial = &mut self.partial;
        partial.bytes += u64::from(bytes);
        if lost {
            partial.lost += u64::from(bytes);
        }
        partial.first = Some(partial.first.map_or(sent, |first| first.min(sent)));
        partial.last = Some(partial.last.map_or(sent, |last| last.max(sent)));
    }

    /// It was told as lost and arrived after all.
    pub fn handle_late(&mut self, bytes: u32) {
        self.partial.lost = self.partial.lost.saturating_sub(u64::from(bytes));
    }

    /// Ends the observation if it is long enough, and says whether it did.
    pub fn close_observation(&mut self) -> bool {
        let (Some(first), Some(last)) = (self.partial.first, self.partial.last) else { return false };
        let began = *self.newest.get_or_insert(first);
        let duration = last.since(began);
        if duration < DURATION_MIN {
            return false;
        }
        let kb = self.partial.bytes as f64 / 1e3;
        let observation =
            Observation { kb, lost_kb: self.partial.lost as f64 / 1e3, sent_kbps: kb * 8.0 / duration.as_secs_f64() };
        if self.ring.is_full() {
            self.ring[self.count as usize % OBSERVATIONS] = observation;
        } else {
            self.ring.push(observation);
        }
        self.count = self.count.wrapping_add(1);
        self.partial = Partial::default();
        self.newest = Some(last);
        self.loss = self.average();
        true
    }

    pub fn count(&self) -> u32 {
        self.count
    }

    pub fn newest(&self) -> Time {
        self.newest.unwrap_or_default()
    }

    /// The weighted average without its highest and lowest observation.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Each with its weight, 0.9 to the power of its age.
    pub fn observations(&self) -> impl Iterator<Item = (f64, &Observation)> {
        let newest = self.count.wrapping_sub(1) as usize % OBSERVATIONS;
        self.ring.iter().enumerate().map(move |(place, observation)| {
            let age = (newest + OBSERVATIONS - place) % OBSERVATIONS;
            (WEIGHTS[age], observation)
        })
    }

    fn average(&self) -> f64 {
        let (mut kb, mut lost) = (0.0, 0.0);
        let mut least: Option<(f64, &Observation)> = None;
        let mut most = least;
        for (weight, observation) in self.observations() {
            kb += weight * observation.kb;
            lost += weight * observation.lost_kb;
            if most.is_none_or(|(_, most)| observation.loss() > most.loss()) {
                most = Some((weight, observation));
            }
            if least.is_none_or(|(_, least)| observation.loss() < least.loss()) {
                least = Some((weight, observation));
            }
        }
        let whole = if kb > 0.0 { lost / kb } else { 0.0 };
        let (Some(least), Some(most)) = (least, most) else { return whole };
        // A burst is not a spike of the loss if much more was sent than before (MedianSendingRateFactor).
        if self.ring.len() <= 3 || most.1.sent_kbps >= 2.0 * self.median_kbps() {
            return whole;
        }
        for (weight, observation) in [least, most] {
            kb -= weight * observation.kb;
            lost -= weight * observation.lost_kb;
        }
        if kb > 1e-9 { (lost / kb).clamp(0.0, 1.0) } else { whole }
    }

    fn median_kbps(&self) -> f64 {
        let mut rates: ArrayVec<f64, OBSERVATIONS> =
            self.ring.iter().map(|observation| observation.sent_kbps).collect();
        rates.sort_unstable_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    }
}

/// ObservationWindowSize.
const OBSERVATIONS: usize = 15;
/// ObservationDurationLowerBound.
const DURATION_MIN: Duration = Duration::from_millis(250);

/// TemporalWeightFactor to the power of the age.
const WEIGHTS: [f64; OBSERVATIONS] = {
    let mut weights = [1.0; OBSERVATIONS];
    let mut age = 1;
    while age < OBSERVATIONS {
        weights[age] = weights[age - 1] * 0.9;
        age += 1;
    }
    weights
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_loss_of_an_even_line_is_its_loss_and_one_spike_is_left_out() {
        let mut window = LossWindow::default();
        let mut packet = 0;
        for index in 0..4000_u64 {
            packet += 1;
            let in_spike = (2000..2100).contains(&index);
            window.handle(Time::from_millis(10 * index), 1000, packet % 20 == 0 || in_spike);
            window.close_observation();
            if index == 2200 || index == 3999 {
                assert!((window.loss() - 0.05).abs() < 0.03 || index == 2200, "{}", window.loss());
            }
        }
    }

    #[test]
    fn what_arrives_late_was_not_lost() {
        let mut window = LossWindow::default();
        for index in 0..100_u64 {
            window.handle(Time::from_millis(10 * index), 1000, true);
            window.handle_late(1000);
            window.close_observation();
        }
        assert_eq!(window.loss(), 0.0);
    }
}
