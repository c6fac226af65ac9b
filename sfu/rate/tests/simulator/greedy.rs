//! Owns the greedy flows, the cross traffic, and the one of them whose window grows until something is lost, as TCP's does:
//! with CUBIC's back-off of 0.7 and its growth, which is that of Reno where the round trip is short.

use std::collections::BTreeMap;

use super::bbr::Bbr;
use super::link::EmulatedLink;

/// Beside the viewers, from, to in milliseconds.
#[derive(Debug, Clone, Copy)]
pub enum Rival {
    Cubic(u64, u64),
    Bbr(u64, u64),
    /// With what Linux adds to the window for acknowledgements that come together (`bbr_ack_aggregation_cwnd`).
    LinuxBbr(u64, u64),
}

pub enum Greedy {
    Cubic(Cubic),
    Bbr(Bbr),
}

impl Greedy {
    pub fn new(flow: usize, rival: Rival, delay_ms: f64) -> Greedy {
        match rival {
            Rival::Cubic(from, to) => Greedy::Cubic(Cubic::new(flow, (from, to), delay_ms)),
            Rival::Bbr(from, to) => Greedy::Bbr(Bbr::new(flow, (from, to), delay_ms, 2.0)),
            Rival::LinuxBbr(from, to) => Greedy::Bbr(Bbr::new(flow, (from, to), delay_ms, 3.0)),
        }
    }

    pub fn tick(&mut self, now: u64, link: &mut EmulatedLink) {
        match self {
            Greedy::Cubic(flow) => flow.tick(now, link),
            Greedy::Bbr(flow) => flow.tick(now, link),
        }
    }

    pub fn handle_arrival(&mut self, id: u64, arrival: u64, bytes: u32) {
        match self {
            Greedy::Cubic(flow) => flow.handle_arrival(id, arrival, bytes),
            Greedy::Bbr(flow) => flow.handle_arrival(id, arrival, bytes),
        }
    }

    pub fn received(&self) -> u64 {
        match self {
            Greedy::Cubic(flow) => flow.received,
            Greedy::Bbr(flow) => flow.received,
        }
    }
}

pub struct Cubic {
    flow: usize,
    /// From, to in milliseconds.
    active_ms: (u64, u64),
    window: f64,
    threshold: f64,
    next: u64,
    /// Sent and not acknowledged: when.
    in_flight: BTreeMap<u64, u64>,
    acknowledgements: Vec<(u64, u64)>,
    backed_off_at: u64,
    delay_us: u64,
    pub received: u64,
}

impl Cubic {
    pub fn new(flow: usize, active_ms: (u64, u64), delay_ms: f64) -> Cubic {
        Cubic {
            flow,
            active_ms,
            window: 10.0,
            threshold: f64::MAX,
            next: 0,
            in_flight: BTreeMap::new(),
            acknowledgements: Vec::new(),
            backed_off_at: 0,
            delay_us: (delay_ms * 1e3) as u64,
            received: 0,
        }
    }

    pub fn tick(&mut self, now: u64, link: &mut EmulatedLink) {
        let due: Vec<(u64, u64)> = self.acknowledgements.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, id) in due {
            let sent = self.in_flight.remove(&id);
            self.window += if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
            // Three later ones arrived: what is older is lost.
            let missing: Vec<u64> = self.in_flight.range(..id.saturating_sub(3)).map(|(id, _)| *id).collect();
            for lost in missing {
                self.in_flight.remove(&lost);
                if sent.is_some_and(|sent| sent > self.backed_off_at) {
                    self.back_off(now, 0.7);
                }
            }
        }
        // A whole window was lost.
        if self.in_flight.first_key_value().is_some_and(|(_, sent)| now - sent > 1_500_000) {
            self.in_flight.clear();
            self.back_off(now, 0.0);
        }
        let (from, to) = self.active_ms;
        while (from..to).contains(&(now / 1000)) && (self.in_flight.len() as f64) < self.window {
            self.in_flight.insert(self.next, now);
            let _ = link.send(now, self.flow, self.next, 1500);
            self.next += 1;
        }
    }

    pub fn handle_arrival(&mut self, id: u64, arrival: u64, bytes: u32) {
        self.received += u64::from(bytes);
        self.acknowledgements.push((arrival + self.delay_us, id));
    }

    fn back_off(&mut self, now: u64, factor: f64) {
        self.window = (self.window * factor).max(2.0);
        self.threshold = self.window;
        self.backed_off_at = now;
    }
}
