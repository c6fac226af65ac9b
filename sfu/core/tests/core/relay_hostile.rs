//! Whatever arrives for a relay: no panic, no growth, and what was running goes on.
#![allow(clippy::disallowed_types, reason = "prop_oneof names Arc")]

use crate::harness::cameras::{SEEN, ms};
use crate::harness::mesh::{Path, address, peer_spec, route};
use crate::harness::relays::streaming;
use crate::harness::*;
use chappe_sfu_core::{DropReason, RelayKey, Route};
use proptest::prelude::*;

fn dropped(mesh: &Mesh, reason: DropReason) -> u64 {
    mesh.workers[1].sfu.counters().dropped(reason)
}

#[test]
fn what_comes_from_an_address_of_nobody_is_dropped() {
    let (mut mesh, publisher, viewer, mut camera) = streaming();
    mesh.workers[0].send(publisher, &camera.frame(1, false)[0]);
    let (_, _, datagram) = mesh.workers[0].wire.pop().expect("media");
    let harness = &mut mesh.workers[1];
    let stranger = Route::Udp { remote: "192.0.2.1:7000".parse().expect("an address"), local: None };
    let other_port = Route::Udp { remote: (address(0).ip(), 7_001).into(), local: None };
    let by_tcp = client::tcp_route(3);
    for from in [stranger, other_port, by_tcp] {
        harness.sfu.handle_datagram(harness.now, from, &mut datagram.clone());
    }
    assert_eq!(dropped(&mesh, DropReason::RelayUnknownPeer), 3);
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 3);
}

#[test]
fn what_was_recorded_or_changed_is_dropped() {
    let (mut mesh, publisher, viewer, mut camera) = streaming();
    mesh.tapped = Some(Vec::new());
    mesh.frame(0, publisher, &mut camera, 1, false);
    let tapped = mesh.tapped.take().expect("tapped");
    let (.., recorded) = tapped.iter().find(|(from, ..)| *from == 0).expect("media");
    let harness = &mut mesh.workers[1];
    harness.sfu.handle_datagram(harness.now, route(0, 1), &mut recorded.clone());
    let mut changed = recorded.clone();
    changed[8] ^= 0x40;
    harness.sfu.handle_datagram(harness.now, route(0, 1), &mut changed);
    harness.exchange();
    assert_eq!(dropped(&mesh, DropReason::RelayReplayed), 1);
    assert_eq!(dropped(&mesh, DropReason::RelayAuthentication), 1);
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 4);
}

#[test]
fn a_wrong_key_opens_nothing() {
    let mut mesh = Mesh::of_strangers(2, 1);
    mesh.set_peers(0, 1);
    let now = mesh.workers[1].now;
    let mut spec = peer_spec(1, 0);
    spec.open = RelayKey { key: [1; 16], salt: spec.open.salt };
    mesh.workers[1].sfu.set_peer(now, spec).expect("taken");
    mesh.run(ms(1_000));
    assert!(dropped(&mesh, DropReason::RelayAuthentication) >= 9);
    assert!(!mesh.workers[1].sfu.relay_peers()[0].alive);
}

#[test]
fn what_is_authentic_and_makes_no_sense_is_dropped() {
    let (mut mesh, ..) = streaming();
    let counter = next_counter(&mut mesh);
    for (at, bytes, reason) in [
        (0, &[][..], DropReason::RelayMalformed),
        (1, &[0, 0, 0, 9, 99], DropReason::RelayMalformed),
        // A key frame for a relay that nobody opened.
        (2, &[0, 0, 0, 9, 9], DropReason::RelayStale),
    ] {
        let before = dropped(&mesh, reason);
        mesh.deliver(counter + at, bytes);
        assert_eq!(dropped(&mesh, reason) - before, 1, "{bytes:?}");
    }
}

/// The counter that worker 0 uses next.
fn next_counter(mesh: &mut Mesh) -> u64 {
    mesh.tapped = Some(Vec::new());
    mesh.run(ms(150));
    let tapped = mesh.tapped.take().expect("tapped");
    let (.., last) = tapped.iter().rev().find(|(from, ..)| *from == 0).expect("a heartbeat");
    1 + u64::from_be_bytes(last[1..9].try_into().expect("nine bytes"))
}

/// What a peer with the right keys may do to us.
#[derive(Debug, Clone)]
enum Deed {
    Message(Vec<u8>),
    /// A message of a known type, of the channel that is open or near it.
    Odd {
        kind: u8,
        channel: u32,
        fields: Vec<u8>,
    },
    Mutated {
        at: usize,
        byte: u8,
        cut: usize,
    },
    Noise(Vec<u8>),
    Media,
    Wait(u64),
    Toggle,
}

