use chappe_cluster::NodeName;
use chappe_sfu_api::{
    Boot, CloseReason, Command, Epoch, Fingerprint, IceCredentials, SessionId, SessionSnapshot, SessionState, TrackId,
    WorkerIndex,
};
use chappe_signaling_sdp::{self as sdp, Local, Offer};

use super::*;
use crate::limits::{Caps, SESSIONS_PER_MEMBER_MAX};

mod caps;
mod crowds;
mod listing;
mod moderation;
mod nodes;
mod occurrences;
mod sessions;
mod workers;

const W0: WorkerIndex = WorkerIndex(0);
const W1: WorkerIndex = WorkerIndex(1);
const BOOT: Boot = Boot(1);
const ADA: MemberId = MemberId(1);

fn node(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

fn registry() -> Registry {
    Registry::new(node("here"), Caps::default())
}

fn room() -> RoomName {
    RoomName::parse("demo").unwrap()
}

fn name(text: &str) -> StreamName {
    StreamName::parse(text).unwrap()
}

fn id(number: u128) -> SessionId {
    SessionId(0, number)
}

fn local() -> Local {
    Local {
        ice: IceCredentials { ufrag: "ours".into(), pwd: "p".repeat(24) },
        fingerprint: Fingerprint { hash: "sha-256".into(), value: "AB".into() },
        candidates: Vec::new(),
        proven: None,
        trickle: true,
        origin: 1,
    }
}

fn owner(member: MemberId) -> Owner {
    Owner { member, name: None, home: node("here") }
}

fn session(number: u128, owner: Option<Owner>, role: Role, media: chappe_sfu_api::Media) -> Session {
    let ice = |ufrag: &str| IceCredentials { ufrag: ufrag.into(), pwd: "p".repeat(24) };
    Session {
        id: id(number),
        worker: W0,
        boot: BOOT,
        epoch: Epoch(1),
        phase: Phase::Opening,
        local_ice: ice("ours"),
        remote_ice: ice("theirs"),
        dtls: chappe_sfu_api::DtlsParameters {
            role: chappe_sfu_api::DtlsRole::Server,
            remote_fingerprints: Vec::new(),
        },
        media,
        alive_ms: None,
        note: Note { version: NOTE_VERSION, room: room(), since_ms: 1, owner, attempt: None, access: None, role },
        shown: Vec::new(),
    }
}

fn publisher(number: u128, stream: &str, owner: Option<Owner>) -> Session {
    let offer = Offer::parse(include_str!("../../sdp/tests/data/chromium-whip.sdp")).unwrap();
    let mut track = u64::try_from(number).unwrap() * 100;
    let mut next = || {
        track += 1;
        TrackId(track)
    };
    let answer = sdp::answer_publish(&offer, &local(), None, &mut next).unwrap();
    let role = Role::Publish {
        stream: name(stream),
        muted: Vec::new(),
        moderated: Vec::new(),
        listed: false,
        sdp: answer.note,
    };
    session(number, owner, role, answer.media)
}

fn viewer(number: u128, stream: &str, owner: Option<Owner>) -> Session {
    let offer = Offer::parse(include_str!("../../sdp/tests/data/chromium-whep.sdp")).unwrap();
    let choices = [TrackChoice::Video(0), TrackChoice::Audio(0)];
    let slot = |((mid, _), track): ((&str, _), TrackChoice)| {
        let (mid, stream) = (mid.to_owned(), name(stream));
        Slot { mid, stream, track, height_max: None }
    };
    let slots: Vec<Slot> = offer.viewer_lines().zip(choices).map(slot).collect();
    let sources = registry().sources(&room(), &slots);
    let answer = sdp::answer_watch(&offer, &local(), &sources, None, &mut || 7).unwrap();
    session(number, owner, Role::Watch { slots, sdp: answer.note }, answer.media)
}

fn open(registry: &mut Registry, session: Session) -> Vec<Effect> {
    let id = session.id;
    registry.open(session).unwrap();
    let effects = registry.confirm(id).unwrap();
    let _ = registry.handle_state(id, SessionState::Connected);
    effects
}

fn join(registry: &mut Registry, member: MemberId) {
    registry.join(member, room(), None, None).unwrap();
}

/// What a viewer's worker was last told to send in the lines that changed.
fn attached(effects: &[Effect], viewer: SessionId) -> Option<Vec<Option<TrackId>>> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Command(_, Command::SetMedia { session, media, .. }) if *session == viewer => {
            Some(media.send.iter().map(|track| track.source).collect())
        }
        Effect::Point(_, pointed) if pointed.session == viewer => {
            Some(pointed.tracks.iter().map(|track| track.source).collect())
        }
        _ => None,
    })
}

