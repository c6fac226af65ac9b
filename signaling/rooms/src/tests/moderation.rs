//! Owns the tests of what operators mute.

use chappe_sfu_api::MediaKind;

use super::*;

fn sound() -> ChosenTracks {
    ChosenTracks { mid: None, kind: Some(MediaKind::Audio) }
}

/// Ada publishes as session 1 of her page, and an operator has muted her sound.
fn ada_is_silenced() -> Registry {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    registry.moderate(id(1), &sound(), true).unwrap();
    registry
}

fn moderated(registry: &Registry) -> Vec<(MediaKind, bool, bool)> {
    let stream = registry.stream(&room(), &name("cam")).unwrap();
    stream.tracks.iter().map(|track| (track.source.kind, track.muted, track.moderated)).collect()
}

/// The m-lines that a worker is told, and the note with them.
fn told(effect: &Effect) -> Option<(Vec<bool>, Note)> {
    let Effect::Command(_, Command::SetMedia { media, note, .. }) = effect else { return None };
    Some((media.receive.iter().map(|line| line.muted).collect(), Note::from_text(note).unwrap()))
}

#[test]
fn what_an_operator_mutes_the_publisher_cannot_unmute() {
    let mut registry = registry();
    open(&mut registry, publisher(1, "cam", None));
    let mid = registry.stream(&room(), &name("cam")).unwrap().tracks[0].mid.clone();
    let kind = registry.stream(&room(), &name("cam")).unwrap().tracks[0].source.kind;
    let other = registry.stream(&room(), &name("cam")).unwrap().tracks[1].source.kind;
    let chosen = ChosenTracks { mid: Some(mid.clone()), kind: None };
    let (set, effects) = registry.moderate(id(1), &chosen, true).unwrap();
    let (muted, _) = told(&Effect::Command(W0, set.unwrap())).unwrap();
    assert_eq!(muted, [true, false]);
    assert!(effects.contains(&Effect::TellRoom(room(), StreamNotice::Changed(name("cam")))));
    assert!(effects.contains(&Effect::Announce(room(), name("cam"))), "other nodes hear of it");
    assert_eq!(moderated(&registry), [(kind, true, true), (other, false, false)]);
    assert_eq!(registry.moderate(id(1), &chosen, true).unwrap(), (None, Vec::new()), "said once is enough");

    assert_eq!(registry.mute(id(1), &mid, false), Err(RoomError::Moderated));
    registry.mute(id(1), &mid, true).unwrap();
    registry.moderate(id(1), &ChosenTracks::default(), false).unwrap();
    assert_eq!(moderated(&registry), [(kind, true, false), (other, false, false)], "its own mute holds");
    registry.mute(id(1), &mid, false).unwrap();
    assert_eq!(moderated(&registry)[0], (kind, false, false));
}

#[test]
fn who_publishes_nothing_or_nothing_like_that_cannot_be_muted() {
    let mut registry = registry();
    open(&mut registry, publisher(1, "cam", None));
    open(&mut registry, viewer(2, "cam", None));
    let of = |registry: &mut Registry, number, chosen: &ChosenTracks| registry.moderate(id(number), chosen, true).err();
    let nowhere = ChosenTracks { mid: Some("none".into()), kind: Some(MediaKind::Video) };
    assert_eq!(of(&mut registry, 1, &nowhere), Some(RoomError::NoSuchTrack("video with the mid `none`".into())));
    assert_eq!(of(&mut registry, 2, &ChosenTracks::default()), Some(RoomError::PublishesNothing));
    assert_eq!(of(&mut registry, 3, &ChosenTracks::default()), Some(RoomError::NoSuchSession));
}

