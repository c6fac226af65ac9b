//! A publisher of three encodings with the rates that libwebrtc gives them, and viewers whose lines carry so much.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chappe_sfu_core::{CloseReason, Epoch, Event, ExtensionKind, LayerStats, Media, TrackId};

use super::client::ReceivedRtcp;
use super::encoders::*;
use super::lines::*;
pub use super::viewers::Clocked;
use super::{Harness, Who, session};

/// Of the video that a viewer sees; that of its n-th track is so much higher.
pub const SEEN: u32 = 0x9000;
pub const HEARD: u32 = 0xb000;
pub const SECOND: Duration = Duration::from_secs(1);
/// Packets of a frame, and bytes of each: with their headers 165, 465 and 2630 kbit/s.
const SHAPES: [(usize, usize); 3] = [(1, 620), (2, 900), (9, 1_150)];
/// The content type (RTP header extension of libwebrtc).
const CONTENT: u8 = 14;
/// The video layers allocation.
const ALLOCATION: u8 = 13;
/// A key frame has so many times the packets.
const KEYFRAME: usize = 4;

pub struct Theatre {
    pub harness: Harness,
    pub cameras: Vec<(Who, Simulcast)>,
    sounds: u16,
    frame_at: Instant,
    sound_at: Instant,
    /// Cameras send what they are told is watched, once the word has got there.
    heeds: Option<Duration>,
    /// Events that were looked at, and what is on its way: when it arrives, the camera, and what nobody watches.
    heard: usize,
    orders: VecDeque<(Instant, usize, u8)>,
    /// The pictures are of screens.
    pub says_screen: bool,
    /// What each encoding is to take without headers, in kbit/s: cameras announce it with their key frames.
    pub announces: Option<[u32; 3]>,
    /// So many times the packets of a picture.
    pub burst: usize,
    /// Encodings that begin again, with a key frame.
    fresh: Vec<(usize, usize)>,
}

/// The track of the n-th camera.
pub fn track(at: usize) -> TrackId {
    TrackId(CAMERA.0 + at as u64)
}

/// Thirty frames and fifty packets of sound a second; a key frame of an encoding when one is asked for.
impl Clocked for Theatre {
    fn harness(&mut self) -> &mut Harness {
        &mut self.harness
    }

    fn send_due(&mut self) {
        self.heed();
        if self.harness.now.mono >= self.frame_at {
            self.frames();
            self.frame_at += Duration::from_micros(33_333);
        }
        if self.harness.now.mono >= self.sound_at {
            let packet = opus(self.sounds, u32::from(self.sounds).wrapping_mul(960));
            self.harness.clients[self.cameras[0].0].send(&packet);
            self.sounds = self.sounds.wrapping_add(1);
            self.sound_at += Duration::from_millis(20);
        }
    }
}

impl Theatre {
    /// So many cameras; the first one has a microphone.
    pub fn new(cameras: usize) -> Theatre {
        let mut harness = Harness::new();
        let cameras = (0..cameras).map(|at| {
            let mut lines = vec![simulcast_line()];
            lines[0].track = track(at);
            if at == 0 {
                lines.push(microphone_line(MICROPHONE));
            }
            let mut media = publishes(lines);
            media.extensions = media
                .extensions
                .with(ExtensionKind::Rid, Some(RID))
                .with(ExtensionKind::RepairedRid, Some(REPAIRED_RID))
                .with(ExtensionKind::VideoContentType, Some(CONTENT))
                .with(ExtensionKind::LayersAllocation, Some(ALLOCATION));
            (harness.join(media), simulcast())
        });
        let cameras = cameras.collect();
        let now = harness.now.mono;
        Theatre {
            harness,
            cameras,
            sounds: 0,
            frame_at: now,
            sound_at: now,
            heeds: None,
            heard: 0,
            orders: VecDeque::new(),
            says_screen: false,
            announces: None,
            burst: 1,
            fresh: Vec::new(),
        }
    }

    /// The same with cameras that are pages: what nobody watches they do not send. A word takes so long to them.
    pub fn of_pages(cameras: usize, delay: Duration) -> Theatre {
        Theatre { heeds: Some(delay), ..Theatre::new(cameras) }
    }

    /// Whether each encoding of the n-th camera is sent.
    pub fn sent(&self, at: usize) -> Vec<bool> {
        self.cameras[at].1.encoders.iter().map(|encoder| encoder.is_on).collect()
    }

    /// How often the cameras were told what is watched.
    pub fn times_told(&self) -> usize {
        self.harness.events.iter().filter(|event| matches!(event, Event::Unwatched { .. })).count()
    }

    /// A viewer of all cameras and of the microphone that tells of each packet when it came. `media` may be changed before.
    pub fn add_viewer(&mut self, kbps: u64, change: impl FnOnce(&mut Media)) -> Who {
        let mut media = self.all();
        change(&mut media);
        self.harness.join_over(kbps, media)
    }

