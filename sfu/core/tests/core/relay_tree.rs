//! How a track spreads over many workers, and how they change parents.

use std::collections::HashSet;
use std::time::Duration;

use crate::harness::cameras::{SEEN, ms};
use crate::harness::mesh::{Path, peer};
use crate::harness::relays::watch;
use crate::harness::*;
use chappe_sfu_core::{DropReason, Epoch, Event, MediaKind, OriginSpec, RelayDirection};

fn origin(from: usize) -> OriginSpec {
    OriginSpec { track: CAMERA, kind: MediaKind::Video, peer: peer(from), epoch: Epoch(1) }
}

fn place_of(of: chappe_sfu_core::PeerId) -> usize {
    (of.0 & 0xffff) as usize
}

/// Does what signaling does: whoever is redirected asks there.
fn follow_redirects(mesh: &mut Mesh) {
    for at in 0..mesh.workers.len() {
        let events = std::mem::take(&mut mesh.workers[at].events);
        for event in events {
            if let Event::RelayRedirected { to, .. } = event {
                mesh.set_origin_of(at, origin(place_of(to)));
            }
        }
    }
}

fn parent(mesh: &Mesh, at: usize) -> usize {
    let relays = mesh.workers[at].sfu.relays();
    let inward = relays.iter().find(|relay| relay.direction == RelayDirection::In).expect("a relay");
    place_of(inward.peer)
}

fn children(mesh: &Mesh, at: usize) -> usize {
    mesh.workers[at].sfu.relays().iter().filter(|relay| relay.direction == RelayDirection::Out).count()
}

fn missed(mesh: &Mesh, at: usize, viewer: Who, sent: &[Packet]) -> usize {
    let client = &mesh.workers[at].clients[viewer];
    let received: HashSet<&[u8]> = client.received.iter().map(|packet| packet.payload.as_slice()).collect();
    assert_eq!((client.faults, received.len()), (0, client.received.len()), "each once");
    sent.iter().filter(|packet| !received.contains(packet.payload.as_slice())).count()
}

#[test]
fn the_seventeenth_worker_is_sent_on_to_a_child() {
    let mut mesh = Mesh::new(20, 1);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    let mut viewers = Vec::new();
    for at in 1..20 {
        mesh.set_origin_of(at, origin(0));
        viewers.push((at, watch(&mut mesh, at)));
        mesh.run(ms(10));
        follow_redirects(&mut mesh);
        mesh.run(ms(10));
    }
    let mut camera = Camera::new(VIDEO_SSRC);
    let sent = camera.frame(3, true);
    for packet in &sent {
        mesh.send(0, publisher, packet);
    }
    mesh.run(ms(20));
    assert_eq!(children(&mesh, 0), 16);
    for at in 17..20 {
        let (parent, depth) = (parent(&mesh, at), mesh.workers[at].sfu.relays()[0].depth);
        assert_eq!((parent, depth), (at - 16, 2), "the children take turns");
    }
    for (at, viewer) in viewers {
        assert_eq!(missed(&mesh, at, viewer, &sent), 0, "at {at}");
    }
}

/// Published at 0, got by 1 and 2 from there, and by 3 from 1.
fn three_levels(path: Path) -> (Mesh, Who, Who, Camera) {
    let mut mesh = Mesh::new(4, 1);
    mesh.set_all(path);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    for (at, from) in [(1, 0), (2, 0), (3, 1)] {
        mesh.set_origin_of(at, origin(from));
    }
    mesh.run(ms(500));
    watch(&mut mesh, 2);
    let viewer = watch(&mut mesh, 3);
    mesh.run(ms(500));
    let mut camera = Camera::new(VIDEO_SSRC);
    mesh.frame(0, publisher, &mut camera, 5, true);
    (mesh, publisher, viewer, camera)
}

/// Frames while `change` happens after the fifth; returns them.
fn play(mesh: &mut Mesh, publisher: Who, camera: &mut Camera, mut change: impl FnMut(&mut Mesh, usize)) -> Vec<Packet> {
    let mut sent = Vec::new();
    for frame in 0..90 {
        for packet in camera.frame(5, false) {
            mesh.send(0, publisher, &packet);
            sent.push(packet);
        }
        change(mesh, frame);
        mesh.run(ms(33));
    }
    sent
}

#[test]
fn another_parent_takes_over_and_nothing_is_lost() {
    for path in [Path::default(), Path { delay_ms: 20, loss_percent: 3, ..Path::default() }] {
        let (mut mesh, publisher, viewer, mut camera) = three_levels(path);
        let sent = play(&mut mesh, publisher, &mut camera, |mesh, frame| {
            if frame == 5 {
                mesh.set_origin_of(3, origin(2));
            }
        });
        mesh.run(ms(1_000));
        assert_eq!(missed(&mesh, 3, viewer, &sent), 0, "{path:?}");
        assert_eq!(parent(&mesh, 3), 2);
        assert_eq!(children(&mesh, 1), 0);
    }
}

