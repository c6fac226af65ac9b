//! Owns the rate at which packets arrive, from windows of 150 ms and a Bayesian filter. Counts what was received, not what
//! was sent.
//!
//! `bitrate_estimator.cc`. The uncertainty of a sample is relative to both rates (uncertainty_symmetry_cap, which is zero
//! there): the rate of a layer that begins is known after some windows, not after two seconds.

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::estimator::ReceiverTime;
use crate::estimator::busy::{BusyRate, WAITED};

#[derive(Debug, Clone)]
pub(crate) struct AcknowledgedRate {
    bytes: u64,
    window_ms: f64,
    before: Option<ReceiverTime>,
    kbps: Option<f64>,
    /// The last window alone.
    newest_kbps: f64,
    /// The mean of some seconds.
    usual_kbps: f64,
    /// Of what queues.
    busy: BusyRate,
    /// The least that a packet of this window waited.
    least_queued: Duration,
    /// Windows in a row in which a packet found the line empty.
    calm: u32,
    /// And without a packet that waited.
    clear: u32,
    variance: f64,
}

impl AcknowledgedRate {
    pub fn new() -> AcknowledgedRate {
        AcknowledgedRate {
            bytes: 0,
            window_ms: 0.0,
            before: None,
            kbps: None,
            newest_kbps: 0.0,
            usual_kbps: 0.0,
            busy: BusyRate::default(),
            least_queued: Duration::MAX,
            calm: 0,
            clear: 0,
            variance: 50.0,
        }
    }

    pub fn rate(&self) -> Option<Bitrate> {
        self.kbps.map(Bitrate::of_kbps)
    }

    /// The mean of some seconds.
    pub fn usual(&self) -> Bitrate {
        Bitrate::of_kbps(self.usual_kbps)
    }

    /// The rate of the last window, at most the filtered one; while more begins to be sent that of what queues.
    pub fn newest(&self) -> Option<Bitrate> {
        self.begins().or(self.kbps.map(|kbps| Bitrate::of_kbps(kbps.min(self.newest_kbps))))
    }

    /// At least the rate of the last window: more than the filtered one while a layer begins.
    pub fn at_least(&self) -> Option<Bitrate> {
        self.begins().or(self.kbps.map(|kbps| Bitrate::of_kbps(kbps.max(self.newest_kbps))))
    }

    /// What arrives for a while without a queue: the line carries it.
    pub fn carried(&self) -> Option<Bitrate> {
        let kbps = self.kbps.filter(|_| self.clear >= CALM)?;
        Some(Bitrate::of_kbps(kbps.min(self.newest_kbps)))
    }

    pub fn is_calm(&self) -> bool {
        self.calm >= CALM
    }

    /// The rate of what queues, while that is so much more than what was usual that the windows are of both.
    fn begins(&self) -> Option<Bitrate> {
        self.busy.rate().filter(|rate| rate.kbps() > self.usual_kbps * BEGINS)
    }

    /// The next samples weigh more: the sender is about to send at another rate.
    pub fn expect_change(&mut self) {
        self.variance += 200.0;
    }

    /// A packet that waited for so long for the line.
    pub fn handle(&mut self, arrival: ReceiverTime, bytes: u32, queued: Duration, is_app_limited: bool) {
        self.busy.handle(queued, arrival, bytes);
        self.least_queued = self.least_queued.min(queued);
        if queued >= WAITED {
            self.clear = 0;
        }
        let Some(sample) = self.sample(arrival, bytes) else { return };
        self.newest_kbps = sample;
        let is_calm = std::mem::replace(&mut self.least_queued, Duration::MAX) < EMPTY;
        self.clear = self.clear.saturating_add(1);
        self.calm = if is_calm { self.calm.saturating_add(1) } else { 0 };
        let Some(kbps) = self.kbps else {
            (self.kbps, self.usual_kbps) = (Some(sample), sample);
            return;
        };
        // A rate that falls because there is nothing to send says less of the line.
        let scale = if is_app_limited && sample < kbps { 20.0 } else { 10.0 };
        let uncertainty = scale * (kbps - sample).abs() / (kbps + sample).max(1e-3);
        let sample_variance = uncertainty * uncertainty;
        let predicted = self.variance + 5.0;
        let sum = sample_variance + predicted;
        self.kbps = Some(((sample_variance * kbps + predicted * sample) / sum).max(0.0));
        self.variance = sample_variance * predicted / sum;
        self.usual_kbps += USUAL * (sample - self.usual_kbps);
    }

    fn sample(&mut self, arrival: ReceiverTime, bytes: u32) -> Option<f64> {
        let length = if self.kbps.is_none() { FIRST_WINDOW_MS } else { WINDOW_MS };
        if let Some(before) = self.before {
            let elapsed = arrival.millis_after(before);
            if elapsed < 0.0 {
                // Out of order across feedback packets: it still arrived.
                self.bytes += u64::from(bytes);
                return None;
            }
            self.window_ms += elapsed;
            if elapsed > length {
                self.bytes = 0;
                self.window_ms %= length;
            }
        }
        self.before = Some(arrival);
        let sample = (self.window_ms >= length).then(|| {
            let kbps = self.bytes as f64 * 8.0 / length;
            self.window_ms %= length;
            self.bytes = 0;
            kbps
        });
        self.bytes += u64::from(bytes);
        sample
    }
}

const WINDOW_MS: f64 = 150.0;
/// 500 in libwebrtc; less here, because probes at the start need something to be compared with and a viewer's first
/// layer is chosen within the first second.
const FIRST_WINDOW_MS: f64 = 250.0;
/// Jitter makes as much of an empty line. What waits behind packets of its own frame says nothing.
const EMPTY: Duration = Duration::from_millis(10);
/// So many windows: three quarters of a second.
const CALM: u32 = 5;
/// A layer that begins has more than this of the one before; jitter makes less.
const BEGINS: f64 = 1.5;
/// Of the usual rate, each window: three seconds.
const USUAL: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is calm after a second of frames of eight packets, of which the first waited for so long and each of the
    /// others 4 ms longer than the one before it.
    fn is_calm(first_ms: u64) -> bool {
        let mut rate = AcknowledgedRate::new();
        for packet in 0..240_u64 {
            let (frame, place) = (packet / 8, packet % 8);
            let queued = Duration::from_millis(first_ms + 4 * place);
            let arrival = ReceiverTime::from_micros((frame * 33_333) as i64 + queued.as_micros() as i64);
            rate.handle(arrival, 1_250, queued, false);
        }
        rate.is_calm()
    }

    #[test]
    fn what_waits_behind_packets_of_its_own_frame_makes_no_queue() {
        assert!(is_calm(0));
        assert!(!is_calm(40));
    }
}
