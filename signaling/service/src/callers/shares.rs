//! Owns how much of something limited each address holds, so that none can hold all of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chappe_signaling_rooms::ClientAddress;

/// So many of a thing, for everybody together.
#[derive(Debug)]
pub struct Shares {
    max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    /// Has only those who hold something.
    by_address: HashMap<ClientAddress, usize>,
}

/// One of the thing, until it is dropped.
#[derive(Debug)]
pub struct Share {
    of: Arc<Shares>,
    address: ClientAddress,
}

impl Shares {
    pub fn new(max: usize) -> Arc<Shares> {
        Arc::new(Shares { max, held: Mutex::default() })
    }

    /// None: all are taken, or this address has `each_max` of them.
    pub fn take(self: &Arc<Self>, address: ClientAddress, each_max: usize) -> Option<Share> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.by_address.get(&address).copied().unwrap_or(0);
        if held.total >= self.max || own >= each_max {
            return None;
        }
        held.total += 1;
        held.by_address.insert(address, own + 1);
        Some(Share { of: Arc::clone(self), address })
    }

    /// How many are taken.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.of.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        let own = held.by_address.get(&self.address).copied().unwrap_or(0);
        match own {
            0 | 1 => drop(held.by_address.remove(&self.address)),
            more => drop(held.by_address.insert(self.address, more - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> ClientAddress {
        ClientAddress::from(std::net::IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn no_address_takes_more_than_its_share_and_all_together_no_more_than_there_are() {
        let shares = Shares::new(5);
        let first: Vec<Share> = (0..9).filter_map(|_| shares.take(address(1), 3)).collect();
        assert_eq!(first.len(), 3);
        let second: Vec<Share> = (0..9).filter_map(|_| shares.take(address(2), 3)).collect();
        assert_eq!(second.len(), 2);
        assert!(shares.take(address(3), 3).is_none());
        drop(first);
        assert!(shares.take(address(2), 3).is_some());
        drop(second);
        assert!(shares.held.lock().unwrap().by_address.is_empty(), "who holds nothing is forgotten");
    }
}
