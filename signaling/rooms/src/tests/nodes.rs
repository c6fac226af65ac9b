//! Owns the tests of streams and pages of other nodes.

use chappe_cluster::StreamRecord;

use super::*;

/// The publisher as another node tells of it.
fn record(session: Session, epoch: u64) -> StreamRecord {
    let mut there = Registry::new(node("there"), Caps::default());
    let name = match &session.note.role {
        Role::Publish { stream, .. } => stream.clone(),
        Role::Watch { .. } => panic!("no publisher"),
    };
    open(&mut there, Session { epoch: Epoch(epoch), ..session });
    there.record(&room(), &name).unwrap()
}

/// A page whose home another node is.
fn at(member: MemberId, home: &str) -> Owner {
    Owner { home: node(home), ..owner(member) }
}

#[test]
fn a_stream_of_another_node_is_shown_like_one_of_ours() {
    let mut registry = registry();
    open(&mut registry, viewer(1, "cam", None));
    let record = record(publisher(3, "cam", None), 5);
    let effects = registry.put_remote(&node("there"), &record);
    assert_eq!(attached(&effects, id(1)), Some(vec![Some(TrackId(301)), Some(TrackId(302))]));
    assert!(effects.contains(&Effect::TellRoom(room(), StreamNotice::Added(name("cam")))));
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
fn an_owner_of_before_does_not_take_a_stream_back() {
    let mut registry = registry();
    join(&mut registry, ADA);
    let successor = record(publisher(3, "cam", None), 8);
    // Its worker confirms the session after the other node has told of the successor.
    registry.open(Session { epoch: Epoch(7), ..publisher(1, "cam", None) }).unwrap();
    registry.put_remote(&node("there"), &successor);
    assert_eq!(registry.confirm(id(1)), Err(RoomError::StreamExists(name("cam"))));
    registry.end(id(1), None);
    // Its media arrives after that.
    open(&mut registry, Session { epoch: Epoch(9), ..publisher(4, "cam", Some(owner(ADA))) });
    open(&mut registry, Session { epoch: Epoch(10), ..publisher(5, "cam", Some(owner(ADA))) });
    registry.put_remote(&node("there"), &record(publisher(6, "cam", None), 11));
    let effects = registry.handle_track_active(id(5), TrackId(501), true);
    assert!(
        effects.contains(&Effect::Tell(ADA, SessionNotice::SessionLost(id(5), LostReason::TakenOver))),
        "{effects:?}"
    );
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().session, id(6));
    // A worker tells of it after that.
    let late = snapshot_of(&Session { epoch: Epoch(10), ..publisher(7, "cam", None) });
    registry.put_remote(&node("there"), &StreamRecord { yields: true, ..record(publisher(6, "cam", None), 11) });
    registry.adopt(W1, BOOT, vec![late]);
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().session, id(6));
    assert!(registry.session(id(7)).is_none());
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
    assert!(effects.contains(&Effect::EndSoon(id(1), LostReason::Moved)), "until viewers can be switched: {effects:?}");
    assert!(registry.session(id(1)).is_some());
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().epoch, Epoch(2));
    assert!(registry.handle_track_active(id(1), TrackId(101), true).is_empty(), "it does not come back");
    let late = registry.end(id(1), Some(LostReason::Moved));
    assert!(matches!(&late[..], [Effect::Command(W0, Command::CloseSession { .. }), Effect::Tell(ADA, _)]), "{late:?}");
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().session, id(2));
}

#[test]
fn a_page_that_moves_its_stream_to_another_node_is_seen_here_until_viewers_are_switched() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    let effects = registry.put_remote(&node("there"), &record(publisher(3, "cam", Some(owner(ADA))), 8));
    assert!(effects.contains(&Effect::EndSoon(id(1), LostReason::Moved)), "{effects:?}");
    assert!(registry.session(id(1)).is_some());
    let effects = registry.put_remote(&node("there"), &record(publisher(4, "cam", None), 9));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::EndSoon(..))), "that one was not ours: {effects:?}");
}

#[test]
fn a_stream_whose_page_came_back_is_as_old_as_it_was() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    let mut later = Session { epoch: Epoch(2), ..publisher(2, "cam", Some(owner(ADA))) };
    later.note.since_ms = 99;
    open(&mut registry, later);
    registry.handle_track_active(id(2), TrackId(201), true);
    let since_ms = |registry: &Registry| registry.stream(&room(), &name("cam")).map(|s| (s.session, s.since_ms));
    assert_eq!(since_ms(&registry), Some((id(2), 1)));
    let mut other = Session { epoch: Epoch(3), ..publisher(3, "cam", None) };
    other.note.since_ms = 100;
    open(&mut registry, other);
    assert_eq!(since_ms(&registry), Some((id(3), 100)), "one that somebody took over is new");
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
    let (claimed, effects) = registry.claim(&at(ADA, "there"), &[id(1), id(5)]);
    assert_eq!(claimed, [id(1)]);
    assert!(matches!(&effects[..], [Effect::Command(W0, Command::SetMedia { .. })]), "its note says so: {effects:?}");
    assert!(registry.member(ADA).is_none(), "it is not waited for here");
    let effects = registry.handle_closed(id(1), CloseReason::ConsentExpired);
    let lost = SessionNotice::SessionLost(id(1), LostReason::Expired);
    assert!(effects.contains(&Effect::TellAt(node("there"), ADA, lost)), "{effects:?}");
    let (claimed, _) = registry.claim(&at(MemberId(2), "there"), &[id(1)]);
    assert!(claimed.is_empty());
}

