//! What is left of a room when a worker is gone, or when its workers alone remember it.

use super::*;

#[test]
fn a_lost_worker_takes_its_sessions_and_no_others() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    let mut elsewhere = publisher(2, "screen", None);
    elsewhere.worker = W1;
    open(&mut registry, elsewhere);
    open(&mut registry, viewer(3, "cam", None));
    open(&mut registry, viewer(4, "screen", None));
    let effects = registry.handle_worker_lost(W0, None);
    let commands = effects.iter().any(|effect| matches!(effect, Effect::Command(..)));
    assert!(!commands, "the next process knows nothing of these sessions: {effects:?}");
    assert!(effects.contains(&Effect::Tell(ADA, SessionNotice::SessionLost(id(1), LostReason::WorkerDied))));
    assert!(registry.session(id(1)).is_none() && registry.session(id(2)).is_some());
    // The sessions of the process that lives are not lost with those of the one before.
    assert!(registry.handle_worker_lost(W1, Some(BOOT)).is_empty());
}

#[test]
fn what_workers_remember_is_enough_to_go_on() {
    let mut before = registry();
    join(&mut before, ADA);
    open(&mut before, viewer(2, "cam", None));
    open(&mut before, publisher(1, "cam", Some(owner(ADA))));
    let mut snapshots: Vec<SessionSnapshot> = before.sessions().map(snapshot_of).collect();
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.spec.session));
    let mut after = registry();
    let effects = after.adopt(W0, BOOT, snapshots);
    let commands = effects.iter().any(|effect| matches!(effect, Effect::Command(..)));
    assert!(!commands, "nothing is touched: {effects:?}");
    assert_eq!(after.sessions, before.sessions);
    assert_eq!(after.stream(&room(), &name("cam")), before.stream(&room(), &name("cam")));
    let (resumed, _) = after.resume(ADA, &room(), &[id(1)]).unwrap();
    assert_eq!((resumed.member, resumed.sessions), (ADA, vec![id(1)]));
}

#[test]
fn what_changed_while_the_connection_was_broken_is_told_again() {
    let mut registry = registry();
    open(&mut registry, viewer(1, "cam", None));
    let stale = snapshot_of(registry.session(id(1)).unwrap());
    open(&mut registry, publisher(2, "cam", None));
    let publisher = snapshot_of(registry.session(id(2)).unwrap());
    let effects = registry.adopt(W0, BOOT, vec![stale, publisher]);
    assert_eq!(attached(&effects, id(1)), Some(vec![Some(TrackId(201)), Some(TrackId(202))]));
    // And what ended meanwhile is over.
    let effects = registry.adopt(W0, BOOT, Vec::new());
    assert!(effects.contains(&Effect::TellRoom(room(), StreamNotice::Removed(name("cam")))));
    assert!(registry.room(&room()).is_none());
}

#[test]
fn a_session_that_has_no_place_any_more_is_closed() {
    let mut registry = registry();
    open(&mut registry, publisher(1, "cam", None));
    let closes = |effects: &[Effect], number| {
        effects
            .iter()
            .any(|e| matches!(e, Effect::Command(_, Command::CloseSession { session, .. }) if *session == id(number)))
    };
    let twin = snapshot_of(&publisher(2, "cam", None));
    let known = snapshot_of(registry.session(id(1)).unwrap());
    assert!(closes(&registry.adopt(W0, BOOT, vec![known, twin]), 2), "its name is taken");
    let mut foreign = snapshot_of(&publisher(4, "other", None));
    foreign.spec.note = "{}".into();
    let known = snapshot_of(registry.session(id(1)).unwrap());
    assert!(closes(&registry.adopt(W0, BOOT, vec![known, foreign]), 4), "its note can't be read");
    assert_eq!(registry.sessions.len(), 1);
}

#[test]
fn what_nobody_watches_is_told_to_the_page_that_publishes_it_and_to_no_other_client() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    open(&mut registry, publisher(2, "whip", None));
    let (mid, track) = {
        let Role::Publish { sdp, .. } = &registry.session(id(1)).unwrap().note.role else { panic!("a publisher") };
        let (mid, source) = sdp.tracks().next().unwrap();
        (mid.to_owned(), source.track)
    };
    let told = SessionNotice::Unwatched { session: id(1), mid, encodings: vec![1, 2] };
    assert_eq!(registry.handle_unwatched(id(1), track, 0b110), [Effect::Tell(ADA, told)]);
    assert_eq!(registry.handle_unwatched(id(1), TrackId(9), 0b110), [], "a track that it has not");
    assert_eq!(registry.handle_unwatched(id(2), track, 0b110), [], "there is nobody to tell");
    assert_eq!(registry.handle_unwatched(id(3), track, 0b110), []);
}

#[test]
fn who_speaks_is_told_to_the_room_of_the_track() {
    let mut registry = registry();
    open(&mut registry, publisher(1, "cam", None));
    let track = registry.stream(&room(), &name("cam")).unwrap().tracks[0].source.track;
    let told = |speaking| Effect::TellRoom(room(), StreamNotice::Speaking(name("cam"), speaking));
    assert_eq!(registry.handle_speaking(track, true), [told(true)]);
    assert_eq!(registry.handle_speaking(track, false), [told(false)]);
    assert_eq!(registry.handle_speaking(TrackId(9), true), [], "nobody publishes it any more");
}