#[test]
fn a_new_offer_keeps_what_is_muted_and_a_track_that_it_brings_is_muted_as_well() {
    let mut registry = ada_is_silenced();
    let renegotiate = |registry: &mut Registry, media| {
        let note = registry.session(id(1)).unwrap().note.clone();
        let (set, _) = registry.renegotiate(id(1), media, note, Vec::new()).unwrap();
        told(&Effect::Command(W0, set)).unwrap().0
    };
    let offered = publisher(1, "cam", None).media;
    let sound_of = |muted: &[bool]| -> Vec<bool> {
        offered.receive.iter().zip(muted).filter(|(line, _)| line.kind == MediaKind::Audio).map(|(_, m)| *m).collect()
    };
    let muted = renegotiate(&mut registry, offered.clone());
    assert_eq!((sound_of(&muted), muted.iter().filter(|muted| **muted).count()), (vec![true], 1));
    // It takes its sound away, and comes with another.
    let mut silent = offered.clone();
    silent.receive.retain(|line| line.kind == MediaKind::Video);
    assert_eq!(renegotiate(&mut registry, silent), [false]);
    let mut other = offered.clone();
    for line in other.receive.iter_mut().filter(|line| line.kind == MediaKind::Audio) {
        (line.track, line.mid) = (TrackId(9), "another".into());
    }
    assert_eq!(sound_of(&renegotiate(&mut registry, other)), [true]);
    registry.moderate(id(1), &sound(), false).unwrap();
    assert_eq!(sound_of(&renegotiate(&mut registry, offered.clone())), [false]);
}

#[test]
fn a_session_in_the_place_of_another_is_muted_as_that_was_also_of_another_node() {
    let mut registry = ada_is_silenced();
    let mut second = publisher(2, "cam", Some(owner(ADA)));
    second.epoch = Epoch(2);
    let takes = |registry: &mut Registry, session: Session| {
        let SessionId(_, number) = session.id;
        registry.open(session).unwrap();
        let mut effects = registry.confirm(id(number)).unwrap();
        effects.extend(arrive(registry, number));
        effects
    };
    let effects = takes(&mut registry, second);
    let (muted, note) = effects.iter().find_map(told).expect("its worker is told");
    assert_eq!(muted.iter().filter(|muted| **muted).count(), 1);
    assert!(matches!(note.role, Role::Publish { moderated, .. } if moderated[0].kind == MediaKind::Audio));
    let of = |registry: &Registry, kind| moderated(registry).contains(&(kind, true, true));
    assert!(of(&registry, MediaKind::Audio) && !of(&registry, MediaKind::Video));

    // As another node hears of it.
    let record = registry.record(&room(), &name("cam")).unwrap();
    let mut elsewhere = Registry::new(node("there"), Caps::default());
    elsewhere.put_remote(&node("here"), &record);
    assert!(of(&elsewhere, MediaKind::Audio));
    let mut third = publisher(3, "cam", Some(owner(ADA)));
    third.epoch = Epoch(3);
    assert!(takes(&mut elsewhere, third).iter().find_map(told).is_some());
    assert!(of(&elsewhere, MediaKind::Audio) && !of(&elsewhere, MediaKind::Video));
}

/// The kinds that are muted of a session that opens now.
fn muted_from_the_start(registry: &Registry, proof: &Proof) -> Vec<MediaKind> {
    let mut media = publisher(9, "cam", None).media;
    let muted = registry.mute_as_before(&room(), &name("cam"), proof, &mut media);
    let lines = media.receive.iter().filter(|line| line.muted).map(|line| line.mid.clone());
    assert_eq!(muted.iter().map(|muted| muted.mid.clone()).collect::<Vec<_>>(), lines.collect::<Vec<_>>());
    muted.into_iter().map(|muted| muted.kind).collect()
}

#[test]
fn a_publisher_whose_worker_died_is_muted_when_it_is_back_within_a_minute_and_nobody_else_is() {
    let mut registry = ada_is_silenced();
    let nobody = Proof::default();
    let page = Proof { member: Some(ADA), ..nobody };
    assert_eq!(muted_from_the_start(&registry, &nobody), [MediaKind::Audio], "it takes the place of one that is muted");
    registry.handle_worker_lost(W0, None);
    assert_eq!(muted_from_the_start(&registry, &page), [MediaKind::Audio]);
    let reloaded = Proof { session: Some(id(1)), ..nobody };
    assert_eq!(muted_from_the_start(&registry, &reloaded), [MediaKind::Audio]);
    assert_eq!(muted_from_the_start(&registry, &nobody), []);
    registry.forget_ended(0);
    registry.forget_ended(60_000);
    assert_eq!(muted_from_the_start(&registry, &page), []);

    // A WHIP client without a token has nothing to show when it is back.
    open(&mut registry, publisher(2, "cam", None));
    registry.moderate(id(2), &ChosenTracks::default(), true).unwrap();
    registry.handle_closed(id(2), CloseReason::ConsentExpired);
    assert_eq!(muted_from_the_start(&registry, &nobody).len(), 2);
    assert_eq!(muted_from_the_start(&registry, &page), []);
}