#[test]
fn the_late_end_of_a_connection_is_not_taken_for_the_end_of_one_made_after_a_stay_on_another_node() {
    let mut registry = registry();
    let before = registry.join(ADA, room(), None, None).unwrap();
    registry.claim(&at(ADA, "there"), &[]);
    let present = registry.join(ADA, room(), None, None).unwrap();
    assert!(!registry.handle_broken(ADA, before), "it came back meanwhile");
    assert!(registry.handle_broken(ADA, present));
}

#[test]
fn a_node_that_lost_a_page_to_another_does_not_end_its_sessions() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, viewer(1, "cam", Some(owner(ADA))));
    registry.handle_state(id(1), SessionState::Disconnected);
    registry.claim(&at(ADA, "there"), &[id(1)]);
    assert_eq!(registry.end_idle(ADA, &node("elsewhere")), [], "it was there before");
    assert!(registry.session(id(1)).is_some());
    registry.end_idle(ADA, &node("there"));
    assert!(registry.session(id(1)).is_none());
}

#[test]
fn a_page_that_comes_back_under_another_name_publishes_under_it() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    let changed = [Effect::Announce(room(), name("cam")), Effect::TellRoom(room(), StreamNotice::Changed(name("cam")))];
    for home in ["here", "there"] {
        let page = Owner { name: Some(format!("Ada, {home}")), ..at(ADA, home) };
        let (_, effects) = registry.claim(&page, &[id(1)]);
        assert!(effects.ends_with(&changed), "{effects:?}");
        assert!(matches!(effects[0], Effect::Command(W0, Command::SetMedia { .. })), "its note remembers it");
        assert_eq!(registry.record(&room(), &name("cam")).unwrap().name, page.name);
        assert_eq!(registry.claim(&page, &[id(1)]).1, [], "said once is enough");
    }
}

/// A viewer of the picture of `cam` and the sound of `mic`, which two other nodes publish, as its worker has it.
fn viewer_of_two_nodes() -> (SessionSnapshot, [StreamRecord; 2]) {
    let mut before = registry();
    let records = [record(publisher(3, "cam", None), 5), record(publisher(4, "mic", None), 6)];
    let mut session = viewer(1, "cam", None);
    if let Role::Watch { slots, .. } = &mut session.note.role {
        slots[1].stream = name("mic");
    }
    open(&mut before, session);
    before.put_remote(&node("there"), &records[0]);
    let effects = before.put_remote(&node("yonder"), &records[1]);
    assert_eq!(attached(&effects, id(1)), Some(vec![Some(TrackId(402))]), "the picture is there already");
    (snapshot_of(before.session(id(1)).unwrap()), records)
}

#[test]
fn a_track_of_a_node_that_is_not_heard_of_yet_goes_on() {
    let (snapshot, [cam, mic]) = viewer_of_two_nodes();
    let mut registry = registry();
    let untouched = |effects: Vec<Effect>| assert_eq!(attached(&effects, id(1)), None, "{effects:?}");
    untouched(registry.adopt(W0, BOOT, vec![snapshot.clone()]));
    assert!(registry.session(id(1)).unwrap().shown.iter().all(|state| state.showing == Showing::Live));
    untouched(registry.put_remote(&node("there"), &cam));
    // Its page comes back meanwhile and offers the same again.
    let session = registry.session(id(1)).unwrap().clone();
    let Role::Watch { slots, sdp: note } = &session.note.role else { panic!("no viewer") };
    let (media, states) = sdp::attach(note, &registry.sources(&room(), slots));
    let shown = slot_states(slots, states);
    registry.renegotiate(id(1), media, session.note.clone(), shown).unwrap();
    assert_eq!(registry.session(id(1)).unwrap().media, snapshot.spec.media);
    untouched(registry.put_remote(&node("yonder"), &mic));
    let effects = registry.remove_remote(&node("yonder"), &room(), &name("mic"), Epoch(6));
    assert_eq!(attached(&effects, id(1)), Some(vec![None]), "its owner says that it is over");
}

#[test]
fn what_no_node_tells_of_is_over_once_all_have_spoken() {
    let (snapshot, [cam, _]) = viewer_of_two_nodes();
    let mut registry = registry();
    registry.adopt(W0, BOOT, vec![snapshot.clone()]);
    registry.put_remote(&node("there"), &cam);
    let effects = registry.handle_view_complete();
    assert_eq!(attached(&effects, id(1)), Some(vec![None]));
    assert!(effects.contains(&Effect::TellRoom(room(), StreamNotice::All)), "pages that went on with it are told");
    // Told again by a worker whose connection broke, it is known to be over.
    let mut late = registry;
    late.forget(id(1), None);
    let effects = late.adopt(W0, BOOT, vec![snapshot.clone()]);
    assert_eq!(attached(&effects, id(1)), Some(vec![None]));
    // But not while other nodes can't be heard.
    late.forget(id(1), None);
    late.handle_view_incomplete();
    assert_eq!(attached(&late.adopt(W0, BOOT, vec![snapshot]), id(1)), None);
}