fn snapshot_of(session: &Session) -> SessionSnapshot {
    let spec = session.spec().unwrap();
    SessionSnapshot { spec, state: SessionState::Connected, active: Vec::new(), age_ms: 1 }
}

#[test]
fn a_name_is_taken_from_the_first_moment_on() {
    let mut registry = registry();
    registry.open(publisher(1, "cam", None)).unwrap();
    let taken = registry.check_publish(&room(), &name("cam"), &Proof::default());
    assert_eq!(taken, Err(RoomError::StreamExists(name("cam"))));
    let itself = Proof { session: Some(id(1)), ..Proof::default() };
    assert_eq!(registry.check_publish(&room(), &name("cam"), &itself), Ok(()));
    assert!(registry.stream(&room(), &name("cam")).is_none(), "but it is not live before the worker has it");
    registry.confirm(id(1)).unwrap();
    assert!(registry.stream(&room(), &name("cam")).is_some());
}

#[test]
fn a_publisher_that_is_not_heard_any_more_gives_way_unless_its_page_is_connected() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", None));
    open(&mut registry, publisher(2, "page", Some(owner(ADA))));
    let may_publish =
        |registry: &Registry, stream: &str| registry.check_publish(&room(), &name(stream), &Proof::default());
    assert_eq!(may_publish(&registry, "cam"), Err(RoomError::StreamExists(name("cam"))));
    registry.handle_state(id(1), SessionState::Disconnected);
    registry.handle_state(id(2), SessionState::Disconnected);
    assert_eq!(may_publish(&registry, "cam"), Ok(()));
    assert_eq!(may_publish(&registry, "page"), Err(RoomError::StreamExists(name("page"))));
    assert!(registry.handle_broken(ADA, 1));
    assert_eq!(may_publish(&registry, "page"), Ok(()));
    registry.handle_state(id(1), SessionState::Connected);
    assert_eq!(may_publish(&registry, "cam"), Err(RoomError::StreamExists(name("cam"))), "it was heard again");
}

#[test]
fn a_name_is_held_from_the_moment_that_dtls_is_done_on() {
    let mut registry = registry();
    join(&mut registry, ADA);
    for owner in [None, Some(owner(ADA))] {
        let mut next = publisher(1, "cam", owner);
        next.epoch = Epoch(7);
        registry.open(next).unwrap();
        let free = |registry: &Registry| registry.check_publish(&room(), &name("cam"), &Proof::default()).is_ok();
        assert!(!free(&registry), "its worker is about to answer");
        registry.confirm(id(1)).unwrap();
        assert!(free(&registry) && registry.record(&room(), &name("cam")).unwrap().yields);
        registry.handle_state(id(1), SessionState::Connecting);
        assert!(free(&registry));
        let effects = registry.handle_state(id(1), SessionState::Connected);
        assert_eq!(effects, [Effect::Announce(room(), name("cam"))], "other nodes hear of it");
        assert!(!free(&registry) && !registry.record(&room(), &name("cam")).unwrap().yields);
        registry.end(id(1), None);
    }
}

#[test]
fn while_a_page_moves_its_stream_nobody_else_gets_the_name() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    registry.open(publisher(2, "cam", Some(owner(ADA)))).unwrap();
    registry.confirm(id(2)).unwrap();
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().session, id(1), "the new one has no media yet");
    let may = |member, session| {
        registry.check_publish(&room(), &name("cam"), &Proof { member, session, ..Proof::default() }).is_ok()
    };
    assert!(!may(None, None) && !may(Some(MemberId(2)), Some(id(2))) && !may(None, Some(id(9))));
    assert!(may(Some(ADA), None) && may(None, Some(id(1))));
}

