//! Owns the network of this crate's tests: virtual time, and links that lose, delay and reorder by a seed.

use std::time::{Duration, Instant};

/// The moment virtual time starts. The one place that reads the clock, because there is no other `Instant`.
#[expect(clippy::disallowed_methods)]
pub fn start() -> Instant {
    Instant::now()
}

/// One direction of a path.
pub struct EmulatedLink {
    random: u64,
    loss_percent: u64,
    delay_ms_max: u64,
    in_flight: Vec<(Instant, Vec<u8>)>,
}

impl EmulatedLink {
    /// One millisecond, in order, nothing lost.
    pub fn clean() -> EmulatedLink {
        EmulatedLink { random: 0, loss_percent: 0, delay_ms_max: 1, in_flight: Vec::new() }
    }

    /// Loses some, and delays each by up to 40 ms on its own, which reorders.
    pub fn lossy(seed: u64, loss_percent: u64) -> EmulatedLink {
        EmulatedLink { random: seed, loss_percent, delay_ms_max: 40, in_flight: Vec::new() }
    }

    pub fn send(&mut self, now: Instant, datagram: &[u8]) {
        if self.draw() % 100 >= self.loss_percent {
            let delay = Duration::from_millis(1 + self.draw() % self.delay_ms_max);
            self.in_flight.push((now + delay, datagram.to_vec()));
        }
    }

    /// When the next datagram arrives.
    pub fn next(&self) -> Option<Instant> {
        self.in_flight.iter().map(|(at, _)| *at).min()
    }

    pub fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        let at = self.next().filter(|at| *at <= now)?;
        let index = self.in_flight.iter().position(|(arrival, _)| *arrival == at)?;
        Some(self.in_flight.remove(index).1)
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Publishers of streams with layers, the same as those of the integration tests.
#[path = "../tests/harness/scalable.rs"]
pub mod scalable;
