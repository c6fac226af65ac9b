//! A publisher of several encodings of one picture, as libwebrtc's simulcast sends them: random numbers of each its own,
//! one capture time.

use std::time::Duration;

use chappe_sfu_core::{ExtensionKind, Media, ReceiveTrack};

use super::client::Received;
use super::lines::*;
use super::{Harness, Who};

pub const RID: u8 = 10;
pub const REPAIRED_RID: u8 = 11;

/// One encoding of VP8.
#[derive(Debug, Clone)]
pub struct Encoder {
    pub rid: &'static str,
    pub ssrc: u32,
    pub seq: u16,
    /// What its timestamps are ahead of the others'.
    pub timestamp: u32,
    pub picture_id: u16,
    /// Of 15 bits, not of 7.
    pub has_long_id: bool,
    pub tl0: u8,
    pub lines: u16,
    /// Bytes of each packet.
    pub bytes: usize,
    pub is_on: bool,
    pub names_rid: bool,
}

/// What a payload of an [`Encoder`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    pub lines: u16,
    pub is_keyframe: bool,
    pub picture_id: u16,
    pub has_long_id: bool,
    pub tl0: u8,
    pub temporal: u8,
    /// Counts the frames of the camera: the same in all encodings.
    pub frame: u32,
}

/// All encodings of one camera.
#[derive(Debug, Clone)]
pub struct Simulcast {
    pub encoders: Vec<Encoder>,
    pub frame: u32,
}

impl Simulcast {
    /// 180, 360 and 720 lines.
    pub fn new() -> Simulcast {
        let encoder = |at: u32, rid, lines: u16, has_long_id| Encoder {
            rid,
            ssrc: 0x5000 + at,
            seq: 65_500_u16.wrapping_add(7_000 * at as u16),
            timestamp: 4_294_900_000_u32.wrapping_add(1_000_000_007 * at),
            picture_id: 120 + 9_000 * at as u16,
            has_long_id,
            tl0: 250_u8.wrapping_add(90 * at as u8),
            lines,
            bytes: 100 << at,
            is_on: true,
            names_rid: true,
        };
        let encoders = vec![encoder(0, "q", 180, false), encoder(1, "h", 360, true), encoder(2, "f", 720, true)];
        Simulcast { encoders, frame: 0 }
    }

    /// The packets of the next frame, of the encodings that are on; a key frame in those named.
    pub fn frame(&mut self, count: usize, keyframes: &[usize]) -> Vec<Packet> {
        self.frame += 1;
        let frame = self.frame;
        let encoders = self.encoders.iter_mut().enumerate().filter(|(_, encoder)| encoder.is_on);
        encoders.flat_map(|(at, encoder)| encoder.frame(count, frame, keyframes.contains(&at))).collect()
    }
}

impl Encoder {
    pub fn frame(&mut self, count: usize, frame: u32, is_keyframe: bool) -> Vec<Packet> {
        self.picture_id = self.picture_id.wrapping_add(1) & if self.has_long_id { 0x7fff } else { 0x7f };
        // Two temporal layers; a key frame is of the lower one.
        let temporal = if is_keyframe { 0 } else { (frame % 2) as u8 };
        if temporal == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        (0..count).map(|at| self.packet(at, count, frame, is_keyframe, temporal)).collect()
    }

    fn packet(&mut self, at: usize, count: usize, frame: u32, is_keyframe: bool, temporal: u8) -> Packet {
        self.seq = self.seq.wrapping_add(1);
        let mut payload = vec![if at == 0 { 0x90 } else { 0x80 }, 0xe0];
        if self.has_long_id {
            payload.extend((self.picture_id | 0x8000).to_be_bytes());
        } else {
            payload.push(self.picture_id as u8);
        }
        payload.extend([self.tl0, temporal << 6]);
        let [w0, w1] = (self.lines * 16 / 9).to_le_bytes();
        let [h0, h1] = self.lines.to_le_bytes();
        payload.extend([u8::from(!is_keyframe), 0, 0, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]);
        payload.resize(self.bytes - 4, 0xee);
        payload.extend(frame.to_be_bytes());
        let mut extensions = vec![(MID, b"0".to_vec())];
        if self.names_rid {
            extensions.push((RID, self.rid.as_bytes().to_vec()));
        }
        Packet {
            ssrc: self.ssrc,
            payload_type: 96,
            seq: self.seq,
            timestamp: self.timestamp.wrapping_add(frame * 3_000),
            marker: at + 1 == count,
            padding: 0,
            extensions,
            payload,
        }
    }
}

/// `None` for what no [`Encoder`] made.
pub fn picture(packet: &Received) -> Option<Picture> {
    let payload = &packet.payload;
    let (&[_, 0xe0], mut rest) = payload.split_first_chunk::<2>()? else { return None };
    let is_long = rest[0] & 0x80 != 0;
    let picture_id = if is_long { u16::from_be_bytes([rest[0] & 0x7f, rest[1]]) } else { u16::from(rest[0]) };
    rest = &rest[if is_long { 2 } else { 1 }..];
    Some(Picture {
        lines: u16::from_le_bytes([rest[10], rest[11]]),
        is_keyframe: rest[2] == 0,
        picture_id,
        has_long_id: is_long,
        tl0: rest[0],
        temporal: rest[1] >> 6,
        frame: u32::from_be_bytes(*payload.last_chunk()?),
    })
}

pub fn simulcast_line() -> ReceiveTrack {
    ReceiveTrack { rids: ["q", "h", "f"].map(String::from).to_vec(), ..camera_line(CAMERA) }
}

pub fn publishes_simulcast(line: ReceiveTrack) -> Media {
    let mut media = publishes(vec![line]);
    media.extensions =
        media.extensions.with(ExtensionKind::Rid, Some(RID)).with(ExtensionKind::RepairedRid, Some(REPAIRED_RID));
    media
}

/// A viewer of the camera that gets no more than so many lines.
pub fn sees_lines(ssrc: u32, height_max: Option<u16>) -> Media {
    let mut line = video_out(Some(CAMERA), ssrc);
    line.height_max = height_max;
    watches(vec![line])
}

impl Harness {
    /// A frame of two packets of each encoding, and 33 ms.
    pub fn simulcast(&mut self, who: Who, camera: &mut Simulcast, keyframes: &[usize]) {
        for packet in camera.frame(2, keyframes) {
            self.clients[who].send(&packet);
        }
        self.exchange();
        self.run(Duration::from_millis(33));
    }

    /// As an encoder does, with a key frame where it was asked for one since the last frame.
    pub fn simulcast_as_asked(&mut self, who: Who, camera: &mut Simulcast) -> Vec<usize> {
        let asked: Vec<usize> = (0..camera.encoders.len())
            .filter(|at| {
                let ssrc = camera.encoders[*at].ssrc;
                self.clients[who].received_rtcp.contains(&super::client::ReceivedRtcp::Pli(ssrc))
            })
            .collect();
        self.clients[who].received_rtcp.retain(|packet| !matches!(packet, super::client::ReceivedRtcp::Pli(_)));
        self.simulcast(who, camera, &asked);
        asked
    }
}
