//! Owns the knowledge of which clients are behind one address, and what each may take of a line that they share. Estimates
//! no line.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use chappe_sfu_rate::{Bitrate, SharedLine, Taken, Time};

use crate::keys::{Index, SessionKey};

/// Clients whose layers can be chosen, by their address.
#[derive(Default)]
pub(crate) struct Neighbours {
    lines: Index<IpAddr, SharedLine<SessionKey>>,
    addresses: Index<SessionKey, IpAddr>,
    zero: Option<Instant>,
}

impl Neighbours {
    /// What this client may take; none for all that its line carries.
    pub fn part(&mut self, now: Instant, key: SessionKey, address: IpAddr, taken: Taken) -> Option<Bitrate> {
        let address = network(address);
        if self.addresses.get(&key) != Some(&address) {
            self.forget(key);
            self.addresses.insert(key, address);
        }
        let zero = *self.zero.get_or_insert(now);
        let now = Time::from_micros(now.saturating_duration_since(zero).as_micros() as u64);
        self.lines.entry(address).or_default().part(now, key, taken)
    }

    /// It is gone; its key is given out again.
    pub fn forget(&mut self, key: SessionKey) {
        let Some(address) = self.addresses.remove(&key) else { return };
        let Some(line) = self.lines.get_mut(&address) else { return };
        line.remove(key);
        if line.is_empty() {
            self.lines.remove(&address);
        }
    }
}

/// Of IPv6 a household has a /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::keys::Key;

    /// The parts of two clients at these addresses whose lines queue.
    fn parts(neighbours: &mut Neighbours, addresses: [&str; 2]) -> [bool; 2] {
        let now = Instant::now();
        let rate = Bitrate::from_kbps(1_000);
        let taken = Taken { arriving: rate, demand: rate.scaled(3.0), queue: Duration::from_millis(80), delay: None };
        let mut ask = |place: usize| {
            let address = addresses[place].parse().expect("an address");
            neighbours.part(now, SessionKey::new(place), address, taken).is_some()
        };
        ask(0);
        [ask(1), ask(0)]
    }

    #[test]
    fn clients_behind_one_address_or_network_share_a_line_and_others_do_not() {
        assert_eq!(parts(&mut Neighbours::default(), ["192.0.2.1", "192.0.2.1"]), [true; 2]);
        assert_eq!(parts(&mut Neighbours::default(), ["192.0.2.1", "192.0.2.2"]), [false; 2]);
        assert_eq!(parts(&mut Neighbours::default(), ["2001:db8:0:1::1", "2001:db8:0:1::2"]), [true; 2]);
        assert_eq!(parts(&mut Neighbours::default(), ["2001:db8:0:1::1", "2001:db8:0:2::1"]), [false; 2]);
    }

    #[test]
    fn nothing_is_kept_of_clients_that_are_gone_or_have_moved() {
        let mut neighbours = Neighbours::default();
        parts(&mut neighbours, ["192.0.2.1", "192.0.2.1"]);
        parts(&mut neighbours, ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(neighbours.lines.len(), 2);
        for place in 0..2 {
            neighbours.forget(SessionKey::new(place));
        }
        assert!(neighbours.lines.is_empty() && neighbours.addresses.is_empty());
    }
}
