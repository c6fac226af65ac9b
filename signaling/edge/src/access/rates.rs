//! Owns how often one address, and the holder of one token, may ask for what costs the server something. Never judges
//! what is asked.

use std::hash::Hash;
use std::num::NonZeroU32;

use chappe_signaling_access::Holder;
use chappe_signaling_rooms::ClientAddress;
use chappe_signaling_service::{Caller, Limit, Refusal};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Buckets of all that asked lately; those that are full again are forgotten by [`Rates::tidy`].
#[derive(Debug)]
pub struct Rates {
    joins: Bucket<ClientAddress>,
    joins_of_holder: Bucket<Holder>,
    changes: Bucket<ClientAddress>,
    wrong_tokens: Bucket<ClientAddress>,
}

type Bucket<K> = DefaultKeyedRateLimiter<K>;

impl Rates {
    pub fn new() -> Rates {
        Rates {
            joins: bucket(JOINS_PER_SECOND, JOINS_AT_ONCE),
            joins_of_holder: bucket(JOINS_PER_SECOND, JOINS_AT_ONCE),
            changes: bucket(CHANGES_PER_SECOND, CHANGES_AT_ONCE),
            wrong_tokens: bucket(WRONG_TOKENS_PER_SECOND, WRONG_TOKENS_AT_ONCE),
        }
    }

    /// A new session, or a page that enters a room. This machine and proxies that do not name their clients are many.
    pub fn check_join(&self, caller: &Caller) -> Result<(), Refusal> {
        let by_address = caller.is_proxy || takes(&self.joins, &caller.address);
        let by_holder = caller.holder().is_none_or(|holder| takes(&self.joins_of_holder, &holder));
        if by_address && by_holder { Ok(()) } else { Err(Refusal::TooMany(Limit::Joins(JOINS_PER_SECOND))) }
    }

    /// A PATCH or DELETE of a session.
    pub fn check_change(&self, caller: &Caller) -> Result<(), Refusal> {
        let within = caller.is_proxy || takes(&self.changes, &caller.address);
        if within { Ok(()) } else { Err(Refusal::TooMany(Limit::Changes(CHANGES_PER_SECOND))) }
    }

    /// Whether an address that showed a wrong token may soon show another one.
    pub fn note_wrong_token(&self, caller: &Caller) -> Result<(), Refusal> {
        let within = caller.is_proxy || takes(&self.wrong_tokens, &caller.address);
        if within { Ok(()) } else { Err(Refusal::TooMany(Limit::WrongTokens(WRONG_TOKENS_PER_SECOND))) }
    }

    /// Every now and then, so that the tables hold only those who asked lately.
    pub fn tidy(&self) {
        self.joins.retain_recent();
        self.joins_of_holder.retain_recent();
        self.changes.retain_recent();
        self.wrong_tokens.retain_recent();
    }
}

fn bucket<K: Hash + Eq + Clone>(per_second: u32, at_once: u32) -> Bucket<K> {
    let above_zero = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    RateLimiter::keyed(Quota::per_second(above_zero(per_second)).allow_burst(above_zero(at_once)))
}

fn takes<K: Hash + Eq + Clone>(bucket: &Bucket<K>, key: &K) -> bool {
    bucket.check_key(key).is_ok()
}

/// A school behind one NAT enters within a few seconds. One token may be for a whole audience.
const JOINS_PER_SECOND: u32 = 500;
const JOINS_AT_ONCE: u32 = 4_000;
/// A client trickles a dozen candidates, and restarts when its network changes.
const CHANGES_PER_SECOND: u32 = 500;
const CHANGES_AT_ONCE: u32 = 4_000;
/// Somebody who tries an old link again and again; nobody guesses a key at this rate.
const WRONG_TOKENS_PER_SECOND: u32 = 10;
const WRONG_TOKENS_AT_ONCE: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn caller(last: u8) -> Caller {
        Caller { address: IpAddr::from([192, 0, 2, last]).into(), is_proxy: false, reached_at: None, pass: None }
    }

    #[test]
    fn an_address_that_asks_too_often_is_refused_and_the_next_one_is_not() {
        let rates = Rates::new();
        let joined = (0..2 * JOINS_AT_ONCE).filter(|_| rates.check_join(&caller(1)).is_ok()).count();
        assert!((JOINS_AT_ONCE as usize..2 * JOINS_AT_ONCE as usize).contains(&joined), "{joined}");
        assert_eq!(rates.check_join(&caller(2)), Ok(()));
        assert_eq!(rates.check_change(&caller(1)), Ok(()), "each kind by itself");
        let proxy = Caller { is_proxy: true, ..caller(3) };
        assert!((0..2 * JOINS_AT_ONCE).all(|_| rates.check_join(&proxy).is_ok()));
    }

    #[test]
    fn wrong_tokens_are_few_and_addresses_that_stopped_are_forgotten() {
        let rates = Rates::new();
        let told = (0..1_000).filter(|_| rates.note_wrong_token(&caller(1)).is_ok()).count();
        assert!((50..200).contains(&told), "{told}");
        (0..=255).for_each(|last| drop(rates.check_change(&caller(last))));
        assert_eq!(rates.changes.len(), 256);
        // One of so many is made good within some milliseconds, a spent allowance within seconds.
        while !rates.changes.is_empty() {
            rates.tidy();
        }
        assert_eq!(rates.wrong_tokens.len(), 1);
    }
}
