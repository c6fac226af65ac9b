use std::net::IpAddr;

use super::*;

const OWNER: u8 = 1;
const OTHER: u8 = 2;

fn address(last: u8) -> Option<ClientAddress> {
    Some(ClientAddress::from(IpAddr::from([192, 0, 2, last])))
}

/// One name as its publishers ask for it.
struct Name(Attempt);

impl Name {
    fn first(last: u8, at_ms: u64) -> Name {
        Name(Attempt::new(address(last), at_ms))
    }

    /// Whether the name goes to this address.
    fn asks(&mut self, last: u8, at_ms: u64) -> bool {
        let given = self.0.gives_way_to(&Proof { address: address(last), at_ms, ..Proof::default() });
        if given {
            self.0 = self.0.followed_by(address(last), at_ms);
        }
        given
    }
}

#[test]
fn an_attempt_gives_way_at_once_to_its_own_client_and_to_another() {
    let mut name = Name::first(OWNER, 1_000);
    assert!(name.asks(OWNER, 1_000), "it tries again");
    assert_eq!(name.0.since_ms, 1_000);
    assert!(name.asks(OTHER, 1_001));
    assert_eq!((name.0.address, name.0.since_ms), (address(OTHER), 1_001));
    assert!(Name::first(OWNER, 1_000).0.gives_way_to(&Proof { at_ms: 1_001, ..Proof::default() }), "from nowhere");
    assert!(Attempt::new(None, 1_000).gives_way_to(&Proof {
        address: address(OTHER),
        at_ms: 1_001,
        ..Proof::default()
    }));
}

#[test]
fn one_that_asks_again_and_again_does_not_take_a_name_from_its_owner_twice() {
    let mut name = Name::first(OWNER, 0);
    assert!(name.asks(OTHER, 100));
    assert!(name.asks(OWNER, 1_000), "its next try takes it back");
    assert!(name.asks(OWNER, 1_500));
    let taken: Vec<u64> = (1_600..20_000).step_by(100).filter(|at_ms| name.asks(OTHER, *at_ms)).collect();
    assert_eq!(taken.first(), Some(&11_000), "ten seconds after it lost the name");
}

#[test]
fn one_that_asks_again_and_again_and_never_connects_has_a_name_for_as_long_as_nobody_wants_it() {
    let mut name = Name::first(OTHER, 0);
    (100..30_000).step_by(100).for_each(|at_ms| assert!(name.asks(OTHER, at_ms)));
    assert!(name.asks(OWNER, 30_000));
    (30_100..40_000).step_by(100).for_each(|at_ms| assert!(!name.asks(OTHER, at_ms), "at {at_ms}"));
}

#[test]
fn one_that_had_a_name_for_a_moment_takes_it_back_once() {
    let mut name = Name::first(OTHER, 0);
    assert!(name.asks(OWNER, 5_000));
    assert!(name.asks(OTHER, 5_100), "which of them is the owner is not known");
    assert!(!name.asks(OWNER, 6_000) && !name.asks(OWNER, 15_099));
    assert!(name.asks(OWNER, 15_100));
    (15_200..25_100).step_by(100).for_each(|at_ms| assert!(!name.asks(OTHER, at_ms), "at {at_ms}"));
}

#[test]
fn however_many_addresses_ask_again_and_again_a_name_changes_hands_a_few_times() {
    let mut name = Name::first(OWNER, 0);
    let mut changes = 0;
    for at_ms in (0..10_000).step_by(10) {
        for other in OTHER..100 {
            changes += usize::from(name.0.address != address(other) && name.asks(other, at_ms));
            assert!(name.0.displaced.len() <= BARRED_MAX);
        }
    }
    assert_eq!(changes, BARRED_MAX + 1, "the first may come back, and four more are barred");
    assert!((10_000..10_100).any(|at_ms| name.asks(OWNER, at_ms)), "the next ten seconds");
    // Whoever proves that it is the same client has it at any time.
    for other in OTHER..100 {
        name.0 = name.0.followed_by(address(other), 10_100);
        assert!(name.0.displaced.len() <= BARRED_MAX);
    }
}

#[test]
fn an_attempt_of_an_older_version_can_be_read() {
    let attempt: Attempt = serde_json::from_str(r#"{"address":"192.0.2.1","since_ms":7}"#).unwrap();
    assert_eq!(attempt, Attempt::new(address(OWNER), 7));
    assert_eq!(serde_json::to_string(&attempt).unwrap(), r#"{"address":"192.0.2.1","since_ms":7}"#);
}