fn deed() -> impl Strategy<Value = Deed> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..max);
    prop_oneof![
        (bytes(200), 0u8..14).prop_map(|(bytes, kind)| Deed::Message([bytes, vec![kind]].concat())),
        (1u8..14, prop_oneof![Just(1u32 << 14), Just(2 << 14), any::<u32>()], bytes(60))
            .prop_map(|(kind, channel, fields)| Deed::Odd { kind, channel, fields }),
        (0usize..80, any::<u8>(), 0usize..40).prop_map(|(at, byte, cut)| Deed::Mutated { at, byte, cut }),
        bytes(80).prop_map(|rest| Deed::Noise([vec![0x40], rest].concat())),
        Just(Deed::Media),
        (1u64..3_000).prop_map(Deed::Wait),
        Just(Deed::Toggle),
    ]
}

fn commit(mesh: &mut Mesh, publisher: Who, viewer: Who, camera: &mut Camera, counter: u64, deed: Deed) {
    match deed {
        Deed::Message(message) => mesh.deliver(counter, &message),
        Deed::Odd { kind, channel, fields } => {
            mesh.deliver(counter, &[fields, channel.to_be_bytes().to_vec(), vec![kind]].concat());
        }
        Deed::Mutated { at, byte, cut } => {
            mesh.workers[0].send(publisher, &camera.frame(1, true)[0]);
            if let Some((.., datagram)) = mesh.workers[0].wire.pop() {
                let mut datagram = datagram;
                let at = at % datagram.len();
                datagram[at] ^= byte;
                datagram.truncate(datagram.len() - cut);
                let harness = &mut mesh.workers[1];
                harness.sfu.handle_datagram(harness.now, route(0, 1), &mut datagram);
            }
        }
        Deed::Noise(mut bytes) => {
            let harness = &mut mesh.workers[1];
            harness.sfu.handle_datagram(harness.now, route(0, 1), &mut bytes);
        }
        Deed::Media => {
            mesh.frame(0, publisher, camera, 3, true);
        }
        Deed::Wait(span) => mesh.run(ms(span)),
        Deed::Toggle => {
            mesh.workers[1].set_media(viewer, watches(Vec::new()));
            mesh.workers[1].set_media(viewer, watches(vec![video_out(Some(CAMERA), SEEN)]));
        }
    }
    mesh.workers[1].exchange();
    mesh.carry();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_a_peer_sends_harms_what_others_publish_here(deeds in proptest::collection::vec(deed(), 1..60)) {
        let (mut mesh, publisher, viewer, mut camera) = streaming();
        let witness_track = chappe_sfu_core::TrackId(0xee);
        let witness = mesh.join(1, publishes(vec![camera_line(witness_track)]));
        let watcher = mesh.join(1, watches(vec![video_out(Some(witness_track), 0x9900)]));
        let counter = next_counter(&mut mesh);
        for (at, deed) in deeds.into_iter().enumerate() {
            // Ahead of those that worker 0 uses itself, but within the window.
            commit(&mut mesh, publisher, viewer, &mut camera, counter + 500 + at as u64, deed);
        }
        mesh.frame(1, witness, &mut Camera::new(VIDEO_SSRC), 3, true);
        prop_assert_eq!(mesh.workers[1].clients[watcher].payloads(0x9900).len(), 3);
        prop_assert_eq!(mesh.workers[1].clients[watcher].faults, 0);
        let relays = mesh.workers[1].sfu.relays().len();
        prop_assert!(relays < 70, "{relays} relays");
    }
}

#[test]
fn garbage_on_a_lossy_link_is_counted_and_forgotten() {
    let (mut mesh, publisher, viewer, mut camera) = streaming();
    mesh.set_path(0, 1, Path { loss_percent: 10, repeat_percent: 10, jitter_ms: 20, ..Path::default() });
    for at in 0..500_u64 {
        let harness = &mut mesh.workers[1];
        let mut noise: Vec<u8> = (0..60).map(|byte| (at * 31 + byte * 7) as u8).collect();
        noise[0] = 0x40 + (at % 16) as u8;
        harness.sfu.handle_datagram(harness.now, route(0, 1), &mut noise);
    }
    let drops = dropped(&mesh, DropReason::RelayAuthentication) + dropped(&mesh, DropReason::RelayMalformed);
    assert!(drops + dropped(&mesh, DropReason::RelayReplayed) >= 500);
    mesh.set_path(0, 1, Path::default());
    mesh.frame(0, publisher, &mut camera, 3, true);
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 6);
}
