//! Claims about the lite agent: what it answers, which path it takes, what it forgets.

use std::net::SocketAddr;

use super::*;
use crate::net::ConnectionId;
use crate::wire::stun::TransactionId;

const TRANSACTION: TransactionId = TransactionId([5; 12]);
const HIGH: u32 = 2_000_000_000;
const LOW: u32 = 1_000_000_000;

fn credentials(ufrag: &str) -> IceCredentials {
    IceCredentials { ufrag: ufrag.into(), pwd: format!("{ufrag}-password-of-22-chars") }
}

fn agent() -> IceAgent {
    IceAgent::new(credentials("here"), credentials("there"))
}

fn route(port: u16) -> Route {
    Route::Udp { remote: SocketAddr::from(([192, 0, 2, 1], port)), local: None }
}

/// A check from "there" as a browser sends it, before integrity.
fn request(buffer: &mut Vec<u8>) -> StunWriter<'_> {
    StunWriter::new(buffer, Class::Request, TRANSACTION).username("here:there").role(IceRole::Controlling(9))
}

fn check(priority: u32, nominate: bool) -> Vec<u8> {
    check_as("here", "there", priority, nominate)
}

fn check_as(local: &str, remote: &str, priority: u32, nominate: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let writer = StunWriter::new(&mut bytes, Class::Request, TRANSACTION).username(&format!("{local}:{remote}"));
    let writer = writer.role(IceRole::Controlling(9)).priority(priority);
    let writer = if nominate { writer.use_candidate() } else { writer };
    writer.integrity(&credentials(local).pwd).finish();
    bytes
}

/// The outcome, and class and error code of the answer if there was one.
fn ask(agent: &mut IceAgent, now: Instant, from: Route, message: &[u8]) -> (Checked, Option<(Class, Option<u16>)>) {
    let mut answer = vec![1, 2, 3];
    let checked = agent.handle_check(now, from, message, &mut answer);
    let answer = (!answer.is_empty()).then(|| {
        let message = Message::parse(&answer).unwrap();
        assert_eq!(message.transaction, TRANSACTION);
        (message.class, message.error_code)
    });
    (checked, answer)
}

#[test]
fn a_check_is_answered_with_the_address_it_came_from() {
    let (mut agent, now) = (agent(), crate::sim::start());
    for remote in ["192.0.2.9:5000", "[2001:db8::1]:6000"] {
        let remote: SocketAddr = remote.parse().unwrap();
        let mut answer = Vec::new();
        for from in [Route::Udp { remote, local: None }, Route::Tcp { connection: ConnectionId(3), remote }] {
            assert_eq!(agent.handle_check(now, from, &check(LOW, false), &mut answer), Checked::Valid);
            let answer = Message::parse(&answer).unwrap();
            assert_eq!((answer.class, answer.mapped_address), (Class::Success, Some(remote)), "{from:?}");
            assert!(answer.is_authentic(&credentials("here").pwd));
        }
    }
}

#[test]
fn an_address_is_not_learned_from_a_check_that_is_not_authentic() {
    let (mut agent, now) = (agent(), crate::sim::start());
    let mut bytes = Vec::new();
    request(&mut bytes).use_candidate().integrity("not-the-password-at-all").finish();
    let (checked, answer) = ask(&mut agent, now, route(1), &bytes);
    assert_eq!(checked, Checked::Refused(DropReason::StunIntegrity));
    assert_eq!(answer, Some((Class::Error, Some(401))));
    assert!(!agent.is_valid(route(1)));
    assert!(!agent.handle_data(route(1)));
    assert_eq!((agent.selected(), agent.heard()), (None, None));
}

#[test]
fn both_halves_of_the_username_must_be_right() {
    let (mut agent, now) = (agent(), crate::sim::start());
    for (local, remote) in [("here", "elsewhere"), ("nowhere", "there"), ("there", "here")] {
        let (checked, answer) = ask(&mut agent, now, route(1), &check_as(local, remote, LOW, true));
        assert_eq!(checked, Checked::Refused(DropReason::StunUnknownUser));
        assert_eq!(answer, Some((Class::Error, Some(401))));
    }
}

#[test]
fn a_request_without_username_or_integrity_is_a_bad_request() {
    let (mut agent, now) = (agent(), crate::sim::start());
    let mut without_integrity = Vec::new();
    request(&mut without_integrity).finish();
    let mut without_username = Vec::new();
    StunWriter::new(&mut without_username, Class::Request, TRANSACTION).integrity(&credentials("here").pwd).finish();
    for message in [without_integrity, without_username] {
        let (checked, answer) = ask(&mut agent, now, route(1), &message);
        assert_eq!(checked, Checked::Refused(DropReason::StunMalformed));
        assert_eq!(answer, Some((Class::Error, Some(400))));
    }
}

