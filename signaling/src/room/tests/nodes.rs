//! Owns the tests of streams and pages of other nodes.

use chappe_cluster::StreamRecord;

use super::*;

/// The publisher as another node tells of it.
fn record(session: Session, epoch: u64) -> StreamRecord {
    let mut there = Registry::new(node("there"));
    let name = match &session.note.role {
        Role::Publish { stream, .. } => stream.clone(),
        Role::Watch { .. } => panic!("no publisher"),
    };
    open(&mut there, Session { epoch: Epoch(epoch), ..session });
    there.record(&room(), &name).unwrap()
}

#[test]
fn a_stream_of_another_node_is_shown_like_one_of_ours() {
    let mut registry = registry();
    open(&mut registry, viewer(1, "cam", None));
    let record = record(publisher(3, "cam", None), 5);
    let effects = registry.put_remote(&node("there"), &record);
    assert_eq!(attached(&effects, id(1)), Some(vec![Some(TrackId(301)), Some(TrackId(302))]));
    assert!(effects.contains(&Effect::TellRoom(room(), Notice::StreamAdded(name("cam")))));
    assert_eq!(registry.track_home(TrackId(301)).unwrap().home.node, node("there"));
    assert!(registry.put_remote(&node("there"), &record).is_empty(), "said once is enough");
    let effects = registry.remove_remote(&node("there"), &room(), &name("cam"), Epoch(5));
    assert_eq!(attached(&effects, id(1)), Some(vec![None, None]));
    assert_eq!(registry.take_gone_tracks(), [TrackId(301), TrackId(302)]);
}

#[test]
fn of_two_nodes_that_claim_a_name_the_higher_epoch_has_it() {
    let mut registry = registry();
    open(&mut registry, Session { epoch: Epoch(7), ..publisher(1, "cam", None) });
    assert!(registry.put_remote(&node("there"), &record(publisher(3, "cam", None), 6)).is_empty());
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().session, id(1));
    let effects = registry.put_remote(&node("there"), &record(publisher(3, "cam", None), 8));
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().session, id(3));
    assert!(registry.session(id(1)).is_none(), "ours has ended");
    assert!(effects.contains(&Effect::Withdraw(room(), name("cam"), Epoch(7))), "and others are told");
    let late = registry.remove_remote(&node("elsewhere"), &room(), &name("cam"), Epoch(9));
    assert!(late.is_empty(), "who has lost a name does not end it for others");
}

#[test]
fn a_page_that_moves_its_stream_is_switched_to_when_its_media_arrives() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, viewer(9, "cam", None));
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    let effects = open(&mut registry, Session { epoch: Epoch(2), ..publisher(2, "cam", Some(owner(ADA))) });
    assert_eq!(effects, [], "the old session is what viewers see until then");
    assert!(registry.handle_track_active(id(2), TrackId(202), true).is_empty(), "sound alone is not enough");
    let effects = registry.handle_track_active(id(2), TrackId(201), true);
    assert_eq!(attached(&effects, id(9)), Some(vec![Some(TrackId(201)), Some(TrackId(202))]));
    assert!(registry.session(id(1)).is_none());
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().epoch, Epoch(2));
}

#[test]
fn the_successor_of_a_stream_takes_over_at_once_when_the_old_session_dies() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    open(&mut registry, publisher(2, "cam", Some(owner(ADA))));
    registry.handle_closed(id(1), CloseReason::ConsentExpired);
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().session, id(2));
}

#[test]
fn a_page_that_came_back_on_another_node_is_told_there() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, viewer(1, "cam", Some(owner(ADA))));
    let (claimed, effects) = registry.claim(ADA, &node("there"), &[id(1), id(5)]);
    assert_eq!(claimed, [id(1)]);
    assert!(matches!(&effects[..], [Effect::Command(W0, Command::SetMedia { .. })]), "its note says so: {effects:?}");
    assert!(registry.member(ADA).is_none(), "it is not waited for here");
    let effects = registry.handle_closed(id(1), CloseReason::ConsentExpired);
    let lost = Notice::SessionLost(id(1), LostReason::Expired);
    assert!(effects.contains(&Effect::TellAt(node("there"), ADA, lost)), "{effects:?}");
    let (claimed, _) = registry.claim(MemberId(2), &node("there"), &[id(1)]);
    assert!(claimed.is_empty());
}
