//! Owns a greedy flow that sends at the rate at which it was delivered, and a quarter more now and then: BBR as in
//! draft-cardwell-iccrg-bbr-congestion-control-00, without recovery and the sampling of policers. Loss is nothing to it.

use std::collections::BTreeMap;

use super::link::EmulatedLink;

pub struct Bbr {
    flow: usize,
    /// From, to in milliseconds.
    active_ms: (u64, u64),
    delay_us: u64,
    /// Of rate and round trip, so much may be in flight.
    window: f64,
    mode: Mode,
    /// When the mode, or the phase of it, began.
    since: u64,
    /// Bytes per microsecond that were delivered, the most of each of the last round trips; the newest first.
    rates: [f64; ROUNDS],
    /// The best rate of the start, and for how many round trips it has hardly grown.
    full: (f64, u32),
    /// The least one, and when it was seen.
    round_trip: (u64, u64),
    delivered: u64,
    delivered_at: u64,
    round_ends_at: u64,
    next: u64,
    next_send: f64,
    in_flight: BTreeMap<u64, Sent>,
    acknowledgements: Vec<(u64, u64)>,
    pub received: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Startup,
    Drain,
    /// One of [`CYCLE`].
    Cruise(usize),
    ProbeRoundTrip,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: u64,
    delivered: u64,
    delivered_at: u64,
}

impl Bbr {
    pub fn new(flow: usize, active_ms: (u64, u64), delay_ms: f64, window: f64) -> Bbr {
        Bbr {
            flow,
            active_ms,
            delay_us: (delay_ms * 1e3) as u64,
            window,
            mode: Mode::Startup,
            since: 0,
            rates: [0.0; ROUNDS],
            full: (0.0, 0),
            round_trip: (u64::MAX, 0),
            delivered: 0,
            delivered_at: 0,
            round_ends_at: 0,
            next: 0,
            next_send: 0.0,
            in_flight: BTreeMap::new(),
            acknowledgements: Vec::new(),
            received: 0,
        }
    }

    pub fn tick(&mut self, now: u64, link: &mut EmulatedLink) {
        let due: Vec<(u64, u64)> = self.acknowledgements.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, id) in due {
            self.handle_acknowledgement(now, id);
        }
        // A whole window was lost.
        if self.in_flight.first_key_value().is_some_and(|(_, sent)| now - sent.at > 1_500_000) {
            self.in_flight.clear();
        }
        self.change_mode(now);
        let (from, to) = self.active_ms;
        while (from..to).contains(&(now / 1000))
            && self.next_send <= now as f64
            && self.in_flight.len() as f64 * PACKET < self.window()
        {
            let delivered_at = if self.in_flight.is_empty() { now } else { self.delivered_at };
            self.in_flight.insert(self.next, Sent { at: now, delivered: self.delivered, delivered_at });
            let _ = link.send(now, self.flow, self.next, PACKET as u32);
            self.next += 1;
            let pause = if self.rate() > 0.0 { PACKET / (self.gain() * self.rate()) } else { 0.0 };
            self.next_send = self.next_send.max(now as f64 - 1000.0) + pause;
        }
    }

    pub fn handle_arrival(&mut self, id: u64, arrival: u64, bytes: u32) {
        self.received += u64::from(bytes);
        self.acknowledgements.push((arrival + self.delay_us, id));
    }

    fn handle_acknowledgement(&mut self, now: u64, id: u64) {
        let Some(sent) = self.in_flight.remove(&id) else { return };
        // Three later ones arrived: what is older is lost.
        self.in_flight.retain(|other, _| *other + 3 >= id);
        self.delivered += PACKET as u64;
        self.delivered_at = now;
        let (least, seen_at) = self.round_trip;
        if now - sent.at <= least || now - seen_at > ROUND_TRIP_KEPT_US && self.mode == Mode::ProbeRoundTrip {
            self.round_trip = (now - sent.at, now);
        }
        if sent.delivered >= self.round_ends_at {
            self.round_ends_at = self.delivered;
            self.rates.rotate_right(1);
            self.rates[0] = 0.0;
            let (best, rounds) = self.full;
            self.full = if self.rate() >= 1.25 * best { (self.rate(), 0) } else { (best, rounds + 1) };
        }
        let rate = (self.delivered - sent.delivered) as f64 / (now - sent.delivered_at).max(1000) as f64;
        self.rates[0] = self.rates[0].max(rate);
    }

    fn change_mode(&mut self, now: u64) {
        let in_flight = self.in_flight.len() as f64 * PACKET;
        let next = match self.mode {
            Mode::Startup if self.full.1 >= 3 => Mode::Drain,
            Mode::Drain if in_flight <= self.product() => Mode::Cruise(2),
            Mode::Cruise(_) if now - self.round_trip.1 > ROUND_TRIP_KEPT_US => Mode::ProbeRoundTrip,
            Mode::Cruise(phase) => {
                let is_over = now - self.since > self.round_trip.0;
                match phase {
                    1 if is_over || in_flight <= self.product() => Mode::Cruise(2),
                    _ if is_over && phase != 1 => Mode::Cruise((phase + 1) % CYCLE.len()),
                    _ => return,
                }
            }
            Mode::ProbeRoundTrip if now - self.since > PROBE_US => {
                self.round_trip.1 = now;
                Mode::Cruise(2)
            }
            _ => return,
        };
        (self.mode, self.since) = (next, now);
    }

    fn gain(&self) -> f64 {
        match self.mode {
            Mode::Startup => STARTUP,
            Mode::Drain => 1.0 / STARTUP,
            Mode::Cruise(phase) => CYCLE[phase],
            Mode::ProbeRoundTrip => 1.0,
        }
    }

    fn window(&self) -> f64 {
        match self.mode {
            _ if self.rate() == 0.0 => 10.0 * PACKET,
            Mode::Startup | Mode::Drain => (STARTUP * self.product()).max(10.0 * PACKET),
            Mode::Cruise(_) => (self.window * self.product()).max(4.0 * PACKET),
            Mode::ProbeRoundTrip => 4.0 * PACKET,
        }
    }

    fn rate(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    /// Of rate and round trip, in bytes.
    fn product(&self) -> f64 {
        self.rate() * self.round_trip.0 as f64
    }
}

const PACKET: f64 = 1500.0;
const ROUNDS: usize = 10;
const STARTUP: f64 = 2.89;
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
const ROUND_TRIP_KEPT_US: u64 = 10_000_000;
const PROBE_US: u64 = 200_000;
