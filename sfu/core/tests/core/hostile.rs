//! Whatever arrives: no panic, no growth, and the others go on.
#![allow(clippy::disallowed_types, reason = "prop_oneof names Arc")]

mod addresses;

use std::time::Duration;

use crate::harness::*;
use proptest::prelude::*;

/// What a peer may do to us.
#[derive(Debug, Clone)]
enum Deed {
    Noise(Vec<u8>),
    /// A packet as a client would send it, with some bytes changed before it is sealed.
    OddRtp {
        payload: Vec<u8>,
        payload_type: u8,
        seq: u16,
        ssrc: u32,
        extensions: Vec<(u8, Vec<u8>)>,
        padding: u8,
    },
    /// Authentic, but nonsense inside.
    OddRtcp(Vec<u8>),
    /// A good packet, damaged on the way.
    Damaged {
        at: usize,
        bit: u8,
    },
    Media,
    /// Signaling changes the viewer's m-lines.
    Toggle,
    Wait(u16),
    ConnectionLost,
}

fn deed() -> impl Strategy<Value = Deed> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..max);
    let extensions = proptest::collection::vec((1u8..15, proptest::collection::vec(any::<u8>(), 1..16)), 0..4);
    prop_oneof![
        bytes(80).prop_map(Deed::Noise),
        // The first byte steers noise towards each protocol.
        (0u8..192, bytes(200)).prop_map(|(first, rest)| Deed::Noise([vec![first], rest].concat())),
        (bytes(60), prop_oneof![Just(96u8), Just(97), Just(111), 0u8..64], any::<u16>(), 0u32..6, extensions, 0u8..4)
            .prop_map(|(payload, payload_type, seq, ssrc, extensions, padding)| Deed::OddRtp {
                payload,
                payload_type,
                seq,
                ssrc,
                extensions,
                padding
            }),
        (192u8..224, bytes(120)).prop_map(|(kind, rest)| Deed::OddRtcp([vec![0x81, kind, 0, 7], rest].concat())),
        (0usize..200, any::<u8>()).prop_map(|(at, bit)| Deed::Damaged { at, bit }),
        Just(Deed::Media),
        Just(Deed::Toggle),
        (0u16..3_000).prop_map(Deed::Wait),
        Just(Deed::ConnectionLost),
    ]
}

fn commit(harness: &mut Harness, villain: Who, camera: &mut Camera, deed: Deed) {
    let route = harness.clients[villain].route;
    match deed {
        Deed::Noise(mut bytes) => harness.sfu.handle_datagram(harness.now, route, &mut bytes),
        Deed::OddRtp { payload, payload_type, seq, ssrc, extensions, padding } => {
            let packet = Packet { ssrc, payload_type, seq, payload, extensions, padding, ..Packet::default() };
            harness.send(villain, &packet);
        }
        Deed::OddRtcp(bytes) => {
            let mut out = vec![0; 400];
            let sealer = harness.clients[villain].sealer.as_mut().expect("connected");
            if let Some(len) = sealer.seal_rtcp(&bytes, &mut out) {
                harness.sfu.handle_datagram(harness.now, route, &mut out[..len]);
            }
        }
        Deed::Damaged { at, bit } => {
            let packet = camera.frame(1, true).remove(0);
            let mut datagram = harness.clients[villain].seal(&packet);
            let at = at % datagram.len();
            datagram[at] ^= bit;
            harness.sfu.handle_datagram(harness.now, route, &mut datagram);
        }
        Deed::Media => harness.frame(villain, camera, 3, true),
        Deed::Toggle => {
            let camera = camera_line(CAMERA);
            let mut media = publishes(vec![camera]);
            media.send = vec![video_out(Some(CAMERA), 0x9100)];
            harness.set_media(villain, media);
        }
        Deed::Wait(ms) => harness.run(Duration::from_millis(u64::from(ms))),
        Deed::ConnectionLost => {
            harness.sfu.handle_connection_closed(harness.now, route);
        }
    }
    harness.exchange();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_a_peer_sends_harms_the_others(deeds in proptest::collection::vec(deed(), 1..60)) {
        let mut harness = Harness::new();
        let villain = harness.join(publishes(vec![camera_line(CAMERA)]));
        let witness_track = chappe_sfu_core::TrackId(0xee);
        let publisher = harness.join(publishes(vec![camera_line(witness_track)]));
        let viewer = harness.join(watches(vec![video_out(Some(CAMERA), 0x9000), video_out(Some(witness_track), 0x9900)]));
        let (mut camera, mut witness) = (Camera::new(VIDEO_SSRC), Camera::new(VIDEO_SSRC));
        for deed in deeds {
            commit(&mut harness, villain, &mut camera, deed);
        }
        harness.frame(publisher, &mut witness, 3, true);
        prop_assert_eq!(harness.clients[viewer].payloads(0x9900).len(), 3);
        prop_assert_eq!(harness.clients[viewer].faults, 0);
    }
}
