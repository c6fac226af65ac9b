use proptest::prelude::*;

use super::*;

fn is_keyframe_start(codec: Codec, payload: &[u8]) -> bool {
    find_start(codec, payload) != Start::No
}

#[test]
fn each_audio_packet_is_a_start() {
    assert!(is_keyframe_start(Codec::Opus, &[]));
    assert!(is_keyframe_start(Codec::Red, &[1]));
}

#[test]
fn vp8_starts_at_the_first_packet_of_an_intra_frame() {
    // Chromium: X and S set, I, L and T|K present, 15-bit picture id, then the frame header.
    let key = [0x90, 0xf0, 0x92, 0x34, 0x01, 0x00, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a];
    assert!(is_keyframe_start(Codec::Vp8, &key));
    let mut inter = key;
    inter[6] = 0x11;
    assert!(!is_keyframe_start(Codec::Vp8, &inter), "P is set");
    let mut later = key;
    later[0] = 0x80;
    assert!(!is_keyframe_start(Codec::Vp8, &later), "not the start of a partition");
    let mut second_partition = key;
    second_partition[0] = 0x91;
    assert!(!is_keyframe_start(Codec::Vp8, &second_partition));
    assert!(is_keyframe_start(Codec::Vp8, &[0x10, 0x10, 0x02, 0x00]), "FFmpeg: no extension");
    assert!(is_keyframe_start(Codec::Vp8, &[0x90, 0x80, 0x11, 0x10]), "7-bit picture id");
    assert!(!is_keyframe_start(Codec::Vp8, &[0x90, 0x80, 0x91, 0x10]), "ends in the descriptor");
}

#[test]
fn vp9_starts_at_the_lowest_layer_of_a_key_picture() {
    // I, F, B and V set: picture id, then the scalability structure.
    assert!(is_keyframe_start(Codec::Vp9, &[0x9a, 0x81, 0x23, 0x18, 0x01]));
    assert!(!is_keyframe_start(Codec::Vp9, &[0xda, 0x81, 0x23, 0x18, 0x01]), "predicted");
    assert!(!is_keyframe_start(Codec::Vp9, &[0x92, 0x81, 0x23, 0x18, 0x01]), "not the first packet");
    // With layer indices: spatial layer 0, then 1 (which depends on the layer below).
    assert!(is_keyframe_start(Codec::Vp9, &[0xaa, 0x81, 0x23, 0x00, 0x07]));
    assert!(!is_keyframe_start(Codec::Vp9, &[0xa8, 0x81, 0x23, 0x03, 0x07]));
    assert!(!is_keyframe_start(Codec::Vp9, &[0xaa, 0x81]), "ends in the descriptor");
}

#[test]
fn h264_starts_at_parameter_sets_or_the_first_idr_slice() {
    let sps = [0x67, 0x42, 0xc0, 0x1f, 0xda];
    assert!(is_keyframe_start(Codec::H264, &sps));
    // Chromium's STAP-A of SPS and PPS.
    let stap = [0x78, 0, 5, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0, 4, 0x68, 0xce, 0x3c, 0x80];
    assert!(is_keyframe_start(Codec::H264, &stap));
    assert!(!is_keyframe_start(Codec::H264, &[0x78, 0, 2, 0x68, 0xce]), "a PPS alone");
    assert!(is_keyframe_start(Codec::H264, &[0x78, 0, 2, 0x09, 0x10, 0, 2, 0x65, 0x88]), "behind a delimiter");
    assert!(is_keyframe_start(Codec::H264, &[0x65, 0x88, 0x84]), "an IDR slice");
    assert!(!is_keyframe_start(Codec::H264, &[0x65, 0x40, 0x84]), "a later slice of the picture");
    assert!(!is_keyframe_start(Codec::H264, &[0x41, 0x9a, 0x24]), "a predicted slice");
    assert!(is_keyframe_start(Codec::H264, &[0x7c, 0x85, 0x88]), "FU-A: start of an IDR slice");
    assert!(!is_keyframe_start(Codec::H264, &[0x7c, 0x05, 0x88]), "FU-A: middle");
    assert!(!is_keyframe_start(Codec::H264, &[0x7c, 0x81, 0x9a]), "FU-A: predicted slice");
    assert!(!is_keyframe_start(Codec::H264, &[0x78, 0, 9, 0x67]), "the unit is cut");
}

#[test]
fn h265_starts_at_parameter_sets_or_the_first_irap_segment() {
    assert!(is_keyframe_start(Codec::H265, &[0x40, 0x01, 0x0c]), "VPS");
    assert!(is_keyframe_start(Codec::H265, &[0x42, 0x01, 0x01]), "SPS");
    assert!(!is_keyframe_start(Codec::H265, &[0x44, 0x01, 0xc1]), "PPS");
    assert!(is_keyframe_start(Codec::H265, &[0x26, 0x01, 0xaf]), "IDR_W_RADL");
    assert!(!is_keyframe_start(Codec::H265, &[0x26, 0x01, 0x2f]), "a later segment");
    assert!(is_keyframe_start(Codec::H265, &[0x2a, 0x01, 0xaf]), "CRA");
    assert!(!is_keyframe_start(Codec::H265, &[0x02, 0x01, 0xd0]), "TRAIL_R");
    assert!(is_keyframe_start(Codec::H265, &[0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c, 0, 3, 0x42, 0x01, 0x01]));
    assert!(is_keyframe_start(Codec::H265, &[0x62, 0x01, 0x93, 0xaf]), "FU: start of an IDR");
    assert!(!is_keyframe_start(Codec::H265, &[0x62, 0x01, 0x13, 0xaf]), "FU: middle");
}

#[test]
fn av1_starts_where_a_new_sequence_is_announced() {
    assert!(is_keyframe_start(Codec::Av1, &[0x18, 0x0a, 0x0b, 0, 0]), "N set");
    assert!(!is_keyframe_start(Codec::Av1, &[0x98, 0x0a]), "continues an OBU");
    assert!(is_keyframe_start(Codec::Av1, &[0x20, 0x03, 0x08, 0, 0, 0x30, 1]), "a sequence header, W = 2");
    assert!(is_keyframe_start(Codec::Av1, &[0x00, 0x01, 0x10, 0x03, 0x08, 0, 0]), "behind a delimiter, W = 0");
    assert!(is_keyframe_start(Codec::Av1, &[0x10, 0x08, 0, 0]), "the only element, without a length");
    assert!(!is_keyframe_start(Codec::Av1, &[0x10, 0x30, 0, 0]), "a frame OBU");
    assert!(!is_keyframe_start(Codec::Av1, &[0x20, 0xff, 0xff, 0xff, 0xff]), "an endless length");
}

proptest! {
    #[test]
    fn any_payload_is_answered(payload in prop::collection::vec(any::<u8>(), 0..64)) {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1] {
            let answer = is_keyframe_start(codec, &payload);
            prop_assert!(!(payload.is_empty() && answer));
        }
    }
}
