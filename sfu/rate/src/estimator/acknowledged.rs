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
    /// Windows in a row without a packet that waited.
    calm: u32,
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
            calm: 0,
            variance: 50.0,
        }
    }

    pub fn rate(&self) -> Option<Bitrate> {
        self.kbps.map(Bitrate::of_kbps)
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
        let kbps = self.kbps.filter(|_| self.is_calm())?;
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
        if queued >= WAITED {
            self.calm = 0;
        }
        let Some(sample) = self.sample(arrival, bytes) else { return };
        self.newest_kbps = sample;
        self.calm = self.calm.saturating_add(1);
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
/// So many windows: three quarters of a second.
const CALM: u32 = 5;
/// A layer that begins has more than this of the one before; jitter makes less.
const BEGINS: f64 = 1.5;
/// Of the usual rate, each window: three seconds.
const USUAL: f64 = 0.05;