/// A session of the page that publishes, as it opens now to take the place of what is live.
fn moving(registry: &Registry, number: u64) -> Session {
    let mut session = Session { epoch: Epoch(number), ..publisher(number.into(), "cam", Some(owner(ADA))) };
    let proof = Proof { member: Some(ADA), ..Proof::default() };
    let muted = registry.mute_as_before(&room(), &name("cam"), &proof, &mut session.media);
    let Role::Publish { moderated, .. } = &mut session.note.role else { panic!("it publishes") };
    *moderated = muted;
    session
}

/// Its worker has it, and its picture and sound arrive.
fn arrive(registry: &mut Registry, number: u128) -> Vec<Effect> {
    let mut effects = registry.handle_state(id(number), SessionState::Connected);
    for track in registry.session(id(number)).unwrap().media.receive.clone() {
        effects.extend(registry.handle_track_active(id(number), track.track, true));
    }
    effects
}

#[test]
fn what_is_unmuted_while_a_page_moves_its_stream_is_unmuted_of_the_session_that_takes_its_place() {
    let mut registry = ada_is_silenced();
    let second = moving(&registry, 2);
    registry.open(second).unwrap();
    let (_, effects) = registry.moderate(id(1), &sound(), false).unwrap();
    let (muted, note) = effects.iter().find_map(told).expect("its worker is told");
    assert_eq!(muted, [false, false]);
    assert!(matches!(note.role, Role::Publish { moderated, .. } if moderated.is_empty()));
}

#[test]
fn a_track_that_was_muted_and_taken_away_does_not_come_back_unmuted_with_another_session() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    registry.moderate(id(1), &sound(), true).unwrap();
    let offered = publisher(1, "cam", None).media;
    let mut silent = offered.clone();
    silent.receive.retain(|line| line.kind == MediaKind::Video);
    let note = registry.session(id(1)).unwrap().note.clone();
    registry.renegotiate(id(1), silent, note, Vec::new()).unwrap();
    let mut elsewhere = Registry::new(node("there"), Caps::default());
    elsewhere.put_remote(&node("here"), &registry.record(&room(), &name("cam")).unwrap());
    for known in [&registry, &elsewhere] {
        assert!(moving(known, 2).media.receive.iter().any(|line| line.muted && line.kind == MediaKind::Audio));
    }

    // One that comes without sound, and adds it later.
    let mut third = Session { epoch: Epoch(3), ..publisher(3, "cam", Some(owner(ADA))) };
    third.media.receive.retain(|line| line.kind == MediaKind::Video);
    registry.open(third).unwrap();
    registry.confirm(id(3)).unwrap();
    arrive(&mut registry, 3);
    let note = registry.session(id(3)).unwrap().note.clone();
    let (set, _) = registry.renegotiate(id(3), offered, note, Vec::new()).unwrap();
    let (muted, _) = told(&Effect::Command(W0, set)).unwrap();
    assert_eq!(muted.iter().filter(|muted| **muted).count(), 1);
    registry.moderate(id(3), &sound(), false).unwrap();
    assert!(!moving(&registry, 4).media.receive.iter().any(|line| line.muted));
}

#[test]
fn what_the_client_took_away_can_be_unmuted() {
    let mut registry = registry();
    open(&mut registry, publisher(1, "cam", None));
    registry.moderate(id(1), &sound(), true).unwrap();
    let mut silent = publisher(1, "cam", None).media;
    silent.receive.retain(|line| line.kind == MediaKind::Video);
    let note = registry.session(id(1)).unwrap().note.clone();
    registry.renegotiate(id(1), silent, note, Vec::new()).unwrap();
    assert!(registry.moderate(id(1), &sound(), false).unwrap().0.is_some());
    let gone = registry.moderate(id(1), &sound(), false);
    assert_eq!(gone.err(), Some(RoomError::NoSuchTrack("audio".into())));
}

