//! Owns the m-lines that the tests use: one VP8 track with RTX.

use chappe_sfu_api::{
    Codec, Feedback, Media, MediaKind, PayloadMap, PayloadType, ReceiveCodec, ReceiveTrack, SendTrack, SsrcPair,
    TrackId,
};

pub const PUBLISHED_SSRC: u32 = 1000;
pub const WATCHED_SSRC: u32 = 2000;

pub fn receive_video(track: u64) -> Media {
    let codec = ReceiveCodec {
        codec: Codec::Vp8,
        payload_type: PayloadType(96),
        rtx: Some(PayloadType(97)),
        clock_rate: 90_000,
        feedback: Feedback { nack: true, pli: true, ..Feedback::default() },
    };
    let receive = ReceiveTrack {
        track: TrackId(track),
        mid: "0".to_owned(),
        kind: MediaKind::Video,
        codecs: vec![codec],
        ssrcs: vec![SsrcPair { ssrc: PUBLISHED_SSRC, rtx: Some(PUBLISHED_SSRC + 1), encoding: 0 }],
        rids: vec![],
        parameter_sets: Vec::new(),
        muted: false,
    };
    Media { receive: vec![receive], ..Media::default() }
}

pub fn watching(track: Option<u64>) -> Media {
    let map = PayloadMap {
        codec: Codec::Vp8,
        clock_rate: 90_000,
        from: PayloadType(96),
        to: PayloadType(120),
        rtx: Some(PayloadType(121)),
        nack: true,
    };
    let send = SendTrack {
        mid: "0".to_owned(),
        kind: MediaKind::Video,
        ssrc: WATCHED_SSRC,
        rtx_ssrc: Some(WATCHED_SSRC + 1),
        source: track.map(TrackId),
        payload_types: vec![map],
        cname: "publisher".to_owned(),
        height_max: None,
    };
    Media { send: vec![send], ..Media::default() }
}

/// A VP8 payload of `length` bytes (RFC 7741): the first packet of a frame, key frame or not.
pub fn vp8(key_frame: bool, length: usize, fill: u8) -> Vec<u8> {
    let mut payload = vec![fill; length.max(11)];
    // S bit: start of a partition; then the frame tag, whose lowest bit is 0 on a key frame.
    payload[0] = 0x10;
    payload[1] = if key_frame { 0x10 } else { 0x11 };
    // Start code and 640×360 of a key frame.
    payload[4..11].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    payload
}