#[test]
fn an_unknown_attribute_that_must_be_understood_is_named() {
    let (mut agent, now) = (agent(), crate::sim::start());
    let mut bytes = Vec::new();
    // RESERVATION-TOKEN of TURN: nothing that a check may need.
    request(&mut bytes).attribute(0x0022, &[0; 8]).integrity(&credentials("here").pwd).finish();
    let mut answer = Vec::new();
    let checked = agent.handle_check(now, route(1), &bytes, &mut answer);
    assert_eq!(checked, Checked::Refused(DropReason::StunMalformed));
    let parsed = Message::parse(&answer).unwrap();
    assert_eq!(parsed.error_code, Some(420));
    assert!(parsed.is_authentic(&credentials("here").pwd));
    assert!(answer.windows(6).any(|bytes| bytes == [0, 0x0A, 0, 2, 0, 0x22]));
}

#[test]
fn a_peer_that_thinks_it_is_controlled_is_told_of_the_conflict() {
    let (mut agent, now) = (agent(), crate::sim::start());
    let mut bytes = Vec::new();
    let writer = StunWriter::new(&mut bytes, Class::Request, TRANSACTION).username("here:there");
    writer.role(IceRole::Controlled(u64::MAX)).integrity(&credentials("here").pwd).finish();
    let (_, answer) = ask(&mut agent, now, route(1), &bytes);
    assert_eq!(answer, Some((Class::Error, Some(487))));
    assert!(!agent.is_valid(route(1)));
}

#[test]
fn answers_and_indications_are_not_answered() {
    let (mut agent, now) = (agent(), crate::sim::start());
    for class in [Class::Success, Class::Error, Class::Indication] {
        let mut bytes = Vec::new();
        StunWriter::new(&mut bytes, class, TRANSACTION)
            .username("here:there")
            .integrity(&credentials("here").pwd)
            .finish();
        let (checked, answer) = ask(&mut agent, now, route(1), &bytes);
        assert_eq!((checked, answer), (Checked::Refused(DropReason::StunMalformed), None));
    }
}

#[test]
fn a_check_without_priority_is_good_enough() {
    let (mut agent, now) = (agent(), crate::sim::start());
    let mut bytes = Vec::new();
    request(&mut bytes).use_candidate().integrity(&credentials("here").pwd).finish();
    assert_eq!(ask(&mut agent, now, route(1), &bytes).0, Checked::Selected(route(1)));
}

#[test]
fn a_nomination_selects_at_once_and_a_plain_check_does_not() {
    let (mut agent, now) = (agent(), crate::sim::start());
    assert_eq!(ask(&mut agent, now, route(1), &check(HIGH, false)).0, Checked::Valid);
    assert_eq!(agent.selected(), None);
    assert_eq!(ask(&mut agent, now, route(2), &check(LOW, true)).0, Checked::Selected(route(2)));
    assert_eq!(ask(&mut agent, now, route(1), &check(HIGH, false)).0, Checked::Valid);
    assert_eq!(agent.selected(), Some(route(2)));
}

#[test]
fn of_an_aggressive_nomination_the_highest_priority_is_used() {
    for order in [[(1, LOW), (2, HIGH), (3, LOW)], [(2, HIGH), (1, LOW), (3, LOW)], [(1, LOW), (3, LOW), (2, HIGH)]] {
        let (mut agent, now) = (agent(), crate::sim::start());
        for (step, (port, priority)) in order.into_iter().enumerate() {
            let at = now + Duration::from_millis(50 * step as u64);
            ask(&mut agent, at, route(port), &check(priority, true));
        }
        assert_eq!(agent.selected(), Some(route(2)), "{order:?}");
    }
}

#[test]
fn a_later_nomination_of_a_worse_path_is_meant() {
    let (mut agent, now) = (agent(), crate::sim::start());
    ask(&mut agent, now, route(1), &check(HIGH, true));
    let later = now + Duration::from_secs(3);
    assert_eq!(ask(&mut agent, later, route(2), &check(LOW, true)).0, Checked::Selected(route(2)));
}

