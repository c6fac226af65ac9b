//! What the m-lines of a session say, in numbers: tracks received and sent, payload types, extension ids.

use serde::{Deserialize, Serialize};

use crate::{Epoch, SessionId, TrackId};

/// All m-lines of one session. Replaces what was there before: a track that is missing is gone, one that
/// stays (same [`ReceiveTrack::track`], or same [`SendTrack::ssrc`]) keeps its state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// One mapping for the whole bundle (RFC 8843 section 9.1.1: an id means one thing across bundled m-lines).
    pub extensions: Extensions,
    /// The client tells of what we send when each packet arrived, by SSRC and sequence number (RFC 8888). Then packets
    /// have no transport-wide sequence numbers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reports_streams: bool,
    /// The client sends these to us.
    #[serde(default)]
    pub receive: Vec<ReceiveTrack>,
    /// We send these to the client.
    #[serde(default)]
    pub send: Vec<SendTrack>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Audio,
    Video,
}

/// What the hot path must understand of a payload: key frames, layers, audio levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    Opus,
    /// RFC 2198 redundancy around Opus.
    Red,
    Vp8,
    Vp9,
    H264,
    H265,
    Av1,
}

/// 0–127. 64–95 collide with RTCP (RFC 5761 section 4) and are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PayloadType(pub u8);

/// Negotiated ids of header extensions (RFC 8285), 1–255; none where it was not negotiated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extensions {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    pub repaired_rid: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    pub transport_cc: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`
    pub abs_send_time: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464)
    pub audio_level: Option<u8>,
    /// `urn:3gpp:video-orientation`
    pub video_orientation: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`
    pub playout_delay: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`
    pub abs_capture_time: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/video-content-type`
    pub video_content_type: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/color-space`
    pub color_space: Option<u8>,
    /// `https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension`
    pub dependency_descriptor: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00`
    pub layers_allocation: Option<u8>,
}

/// One m-line on which the client sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiveTrack {
    pub track: TrackId,
    /// `a=mid`, at most 16 bytes; also matched against the mid header extension.
    pub mid: String,
    pub kind: MediaKind,
    /// In order of preference; all of them may arrive.
    pub codecs: Vec<ReceiveCodec>,
    /// From `a=ssrc` and `a=ssrc-group:FID`; empty when the client names none (then mid, rid or payload type decide).
    #[serde(default)]
    pub ssrcs: Vec<SsrcPair>,
    /// Accepted rids, one for each encoding, in the client's order; empty without simulcast.
    #[serde(default)]
    pub rids: Vec<String>,
    /// What the client's description gives of H.264 and H.265; the stream may bring newer ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameter_sets: Vec<ParameterSet>,
    /// An operator muted it: its packets are counted and forwarded to nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
}

/// One NAL unit that a decoder needs before the first picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterSet {
    /// Of the codec it is for.
    pub payload_type: PayloadType,
    pub unit: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveCodec {
    pub codec: Codec,
    pub payload_type: PayloadType,
    /// Payload type of its RTX (RFC 4588).
    #[serde(default)]
    pub rtx: Option<PayloadType>,
    /// Ticks per second of the RTP timestamp.
    pub clock_rate: u32,
    #[serde(default)]
    pub feedback: Feedback,
}

/// RTCP feedback that the answer accepted (RFC 4585, RFC 5104, transport-cc).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Feedback {
    pub nack: bool,
    pub pli: bool,
    pub fir: bool,
    pub transport_cc: bool,
    pub remb: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsrcPair {
    pub ssrc: u32,
    #[serde(default)]
    pub rtx: Option<u32>,
    /// Its place in `a=ssrc-group:SIM`, which names the encodings of an m-line without rids.
    #[serde(default)]
    pub encoding: u8,
}

/// One m-line on which we send. It outlives its source: a publisher that returns under a new
/// [`TrackId`] goes on in the same SSRC with continuous sequence numbers and timestamps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendTrack {
    pub mid: String,
    pub kind: MediaKind,
    /// Our SSRC towards this client.
    pub ssrc: u32,
    #[serde(default)]
    pub rtx_ssrc: Option<u32>,
    /// What to forward; none while nothing is published there, or while paused.
    pub source: Option<TrackId>,
    /// From the publisher's payload type to the viewer's. A packet whose payload type is not here is dropped and counted.
    pub payload_types: Vec<PayloadMap>,
    /// RTCP CNAME, the same for all tracks of one publisher (RFC 7022).
    pub cname: String,
    /// Of several encodings none whose picture is higher than so many lines is sent, if there is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_max: Option<u16>,
}

/// What a viewer's sent tracks forward: of each that is named, this and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointedViewer {
    pub session: SessionId,
    pub epoch: Epoch,
    pub tracks: Vec<PointedTrack>,
}

/// See [`SendTrack`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointedTrack {
    pub ssrc: u32,
    pub source: Option<TrackId>,
    pub payload_types: Vec<PayloadMap>,
}

impl Media {
    /// What leads from `self` to `other`, if they differ in nothing but what the sent tracks forward.
    pub fn pointing_to(&self, other: &Media) -> Option<Vec<PointedTrack>> {
        let is_same_line = |(a, b): (&SendTrack, &SendTrack)| {
            let ssrcs = |track: &SendTrack| (track.ssrc, track.rtx_ssrc, track.kind, track.height_max);
            ssrcs(a) == ssrcs(b) && (&a.mid, &a.cname) == (&b.mid, &b.cname)
        };
        let is_same = self.extensions == other.extensions
            && self.reports_streams == other.reports_streams
            && self.receive == other.receive
            && self.send.len() == other.send.len()
            && self.send.iter().zip(&other.send).all(is_same_line);
        let pairs = self.send.iter().zip(&other.send);
        let changed = pairs.filter(|(a, b)| (a.source, &a.payload_types) != (b.source, &b.payload_types));
        let pointed = |(_, track): (&SendTrack, &SendTrack)| PointedTrack {
            ssrc: track.ssrc,
            source: track.source,
            payload_types: track.payload_types.clone(),
        };
        is_same.then(|| changed.map(pointed).collect())
    }

    /// Points the tracks that are there.
    pub fn point(&mut self, tracks: Vec<PointedTrack>) {
        for pointed in tracks {
            if let Some(track) = self.send.iter_mut().find(|track| track.ssrc == pointed.ssrc) {
                (track.source, track.payload_types) = (pointed.source, pointed.payload_types);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadMap {
    pub codec: Codec,
    pub clock_rate: u32,
    pub from: PayloadType,
    pub to: PayloadType,
    /// The viewer's payload type for RTX of `to`; none when it takes no RTX (then repeats go out as they were).
    #[serde(default)]
    pub rtx: Option<PayloadType>,
    /// The viewer sends generic NACK for `to`.
    #[serde(default)]
    pub nack: bool,
}

/// How a viewer's page shows one sent m-line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    pub mid: String,
    /// In device pixels; 0 if it is not known.
    pub width: u16,
    pub height: u16,
    /// What is not gets nothing.
    pub visible: bool,
    /// What somebody chose to look at.
    #[serde(default)]
    pub pinned: bool,
    /// 128 is usual; twice as much counts twice.
    #[serde(default = "Tile::usual_priority")]
    pub priority: u8,
}

impl Tile {
    pub const PRIORITY_USUAL: u8 = 128;

    fn usual_priority() -> u8 {
        Tile::PRIORITY_USUAL
    }
}