#[test]
fn a_session_that_waits_for_media_ends_with_the_name_that_it_waits_for() {
    for (successor, why) in [(None, LostReason::TakenOver), (Some(owner(ADA)), LostReason::Moved)] {
        let mut registry = registry();
        join(&mut registry, ADA);
        open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
        open(&mut registry, Session { epoch: Epoch(2), ..publisher(2, "cam", Some(owner(ADA))) });
        let third = Session { epoch: Epoch(3), ..publisher(3, "cam", successor) };
        registry.open(third).unwrap();
        let effects = registry.confirm(id(3)).unwrap();
        assert!(effects.contains(&Effect::Tell(ADA, SessionNotice::SessionLost(id(2), why))), "{effects:?}");
        assert!(registry.session(id(2)).is_none());
        let live = registry.stream(&room(), &name("cam")).unwrap().session;
        assert_eq!(live, if why == LostReason::Moved { id(1) } else { id(3) }, "a page's own one waits for its media");
    }
}

#[test]
fn a_session_that_waits_for_media_goes_on_when_the_next_one_is_refused() {
    for media_comes_before in [true, false] {
        let mut registry = registry();
        join(&mut registry, ADA);
        open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
        open(&mut registry, Session { epoch: Epoch(2), ..publisher(2, "cam", Some(owner(ADA))) });
        registry.open(Session { epoch: Epoch(3), ..publisher(3, "cam", Some(owner(ADA))) }).unwrap();
        let stranger = registry.check_publish(&room(), &name("cam"), &Proof::default());
        assert_eq!(stranger, Err(RoomError::StreamExists(name("cam"))));
        if media_comes_before {
            registry.handle_track_active(id(2), TrackId(201), true);
        }
        // Its worker has no place for it.
        assert_eq!(registry.end(id(3), None).len(), 1, "nobody else is told");
        if !media_comes_before {
            registry.handle_track_active(id(2), TrackId(201), true);
        }
        assert_eq!(registry.stream(&room(), &name("cam")).unwrap().session, id(2));
        assert_eq!(registry.member(ADA).unwrap().sessions.len(), 2, "the first goes on until viewers are switched");
    }
}

#[test]
fn who_was_overtaken_while_opening_is_refused() {
    let mut registry = registry();
    registry.open(publisher(1, "cam", None)).unwrap();
    registry.open(publisher(2, "cam", None)).unwrap();
    registry.confirm(id(2)).unwrap();
    assert_eq!(registry.confirm(id(1)), Err(RoomError::StreamExists(name("cam"))));
    registry.end(id(1), None);
    assert_eq!(registry.stream(&room(), &name("cam")).unwrap().session, id(2));
}

#[test]
fn a_publisher_that_comes_and_goes_attaches_and_detaches_its_viewers_only() {
    let mut registry = registry();
    open(&mut registry, viewer(1, "cam", None));
    open(&mut registry, viewer(2, "screen", None));
    let effects = open(&mut registry, publisher(3, "cam", None));
    assert_eq!(attached(&effects, id(1)), Some(vec![Some(TrackId(301)), Some(TrackId(302))]));
    assert_eq!(attached(&effects, id(2)), None);
    let effects = registry.handle_closed(id(3), CloseReason::ConsentExpired);
    assert_eq!(attached(&effects, id(1)), Some(vec![None, None]));
    assert!(effects.contains(&Effect::TellRoom(room(), StreamNotice::Removed(name("cam")))));
}

#[test]
fn a_takeover_goes_from_picture_to_picture_without_black_in_between() {
    let mut registry = registry();
    open(&mut registry, viewer(1, "cam", None));
    open(&mut registry, publisher(2, "cam", None));
    let effects = open(&mut registry, publisher(3, "cam", None));
    let sets = effects.iter().filter(|effect| matches!(effect, Effect::Point(..)));
    assert_eq!(sets.count(), 1);
    assert_eq!(attached(&effects, id(1)), Some(vec![Some(TrackId(301)), Some(TrackId(302))]));
    assert!(effects.contains(&Effect::TellRoom(room(), StreamNotice::Changed(name("cam")))));
    let closed = effects
        .iter()
        .any(|e| matches!(e, Effect::Command(W0, Command::CloseSession { session, .. }) if *session == id(2)));
    assert!(closed);
}

