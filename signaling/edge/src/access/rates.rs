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
    joins: Rate,
    changes: Rate,
    watches: Rate,
    /// By one token at one address.
    watches_here: Bucket<(ClientAddress, Holder)>,
    says: Rate,
    typing: Rate,
    wrong_tokens: Bucket<ClientAddress>,
}

/// Of one kind of request.
#[derive(Debug)]
struct Rate {
    of_address: Bucket<ClientAddress>,
    of_holder: Bucket<Holder>,
    quotas: Quotas,
}

/// That of a holder is the smaller one, or has a smaller one for each address beside it: other tokens at its address
/// go on.
#[derive(Debug, Clone, Copy)]
struct Quotas {
    address: PerSecond,
    holder: PerSecond,
}

/// So many, and so many at once after a rest.
type PerSecond = (u32, u32);

type Bucket<K> = DefaultKeyedRateLimiter<K>;

impl Rates {
    pub fn new() -> Rates {
        Rates {
            joins: Rate::new(JOINS),
            changes: Rate::new(CHANGES),
            watches: Rate::new(WATCHES),
            watches_here: bucket(WATCHES_HERE),
            says: Rate::new(SAYS),
            typing: Rate::new(SAYS),
            wrong_tokens: bucket(WRONG_TOKENS),
        }
    }

    /// A new session, or a page that enters a room.
    pub fn check_join(&self, caller: &Caller) -> Result<(), Refusal> {
        self.joins.check(caller, Limit::Joins)
    }

    /// A PATCH or DELETE of a session, or what a page asks for one of its own.
    pub fn check_change(&self, caller: &Caller) -> Result<(), Refusal> {
        self.changes.check(caller, Limit::Changes)
    }

    /// What a page watches from now on. The audience of one token hears of a new stream at once, from many addresses.
    pub fn check_watch(&self, caller: &Caller) -> Result<(), Refusal> {
        let here = caller.holder().filter(|_| !caller.is_proxy);
        if here.is_some_and(|holder| !takes(&self.watches_here, &(caller.address, holder))) {
            return Err(Refusal::TooMany(Limit::Changes(WATCHES_HERE.0)));
        }
        self.watches.check(caller, Limit::Changes)
    }

    /// A message of the chat.
    pub fn check_say(&self, caller: &Caller) -> Result<(), Refusal> {
        self.says.check(caller, Limit::Says)
    }

    /// Word of somebody typing; what is beyond is left out.
    pub fn takes_typing(&self, caller: &Caller) -> bool {
        self.typing.check(caller, Limit::Says).is_ok()
    }

    /// Whether an address that showed a wrong token may soon show another one.
    pub fn note_wrong_token(&self, caller: &Caller) -> Result<(), Refusal> {
        let within = caller.is_proxy || takes(&self.wrong_tokens, &caller.address);
        if within { Ok(()) } else { Err(Refusal::TooMany(Limit::WrongTokens(WRONG_TOKENS.0))) }
    }

    /// Every now and then, so that the tables hold only those who asked lately.
    pub fn tidy(&self) {
        for rate in [&self.joins, &self.changes, &self.watches, &self.says, &self.typing] {
            rate.of_address.retain_recent();
            rate.of_holder.retain_recent();
        }
        self.watches_here.retain_recent();
        self.wrong_tokens.retain_recent();
    }
}

impl Rate {
    fn new(quotas: Quotas) -> Rate {
        Rate { of_address: bucket(quotas.address), of_holder: bucket(quotas.holder), quotas }
    }

    /// What a holder may not takes nothing from its address. This machine and proxies that do not name their clients are
    /// many.
    fn check(&self, caller: &Caller, limit: fn(u32) -> Limit) -> Result<(), Refusal> {
        if caller.holder().is_some_and(|holder| !takes(&self.of_holder, &holder)) {
            return Err(Refusal::TooMany(limit(self.quotas.holder.0)));
        }
        let within = caller.is_proxy || takes(&self.of_address, &caller.address);
        if within { Ok(()) } else { Err(Refusal::TooMany(limit(self.quotas.address.0))) }
    }
}

fn bucket<K: Hash + Eq + Clone>((per_second, at_once): PerSecond) -> Bucket<K> {
    let above_zero = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    RateLimiter::keyed(Quota::per_second(above_zero(per_second)).allow_burst(above_zero(at_once)))
}

fn takes<K: Hash + Eq + Clone>(bucket: &Bucket<K>, key: &K) -> bool {
    bucket.check_key(key).is_ok()
}

/// A school behind one NAT enters within a few seconds. One token may be for a whole audience.
const JOINS: Quotas = Quotas { address: (500, 4_000), holder: (400, 3_000) };
/// A client trickles a dozen candidates, and restarts when its network changes.
const CHANGES: Quotas = Quotas { address: (500, 4_000), holder: (400, 3_000) };
/// As many at once by one token as a node has members; each page may ask 20 times in a second.
const WATCHES: Quotas = Quotas { address: (500, 4_000), holder: (1_000, 20_000) };
const WATCHES_HERE: PerSecond = (400, 3_000);
/// More than anybody reads.
const SAYS: Quotas = Quotas { address: (50, 200), holder: (40, 150) };
/// Somebody who tries an old link again and again; nobody guesses a key at this rate.
const WRONG_TOKENS: PerSecond = (10, 50);

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
        let at_once = JOINS.address.1;
        let joined = (0..2 * at_once).filter(|_| rates.check_join(&caller(1)).is_ok()).count();
        assert!((at_once as usize..2 * at_once as usize).contains(&joined), "{joined}");
        assert_eq!(rates.check_join(&caller(2)), Ok(()));
        assert_eq!(rates.check_change(&caller(1)), Ok(()), "each kind by itself");
        let proxy = Caller { is_proxy: true, ..caller(3) };
        assert!((0..2 * at_once).all(|_| rates.check_join(&proxy).is_ok()));
    }

    #[test]
    fn wrong_tokens_are_few_and_addresses_that_stopped_are_forgotten() {
        let rates = Rates::new();
        let told = (0..1_000).filter(|_| rates.note_wrong_token(&caller(1)).is_ok()).count();
        assert!((50..200).contains(&told), "{told}");
        (0..=255).for_each(|last| drop(rates.check_change(&caller(last))));
        assert_eq!(rates.changes.of_address.len(), 256);
        // One of so many is made good within some milliseconds, a spent allowance within seconds.
        while !rates.changes.of_address.is_empty() {
            rates.tidy();
        }
        assert_eq!(rates.wrong_tokens.len(), 1);
    }
}
