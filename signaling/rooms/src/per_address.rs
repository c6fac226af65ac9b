//! Owns how much of something each address of clients holds. Never decides how much it may.

use std::collections::HashMap;
use std::hash::Hash;

use crate::address::ClientAddress;

/// Things by their keys, each held by one address.
#[derive(Debug)]
pub struct PerAddress<K> {
    holders: HashMap<K, ClientAddress>,
    /// Has only those that hold something.
    counts: HashMap<ClientAddress, usize>,
}

impl<K> Default for PerAddress<K> {
    fn default() -> PerAddress<K> {
        PerAddress { holders: HashMap::new(), counts: HashMap::new() }
    }
}

impl<K: Eq + Hash> PerAddress<K> {
    pub fn of(&self, address: ClientAddress) -> usize {
        self.counts.get(&address).copied().unwrap_or(0)
    }

    pub fn insert(&mut self, key: K, address: ClientAddress) {
        if let Some(before) = self.holders.insert(key, address) {
            self.count_down(before);
        }
        *self.counts.entry(address).or_default() += 1;
    }

    pub fn remove(&mut self, key: &K) {
        if let Some(address) = self.holders.remove(key) {
            self.count_down(address);
        }
    }

    fn count_down(&mut self, address: ClientAddress) {
        match self.counts.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.counts.remove(&address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_once_and_who_holds_nothing_is_forgotten() {
        let address = |last: u8| ClientAddress::from(std::net::IpAddr::from([192, 0, 2, last]));
        let mut held = PerAddress::default();
        for (key, last) in [(1, 1), (1, 1), (2, 1), (3, 2)] {
            held.insert(key, address(last));
        }
        assert_eq!((held.of(address(1)), held.of(address(2))), (2, 1));
        held.insert(2, address(2));
        assert_eq!((held.of(address(1)), held.of(address(2))), (1, 2), "it is another's now");
        [1, 1, 2, 3].iter().for_each(|key| held.remove(key));
        assert!(held.holders.is_empty() && held.counts.is_empty());
    }
}