#[test]
fn a_publisher_that_returns_to_many_viewers_takes_a_short_turn_and_sends_no_viewers_whole_description() {
    let mut registry = registry();
    for number in 0..200 {
        open(&mut registry, viewer(1_000 + number, "cam", None));
    }
    let effects = open(&mut registry, publisher(3, "cam", None));
    let sets = effects.iter().filter(|effect| matches!(effect, Effect::Command(_, Command::SetMedia { .. })));
    let points = effects.iter().filter(|effect| matches!(effect, Effect::Point(..)));
    assert_eq!((sets.count(), points.count()), (0, VIEWERS_PER_TURN));
    let later = effects.iter().find_map(|effect| match effect {
        Effect::AttachLater(viewers) => Some(viewers.clone()),
        _ => None,
    });
    let later = later.expect("the others have turns of their own");
    assert_eq!(later.len(), 200 - VIEWERS_PER_TURN);
    let pointed = registry.attach_viewer(later[0]);
    assert!(matches!(&pointed[..], [Effect::Point(W0, _)]), "{pointed:?}");
    assert!(registry.attach_viewer(later[0]).is_empty(), "once");
}

#[test]
fn an_empty_room_is_forgotten() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    registry.end(id(1), None);
    assert!(registry.room(&room()).is_some(), "a member is in it");
    assert!(registry.handle_broken(ADA, 1));
    registry.handle_grace_over(ADA, 1);
    assert!(registry.room(&room()).is_none());
    assert_eq!(registry.members(), 0);
}

#[test]
fn after_the_grace_a_member_stays_only_with_the_sessions_that_carry_media() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    open(&mut registry, viewer(2, "cam", Some(owner(ADA))));
    registry.handle_state(id(2), SessionState::Disconnected);
    assert!(registry.handle_broken(ADA, 1));
    registry.handle_grace_over(ADA, 1);
    assert!(registry.session(id(1)).is_some() && registry.session(id(2)).is_none());
    assert!(registry.member(ADA).is_some(), "it may still come back to its stream");
    registry.handle_closed(id(1), CloseReason::ConsentExpired);
    assert!(registry.member(ADA).is_none());
}

#[test]
fn the_grace_of_an_old_connection_does_not_end_a_page_that_came_back() {
    let mut registry = registry();
    join(&mut registry, ADA);
    assert!(registry.handle_broken(ADA, 1));
    let (resumed, _) = registry.resume(ADA, &room(), &[]).unwrap();
    assert_eq!(resumed.connection, 2);
    assert!(registry.handle_grace_over(ADA, 1).is_empty());
    assert!(!registry.handle_broken(ADA, 1), "nor does its end");
    assert!(registry.member(ADA).is_some());
}

#[test]
fn limits_hold() {
    let mut registry = registry();
    join(&mut registry, ADA);
    for number in 0..SESSIONS_PER_MEMBER_MAX as u128 {
        open(&mut registry, viewer(number, "cam", Some(owner(ADA))));
    }
    let refused = registry.open(viewer(1000, "cam", Some(owner(ADA))));
    assert_eq!(refused, Err(RoomError::TooMany(RoomLimit::SessionsOfMember)));
    for number in 0..256 {
        open(&mut registry, publisher(2000 + number, &format!("s{number}"), None));
    }
    let refused = registry.check_publish(&room(), &name("more"), &Proof::default());
    assert_eq!(refused, Err(RoomError::TooMany(RoomLimit::Streams(256))));
    let first = Proof { session: Some(id(2000)), ..Proof::default() };
    assert_eq!(registry.check_publish(&room(), &name("more"), &first), refused, "there is nothing to take over");
    assert_eq!(registry.check_publish(&room(), &name("s0"), &first), Ok(()));
}

#[test]
fn muting_is_noted_where_it_survives() {
    let mut registry = registry();
    open(&mut registry, publisher(1, "cam", None));
    let mid = registry.stream(&room(), &name("cam")).unwrap().tracks[0].mid.clone();
    let effects = registry.mute(id(1), &mid, true).unwrap();
    let note = effects.iter().find_map(|effect| match effect {
        Effect::Command(_, Command::SetMedia { note, .. }) => Note::from_text(note),
        _ => None,
    });
    assert!(matches!(note.unwrap().role, Role::Publish { muted, .. } if muted == [mid.clone()]));
    assert!(registry.mute(id(1), &mid, true).unwrap().is_empty(), "said once is enough");
    assert!(registry.mute(id(1), "none", true).is_err());
    assert!(registry.mute(id(9), &mid, true).is_err());
}