    /// What a viewer gets of all cameras and of the microphone.
    pub fn all(&self) -> Media {
        let videos = (0..self.cameras.len()).map(|at| {
            let mut line = video_out(Some(track(at)), SEEN + 0x10 * at as u32);
            line.mid = format!("v{at}");
            line
        });
        watches_and_tells(videos.chain([audio_out(Some(MICROPHONE), HEARD)]).collect())
    }

    /// The session of a viewer ends as its client wants it to.
    pub fn leave(&mut self, viewer: Who) {
        let now = self.harness.now;
        self.harness.sfu.close_session(now, session(viewer), Epoch(1), CloseReason::Requested).expect("it is there");
        self.play(Duration::from_millis(50));
    }

    fn heed(&mut self) {
        let now = self.harness.now.mono;
        for event in self.harness.events.iter().skip(std::mem::replace(&mut self.heard, self.harness.events.len())) {
            if let (Event::Unwatched { track, encodings, .. }, Some(delay)) = (event, self.heeds) {
                self.orders.push_back((now + delay, (track.0 - CAMERA.0) as usize, *encodings));
            }
        }
        while let Some((_, at, unwatched)) = self.orders.front().copied().filter(|(at, ..)| *at <= now) {
            self.orders.pop_front();
            for (place, encoder) in self.cameras[at].1.encoders.iter_mut().enumerate() {
                let is_on = unwatched & (1 << place) == 0;
                if is_on && !encoder.is_on {
                    self.fresh.push((at, place));
                }
                encoder.is_on = is_on;
            }
        }
    }

    fn frames(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        for (at, (who, camera)) in self.cameras.iter_mut().enumerate() {
            camera.frame += 1;
            let client = &mut self.harness.clients[*who];
            let encoders = camera.encoders.iter_mut().zip(SHAPES).enumerate();
            for (place, (encoder, (packets, _))) in encoders.filter(|(_, (encoder, _))| encoder.is_on) {
                let is_key = camera.frame == 1
                    || fresh.contains(&(at, place))
                    || client.received_rtcp.contains(&ReceivedRtcp::Pli(encoder.ssrc));
                client.received_rtcp.retain(|packet| *packet != ReceivedRtcp::Pli(encoder.ssrc));
                let count = self.burst * if is_key { KEYFRAME * packets } else { packets };
                for (at, mut packet) in encoder.frame(count, camera.frame, is_key).into_iter().enumerate() {
                    if let Some(kbps) = self.announces.filter(|_| is_key && at == 0) {
                        packet.extensions.push((ALLOCATION, allocation(place, kbps)));
                    }
                    if self.says_screen && packet.marker && is_key {
                        packet.extensions.push((CONTENT, vec![1]));
                    }
                    client.send(&packet);
                }
            }
        }
    }

    pub fn now(&self) -> Instant {
        self.harness.now.mono
    }

    /// What is said of the n-th track that it is sent.
    pub fn layer(&self, viewer: Who, at: usize) -> LayerStats {
        self.harness.sfu.session_stats(session(viewer)).expect("open").sent[at].layer.expect("video")
    }

    /// When each packet of a track came, and the lines of its picture.
    pub fn seen(&self, viewer: Who, at: usize, since: Instant) -> Vec<(Instant, u16)> {
        let client = &self.harness.clients[viewer];
        let of = client.received.iter().zip(&client.arrivals);
        let of = of.filter(|(packet, when)| packet.ssrc == SEEN + 0x10 * at as u32 && **when >= since);
        of.map(|(packet, when)| (*when, picture(packet).expect("a picture of ours").lines)).collect()
    }

    /// The lines of the newest picture.
    pub fn lines(&self, viewer: Who, at: usize) -> u16 {
        let since = self.now() - SECOND;
        self.seen(viewer, at, since).last().map_or(0, |(_, lines)| *lines)
    }

    /// How long after `since` the picture had these lines and kept them.
    pub fn settled(&self, viewer: Who, lines: u16, since: Instant) -> Option<Duration> {
        let seen = self.seen(viewer, 0, since);
        let last = seen.iter().rposition(|(_, other)| *other != lines);
        let first = seen.get(last.map_or(0, |at| at + 1))?;
        Some(first.0 - since)
    }

    pub fn switches(&self, viewer: Who, since: Instant) -> usize {
        self.seen(viewer, 0, since).windows(2).filter(|pair| pair[0].1 != pair[1].1).count()
    }
}

fn simulcast() -> Simulcast {
    let mut camera = Simulcast::new();
    camera.encoders.iter_mut().zip(SHAPES).for_each(|(encoder, (_, bytes))| encoder.bytes = bytes);
    camera
}

/// As libwebrtc announces it on a packet of one of three encodings with two temporal layers each, of which the lower one
/// takes three fifths.
fn allocation(place: usize, kbps: [u32; 3]) -> Vec<u8> {
    let rates = kbps.into_iter().flat_map(|kbps| [kbps * 3 / 5, kbps]);
    // LEB128, in two bytes each.
    let leb128 = rates.flat_map(|kbps| [kbps as u8 | 0x80, (kbps >> 7) as u8]);
    [(place as u8) << 6 | 0x21, 0x54].into_iter().chain(leb128).collect()
}
