//! Owns counting: how many of a thing one holder has, and how much may happen in a second. Never looks at a packet.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shares of a total, of which one holder has a bounded part.
#[derive(Debug)]
pub struct Quota<K: Eq + Hash> {
    total_max: usize,
    each_max: usize,
    held: Mutex<Held<K>>,
}

#[derive(Debug)]
struct Held<K> {
    total: usize,
    /// Has only those who hold something.
    of_each: HashMap<K, usize>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub struct Share<K: Eq + Hash> {
    of: Arc<Quota<K>>,
    holder: K,
}

impl<K: Eq + Hash + Clone> Quota<K> {
    pub fn new(total_max: usize, each_max: usize) -> Arc<Quota<K>> {
        let held = Held { total: 0, of_each: HashMap::new() };
        Arc::new(Quota { total_max, each_max, held: Mutex::new(held) })
    }

    pub fn take(self: &Arc<Self>, holder: K) -> Option<Share<K>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.of_each.get(&holder).copied().unwrap_or_default();
        if own >= self.each_max || held.total >= self.total_max {
            return None;
        }
        held.total += 1;
        held.of_each.insert(holder.clone(), own + 1);
        Some(Share { of: Arc::clone(self), holder })
    }
}

impl<K: Eq + Hash> Quota<K> {
    /// Whether it is the holder who may not have more.
    pub fn has_most(&self, holder: &K) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.of_each.get(holder).is_some_and(|own| *own >= self.each_max)
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = self.of.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.total -= 1;
        if let Some(own) = held.of_each.get_mut(&self.holder) {
            *own -= 1;
            if *own == 0 {
                held.of_each.remove(&self.holder);
            }
        }
    }
}

/// So much in each second, whole seconds apart.
#[derive(Debug)]
pub struct Budget {
    per_second: u32,
    second: Mutex<(Instant, u32)>,
}

impl Budget {
    pub fn per_second(per_second: u32) -> Budget {
        Budget { per_second, second: Mutex::new((Instant::now(), 0)) }
    }

    pub fn take(&self, amount: u32, now: Instant) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(second.0) >= Duration::from_secs(1) {
            *second = (now, 0);
        }
        let used = second.1.saturating_add(amount);
        let fits = used <= self.per_second;
        if fits {
            second.1 = used;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_share_and_leaves_the_rest_to_others() {
        let quota = Quota::new(3, 2);
        let held: Vec<Share<&str>> = (0..5).filter_map(|_| quota.take("a")).collect();
        assert_eq!(held.len(), 2);
        let other = quota.take("b");
        assert!(other.is_some() && quota.take("c").is_none(), "three in all");
        drop(held);
        assert!(quota.take("a").is_some());
        drop(other);
        assert_eq!(quota.held.lock().unwrap().total, 0);
        assert!(quota.held.lock().unwrap().of_each.is_empty(), "who has none is forgotten");
    }

    #[test]
    fn a_budget_is_full_again_in_the_next_second() {
        let budget = Budget::per_second(10);
        let now = Instant::now();
        assert!(budget.take(8, now) && !budget.take(3, now) && budget.take(2, now));
        assert!(budget.take(3, now + Duration::from_secs(1)));
    }
}
