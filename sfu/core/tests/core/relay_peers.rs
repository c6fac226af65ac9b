//! Which other workers are there: life and death, distance, keys and addresses.

use std::net::SocketAddr;

use crate::harness::cameras::ms;
use crate::harness::mesh::{Path, address, peer, peer_spec, route};
use crate::harness::relays::streaming;
use crate::harness::*;
use chappe_sfu_core::{ControlError, DropReason, Event, MediaKind, OriginSpec, PeerSpec, RelayKey};

const CUT: Path = Path { loss_percent: 0, delay_ms: 0, jitter_ms: 0, repeat_percent: 0, held_ms: 0, cut: true };

/// When in the next `span` an event comes, in milliseconds.
fn when(mesh: &mut Mesh, at: usize, wanted: Event, span: u64) -> Option<u64> {
    mesh.workers[at].events.clear();
    (1..=span).find(|_| {
        mesh.run(ms(1));
        mesh.workers[at].events.contains(&wanted)
    })
}

#[test]
fn a_peer_that_is_not_heard_for_450_milliseconds_is_lost_and_found_when_it_is_heard() {
    let mut mesh = Mesh::new(2, 1);
    mesh.run(ms(1_000));
    assert!(mesh.workers[0].sfu.relay_peers()[0].alive);
    mesh.set_path(0, 1, CUT);
    let lost = when(&mut mesh, 0, Event::PeerLost { peer: peer(1) }, 1_000).expect("lost");
    assert!((350..=450).contains(&lost), "after {lost} ms");
    assert_eq!(when(&mut mesh, 0, Event::PeerLost { peer: peer(1) }, 2_000), None, "told once");
    mesh.set_path(0, 1, Path::default());
    let found = when(&mut mesh, 0, Event::PeerFound { peer: peer(1) }, 1_000).expect("found");
    assert!(found <= 100, "after {found} ms");
}

#[test]
fn a_peer_that_was_never_heard_has_two_seconds() {
    let mut mesh = Mesh::of_strangers(2, 1);
    let now = mesh.workers[0].now;
    mesh.workers[0].sfu.set_peer(now, peer_spec(0, 1)).expect("taken");
    let lost = when(&mut mesh, 0, Event::PeerLost { peer: peer(1) }, 3_000).expect("lost");
    assert!((1_999..=2_001).contains(&lost), "after {lost} ms");
}

#[test]
fn a_few_lost_heartbeats_are_no_death() {
    let mut mesh = Mesh::new(2, 3);
    mesh.set_path(0, 1, Path { loss_percent: 10, delay_ms: 100, jitter_ms: 50, ..Path::default() });
    mesh.run(ms(60_000));
    let told = mesh.events(0).len() + mesh.events(1).len();
    // Four in a row are lost once in 10,000.
    assert!(told <= 2, "{told} times in a minute");
}

#[test]
fn a_worker_that_stood_still_does_not_call_the_others_dead() {
    let mut mesh = Mesh::new(2, 1);
    mesh.run(ms(1_000));
    mesh.workers[0].now = mesh.workers[0].now.after(ms(900));
    let harness = &mut mesh.workers[0];
    harness.sfu.handle_timeout(harness.now);
    harness.exchange();
    assert_eq!(mesh.events(0), []);
    mesh.catch_up();
    mesh.run(ms(1_000));
    assert_eq!(mesh.events(0), []);
}

#[test]
fn the_round_trip_is_measured() {
    let mut mesh = Mesh::new(2, 1);
    mesh.set_path(0, 1, Path { delay_ms: 40, ..Path::default() });
    mesh.run(ms(2_000));
    for at in 0..2 {
        let round_trip = mesh.workers[at].sfu.relay_peers()[0].round_trip.expect("measured");
        assert!((80..=82).contains(&round_trip.as_millis()), "{round_trip:?}");
    }
}

fn both(mesh: &mut Mesh, mut change: impl FnMut(&mut PeerSpec)) {
    for (own, of) in [(0, 1), (1, 0)] {
        let mut spec = peer_spec(own, of);
        change(&mut spec);
        let now = mesh.workers[own].now;
        mesh.workers[own].sfu.set_peer(now, spec).expect("taken");
    }
}