#[test]
fn what_is_muted_or_unmuted_on_another_node_is_so_of_the_session_here_that_takes_its_place() {
    let mut there = Registry::new(node("there"), Caps::default());
    open(&mut there, publisher(1, "cam", Some(owner(ADA))));
    there.moderate(id(1), &sound(), true).unwrap();
    let mut here = registry();
    join(&mut here, ADA);
    let tell = |there: &Registry, here: &mut Registry| {
        let record = there.record(&room(), &name("cam")).unwrap();
        here.put_remote(&node("there"), &record)
    };
    let muted = |effects: &[Effect]| effects.iter().find_map(told).map(|(muted, _)| muted.contains(&true));
    tell(&there, &mut here);
    let second = moving(&here, 2);
    here.open(second).unwrap();
    there.moderate(id(1), &sound(), false).unwrap();
    assert_eq!(muted(&tell(&there, &mut here)), Some(false), "while its worker opens it");
    here.confirm(id(2)).unwrap();
    there.moderate(id(1), &sound(), true).unwrap();
    assert_eq!(muted(&tell(&there, &mut here)), Some(true), "while its media is waited for");

    // That node has yet to hear that the page's stream is live here.
    arrive(&mut here, 2);
    there.moderate(id(1), &sound(), false).unwrap();
    assert_eq!(muted(&tell(&there, &mut here)), Some(false));
    assert!(!moderated(&here).iter().any(|(_, _, moderated)| *moderated));
    here.moderate(id(2), &sound(), true).unwrap();
    arrive(&mut there, 1);
    assert_eq!(muted(&tell(&there, &mut here)), None, "what is told again of before changes nothing");
}

#[test]
fn what_is_said_of_a_session_that_was_replaced_a_moment_ago_is_said_of_its_successor() {
    let mut registry = registry();
    join(&mut registry, ADA);
    open(&mut registry, publisher(1, "cam", Some(owner(ADA))));
    let second = moving(&registry, 2);
    registry.open(second).unwrap();
    registry.confirm(id(2)).unwrap();
    let ends_soon = |effects: &[Effect], number| effects.contains(&Effect::EndSoon(id(number), LostReason::Moved));
    assert!(ends_soon(&arrive(&mut registry, 2), 1), "viewers see it until they can be switched");
    let (_, effects) = registry.moderate(id(1), &sound(), true).unwrap();
    assert_eq!(effects.iter().find_map(told).map(|(muted, _)| muted.contains(&true)), Some(true));
    assert!(moderated(&registry).iter().any(|(kind, _, moderated)| *kind == MediaKind::Audio && *moderated));
    assert_eq!(registry.successor_elsewhere(id(1)), None);

    let mut there = Registry::new(node("there"), Caps::default());
    open(&mut there, Session { epoch: Epoch(3), ..publisher(3, "cam", Some(owner(ADA))) });
    let effects = registry.put_remote(&node("there"), &there.record(&room(), &name("cam")).unwrap());
    assert!(ends_soon(&effects, 2));
    assert_eq!(registry.successor_elsewhere(id(2)), Some((node("there"), id(3))), "that node is to be told");
}

#[test]
fn a_publisher_that_was_muted_or_unmuted_when_it_was_back_is_so_when_it_is_back_again() {
    let (mut registry, nobody) = (registry(), Proof::default());
    let mut publishes = |number: u64, muted: bool, owner: Option<Owner>| {
        let mut session = publisher(number.into(), "cam", owner);
        (session.note.since_ms, session.epoch) = (number, Epoch(number));
        open(&mut registry, session);
        registry.moderate(id(number.into()), &sound(), muted).unwrap();
        registry.handle_closed(id(number.into()), CloseReason::ConsentExpired);
        let page = Proof { member: Some(ADA), ..nobody };
        [nobody, page].map(|proof| !muted_from_the_start(&registry, &proof).is_empty())
    };
    assert_eq!(publishes(1, false, None), [false, false]);
    assert_eq!(publishes(2, true, None), [true, false]);
    assert_eq!(publishes(3, false, None), [false, false]);
    let elsewhere = || Some(Owner { home: node("elsewhere"), ..owner(ADA) });
    assert_eq!(publishes(4, true, elsewhere()), [false, true], "nor is it forgotten for somebody who was there before");
}
