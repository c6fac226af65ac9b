//! Owns the target of a live session: a publisher and a viewer are connected, and one of them says anything at all,
//! sealed with its keys, over its route. Its input is a script of [`deed`]s.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::hmac;
use chappe_sfu_core::rtp::Header;
use chappe_sfu_core::srtp::ReplayWindow;
use chappe_sfu_core::{Codec, DropReason, ExtensionKind, Media, PayloadMap, ReceiveCodec, Route, SsrcPair};

use crate::harness::stream_reports::StreamReports;
use crate::harness::*;
use crate::input::Script;

pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut scene = Scene::new();
    // Who of the two it is.
    scene.villain = if script.u8() & 1 == 0 { scene.publisher } else { scene.viewer };
    for _ in 0..DEEDS_MAX {
        if script.is_over() {
            break;
        }
        scene.deed(&mut script);
    }
    scene.harness.run(Duration::from_millis(40));
    scene.harness.frame(scene.witness, &mut scene.camera, 3, true);
    assert_eq!(scene.harness.sfu.counters().dropped(DropReason::SessionFault), 0, "a panic was contained");
    let onlooker = &scene.harness.clients[scene.onlooker];
    assert_eq!(onlooker.payloads(SEEN_WITNESS).len(), 3, "the others go on");
    assert_eq!(onlooker.faults, 0, "what the others get is well-formed, and no index is used twice");
}

struct Scene {
    harness: Harness,
    publisher: Who,
    viewer: Who,
    /// Somebody else's stream, and who watches both.
    witness: Who,
    onlooker: Who,
    villain: Who,
    /// The viewer negotiated it last.
    reports_streams: bool,
    camera: Camera,
    /// Of the publisher.
    film: Camera,
    windows: HashMap<u32, ReplayWindow>,
}

impl Scene {
    fn new() -> Scene {
        let mut harness = Harness::new();
        let witness = harness.join(publishes(vec![camera_line(WITNESS)]));
        let publisher = harness.join(villainous());
        // Its line is estimated: by what it tells of transport-wide numbers, and by REMB.
        let viewer = harness.join(watches_and_tells(vec![shown(CAMERA, SEEN), audio_out(Some(MICROPHONE), SEEN + 2)]));
        let onlooker = harness.join(watches(vec![shown(CAMERA, SEEN_CAMERA), shown(WITNESS, SEEN_WITNESS)]));
        let (camera, mut film) = (Camera::new(VIDEO_SSRC), Camera::new(FILM_SSRC));
        film.extensions = vec![(MID, b"0".to_vec()), (RID, b"f".to_vec())];
        let villain = publisher;
        let (reports_streams, windows) = (false, HashMap::new());
        Scene { harness, publisher, viewer, witness, onlooker, villain, reports_streams, camera, film, windows }
    }

    fn deed(&mut self, script: &mut Script<'_>) {
        let route = self.harness.clients[self.villain].route;
        match script.u8() % 14 {
            0 => self.arrive(route, script.bytes().to_vec()),
            1 => self.arrive(client::tcp_route(900), script.bytes().to_vec()),
            2..=4 => self.seal_rtp(script.bytes()),
            5 | 6 => self.seal_rtcp(script.bytes()),
            7 => self.sign_stun(script.bytes()),
            8 => self.harness.run(Duration::from_millis(u64::from(script.u8()))),
            9 => self.set_media(script.u8()),
            10 => self.damage(script),
            12 => self.pictures(script.u8()),
            13 => self.tell_arrivals(),
            _ => {
                let now = self.harness.now;
                self.harness.sfu.handle_connection_closed(now, route);
            }
        }
        self.harness.exchange();
    }

    /// The publisher sends some frames, which get their numbers on the way to the viewer.
    fn pictures(&mut self, choice: u8) {
        if self.harness.clients[self.publisher].is_ready() {
            let (count, is_keyframe) = (usize::from(choice % 16) + 1, choice & 0x80 != 0);
            self.harness.frame(self.publisher, &mut self.film, count, is_keyframe);
        }
    }

    /// From now on the viewer tells, beside what the script says, when what it gets arrives, as it negotiated last.
    fn tell_arrivals(&mut self) {
        let now = self.harness.now;
        let viewer = &mut self.harness.clients[self.viewer];
        if self.reports_streams {
            viewer.stream_reports.get_or_insert_with(|| StreamReports::new(now.mono));
        } else if viewer.feedback.is_none() {
            viewer.tells_arrivals(now, NUMBER);
        }
    }

    fn arrive(&mut self, route: Route, mut datagram: Vec<u8>) {
        self.harness.sfu.handle_datagram(self.harness.now, route, &mut datagram);
    }

    /// Headers and payload as they are; where there is no header of RTP, the first twelve bytes are taken for one.
    fn seal_rtp(&mut self, plain: &[u8]) {
        let header = Header::parse(plain).map_or(12, |header| header.header_len).min(plain.len());
        let (header, payload) = plain.split_at(header);
        let seq = u16::from_be_bytes([byte(header, 2), byte(header, 3)]);
        let ssrc = u32::from_be_bytes([byte(header, 8), byte(header, 9), byte(header, 10), byte(header, 11)]);
        let window = self.windows.entry(ssrc).or_default();
        let index = window.guess(seq);
        window.accept(index);
        let mut out = vec![0; plain.len() + 64];
        let client = &self.harness.clients[self.villain];
        let Some(sealer) = &client.sealer else { return };
        if let Some(len) = sealer.seal_rtp(index, header, payload, &mut out) {
            out.truncate(len);
            self.arrive(self.harness.clients[self.villain].route, out);
        }
    }