#[test]
fn the_same_again_changes_nothing() {
    let (mut mesh, publisher, viewer, mut camera) = streaming();
    both(&mut mesh, |_| {});
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    mesh.frame(0, publisher, &mut camera, 3, false);
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 6);
    assert_eq!(mesh.workers[1].sfu.counters().drops().count(), 0);
}

#[test]
fn other_keys_take_over_while_a_stream_runs() {
    let (mut mesh, publisher, viewer, mut camera) = streaming();
    let other = |key: &RelayKey| RelayKey { key: key.key.map(|byte| byte ^ 0xff), salt: key.salt };
    both(&mut mesh, |spec| (spec.seal, spec.open) = (other(&spec.seal), other(&spec.open)));
    mesh.frame(0, publisher, &mut camera, 3, false);
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 6);
}

/// Counters of datagrams on the wire, by sender.
fn counters(mesh: &Mesh, from: usize) -> Vec<u64> {
    let of = |datagram: &[u8]| u64::from_be_bytes(datagram[1..9].try_into().expect("nine bytes"));
    let tapped = mesh.tapped.as_ref().expect("tapped").iter();
    tapped.filter(|(sender, ..)| *sender == from).map(|(_, _, datagram)| of(datagram)).collect()
}

#[test]
fn a_counter_is_never_used_twice_even_by_a_peer_that_was_removed_and_set_again() {
    let (mut mesh, publisher, viewer, mut camera) = streaming();
    mesh.tapped = Some(Vec::new());
    mesh.frame(0, publisher, &mut camera, 3, false);
    let other = |key: &RelayKey| RelayKey { key: key.key.map(|byte| byte ^ 0xff), salt: key.salt };
    both(&mut mesh, |spec| (spec.seal, spec.open) = (other(&spec.seal), other(&spec.open)));
    mesh.run(ms(300));
    for own in 0..2 {
        let now = mesh.workers[own].now;
        mesh.workers[own].sfu.remove_peer(now, peer(1 - own));
        mesh.workers[own].sfu.remove_peer(now, peer(1 - own));
    }
    both(&mut mesh, |_| {});
    mesh.run(ms(200));
    mesh.frame(0, publisher, &mut camera, 3, true);
    for own in 0..2 {
        let mut counters = counters(&mesh, own);
        counters.sort_unstable();
        assert!(counters.windows(2).all(|pair| pair[1] > pair[0]), "{counters:?}");
    }
    let client = &mesh.workers[1].clients[viewer];
    assert!(client.received.len() >= 9 && client.faults == 0, "the stream goes on: {}", client.received.len());
    // What was recorded before is refused by the window that began anew.
    let replayed = |mesh: &Mesh| {
        let counters = mesh.workers[1].sfu.counters();
        counters.dropped(DropReason::RelayReplayed) + counters.dropped(DropReason::RelayAuthentication)
    };
    let tapped = mesh.tapped.take().expect("tapped").into_iter();
    let recorded: Vec<Vec<u8>> = tapped.filter(|(from, ..)| *from == 0).map(|(.., datagram)| datagram).collect();
    let before = replayed(&mesh);
    let count = recorded.len() as u64;
    for mut datagram in recorded {
        let harness = &mut mesh.workers[1];
        harness.sfu.handle_datagram(harness.now, route(0, 1), &mut datagram);
    }
    assert_eq!(replayed(&mesh) - before, count);
}

#[test]
fn a_removed_peer_is_a_stranger_and_its_relays_end() {
    let (mut mesh, publisher, viewer, mut camera) = streaming();
    let now = mesh.workers[1].now;
    mesh.workers[1].sfu.remove_peer(now, peer(0));
    mesh.frame(0, publisher, &mut camera, 3, false);
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 3);
    assert!(mesh.workers[1].sfu.counters().dropped(DropReason::RelayUnknownPeer) >= 3);
    mesh.run(ms(6_000));
    assert_eq!(mesh.workers[0].sfu.relays(), Vec::new());
    let refused = mesh.workers[1].sfu.set_origin(
        now,
        OriginSpec { track: CAMERA, kind: MediaKind::Video, peer: peer(0), epoch: chappe_sfu_core::Epoch(2) },
    );
    assert_eq!(refused, Err(ControlError::NotFound));
    // Known again, it is asked again.
    let now = mesh.workers[1].now;
    mesh.workers[1].sfu.set_peer(now, peer_spec(1, 0)).expect("taken");
    mesh.run(ms(100));
    mesh.frame(0, publisher, &mut camera, 3, true);
    assert!(mesh.workers[1].clients[viewer].received.len() >= 6);
}