/// The longest time in which nothing came, while frames are 33 ms apart.
fn longest_silence(mesh: &Mesh, at: usize, viewer: Who) -> Duration {
    let arrivals = &mesh.workers[at].clients[viewer].arrivals;
    arrivals.windows(2).map(|pair| pair[1] - pair[0]).max().expect("packets")
}

#[test]
fn the_old_parent_delivers_until_the_new_one_does() {
    let (mut mesh, publisher, viewer, mut camera) = three_levels(Path::default());
    let sent = play(&mut mesh, publisher, &mut camera, |mesh, frame| {
        // The new one can't be reached for a second.
        mesh.set_path(2, 3, Path { cut: (5..35).contains(&frame), ..Path::default() });
        if frame == 6 {
            mesh.set_origin_of(3, origin(2));
        }
    });
    assert_eq!(missed(&mesh, 3, viewer, &sent), 0);
    assert!(longest_silence(&mesh, 3, viewer) <= ms(50), "{:?}", longest_silence(&mesh, 3, viewer));
    assert_eq!((parent(&mesh, 3), children(&mesh, 1)), (2, 0));
}

#[test]
fn a_new_parent_that_is_further_away_takes_over_too() {
    let (mut mesh, publisher, viewer, mut camera) = three_levels(Path::default());
    mesh.set_path(2, 3, Path { delay_ms: 100, ..Path::default() });
    let sent = play(&mut mesh, publisher, &mut camera, |mesh, frame| {
        match frame {
            5 => mesh.set_origin_of(3, origin(2)),
            // A request, its answer, and the first packet.
            20 => assert_eq!(children(mesh, 1), 0, "with what comes first, new or not"),
            _ => {}
        }
    });
    mesh.run(ms(500));
    assert_eq!(missed(&mesh, 3, viewer, &sent), 0);
    assert!(longest_silence(&mesh, 3, viewer) <= ms(150), "{:?}", longest_silence(&mesh, 3, viewer));
    assert_eq!((parent(&mesh, 3), children(&mesh, 1)), (2, 0), "the old one is left");
}

#[test]
fn a_parent_is_left_though_nothing_is_published_just_now() {
    let (mut mesh, _, _, _) = three_levels(Path::default());
    mesh.set_origin_of(3, origin(2));
    mesh.run(ms(1_200));
    assert_eq!((parent(&mesh, 3), children(&mesh, 1), children(&mesh, 2)), (2, 0, 1));
}

#[test]
fn a_parent_that_dies_is_replaced_and_what_was_under_way_is_made_up_for() {
    let (mut mesh, publisher, viewer, mut camera) = three_levels(Path { delay_ms: 10, ..Path::default() });
    let sent = play(&mut mesh, publisher, &mut camera, |mesh, frame| {
        if frame == 5 {
            for other in [0, 2, 3] {
                mesh.set_path(1, other, Path { cut: true, ..Path::default() });
            }
        }
        let is_lost = |event: &Event| *event == Event::PeerLost { peer: peer(1) };
        if mesh.workers[3].events.iter().any(is_lost) {
            mesh.workers[3].events.clear();
            mesh.set_origin_of(3, origin(0));
        }
    });
    mesh.run(ms(500));
    assert_eq!(missed(&mesh, 3, viewer, &sent), 0);
    assert_eq!(parent(&mesh, 3), 0);
    mesh.run(ms(5_000));
    assert_eq!(children(&mesh, 0), 2, "the dead one counts as a child no more");
}

#[test]
fn children_that_are_released_go_to_the_grandparent_without_a_gap() {
    let (mut mesh, publisher, viewer, mut camera) = three_levels(Path { delay_ms: 5, ..Path::default() });
    let sent = play(&mut mesh, publisher, &mut camera, |mesh, frame| {
        if frame == 5 {
            let now = mesh.workers[1].now;
            mesh.workers[1].sfu.release_children(now);
            mesh.workers[0].sfu.release_children(now);
        }
        follow_redirects(mesh);
    });
    mesh.run(ms(100));
    assert_eq!(missed(&mesh, 3, viewer, &sent), 0);
    assert_eq!(parent(&mesh, 3), 0);
    assert_eq!(children(&mesh, 0), 2, "what is published here stays");
    mesh.run(ms(2_000));
    assert_eq!(mesh.workers[1].sfu.relays(), Vec::new(), "it has no child and no viewer left");
}

#[test]
fn nobody_is_further_than_four_hops_away() {
    let mut mesh = Mesh::new(6, 1);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    for at in 1..6 {
        mesh.set_origin_of(at, origin(at - 1));
    }
    let far = watch(&mut mesh, 4);
    mesh.run(ms(300));
    let too_far = watch(&mut mesh, 5);
    mesh.run(ms(300));
    mesh.frame(0, publisher, &mut Camera::new(VIDEO_SSRC), 3, true);
    assert_eq!(mesh.workers[4].clients[far].received.len(), 3);
    assert!(mesh.workers[5].clients[too_far].received.is_empty());
    assert_eq!(mesh.events(5), [Event::RelayRefused { track: CAMERA, peer: peer(4) }]);
}

