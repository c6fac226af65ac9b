//! Since when a publisher counts as being in its room.

use chappe_cluster::StreamRecord;

use super::*;

const NOW: u64 = 1_000_000;

fn holder(digit: char) -> Option<chappe_signaling_access::Holder> {
    chappe_signaling_access::Holder::try_from(digit.to_string().repeat(32)).ok()
}

fn since(registry: &Registry, proof: Proof) -> u64 {
    registry.publishes_since(&room(), &name("cam"), &Proof { at_ms: NOW, ..proof })
}

fn of_session(number: u128) -> Proof {
    Proof { session: Some(id(number)), ..Proof::default() }
}

#[test]
fn who_proves_to_be_the_publisher_of_before_has_its_place() {
    let mut registry = registry();
    join(&mut registry, ADA);
    let page = Proof { member: Some(ADA), ..Proof::default() };
    assert_eq!(since(&registry, page), NOW, "there was none");
    open(&mut registry, publisher(1, "cam", None));
    assert_eq!((since(&registry, of_session(1)), since(&registry, of_session(2))), (1, NOW));
    assert_eq!((since(&registry, Proof::default()), since(&registry, page)), (NOW, NOW));
    let with_another_token = Proof { holder: holder('a'), ..of_session(1) };
    assert_eq!(since(&registry, with_another_token), NOW);
    // A takeover with a token that permits it makes nobody the one before.
    assert_eq!(since(&registry, Proof { takeover: Takeover::Any, ..Proof::default() }), NOW);
    let owned = StreamRecord { holder: holder('a').map(String::from), ..remote(publisher(3, "cam", Some(owner(ADA)))) };
    registry.put_remote(&node("there"), &owned);
    assert_eq!((since(&registry, page), since(&registry, with_another_token)), (1, 1), "its page, and its holder");
}

#[test]
fn a_publisher_that_was_lost_has_its_place_for_a_minute() {
    let mut registry = registry();
    open(&mut registry, publisher(1, "cam", None));
    registry.handle_worker_lost(W0, None);
    assert_eq!((since(&registry, of_session(1)), since(&registry, of_session(2))), (1, NOW));
    // Somebody has the name meanwhile, and is younger.
    let mut other = Session { epoch: Epoch(2), ..publisher(2, "cam", None) };
    other.note.since_ms = NOW;
    open(&mut registry, other);
    registry.handle_closed(id(2), CloseReason::ConnectTimeout);
    assert_eq!(since(&registry, of_session(1)), 1);
    // And what was on a node that is gone.
    registry.put_remote(&node("there"), &StreamRecord { since_ms: 1, ..remote(publisher(3, "cam", None)) });
    registry.remove_remote(&node("there"), &room(), &name("cam"), Epoch(9));
    assert_eq!(since(&registry, of_session(3)), 1);
    registry.forget_ended(NOW);
    registry.forget_ended(NOW + 59_999);
    assert_eq!(since(&registry, of_session(3)), 1);
    registry.forget_ended(NOW + 60_000);
    assert_eq!(since(&registry, of_session(3)), NOW);
}

fn remote(session: Session) -> StreamRecord {
    let mut there = Registry::new(node("there"), Caps::default());
    if session.member().is_some() {
        join(&mut there, ADA);
    }
    open(&mut there, Session { epoch: Epoch(9), ..session });
    there.record(&room(), &name("cam")).unwrap()
}
