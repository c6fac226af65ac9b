//! A publisher of one encoding with layers, and viewers of it whose lines carry so much.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chappe_sfu_core::{Codec, ExtensionKind, LayerStats, Media};

use super::client::ReceivedRtcp;
use super::lines::*;
use super::scalable::{Film, Frame, LayerSyntax, Made, Mode};
pub use super::viewers::Clocked;
use super::{Harness, Who, session};

pub const FILM_SSRC: u32 = 0x7000;
pub const SEEN: u32 = 0x9000;
/// Of the dependency descriptor, at the publisher and at viewers.
const DESCRIPTOR: u8 = 11;
pub const DESCRIPTOR_SEEN: u8 = 8;
/// Packets of each spatial layer: 280, 560 and 1,960 kbit/s.
const PACKETS: [usize; 3] = [1, 2, 7];
const INTERVAL: Duration = Duration::from_micros(33_333);

pub struct Studio {
    pub harness: Harness,
    pub film: Film,
    pub publisher: Who,
    seq: u16,
    next_at: Instant,
    /// Key frames since the first.
    pub keyframes: usize,
    /// Of the packets of the next pictures one is changed.
    pub change: Option<fn(&mut Made)>,
    /// Which packets of each frame come behind the picture after theirs.
    pub holds: Option<fn(&Frame, usize) -> bool>,
    held: Vec<Packet>,
}

fn codec(mode: Mode) -> Codec {
    match mode.syntax {
        LayerSyntax::Vp8 => Codec::Vp8,
        LayerSyntax::Vp9 { .. } => Codec::Vp9,
        LayerSyntax::Descriptor => Codec::Av1,
    }
}

/// Thirty pictures a second, with a key frame where one was asked for.
impl Clocked for Studio {
    fn harness(&mut self) -> &mut Harness {
        &mut self.harness
    }

    fn send_due(&mut self) {
        if self.harness.now.mono >= self.next_at {
            self.next_at += INTERVAL;
            self.picture();
        }
    }
}

impl Studio {
    pub fn new(mode: Mode) -> Studio {
        let mut harness = Harness::new();
        let mut line = camera_line(CAMERA);
        line.codecs[0].codec = codec(mode);
        let mut media = publishes(vec![line]);
        media.extensions = media.extensions.with(ExtensionKind::DependencyDescriptor, Some(DESCRIPTOR));
        let publisher = harness.join(media);
        let next_at = harness.now.mono;
        let mut film = Film::new(mode);
        film.bytes = 1_090;
        Studio {
            harness,
            film,
            publisher,
            seq: 65_300,
            next_at,
            keyframes: 0,
            change: None,
            holds: None,
            held: Vec::new(),
        }
    }

    /// What a viewer negotiates that tells of each packet when it came.
    pub fn watches(&self) -> Media {
        let mut line = video_out(Some(CAMERA), SEEN);
        line.payload_types[0].codec = codec(self.film.mode);
        let media = watches_and_tells(vec![line]);
        let extensions = media.extensions.with(ExtensionKind::DependencyDescriptor, Some(DESCRIPTOR_SEEN));
        Media { extensions, ..media }
    }

    pub fn add_viewer(&mut self, kbps: u64, change: impl FnOnce(&mut Media)) -> Who {
        let mut media = self.watches();
        change(&mut media);
        self.harness.join_over(kbps, media)
    }

    fn picture(&mut self) {
        let client = &mut self.harness.clients[self.publisher];
        let is_asked = client.received_rtcp.contains(&ReceivedRtcp::Pli(FILM_SSRC));
        client.received_rtcp.retain(|packet| *packet != ReceivedRtcp::Pli(FILM_SSRC));
        self.keyframes += usize::from(is_asked);
        let late = std::mem::take(&mut self.held);
        let packets = self.packets(is_asked);
        let is_held = |packet: &Packet| {
            let (frame, place) = Film::recognise(&packet.payload);
            self.holds.is_some_and(|holds| holds(&self.film.frames[frame], place))
        };
        let (held, sent): (Vec<_>, Vec<_>) = packets.into_iter().partition(is_held);
        self.held = held;
        for packet in sent.iter().chain(&late) {
            self.harness.clients[self.publisher].send(packet);
        }
    }