    fn seal_rtcp(&mut self, plain: &[u8]) {
        let client = &mut self.harness.clients[self.villain];
        let route = client.route;
        let mut out = vec![0; plain.len() + 64];
        let Some(sealer) = &mut client.sealer else { return };
        if let Some(len) = sealer.seal_rtcp(plain, &mut out) {
            out.truncate(len);
            self.arrive(route, out);
        }
    }

    /// A check of the villain's with any attributes behind its name, signed with the password that it knows.
    fn sign_stun(&mut self, attributes: &[u8]) {
        let who = self.villain;
        let name = format!("srv{who:05}:cli{who:05}");
        let mut attributes =
            [&[0, 6, 0, name.len() as u8][..], name.as_bytes(), &[0; 3][..(4 - name.len() % 4) % 4], attributes]
                .concat();
        attributes.truncate(attributes.len() / 4 * 4);
        let len = (attributes.len() + 24) as u16;
        let mut message = [&[0, 1][..], &len.to_be_bytes(), &[0x21, 0x12, 0xA4, 0x42], &[7; 12], &attributes].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, format!("server-password-{who:010}").as_bytes());
        let tag = hmac::sign(&key, &message);
        message.extend([0, 8, 0, 20]);
        message.extend(tag.as_ref());
        self.arrive(self.harness.clients[who].route, message);
    }

    fn set_media(&mut self, choice: u8) {
        let mut media = if self.villain == self.publisher { villainous() } else { watches_and_tells(Vec::new()) };
        if choice & 1 != 0 {
            media.receive.clear();
        }
        if choice & 2 != 0 {
            media.send.push(shown(WITNESS, 0x9900));
        }
        if choice & 4 != 0 {
            media.send.push(shown(CAMERA, SEEN));
        }
        // Of a viewer: it reports by SSRC and sequence number.
        media.reports_streams = self.villain == self.viewer && choice & 8 != 0;
        self.reports_streams = media.reports_streams;
        // A session that was ended meanwhile is not there.
        let _ = self.harness.sfu.set_media(self.harness.now, session(self.villain), chappe_sfu_core::Epoch(1), media);
    }

    /// A good packet of the publisher's, changed after it was sealed.
    fn damage(&mut self, script: &mut Script<'_>) {
        let (at, bit) = (usize::from(script.u16()), script.u8());
        if self.harness.clients[self.publisher].sealer.is_none() {
            return;
        }
        let packet = Packet { ssrc: 0x7777, payload_type: 96, payload: vec![0x10; 60], ..Packet::default() };
        let mut datagram = self.harness.clients[self.publisher].seal(&packet);
        let at = at % datagram.len();
        datagram[at] ^= bit;
        self.arrive(self.harness.clients[self.publisher].route, datagram);
    }
}

/// Every codec there is on two m-lines, encodings named by rids, layers told by dependency descriptors, and their rates
/// announced.
fn villainous() -> Media {
    let mut camera = camera_line(CAMERA);
    for (at, codec) in CODECS.into_iter().enumerate() {
        let (payload_type, rtx) = (98 + 2 * at as u8, Some(99 + 2 * at as u8));
        camera.codecs.push(ReceiveCodec { codec, payload_type, rtx, clock_rate: 90_000, feedback: full_feedback() });
    }
    camera.ssrcs = vec![SsrcPair { ssrc: VIDEO_SSRC, rtx: Some(VIDEO_RTX_SSRC), encoding: 1 }];
    camera.rids = ["q", "h", "f"].map(str::to_owned).to_vec();
    let media = publishes(vec![camera, microphone_line(MICROPHONE)]);
    let layers = [ExtensionKind::DependencyDescriptor, ExtensionKind::LayersAllocation];
    let kinds = [ExtensionKind::Rid, ExtensionKind::RepairedRid].into_iter().chain(layers);
    let extensions = kinds.zip(RID..).fold(media.extensions, |map, (kind, id)| map.with(kind, Some(id)));
    Media { extensions, ..media }
}

fn shown(track: chappe_sfu_core::TrackId, ssrc: u32) -> chappe_sfu_core::SendTrack {
    let mut line = video_out(Some(track), ssrc);
    for (at, codec) in CODECS.into_iter().enumerate() {
        let from = 98 + 2 * at as u8;
        line.payload_types.push(PayloadMap {
            codec,
            clock_rate: 90_000,
            from,
            to: from,
            rtx: Some(from + 1),
            nack: true,
        });
    }
    line
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

const CODECS: [Codec; 4] = [Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];
const WITNESS: chappe_sfu_core::TrackId = chappe_sfu_core::TrackId(0xee);
const SEEN: u32 = 0x9000;
const SEEN_CAMERA: u32 = 0x9100;
const SEEN_WITNESS: u32 = 0x9200;
/// Learned by its rid: it is in no `a=ssrc`.
const FILM_SSRC: u32 = 0x1211;
/// Then that of repaired encodings, and that of dependency descriptors.
const RID: u8 = 10;
const DEEDS_MAX: usize = 48;