#[test]
fn workers_that_were_told_to_get_it_from_each_other_say_so() {
    let mut mesh = Mesh::new(4, 1);
    for (at, from) in [(1, 2), (2, 3), (3, 1)] {
        mesh.set_origin_of(at, origin(from));
    }
    watch(&mut mesh, 1);
    mesh.run(ms(3_000));
    assert!((1..4).all(|at| mesh.count[&(at, at % 3 + 1)] < 100), "and not without end: {:?}", mesh.count);
    assert_eq!(mesh.events(1), [Event::RelayRefused { track: CAMERA, peer: peer(2) }], "nobody answers");
    let mut mesh = Mesh::new(3, 1);
    mesh.set_origin_of(1, origin(2));
    mesh.set_origin_of(2, origin(1));
    watch(&mut mesh, 1);
    mesh.run(ms(100));
    assert_eq!(mesh.events(1), [Event::RelayRefused { track: CAMERA, peer: peer(2) }]);
}

#[test]
fn an_older_epoch_is_refused_and_a_newer_one_takes_over() {
    let mut mesh = Mesh::new(3, 1);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    let of = |from, epoch| OriginSpec { epoch: Epoch(epoch), ..origin(from) };
    mesh.set_origin_of(1, of(0, 5));
    mesh.set_origin_of(2, of(0, 4));
    let viewer = watch(&mut mesh, 1);
    mesh.run(ms(50));
    watch(&mut mesh, 2);
    mesh.run(ms(50));
    assert_eq!(mesh.events(2), [Event::RelayRefused { track: CAMERA, peer: peer(0) }]);
    let now = mesh.workers[1].now;
    let stale = mesh.workers[1].sfu.set_origin(now, of(0, 4));
    assert_eq!(stale, Err(chappe_sfu_core::ControlError::StaleEpoch));
    // Published elsewhere, with numbers of its own: what comes of the old one does not matter any more.
    mesh.frame(0, publisher, &mut Camera::new(VIDEO_SSRC), 3, true);
    let second = mesh.join(2, publishes(vec![camera_line(CAMERA)]));
    mesh.set_origin_of(1, of(2, 6));
    mesh.run(ms(50));
    let mut camera = Camera::new(0x3333);
    mesh.frame(2, second, &mut camera, 3, true);
    let client = &mesh.workers[1].clients[viewer];
    assert_eq!((client.received.len(), client.faults), (6, 0));
    assert_eq!(mesh.workers[0].sfu.relays(), Vec::new());
}

#[test]
fn a_request_that_was_overtaken_by_a_newer_one_does_not_count() {
    let mut mesh = Mesh::new(2, 1);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    mesh.set_origin_of(1, origin(0));
    mesh.run(ms(300));
    // The first request is long under way.
    let who = mesh.workers[1].join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let held = std::mem::take(&mut mesh.workers[1].wire);
    mesh.catch_up();
    let now = mesh.workers[1].now;
    mesh.workers[1].sfu.remove_origin(now, CAMERA);
    mesh.set_origin_of(1, origin(0));
    mesh.run(ms(100));
    let stale = |mesh: &Mesh| mesh.workers[0].sfu.counters().dropped(DropReason::RelayStale);
    let before = stale(&mesh);
    for (_, _, mut datagram) in held {
        let harness = &mut mesh.workers[0];
        harness.sfu.handle_datagram(harness.now, mesh::route(1, 0), &mut datagram);
    }
    assert!(stale(&mesh) > before, "it is a drop that is counted");
    mesh.frame(0, publisher, &mut Camera::new(VIDEO_SSRC), 3, true);
    assert_eq!(mesh.workers[1].clients[who].received.len(), 3, "the newer one goes on");
}

#[test]
fn a_worker_asks_for_so_many_tracks_and_no_more() {
    let mut mesh = Mesh::new(2, 1);
    let now = mesh.workers[1].now;
    let spec = |at: u64| OriginSpec { track: chappe_sfu_core::TrackId(at), ..origin(0) };
    for at in 0..16_384 {
        mesh.workers[1].sfu.set_origin(now, spec(at)).expect("within the limit");
    }
    let more = mesh.workers[1].sfu.set_origin(now, spec(16_384));
    assert!(matches!(more, Err(chappe_sfu_core::ControlError::Limit { limit: 16_384, .. })), "{more:?}");
    assert_eq!(mesh.workers[1].sfu.set_origin(now, spec(3)), Ok(()), "what is known already is no more");
    mesh.workers[1].sfu.remove_origin(now, chappe_sfu_core::TrackId(7));
    assert_eq!(mesh.workers[1].sfu.set_origin(now, spec(16_384)), Ok(()));
    assert_eq!(mesh.workers[1].sfu.counters().dropped(DropReason::RelayLimit), 0);
}