#[test]
fn data_on_a_proven_path_is_taken_until_one_is_nominated() {
    let (mut agent, now) = (agent(), crate::sim::start());
    ask(&mut agent, now, route(1), &check(HIGH, false));
    ask(&mut agent, now, route(2), &check(LOW, false));
    assert!(agent.handle_data(route(2)));
    assert_eq!(agent.selected(), Some(route(2)));
    assert!(agent.handle_data(route(1)));
    assert_eq!(agent.selected(), Some(route(2)));
    assert_eq!(ask(&mut agent, now, route(1), &check(LOW, true)).0, Checked::Selected(route(1)));
}

#[test]
fn paths_do_not_pile_up_and_the_one_in_use_stays() {
    let (mut agent, now) = (agent(), crate::sim::start());
    ask(&mut agent, now, route(1), &check(HIGH, true));
    for port in 2..200 {
        let at = now + Duration::from_millis(u64::from(port));
        ask(&mut agent, at, route(port), &check(LOW, false));
        assert!(agent.pairs.len() <= PAIRS_MAX);
    }
    assert!(agent.is_valid(route(1)) && agent.is_valid(route(199)) && !agent.is_valid(route(2)));
    assert_eq!(agent.selected(), Some(route(1)));
}

#[test]
fn a_path_that_closed_leaves_the_next_best() {
    let (mut agent, now) = (agent(), crate::sim::start());
    let tcp = Route::Tcp { connection: ConnectionId(3), remote: SocketAddr::from(([192, 0, 2, 1], 9)) };
    ask(&mut agent, now, route(1), &check(HIGH, false));
    ask(&mut agent, now, tcp, &check(LOW, true));
    assert_eq!(agent.selected(), Some(tcp));
    agent.forget(tcp);
    assert_eq!(agent.selected(), Some(route(1)));
    agent.forget(route(1));
    assert_eq!(agent.selected(), None);
}

#[test]
fn after_a_restart_the_old_path_serves_until_a_new_one_is_nominated() {
    let (mut agent, now) = (agent(), crate::sim::start());
    ask(&mut agent, now, route(1), &check(HIGH, true));
    assert_eq!(agent.restart(credentials("here2"), credentials("there2")), None);
    assert_eq!(agent.local_ufrag(), "here2");

    // Old and new credentials are both answered; mixed ones are not.
    assert_eq!(ask(&mut agent, now, route(1), &check(HIGH, true)).0, Checked::Valid);
    assert_eq!(ask(&mut agent, now, route(2), &check_as("here2", "there2", LOW, false)).0, Checked::Valid);
    assert!(matches!(ask(&mut agent, now, route(2), &check_as("here2", "there", LOW, true)).0, Checked::Refused(_)));
    assert_eq!((agent.selected(), agent.retire_previous()), (Some(route(1)), None));

    // The new generation wins although its priority is lower, and the old one ends.
    let nominated = check_as("here2", "there2", LOW, true);
    assert_eq!(ask(&mut agent, now, route(2), &nominated).0, Checked::Selected(route(2)));
    assert_eq!(agent.retire_previous().as_deref(), Some("here"));
    assert!(!agent.is_valid(route(1)));
    assert!(matches!(ask(&mut agent, now, route(1), &check(HIGH, true)).0, Checked::Refused(_)));
}

#[test]
fn a_restart_on_the_same_path_retires_the_old_credentials_too() {
    let (mut agent, now) = (agent(), crate::sim::start());
    ask(&mut agent, now, route(1), &check(HIGH, true));
    agent.restart(credentials("here2"), credentials("there2"));
    assert_eq!(agent.retire_previous(), None);
    assert_eq!(ask(&mut agent, now, route(1), &check_as("here2", "there2", LOW, true)).0, Checked::Valid);
    assert_eq!(agent.retire_previous().as_deref(), Some("here"));
    assert_eq!(agent.selected(), Some(route(1)));
}

#[test]
fn a_second_restart_before_the_first_worked_drops_only_the_first() {
    let (mut agent, now) = (agent(), crate::sim::start());
    ask(&mut agent, now, route(1), &check(HIGH, true));
    agent.restart(credentials("here2"), credentials("there2"));
    assert_eq!(agent.restart(credentials("here3"), credentials("there3")).as_deref(), Some("here2"));
    assert_eq!(ask(&mut agent, now, route(1), &check(HIGH, true)).0, Checked::Valid);
    assert!(matches!(ask(&mut agent, now, route(2), &check_as("here2", "there2", LOW, true)).0, Checked::Refused(_)));
    assert_eq!(ask(&mut agent, now, route(2), &check_as("here3", "there3", LOW, true)).0, Checked::Selected(route(2)));
}
