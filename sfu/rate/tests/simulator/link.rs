//! Owns a bottleneck in virtual time: a rate that changes, a queue of bytes, delay, jitter, random loss and loss in bursts.
//! Packets of several flows share its queue. Knows nothing of what they carry.

use std::collections::VecDeque;

use super::random::Random;

/// What the link is like.
#[derive(Debug, Clone, Copy)]
pub struct LinkSpec {
    /// From this millisecond on, so many kbit/s; in order. Between two entries of a ramp it is interpolated.
    pub rates: &'static [(u64, f64)],
    pub is_ramp: bool,
    pub queue_bytes: usize,
    /// One way.
    pub delay_ms: f64,
    pub loss: f64,
    /// Lost packets come in bursts of this mean length.
    pub burst: f64,
    pub jitter: Jitter,
}

#[derive(Debug, Clone, Copy)]
pub enum Jitter {
    None,
    /// Exponential around nothing, in order.
    Mean(f64),
    /// The radio pauses: each 20 to 60 ms for 2 to 20 ms, then sends all that waited at five times the rate.
    Aggregation,
}

/// A packet that left the queue.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    pub flow: usize,
    pub id: u64,
    /// When it arrives, in microseconds; none if it was lost.
    pub arrival: Option<u64>,
    /// How long it stood in the queue, its own transmission included.
    pub queued_us: u64,
    pub bytes: u32,
}

pub struct EmulatedLink {
    spec: LinkSpec,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// When the packet at the head of the queue is through, if one is being sent.
    busy_until: Option<u64>,
    idle_since: u64,
    pause: (u64, u64),
    in_burst: bool,
    last_arrival: u64,
    random: Random,
}

#[derive(Debug, Clone, Copy)]
struct Queued {
    flow: usize,
    id: u64,
    bytes: u32,
    at: u64,
}

impl EmulatedLink {
    pub fn new(spec: LinkSpec, random: Random) -> EmulatedLink {
        EmulatedLink {
            spec,
            queue: VecDeque::new(),
            queued_bytes: 0,
            busy_until: None,
            idle_since: 0,
            pause: (20_000, 30_000),
            in_burst: false,
            last_arrival: 0,
            random,
        }
    }

    pub fn kbps_at(&self, micros: u64) -> f64 {
        let ms = micros as f64 / 1e3;
        let after = self.spec.rates.iter().position(|(from, _)| *from as f64 > ms).unwrap_or(self.spec.rates.len());
        let (from, kbps) = self.spec.rates[after.saturating_sub(1)];
        match self.spec.rates.get(after) {
            Some((to, next)) if self.spec.is_ramp => {
                kbps + (next - kbps) * (ms - from as f64) / (*to as f64 - from as f64)
            }
            _ => kbps,
        }
    }

    /// False if the queue is full.
    pub fn send(&mut self, now: u64, flow: usize, id: u64, bytes: u32) -> bool {
        if self.queued_bytes + bytes as usize > self.spec.queue_bytes {
            return false;
        }
        self.queued_bytes += bytes as usize;
        self.queue.push_back(Queued { flow, id, bytes, at: now });
        if self.busy_until.is_none() {
            self.begin(now.max(self.idle_since));
        }
        true
    }

    /// The next packet that is through by `now`.
    pub fn deliver(&mut self, now: u64) -> Option<Delivery> {
        let done = self.busy_until.filter(|done| *done <= now)?;
        let packet = self.queue.pop_front()?;
        self.queued_bytes -= packet.bytes as usize;
        self.busy_until = None;
        self.idle_since = done;
        if !self.queue.is_empty() {
            self.begin(done);
        }
        let jitter_us = match self.spec.jitter {
            Jitter::Mean(ms) => -ms * 1e3 * (1.0 - self.random.unit()).ln(),
            Jitter::None | Jitter::Aggregation => 0.0,
        };
        let arrival = (done + (self.spec.delay_ms * 1e3 + jitter_us) as u64).max(self.last_arrival);
        self.last_arrival = arrival;
        let arrival = (!self.is_lost()).then_some(arrival);
        Some(Delivery { flow: packet.flow, id: packet.id, arrival, queued_us: done - packet.at, bytes: packet.bytes })
    }

    fn begin(&mut self, at: u64) {
        let Some(packet) = self.queue.front() else { return };
        let mut kbps = self.kbps_at(at);
        let mut start = at;
        if matches!(self.spec.jitter, Jitter::Aggregation) {
            while at >= self.pause.1 {
                let from = self.pause.1.max(at.saturating_sub(100_000)) + self.random.between(20_000, 60_000);
                self.pause = (from, from + self.random.between(2_000, 20_000));
            }
            start = if at >= self.pause.0 { self.pause.1 } else { at };
            // What waited for the radio goes at its own rate; the mean stays about that of the link.
            kbps *= 1.28;
        }
        self.busy_until = Some(start + (f64::from(packet.bytes) * 8e3 / kbps.max(1.0)) as u64);
    }

    /// Gilbert's model: single losses for a burst of 1.
    fn is_lost(&mut self) -> bool {
        let (loss, burst) = (self.spec.loss, self.spec.burst.max(1.0));
        if loss <= 0.0 {
            return false;
        }
        let stay = if burst > 1.0 { 1.0 - 1.0 / burst } else { loss };
        let enter = if burst > 1.0 { loss / burst / (1.0 - loss) } else { loss };
        self.in_burst = self.random.unit() < if self.in_burst { stay } else { enter };
        self.in_burst
    }
}
