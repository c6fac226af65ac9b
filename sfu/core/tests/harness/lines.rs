//! What the clients of the harness negotiate and send.

use chappe_sfu_core::{
    Codec, ExtensionKind, ExtensionMap, Feedback, Media, MediaKind, PayloadMap, ReceiveCodec, ReceiveTrack, SendTrack,
    TrackId,
};

pub const CAMERA: TrackId = TrackId(0xca);
pub const MICROPHONE: TrackId = TrackId(0xb1);
pub const VIDEO_SSRC: u32 = 0x1111;
pub const VIDEO_RTX_SSRC: u32 = 0x1112;
pub const AUDIO_SSRC: u32 = 0x2222;
pub const MID: u8 = 4;
pub const AUDIO_LEVEL: u8 = 1;
pub const TRANSPORT_CC: u8 = 3;
/// A viewer's id of transport-wide numbers.
pub const NUMBER: u8 = 3;
pub const ORIENTATION: u8 = 9;

/// One RTP packet as a client sends it.
#[derive(Debug, Clone, Default)]
pub struct Packet {
    pub ssrc: u32,
    pub payload_type: u8,
    pub seq: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub padding: u8,
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
}

/// Frames of VP8 with consecutive numbers; each payload starts with its descriptor and ends in a counter.
#[derive(Debug, Clone)]
pub struct Camera {
    pub ssrc: u32,
    pub seq: u16,
    pub timestamp: u32,
    pub bytes: usize,
    pub extensions: Vec<(u8, Vec<u8>)>,
    count: u32,
}

impl Camera {
    pub fn new(ssrc: u32) -> Camera {
        Camera { ssrc, seq: 65_000, timestamp: 4_294_000_000, bytes: 100, extensions: Vec::new(), count: 0 }
    }

    pub fn frame(&mut self, count: usize, keyframe: bool) -> Vec<Packet> {
        self.timestamp = self.timestamp.wrapping_add(3_000);
        (0..count).map(|at| self.packet(at == 0, keyframe, at + 1 == count)).collect()
    }

    /// Nothing left it yet.
    pub fn is_new(&self) -> bool {
        self.count == 0
    }

    /// Packets so far.
    pub fn sent(&self) -> usize {
        self.count as usize
    }

    fn packet(&mut self, first: bool, keyframe: bool, last: bool) -> Packet {
        self.seq = self.seq.wrapping_add(1);
        self.count += 1;
        let mut payload = vec![if first { 0x10 } else { 0 }, if keyframe { 0 } else { 1 }];
        payload.resize(self.bytes - 4, 0xee);
        payload.extend(self.count.to_be_bytes());
        Packet {
            ssrc: self.ssrc,
            payload_type: 96,
            seq: self.seq,
            timestamp: self.timestamp,
            marker: last,
            padding: 0,
            extensions: self.extensions.clone(),
            payload,
        }
    }
}

pub fn opus(seq: u16, timestamp: u32) -> Packet {
    let mut payload = vec![0xfc; 80];
    payload.extend(seq.to_be_bytes());
    Packet { ssrc: AUDIO_SSRC, payload_type: 111, seq, timestamp, payload, ..Packet::default() }
}

pub fn full_feedback() -> Feedback {
    Feedback { nack: true, pli: true, fir: true, transport_cc: true, remb: true }
}

pub fn publisher_extensions() -> ExtensionMap {
    ExtensionMap::empty()
        .with(ExtensionKind::Mid, Some(MID))
        .with(ExtensionKind::AudioLevel, Some(AUDIO_LEVEL))
        .with(ExtensionKind::TransportCc, Some(TRANSPORT_CC))
        .with(ExtensionKind::VideoOrientation, Some(ORIENTATION))
}

pub fn camera_line(track: TrackId) -> ReceiveTrack {
    ReceiveTrack {
        track,
        mid: "0".into(),
        kind: MediaKind::Video,
        codecs: vec![ReceiveCodec {
            codec: Codec::Vp8,
            payload_type: 96,
            rtx: Some(97),
            clock_rate: 90_000,
            feedback: full_feedback(),
        }],
        ssrcs: Vec::new(),
        rids: Vec::new(),
        parameter_sets: Vec::new(),
        muted: false,
    }
}

pub fn microphone_line(track: TrackId) -> ReceiveTrack {
    ReceiveTrack {
        track,
        mid: "1".into(),
        kind: MediaKind::Audio,
        codecs: vec![ReceiveCodec {
            codec: Codec::Opus,
            payload_type: 111,
            rtx: None,
            clock_rate: 48_000,
            feedback: Feedback { transport_cc: true, ..Feedback::default() },
        }],
        ssrcs: Vec::new(),
        rids: Vec::new(),
        parameter_sets: Vec::new(),
        muted: false,
    }
}

pub fn publishes(lines: Vec<ReceiveTrack>) -> Media {
    Media { extensions: publisher_extensions(), reports_streams: false, receive: lines, send: Vec::new() }
}

/// A viewer's m-line for video; payload types and SSRCs are its own.
pub fn video_out(source: Option<TrackId>, ssrc: u32) -> SendTrack {
    SendTrack {
        mid: "v".into(),
        kind: MediaKind::Video,
        ssrc,
        rtx_ssrc: Some(ssrc + 1),
        source,
        payload_types: vec![PayloadMap {
            codec: Codec::Vp8,
            clock_rate: 90_000,
            from: 96,
            to: 120,
            rtx: Some(121),
            nack: true,
        }],
        cname: "publisher".into(),
        height_max: None,
    }
}

pub fn audio_out(source: Option<TrackId>, ssrc: u32) -> SendTrack {
    SendTrack {
        mid: "a".into(),
        kind: MediaKind::Audio,
        ssrc,
        rtx_ssrc: None,
        source,
        payload_types: vec![PayloadMap {
            codec: Codec::Opus,
            clock_rate: 48_000,
            from: 111,
            to: 109,
            rtx: None,
            nack: false,
        }],
        cname: "publisher".into(),
        height_max: None,
    }
}

pub fn watches(lines: Vec<SendTrack>) -> Media {
    let extensions = ExtensionMap::empty()
        .with(ExtensionKind::Mid, Some(2))
        .with(ExtensionKind::AudioLevel, Some(5))
        .with(ExtensionKind::VideoOrientation, Some(7));
    Media { extensions, reports_streams: false, receive: Vec::new(), send: lines }
}

/// A viewer that tells when each packet came.
pub fn watches_and_tells(lines: Vec<SendTrack>) -> Media {
    let media = watches(lines);
    Media { extensions: media.extensions.with(ExtensionKind::TransportCc, Some(NUMBER)), ..media }
}

/// A viewer that tells it by stream (RFC 8888), and could read transport-wide numbers as well.
pub fn watches_and_reports(lines: Vec<SendTrack>) -> Media {
    Media { reports_streams: true, ..watches_and_tells(lines) }
}

/// A report block that says nothing but that the SSRC is received.
pub fn report_of(ssrc: u32) -> chappe_sfu_core::rtcp::ReportBlock {
    chappe_sfu_core::rtcp::ReportBlock {
        ssrc: chappe_sfu_core::rtp::Ssrc(ssrc),
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_seq: 0,
        jitter: 0,
        last_sr: 0,
        delay_since_last_sr: 0,
    }
}
