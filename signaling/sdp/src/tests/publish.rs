//! What a publisher is offered in return: codecs, parameters, feedback, extensions.

use chappe_sfu_api::{Codec, Extensions};

use super::*;

fn video_codecs(answer: &PublishAnswer) -> Vec<(Codec, u8)> {
    let video = answer.media.receive.iter().find(|t| t.kind == chappe_sfu_api::MediaKind::Video).expect("video");
    video.codecs.iter().map(|c| (c.codec, c.payload_type.0)).collect()
}

/// A publisher's offer of one m-line: the browsers' lists are much longer, and only the order matters here. Each codec
/// has an RTX payload type one above its own.
fn sending(codecs: &[&str]) -> String {
    let text = recorded("libwebrtc-whip");
    let head = text.split("\r\nm=").next().expect("a session part");
    let group = head.lines().find(|l| l.starts_with("a=group")).expect("a group");
    let media = text.split("\r\nm=").nth(1).expect("an m-line");
    let transport = media
        .lines()
        .filter(|l| ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup"].iter().any(|key| l.starts_with(key)));
    let transport: String = transport.flat_map(|l| [l, "\r\n"]).collect();
    let (mut formats, mut lines) = (String::new(), String::new());
    for (index, codec) in codecs.iter().enumerate() {
        let (payload_type, rtx) = (100 + 2 * index, 101 + 2 * index);
        let (name, fmtp) = codec.split_once(' ').unwrap_or((codec, ""));
        formats += &format!(" {payload_type} {rtx}");
        lines += &format!("a=rtpmap:{payload_type} {name}/90000\r\na=rtcp-fb:{payload_type} nack pli\r\n");
        if !fmtp.is_empty() {
            lines += &format!("a=fmtp:{payload_type} {fmtp}\r\n");
        }
        lines += &format!("a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={payload_type}\r\n");
    }
    format!(
        "{}\r\nm=video 9 UDP/TLS/RTP/SAVPF{formats}\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n{transport}{lines}",
        head.replace(group, "a=group:BUNDLE 0")
    )
}

/// The codecs as answered, by their place in the offer.
fn answered(codecs: &[&str]) -> Vec<u8> {
    let text = sending(codecs);
    let answer = published(&Offer::parse(&text).expect("an offer"));
    check_answer(&text, &answer.sdp);
    for codec in &answer.media.receive[0].codecs {
        assert_eq!(codec.rtx.map(|rtx| rtx.0), Some(codec.payload_type.0 + 1), "RTX stays with what it repairs");
    }
    let sources = sources(&answer);
    assert_eq!(sources[0].codecs[0].payload_type, answer.media.receive[0].codecs[0].payload_type, "viewers are told");
    video_codecs(&answer).iter().map(|(_, payload_type)| (payload_type - 100) / 2).collect()
}

const HIGH: &str = "H264 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c34";
const BASELINE: &str = "H264 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
const BASELINE_MODE_0: &str = "H264 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f";

#[test]
fn what_most_viewers_decode_comes_first_whatever_the_publisher_likes_best() {
    // Safari's list begins with High, and Firefox decodes Constrained Baseline alone.
    let safari =
        [HIGH, BASELINE, "H265 level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST", "VP8", "VP9 profile-id=0", "AV1"];
    assert_eq!(answered(&safari), [1, 3, 4, 0, 2, 5]);
    assert_eq!(answered(&["AV1 profile=0", "VP8"]), [1, 0]);
    assert_eq!(answered(&["H265", "VP9 profile-id=0"]), [1, 0]);
    assert_eq!(answered(&["VP9 profile-id=2", HIGH, "VP9"]), [2, 1, 0]);
    assert_eq!(answered(&[BASELINE_MODE_0, "VP9", BASELINE]), [2, 0, 1]);
}

#[test]
fn among_codecs_that_all_decode_the_publisher_has_the_choice() {
    assert_eq!(answered(&["VP8", BASELINE, HIGH]), [0, 1, 2]);
    assert_eq!(answered(&[BASELINE, "VP8", HIGH]), [0, 1, 2]);
    // Without a profile it is Baseline (RFC 6184 section 8.1), and Extended held to Baseline's tools is the same.
    assert_eq!(answered(&[HIGH, "H264 packetization-mode=1"]), [1, 0]);
    assert_eq!(answered(&[HIGH, "H264 packetization-mode=1;profile-level-id=58e01f"]), [1, 0]);
    assert_eq!(answered(&[HIGH, "H264 packetization-mode=1;profile-level-id=42c01f"]), [1, 0]);
}

#[test]
fn a_codec_that_few_decode_is_taken_where_it_is_the_only_one() {
    for only in [HIGH, BASELINE_MODE_0, "H265", "AV1", "VP9 profile-id=2"] {
        assert_eq!(answered(&[only]), [0], "{only}");
    }
}

#[test]
fn chromium_goes_on_with_vp8_and_fec_goes() {
    use Codec::{Av1, H264, Vp8, Vp9};
    let expected = [
        (Vp8, 96),
        (H264, 102),
        (H264, 108),
        (H264, 104),
        (H264, 114),
        (Vp9, 98),
        (H264, 116),
        (H264, 39),
        (Vp9, 100),
        (Av1, 45),
    ];
    assert_eq!(video_codecs(&published(&offer("chromium-whip"))), expected);
}

#[test]
fn h264_repeats_profile_mode_and_asymmetry() {
    let sdp = published(&offer("chromium-whip")).sdp;
    let fmtp = "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f;x-google-start-bitrate=1000\r\n";
    assert!(sdp.contains(fmtp), "{sdp}");
}

#[test]
fn opus_comes_before_red_and_keeps_fec_and_stereo() {
    let swapped = recorded("chromium-whip").replace("SAVPF 111 63 ", "SAVPF 63 111 ");
    let answer = published(&Offer::parse(&swapped).expect("an offer"));
    assert!(answer.sdp.contains("m=audio 7000 UDP/TLS/RTP/SAVPF 111 63\r\n"), "{}", answer.sdp);
    assert!(answer.sdp.contains("a=fmtp:111 minptime=10;useinbandfec=1\r\n"));
    assert!(answer.sdp.contains("a=fmtp:63 111/111\r\n"));
    assert!(published(&offer("firefox-whip")).sdp.contains("a=fmtp:109 useinbandfec=1;stereo=1\r\n"));
    let stereo = recorded("gstreamer-whip").replace("sprop-stereo=0", "sprop-stereo=1");
    assert!(published(&Offer::parse(&stereo).expect("an offer")).sdp.contains("a=fmtp:97 stereo=1\r\n"));
}

#[test]
fn feedback_is_what_the_client_offers_and_remb_only_without_transport_cc() {
    let answer = published(&offer("chromium-whip"));
    let vp8 = answer.media.receive[0].codecs[0].feedback;
    assert!(vp8.nack && vp8.pli && vp8.fir && vp8.transport_cc && !vp8.remb);
    assert!(!answer.sdp.contains("goog-remb"));

    // Without the header extension there is nothing to feed back on.
    let without: String = recorded("chromium-whip")
        .lines()
        .filter(|l| !l.contains("transport-wide-cc"))
        .flat_map(|l| [l, "\n"])
        .collect();
    let answer = published(&Offer::parse(&without).expect("an offer"));
    let vp8 = answer.media.receive[0].codecs[0].feedback;
    assert!(!vp8.transport_cc && vp8.remb);
    assert_eq!(answer.media.extensions.abs_send_time, Some(2), "a receiver-side estimate needs the send time");
}

#[test]
fn extensions_keep_the_ids_of_the_offer() {
    let expected = Extensions {
        mid: Some(9),
        rid: Some(10),
        repaired_rid: Some(11),
        transport_cc: Some(4),
        audio_level: Some(14),
        video_orientation: Some(3),
        playout_delay: Some(5),
        video_content_type: Some(6),
        color_space: Some(8),
        ..Extensions::default()
    };
    assert_eq!(published(&offer("chromium-whip")).media.extensions, expected);
}

#[test]
fn announced_rates_of_layers_are_taken_from_publishers_and_not_sent_to_viewers() {
    let line = "a=extmap:13 http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00\r\n";
    let with_line = |name| recorded(name).replace("a=extmap:8 ", &format!("{line}a=extmap:8 "));
    let text = with_line("chromium-whip");
    let answer = published(&Offer::parse(&text).expect("an offer"));
    check_answer(&text, &answer.sdp);
    assert_eq!(answer.media.extensions.layers_allocation, Some(13));
    assert_eq!(answer.sdp.matches(line).count(), 1);
    let offered = Offer::parse(&with_line("chromium-whep")).expect("an offer");
    let answer = watched(&offered, &slots(&offered, &[]));
    assert_eq!(answer.media.extensions.layers_allocation, None);
    assert!(!answer.sdp.contains("video-layers-allocation"));
}

#[test]
fn an_id_that_means_two_things_keeps_its_first_meaning() {
    let text = recorded("chromium-whip").replace(
        "a=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:9 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    );
    let answer = published(&Offer::parse(&text).expect("an offer"));
    assert_eq!((answer.media.extensions.mid, answer.media.extensions.audio_level), (Some(9), None));
}

#[test]
fn ids_of_the_two_byte_form_need_a_client_that_allows_mixing() {
    let far = recorded("chromium-whip").replace("a=extmap:3 ", "a=extmap:20 ");
    let answer = published(&Offer::parse(&far).expect("an offer"));
    assert_eq!(answer.media.extensions.video_orientation, Some(20));
    assert!(answer.sdp.contains("a=extmap-allow-mixed\r\n"));
    let unmixed = far.replace("a=extmap-allow-mixed\r\n", "");
    let answer = published(&Offer::parse(&unmixed).expect("an offer"));
    assert_eq!(answer.media.extensions.video_orientation, None);
    assert!(!answer.sdp.contains("a=extmap-allow-mixed"));
}

fn with_simulcast(lines: &str) -> (String, PublishAnswer) {
    let text = recorded("chromium-whip").replacen("a=sendonly\r\n", &format!("a=sendonly\r\n{lines}"), 1);
    let answer = published(&Offer::parse(&text).expect("an offer"));
    check_answer(&text, &answer.sdp);
    (text, answer)
}

#[test]
fn all_rids_of_a_simulcast_offer_are_taken_in_their_order() {
    let lines = "a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\n";
    let (_, answer) = with_simulcast(lines);
    assert!(answer.sdp.contains("a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n"));
    assert_eq!(answer.media.receive[0].rids, ["q", "h", "f"]);
    assert!(answer.media.receive[1].rids.is_empty(), "nothing of the other m-line");
}

#[test]
fn of_alternatives_the_first_counts_and_what_is_not_described_or_too_much_is_left_out() {
    let lines =
        "a=rid:1 send\r\na=rid:2 send\r\na=rid:3 recv\r\na=rid:4 send\r\na=simulcast:recv 3 send ~1,2;9;3;4\r\n";
    assert_eq!(with_simulcast(lines).1.media.receive[0].rids, ["1", "4"]);
    let all: String = (0..6).map(|rid| format!("a=rid:{rid} send\r\n")).collect();
    let (_, answer) = with_simulcast(&format!("{all}a=simulcast:send 0;1;2;3;4;5\r\n"));
    assert_eq!(answer.media.receive[0].rids, ["0", "1", "2", "3"]);
}

#[test]
fn simulcast_that_is_none_or_cannot_be_told_is_declined() {
    for lines in ["a=rid:q send\r\na=simulcast:send q\r\n", "a=simulcast:send q;h\r\n", "a=simulcast:send\r\n"] {
        let (_, answer) = with_simulcast(lines);
        assert!(answer.media.receive[0].rids.is_empty() && !answer.sdp.contains("simulcast"), "{lines}");
    }
    let lines = "a=rid:q send\r\na=rid:h send\r\na=simulcast:send q;h\r\n";
    let text = recorded("chromium-whip").replacen("a=sendonly\r\n", &format!("a=sendonly\r\n{lines}"), 1);
    let untold = text.replace("sdes:rtp-stream-id", "sdes:something-else");
    let answer = published(&Offer::parse(&untold).expect("an offer"));
    assert!(answer.media.receive[0].rids.is_empty() && !answer.sdp.contains("simulcast"));
}

#[test]
fn a_group_of_ssrcs_names_the_encodings_of_a_client_without_rids() {
    let lines = "a=ssrc-group:FID 11 12\r\na=ssrc-group:FID 21 22\r\na=ssrc-group:SIM 11 21 31\r\na=ssrc:11 cname:x\r\na=ssrc:12 cname:x\r\na=ssrc:21 cname:x\r\na=ssrc:22 cname:x\r\na=ssrc:31 cname:x\r\n";
    let (_, answer) = with_simulcast(lines);
    let pairs: Vec<(u32, Option<u32>, u8)> =
        answer.media.receive[0].ssrcs.iter().map(|p| (p.ssrc, p.rtx, p.encoding)).collect();
    assert!([(11, Some(12), 0), (21, Some(22), 1), (31, None, 2)].iter().all(|pair| pairs.contains(pair)), "{pairs:?}");
}

#[test]
fn data_channels_and_unknown_media_are_refused_in_place() {
    let text = recorded("chromium-whip").replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0 1 2")
        + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=sctp-port:5000\r\n"
        + "m=text 9 RTP/AVP 98\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:98 t140/1000\r\n";
    let answer = published(&Offer::parse(&text).expect("an offer"));
    check_answer(&text, &answer.sdp);
    assert!(answer.sdp.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\n"));
    assert!(answer.sdp.contains("m=text 0 RTP/AVP 98\r\n"));
    assert_eq!(answer.media.receive.len(), 2);
}

#[test]
fn an_m_line_without_a_codec_in_common_does_not_cost_the_others() {
    let text = recorded("chromium-whip")
        .replace("a=rtpmap:111 opus/48000/2", "a=rtpmap:111 speex/16000")
        .replace("a=rtpmap:63 red/48000/2", "a=rtpmap:63 x/1");
    let answer = published(&Offer::parse(&text).expect("an offer"));
    check_answer(&text, &answer.sdp);
    assert_eq!(answer.media.receive.len(), 1);
    assert!(answer.sdp.contains("a=group:BUNDLE 0\r\n"));
}

#[test]
fn profiles_that_few_can_decode_are_not_taken_from_a_publisher() {
    let text = recorded("chromium-whip")
        .replace("profile-level-id=42001f", "profile-level-id=f4001f")
        .replace("a=fmtp:100 profile-id=2", "a=fmtp:100 profile-id=1");
    let codecs = video_codecs(&published(&Offer::parse(&text).expect("an offer")));
    assert!(codecs.iter().all(|(_, payload_type)| ![102, 104, 100].contains(payload_type)), "{codecs:?}");
    assert_eq!(codecs.len(), 7);
}

#[test]
fn payload_types_that_look_like_rtcp_are_not_used() {
    let text = recorded("ffmpeg8-whip").replace("106", "72");
    let answer = published(&Offer::parse(&text).expect("an offer"));
    assert_eq!(answer.media.receive.len(), 1, "only audio is left");
}

#[test]
fn an_ssrc_named_twice_belongs_to_its_first_m_line() {
    let text = recorded("ffmpeg8-whip").replace("1293018355", "2520798426");
    let tracks = published(&Offer::parse(&text).expect("an offer")).media.receive;
    assert_eq!((tracks[0].ssrcs.len(), tracks[1].ssrcs.len()), (1, 0));
}

#[test]
fn one_m_line_needs_neither_bundle_nor_mid() {
    let text = recorded("libdatachannel-whep")
        .replace("recvonly", "sendonly")
        .replace("a=group:BUNDLE video\r\n", "")
        .replace("a=mid:video\r\n", "");
    let answer = published(&Offer::parse(&text).expect("an offer"));
    check_answer(&text, &answer.sdp);
    assert!(!answer.sdp.contains("a=mid") && !answer.sdp.contains("BUNDLE"));
    assert_eq!(answer.media.receive[0].mid, "line0");
}

#[test]
fn the_sessions_direction_is_that_of_m_lines_without_one() {
    let text =
        recorded("chromium-whip").replace("a=sendonly\r\n", "").replacen("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n", 1);
    let answer = published(&Offer::parse(&text).expect("an offer"));
    assert_eq!(answer.sdp, published(&offer("chromium-whip")).sdp);
}

#[test]
fn parameter_sets_of_the_offer_go_to_the_worker_and_what_is_none_does_not() {
    let h264 = "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f";
    let recorded = recorded("chromium-whip");
    assert!(recorded.contains(h264), "the offer has this codec");
    let with = |sprop: &str| {
        let sdp = recorded.replace(h264, &format!("{h264};sprop-parameter-sets={sprop}"));
        let answer = published(&Offer::parse(&sdp).expect("an offer"));
        assert!(!answer.sdp.contains("sprop-parameter-sets"), "we send nothing");
        let video = answer.media.receive.into_iter().find(|line| line.kind == chappe_sfu_api::MediaKind::Video);
        let sets = video.expect("video").parameter_sets;
        assert!(sets.iter().all(|set| set.payload_type.0 == 102));
        sets.into_iter().map(|set| set.unit).collect::<Vec<_>>()
    };
    // RFC 6184 section 8.2.1.
    let sps = vec![0x67, 0x42, 0x00, 0x0a, 0x95, 0xa0, 0x50, 0x7c, 0x40];
    let pps = vec![0x68, 0xce, 0x3c, 0x80];
    assert_eq!(with("Z0IACpWgUHxA,aM48gA=="), [sps.clone(), pps.clone()]);
    assert_eq!(with("Z0IACpWgUHxA,not base64,,aM48gA=="), [sps, pps]);
    assert_eq!(with(&vec!["Z0IACpWgUHxA"; 500].join(",")).len(), 32);
    assert!(with(&"A".repeat(8_000)).is_empty(), "too long for a packet");
}

#[test]
fn h265_names_its_sets_by_kind() {
    let sdp = recorded("chromium-whip").replace("a=rtpmap:102 H264/90000", "a=rtpmap:102 H265/90000").replace(
        "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
        "a=fmtp:102 profile-id=1;sprop-sps=QgEB; sprop-vps=QAEM;sprop-pps=RAHB",
    );
    let answer = published(&Offer::parse(&sdp).expect("an offer"));
    let video = answer.media.receive.iter().find(|line| !line.parameter_sets.is_empty()).expect("sets");
    let first: Vec<u8> = video.parameter_sets.iter().map(|set| set.unit[0]).collect();
    assert_eq!(first, [0x40, 0x42, 0x44]);
}

#[test]
fn the_address_that_the_client_is_known_to_reach_comes_before_all_others() {
    let local = Local { proven: Some("2001:db8::1".parse().expect("an address")), ..local() };
    let answer = answer_publish(&offer("chromium-whip"), &local, None, &mut counter()).expect("an answer");
    let candidates: Vec<Vec<&str>> =
        answer.sdp.lines().filter(|line| line.starts_with("a=candidate:")).map(|it| it.split(' ').collect()).collect();
    assert_eq!(
        candidates.iter().map(|it| (it[2], it[4])).collect::<Vec<_>>(),
        [("udp", "2001:db8::1"), ("udp", "192.0.2.1"), ("tcp", "192.0.2.1")]
    );
    let priority = |index: usize| candidates[index][3].parse::<u32>().expect("a priority");
    assert!(priority(0) > priority(1) && priority(1) > priority(2), "{candidates:?}");
    assert!(answer.sdp.contains("c=IN IP6 2001:db8::1\r\n"));
}