#[test]
fn all_addresses_of_a_peer_are_taken_and_the_first_is_sent_to() {
    let (mut mesh, publisher, viewer, mut camera) = streaming();
    let other: SocketAddr = "[::ffff:192.0.2.1]:7000".parse().expect("an address");
    let now = mesh.workers[1].now;
    let spec = PeerSpec { addresses: vec![address(0), other], ..peer_spec(1, 0) };
    mesh.workers[1].sfu.set_peer(now, spec).expect("taken");
    mesh.tapped = Some(Vec::new());
    for packet in camera.frame(2, false) {
        mesh.workers[0].send(publisher, &packet);
    }
    // The datagrams come from the other address.
    for (_, _, mut datagram) in std::mem::take(&mut mesh.workers[0].wire) {
        let harness = &mut mesh.workers[1];
        let remote = "192.0.2.1:7000".parse().expect("an address");
        harness.sfu.handle_datagram(harness.now, chappe_sfu_core::Route::Udp { remote, local: None }, &mut datagram);
        harness.exchange();
    }
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 5);
    mesh.run(ms(200));
    let tapped = mesh.tapped.take().expect("tapped");
    assert!(tapped.iter().any(|(from, to, _)| (*from, *to) == (1, 0)), "answers go to the first");
}

#[test]
fn a_process_that_takes_the_place_of_another_takes_its_address() {
    let mut mesh = Mesh::new(2, 1);
    mesh.run(ms(300));
    let now = mesh.workers[0].now;
    let successor = chappe_sfu_core::PeerId(77);
    // Another process has other keys.
    let other = |key: &RelayKey| RelayKey { key: key.key.map(|byte| byte ^ 0xff), salt: key.salt };
    let renewed = |own, of| {
        let spec = peer_spec(own, of);
        PeerSpec { seal: other(&spec.seal), open: other(&spec.open), ..spec }
    };
    mesh.workers[0].sfu.set_peer(now, PeerSpec { peer: successor, ..renewed(0, 1) }).expect("taken");
    mesh.workers[1].sfu.set_peer(now, renewed(1, 0)).expect("taken");
    mesh.run(ms(1_000));
    let alive: Vec<_> = mesh.workers[0].sfu.relay_peers().iter().map(|peer| (peer.peer, peer.alive)).collect();
    assert_eq!(alive, [(peer(1), false), (successor, true)]);
    mesh.workers[0].sfu.remove_peer(now, peer(1));
    mesh.run(ms(1_000));
    assert!(mesh.workers[0].sfu.relay_peers()[0].alive, "the address is not the old one's any more");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut mesh = Mesh::of_strangers(1, 1);
    let now = mesh.workers[0].now;
    let sfu = &mut mesh.workers[0].sfu;
    let refused = |result| matches!(result, Err(ControlError::Invalid(_)));
    assert!(refused(sfu.set_peer(now, PeerSpec { addresses: Vec::new(), ..peer_spec(0, 1) })));
    assert!(refused(sfu.set_peer(now, PeerSpec { addresses: vec![address(1); 9], ..peer_spec(0, 1) })));
    assert!(refused(sfu.set_peer(now, PeerSpec { peer: peer(0), ..peer_spec(0, 1) })));
    let twice = peer_spec(0, 1);
    assert!(refused(sfu.set_peer(now, PeerSpec { open: twice.seal.clone(), ..twice })), "one key for both directions");
    sfu.set_peer(now, peer_spec(0, 1)).expect("taken");
    let double = PeerSpec { seal: peer_spec(0, 1).seal, ..peer_spec(0, 2) };
    assert!(refused(sfu.set_peer(now, double)), "one key for two links");
    for at in 1..=1_024 {
        sfu.set_peer(now, peer_spec(0, at)).expect("within the limit");
    }
    assert!(matches!(sfu.set_peer(now, peer_spec(0, 2_000)), Err(ControlError::Limit { limit: 1_024, .. })));
    assert!(!format!("{:?}", peer_spec(0, 1)).contains("key: ["), "keys are not shown");
}