    /// Those of the next picture.
    pub fn packets(&mut self, is_keyframe: bool) -> Vec<Packet> {
        let times = if is_keyframe { 3 } else { 1 };
        // A single layer is the whole picture.
        let packets = if self.film.mode.spatial == 1 { [PACKETS[2]; 3] } else { PACKETS };
        let made = self.film.picture(is_keyframe, packets.map(|count| count * times));
        made.into_iter().map(|made| self.packet(made)).collect()
    }

    fn packet(&mut self, mut made: Made) -> Packet {
        if let Some(change) = self.change {
            change(&mut made);
        }
        self.seq = self.seq.wrapping_add(1);
        let Made { descriptor, marker, timestamp, payload, .. } = made;
        let named = [(MID, b"0".to_vec())].into_iter();
        Packet {
            ssrc: FILM_SSRC,
            payload_type: 96,
            seq: self.seq,
            timestamp,
            marker,
            padding: 0,
            extensions: named.chain(descriptor.map(|value| (DESCRIPTOR, value))).collect(),
            payload,
        }
    }

    pub fn now(&self) -> Instant {
        self.harness.now.mono
    }

    pub fn layer(&self, viewer: Who) -> LayerStats {
        self.harness.sfu.session_stats(session(viewer)).expect("open").sent[0].layer.expect("video")
    }

    /// Places of the frames that were seen since then, with how many packets of each.
    pub fn frames(&self, viewer: Who, since: Instant) -> BTreeMap<usize, usize> {
        let client = &self.harness.clients[viewer];
        let of = client.received.iter().zip(&client.arrivals);
        let of = of.filter(|(packet, when)| packet.ssrc == SEEN && **when >= since);
        of.fold(BTreeMap::new(), |mut frames, (packet, _)| {
            *frames.entry(Film::recognise(&packet.payload).0).or_default() += 1;
            frames
        })
    }

    /// The highest spatial layer of the last second, and its pictures.
    pub fn shown(&self, viewer: Who) -> (u8, usize) {
        let frames = self.frames(viewer, self.now() - Duration::from_secs(1));
        let highest = frames.keys().map(|frame| self.film.frames[*frame].spatial).max().unwrap_or(0);
        let units: BTreeSet<u32> = frames.keys().map(|frame| self.film.frames[*frame].unit).collect();
        (highest, units.len())
    }

    /// What a decoder is owed of all that it received: numbers without gaps, whole frames, all that each depends on, and the
    /// end of each picture marked, once.
    pub fn check(&self, viewer: Who) {
        let client = &self.harness.clients[viewer];
        assert_eq!(client.faults, 0);
        let numbers = client.indices(SEEN);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "numbers go on without gaps");
        let received: Vec<_> = client.received.iter().filter(|packet| packet.ssrc == SEEN).collect();
        let mode = self.film.mode;
        let mut whole: BTreeMap<usize, usize> = BTreeMap::new();
        let newest = received.last().map_or(0, |packet| packet.timestamp);
        for (at, packet) in received.iter().enumerate() {
            let (place, _) = Film::recognise(&packet.payload);
            let frame = &self.film.frames[place];
            *whole.entry(place).or_default() += 1;
            for other in &frame.depends {
                let count = whole.get(other).copied().unwrap_or(0);
                assert_eq!(count, self.film.frames[*other].packets, "{mode:?}: {frame:?} needs {other}");
            }
            let is_last = received.get(at + 1).is_some_and(|next| next.timestamp != packet.timestamp);
            if packet.timestamp != newest {
                assert_eq!(packet.marker, is_last, "{mode:?}: {frame:?}");
            }
        }
    }
}
