//! Owns the DTLS datagrams that wait for their turn. Never looks into one.
//!
//! A handshake takes the better part of a millisecond of signatures and key agreement. When a crowd joins at once, media
//! of those already there goes first: each turn of the loop spends a bounded time on these datagrams. Routes take turns,
//! and each has a share of the places, as has each address: who sends many delays nobody but itself. What finds no place
//! is lost, as on a network, and sent again by its client.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use chappe_sfu_core::{DatagramKind, Now, Route, Sfu, classify};

use crate::places::{Holder, Limits, Places};

pub(crate) struct Handshakes {
    /// Of each route in the order in which they came; never empty.
    waiting: HashMap<Route, VecDeque<Vec<u8>>>,
    /// The routes that have some waiting, the next first.
    turns: VecDeque<Route>,
    places: Places,
    past_share: u64,
    past_all: u64,
}

impl Handshakes {
    pub(crate) fn new() -> Handshakes {
        Handshakes {
            waiting: HashMap::new(),
            turns: VecDeque::new(),
            places: Places::new(LIMITS),
            past_share: 0,
            past_all: 0,
        }
    }

    /// Whether a datagram is one that has to wait.
    pub(crate) fn concerns(datagram: &[u8]) -> bool {
        classify(datagram) == Some(DatagramKind::Dtls)
    }

    pub(crate) fn push(&mut self, route: Route, datagram: &[u8]) {
        let holder = Holder::of(route.remote().ip());
        let of_route = self.waiting.get(&route).map_or(0, VecDeque::len);
        if self.places.are_taken() {
            self.past_all += 1;
        } else if of_route >= OF_ROUTE_MAX || self.places.has_share(holder) || datagram.len() > DATAGRAM_BYTES_MAX {
            self.past_share += 1;
        } else {
            self.places.take(holder);
            if of_route == 0 {
                self.turns.push_back(route);
            }
            self.waiting.entry(route).or_default().push_back(datagram.to_vec());
        }
    }

    /// Gives the core what is its share of one turn: at least one.
    pub(crate) fn advance(&mut self, core: &mut Sfu, mut read_clock: impl FnMut() -> Now) {
        let mut until = None;
        while let Some((route, mut datagram)) = self.pop() {
            let now = read_clock();
            core.handle_datagram(now, route, &mut datagram);
            if now.mono >= *until.get_or_insert(now.mono + TIME_PER_TURN) {
                return;
            }
        }
    }

    /// The oldest of the route whose turn it is.
    fn pop(&mut self) -> Option<(Route, Vec<u8>)> {
        let route = self.turns.pop_front()?;
        let of_route = self.waiting.get_mut(&route)?;
        let datagram = of_route.pop_front()?;
        match of_route.is_empty() {
            true => drop(self.waiting.remove(&route)),
            false => self.turns.push_back(route),
        }
        self.places.give_back(Holder::of(route.remote().ip()));
        Some((route, datagram))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Datagrams beyond the share of their address, and those that found all places taken, since the start.
    pub(crate) fn past_share(&self) -> u64 {
        self.past_share
    }

    pub(crate) fn past_all(&self) -> u64 {
        self.past_all
    }
}

/// A few flights of each of a thousand clients; 16 MB at most. All behind one NAT are one address.
const LIMITS: Limits = Limits { all: 4_096, address: 512, proxy: 3_072 };
/// Datagrams of one route: more than a handshake has, all flights together.
const OF_ROUTE_MAX: usize = 64;
/// Clients keep to the 1,500 bytes of a path; over TCP they need not.
const DATAGRAM_BYTES_MAX: usize = 4_096;
/// An egress tick. The dearest datagram takes about as long, and may begin at its end.
const TIME_PER_TURN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use chappe_sfu_core::{Certificate, SfuConfig};
    use std::net::SocketAddr;
    use std::time::Instant;

    fn core() -> Sfu {
        let certificate = Certificate::generate().unwrap();
        Sfu::new(SfuConfig { certificate, sessions_max: 1, loudest: 0, seed: 1 })
    }

    fn at(host: u8, port: u16) -> Route {
        Route::Udp { remote: SocketAddr::from(([203, 0, 113, host], port)), local: None }
    }

    #[test]
    fn a_turn_takes_its_share_of_time_and_the_rest_waits() {
        let (mut core, mut handshakes) = (core(), Handshakes::new());
        (0..8).for_each(|_| handshakes.push(at(1, 9), &[22, 254, 253]));
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

    /// Whose datagrams are taken, in their order.
    fn taken(handshakes: &mut Handshakes) -> Vec<Route> {
        std::iter::from_fn(|| handshakes.pop()).map(|(route, _)| route).collect()
    }

    #[test]
    fn a_flood_from_one_address_displaces_nobody_elses_handshakes() {
        let mut handshakes = Handshakes::new();
        for port in 0..2_048 {
            (0..4).for_each(|_| handshakes.push(at(1, port), &[22, 254, 253]));
        }
        let from_one = handshakes.past_share();
        assert_eq!((from_one, handshakes.past_all()), (4 * 2_048 - LIMITS.address as u64, 0));
        for host in 2..6 {
            (0..8).for_each(|_| handshakes.push(at(host, 9), &[22, 254, 253]));
        }
        assert_eq!(handshakes.past_share(), from_one, "the others wait");
        assert_eq!(taken(&mut handshakes).len(), LIMITS.address + 4 * 8);
        assert!(handshakes.is_empty() && handshakes.waiting.is_empty());
        handshakes.push(at(1, 9), &[22, 254, 253]);
        assert_eq!(taken(&mut handshakes), [at(1, 9)], "what was taken is given back");
    }

    #[test]
    fn routes_take_turns_and_none_has_more_than_its_share() {
        let mut handshakes = Handshakes::new();
        (0..=OF_ROUTE_MAX).for_each(|_| handshakes.push(at(1, 9), &[22, 254, 253]));
        handshakes.push(at(1, 8), &[22, 254, 253]);
        handshakes.push(at(2, 9), &[22, 254, 253]);
        assert_eq!(handshakes.past_share(), 1);
        let taken = taken(&mut handshakes);
        assert_eq!(taken[..4], [at(1, 9), at(1, 8), at(2, 9), at(1, 9)]);
        assert_eq!(taken.len(), OF_ROUTE_MAX + 2);
    }

    #[test]
    fn what_nobody_has_time_for_is_dropped_and_counted() {
        let mut handshakes = Handshakes::new();
        for host in 0..8 {
            (0..LIMITS.address).for_each(|port| handshakes.push(at(host, port as u16), &[22, 254, 253]));
        }
        (0..3).for_each(|_| handshakes.push(at(9, 9), &[22, 254, 253]));
        assert_eq!((handshakes.past_share(), handshakes.past_all()), (0, 3));
        handshakes.pop();
        handshakes.push(at(9, 9), &[22; DATAGRAM_BYTES_MAX + 1]);
        assert_eq!((handshakes.past_share(), handshakes.past_all()), (1, 3));
    }

    #[test]
    fn only_dtls_waits() {
        assert!(Handshakes::concerns(&[22, 254, 253]) && Handshakes::concerns(&[21, 254, 253]));
        assert!(![&[0, 1][..], &[0x80, 96], &[0x80, 200], &[64], &[]].into_iter().any(Handshakes::concerns));
    }
}
