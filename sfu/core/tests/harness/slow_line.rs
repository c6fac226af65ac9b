//! The way to a client: a rate, a queue and a delay, in virtual time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct SlowLine {
    pub kbps: u64,
    /// There and back; all of it on the way there.
    pub round_trip: Duration,
    pub queue_bytes: usize,
    /// One in so many packets is lost; 0 for none.
    pub loses_one_in: usize,
    /// Datagrams are noted up to so much late, each by chance, by a client that has much to do.
    pub noted_late: Duration,
    pub random: u64,
    sent: usize,
    /// When each datagram is through, and when it arrives.
    on_the_way: VecDeque<(Instant, Instant, Vec<u8>)>,
    free_at: Option<Instant>,
    /// Datagrams that found the queue full or were lost.
    pub lost: usize,
    /// How long each datagram stood in the queue, and when it came to it.
    pub queued: Vec<(Instant, Duration)>,
}

impl SlowLine {
    pub fn new(kbps: u64) -> SlowLine {
        SlowLine {
            kbps,
            round_trip: Duration::from_millis(40),
            queue_bytes: kbps as usize * 125 * 3 / 10,
            loses_one_in: 0,
            noted_late: Duration::ZERO,
            random: 1,
            sent: 0,
            on_the_way: VecDeque::new(),
            free_at: None,
            lost: 0,
            queued: Vec::new(),
        }
    }

    pub fn send(&mut self, now: Instant, datagram: &[u8]) {
        self.sent += 1;
        let begins = self.free_at.map_or(now, |free| free.max(now));
        let waits = begins - now;
        let queued_bytes = waits.as_micros() as usize * self.kbps as usize / 8_000;
        let is_lost = self.loses_one_in > 0 && self.sent.is_multiple_of(self.loses_one_in);
        if queued_bytes + datagram.len() > self.queue_bytes || is_lost {
            self.lost += 1;
            return;
        }
        let through = begins + Duration::from_micros((datagram.len() as u64 + 28) * 8_000 / self.kbps);
        self.free_at = Some(through);
        self.queued.push((now, through - now));
        let arrives = through + self.round_trip + self.late();
        let arrives = self.on_the_way.back().map_or(arrives, |(_, before, _)| arrives.max(*before));
        self.on_the_way.push_back((through, arrives, datagram.to_vec()));
    }

    fn late(&mut self) -> Duration {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.noted_late.mul_f64((self.random >> 33) as f64 / f64::from(1_u32 << 31))
    }

    /// The next datagram that is there by now.
    pub fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        let is_there = self.on_the_way.front().is_some_and(|(_, at, _)| *at <= now);
        if is_there { self.on_the_way.pop_front().map(|(_, _, datagram)| datagram) } else { None }
    }

    /// How long datagrams stood in the queue since then: 95 of 100 no longer than this.
    pub fn queue_p95(&self, since: Instant) -> Duration {
        let mut queued: Vec<Duration> =
            self.queued.iter().filter(|(at, _)| *at >= since).map(|(_, waited)| *waited).collect();
        queued.sort_unstable();
        queued.get(queued.len() * 95 / 100).copied().unwrap_or_default()
    }
}
