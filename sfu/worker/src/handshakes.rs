//! Owns the DTLS datagrams that wait for their turn. Never looks into one.
//!
//! A handshake takes the better part of a millisecond of signatures and key agreement. When a crowd joins at once, media
//! of those already there goes first: each turn of the loop spends a bounded time on these datagrams, in the order in
//! which they came. What finds the queue full is lost, as on a network, and sent again by its client.

use std::collections::VecDeque;
use std::time::Duration;

use chappe_sfu_core::{DatagramKind, Now, Route, Sfu, classify};

#[derive(Default)]
pub(crate) struct Handshakes {
    waiting: VecDeque<(Route, Vec<u8>)>,
    dropped: u64,
}

impl Handshakes {
    /// Whether a datagram is one that has to wait.
    pub(crate) fn concerns(datagram: &[u8]) -> bool {
        classify(datagram) == Some(DatagramKind::Dtls)
    }

    pub(crate) fn push(&mut self, route: Route, datagram: &[u8]) {
        if self.waiting.len() >= WAITING_MAX || datagram.len() > DATAGRAM_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.waiting.push_back((route, datagram.to_vec()));
    }

    /// Gives the core what is its share of one turn: at least one.
    pub(crate) fn advance(&mut self, core: &mut Sfu, mut read_clock: impl FnMut() -> Now) {
        let mut until = None;
        while let Some((route, mut datagram)) = self.waiting.pop_front() {
            let now = read_clock();
            core.handle_datagram(now, route, &mut datagram);
            if now.mono >= *until.get_or_insert(now.mono + TIME_PER_TURN) {
                return;
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Datagrams that found the queue full, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// A few flights of each of a thousand clients; 16 MB at most.
const WAITING_MAX: usize = 4_096;
/// Clients keep to the 1,500 bytes of a path; over TCP they need not.
const DATAGRAM_BYTES_MAX: usize = 4_096;
/// An egress tick. The dearest datagram takes about as long, and may begin at its end.
const TIME_PER_TURN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use chappe_sfu_core::{Certificate, SfuConfig};
    use std::time::Instant;

    fn route() -> Route {
        Route::Udp { remote: "127.0.0.1:9".parse().unwrap(), local: None }
    }

    #[test]
    fn a_turn_takes_its_share_of_time_and_the_rest_waits() {
        let mut core =
            Sfu::new(SfuConfig { certificate: Certificate::generate().unwrap(), sessions_max: 1, loudest: 0, seed: 1 });
        let mut handshakes = Handshakes::default();
        (0..8).for_each(|_| handshakes.push(route(), &[22, 254, 253]));
        let (start, mut reads) = (Instant::now(), 0);
        let mut turns = Vec::new();
        while !handshakes.is_empty() {
            handshakes.advance(&mut core, || {
                reads += 1;
                Now { mono: start + Duration::from_micros(400) * reads, unix: Duration::ZERO }
            });
            turns.push(core.counters().packets_in);
        }
        assert_eq!(turns, [4, 8], "each takes 400 µs");
    }

    #[test]
    fn what_nobody_has_time_for_is_dropped_and_counted() {
        let mut handshakes = Handshakes::default();
        (0..WAITING_MAX + 3).for_each(|_| handshakes.push(route(), &[22, 254, 253]));
        handshakes.push(route(), &[22; DATAGRAM_BYTES_MAX + 1]);
        assert_eq!((handshakes.waiting.len(), handshakes.dropped()), (WAITING_MAX, 4));
    }

    #[test]
    fn only_dtls_waits() {
        assert!(Handshakes::concerns(&[22, 254, 253]) && Handshakes::concerns(&[21, 254, 253]));
        assert!(![&[0, 1][..], &[0x80, 96], &[0x80, 200], &[64], &[]].into_iter().any(Handshakes::concerns));
    }
}
