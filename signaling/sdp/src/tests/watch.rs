//! What a viewer is sent: payload types, profiles, messages, and publishers that come and go.

use chappe_sfu_api::{Codec, Feedback, MediaKind, PayloadType};

use super::*;
use crate::codec::suitability;

fn codec(codec: Codec, payload_type: u8, fmtp: &str) -> NegotiatedCodec {
    NegotiatedCodec {
        codec,
        payload_type: PayloadType(payload_type),
        rtx: None,
        clock_rate: if matches!(codec, Codec::Opus | Codec::Red) { 48_000 } else { 90_000 },
        channels: matches!(codec, Codec::Opus | Codec::Red).then_some(2),
        fmtp: fmtp.to_owned(),
        feedback: Feedback::default(),
    }
}

fn video(codecs: Vec<NegotiatedCodec>) -> SourceTrack {
    SourceTrack { track: TrackId(77), kind: MediaKind::Video, codecs }
}

fn h264(profile: &str, mode: u8) -> NegotiatedCodec {
    codec(Codec::H264, 96, &format!("packetization-mode={mode};profile-level-id={profile}"))
}

#[test]
fn h264_decodes_its_own_line_and_those_below_in_the_same_or_the_larger_mode() {
    let fits = |sent: (&str, u8), taken: (&str, u8)| suitability(&h264(sent.0, sent.1), &h264(taken.0, taken.1));
    let cases = [
        // The same, at whatever level.
        (("42e01f", 1), ("42e034", 1), true),
        // Baseline and Constrained Baseline, both ways.
        (("42001f", 1), ("42e01f", 1), true),
        (("42e01f", 1), ("42001f", 1), true),
        // A larger profile decodes a smaller one and not the other way round.
        (("42e01f", 1), ("640c1f", 1), true),
        (("4d001f", 1), ("64001f", 1), true),
        (("640033", 1), ("f4001f", 1), true),
        (("64001f", 1), ("4d001f", 1), false),
        (("4d001f", 1), ("42e01f", 1), false),
        // Mode 0 within mode 1.
        (("42e01f", 0), ("42e01f", 1), true),
        (("42e01f", 1), ("42e01f", 0), false),
        // The flags of Extended that mean Constrained Baseline.
        (("42e01f", 1), ("58e01f", 1), true),
        // Nonsense fits nothing.
        (("zzzzzz", 1), ("42e01f", 1), false),
        (("42e01f", 1), ("42e01", 1), false),
    ];
    for (sent, taken, expected) in cases {
        assert_eq!(fits(sent, taken).is_some(), expected, "{sent:?} to {taken:?}");
    }
    assert!(fits(("42e01f", 1), ("42e01f", 1)) < fits(("42e01f", 1), ("42001f", 1)), "the exact profile is preferred");
    assert!(fits(("42e01f", 0), ("42e01f", 0)) < fits(("42e01f", 0), ("42e01f", 1)), "the exact mode is preferred");
}

#[test]
fn a_viewer_that_names_no_packetization_mode_takes_both() {
    let (sent, taken) = (h264("42e01f", 1), codec(Codec::H264, 96, ""));
    assert!(suitability(&sent, &taken).is_some(), "GStreamer's player names none");
    assert!(suitability(&sent, &h264("42e01f", 1)) < suitability(&sent, &taken));
}

#[test]
fn of_several_h264_profiles_a_viewer_gets_the_one_that_is_sent() {
    let names = |answer: &WatchAnswer| {
        let line = answer.sdp.lines().find(|l| l.starts_with("m=video")).expect("video").to_owned();
        line.split(' ').skip(3).map(str::to_owned).collect::<Vec<_>>()
    };
    // Chromium lists 42001f (102), 42e01f (108) and 4d001f (116) in mode 1.
    let viewer = offer("chromium-whep");
    for (profile, first) in [("42e01f", "108"), ("42001f", "102"), ("4d0028", "116")] {
        let sent = NegotiatedCodec { payload_type: PayloadType(120), ..h264(profile, 1) };
        let answer = watched(&viewer, &slots(&viewer, &[video(vec![sent])]));
        assert_eq!((names(&answer)[0].as_str(), &answer.states[0]), (first, &Showing::Live), "{profile}");
    }
}

#[test]
fn other_codecs_compare_what_decides_decoding() {
    let fits = |kind, sent: &str, taken: &str| suitability(&codec(kind, 1, sent), &codec(kind, 2, taken)).is_some();
    assert!(fits(Codec::Vp9, "", "profile-id=0") && !fits(Codec::Vp9, "profile-id=2", ""));
    assert!(fits(Codec::Av1, "", "level-idx=5;profile=0;tier=0") && !fits(Codec::Av1, "", "profile=1"));
    assert!(fits(Codec::H265, "level-id=93", "profile-id=1;tx-mode=SRST") && !fits(Codec::H265, "profile-id=2", ""));
    assert!(suitability(&codec(Codec::Vp8, 1, ""), &codec(Codec::Vp9, 1, "")).is_none());
}

#[test]
fn a_codec_the_viewer_lacks_is_named_with_what_it_has() {
    let viewer = offer("firefox-whep");
    let answer = watched(&viewer, &slots(&viewer, &[video(vec![h264("42e01f", 1)])]));
    let expected = "the track is sent as H264, and this player offers to decode only VP8, VP9, AV1";
    assert_eq!(answer.states, [Showing::Unsupported(expected.to_owned()), Showing::Waiting]);
    assert_eq!(answer.refusal(), None, "sound may still come");
    // The m-line stays, so that a publisher that returns with VP8 is seen.
    check_answer(recorded("firefox-whep"), &answer.sdp);
    assert_eq!((answer.media.send[0].source, answer.media.send[0].payload_types.len()), (None, 0));

    let refused = watched(&viewer, &slots(&viewer, &[video(vec![h264("42e01f", 1)])])[..1]);
    let refusal = refused.refusal().expect("nothing to see");
    assert_eq!((refusal.code(), refusal.to_string()), ("no_codec", expected.to_owned()));
}

#[test]
fn a_profile_the_viewer_lacks_is_named_too() {
    let viewer = offer("chromium-whep");
    let sent = codec(Codec::Vp9, 98, "profile-id=3");
    let answer = watched(&viewer, &slots(&viewer, &[video(vec![sent])]));
    let state = &answer.states[0];
    assert!(matches!(state, Showing::Unsupported(message) if message.contains("VP9 (profile-id=3)")), "{state:?}");
}

#[test]
fn a_publishers_first_codec_decides_whether_a_viewer_sees_anything() {
    let viewer = offer("libdatachannel-whep");
    let (vp8, vp9) = (codec(Codec::Vp8, 100, ""), codec(Codec::Vp9, 101, ""));
    let live = watched(&viewer, &slots(&viewer, &[video(vec![vp8.clone(), vp9.clone()])]));
    assert_eq!(live.states, [Showing::Live]);
    let black = watched(&viewer, &slots(&viewer, &[video(vec![vp9, vp8])]));
    assert!(matches!(black.states[0], Showing::Unsupported(_)));
}

#[test]
fn red_is_forwarded_only_between_equal_opus_payload_types() {
    let viewer = offer("chromium-whep");
    let audio = |opus| SourceTrack {
        track: TrackId(5),
        kind: MediaKind::Audio,
        codecs: vec![codec(Codec::Opus, opus, ""), codec(Codec::Red, 99, "")],
    };
    let maps = |opus| watched(&viewer, &slots(&viewer, &[audio(opus)])).media.send[1].payload_types.len();
    assert_eq!((maps(111), maps(109)), (2, 1));
}

#[test]
fn an_m_line_without_a_slot_is_inactive() {
    let viewer = offer("chromium-whep");
    let answer = watched(&viewer, &slots(&viewer, &[])[..1]);
    check_answer(recorded("chromium-whep"), &answer.sdp);
    let media = parse(&answer.sdp).media_descriptions;
    assert!(media[0].has_attribute("sendonly") && media[1].has_attribute("inactive"));
    assert_eq!(answer.media.send.len(), 1);
}

#[test]
fn a_slot_for_an_m_line_that_is_not_there_is_an_error() {
    let viewer = offer("chromium-whep");
    let mut wrong = slots(&viewer, &[]);
    wrong[0].mid = "7".to_owned();
    let result = answer_watch(&viewer, &local(), &wrong, None, &mut ssrcs());
    assert_eq!(result.err(), Some(SdpError::NoSuchMid { mid: "7".to_owned() }));
}

#[test]
fn an_m_line_shows_one_track() {
    let viewer = offer("chromium-whep");
    let mut twice = slots(&viewer, &[]);
    twice[1].mid = "0".to_owned();
    let answer = watched(&viewer, &twice);
    assert_eq!(answer.media.send.len(), 1);
    assert_eq!(answer.states[1], Showing::Unsupported("m-line `0` already shows another track".to_owned()));
}

#[test]
fn a_slot_of_the_wrong_kind_says_so() {
    let viewer = offer("chromium-whep");
    let mut crossed = slots(&viewer, &[]);
    crossed[1].source = Some(video(vec![codec(Codec::Vp8, 96, "")]));
    let answer = watched(&viewer, &crossed);
    assert_eq!(answer.states[1], Showing::Unsupported("this m-line takes audio and the track is video".to_owned()));
}

#[test]
fn viewers_get_transport_wide_numbers_if_they_read_them_and_need_no_other_estimate() {
    for (name, text) in VIEWERS {
        let viewer = offer(name);
        let answer = watched(&viewer, &slots(&viewer, &[]));
        let is_offered = text.contains(TRANSPORT_CC) && text.contains("transport-cc");
        assert_eq!(answer.media.extensions.transport_cc.is_some(), is_offered, "{name}");
        assert_eq!(answer.sdp.contains(TRANSPORT_CC), is_offered, "{name}");
        assert_eq!(answer.sdp.contains(" transport-cc\r\n"), is_offered, "{name}");
        for word in ["abs-send-time", "stream-id", "x-google"] {
            assert!(!answer.sdp.contains(word), "{name} {word}");
        }
    }
    let chromium = offer("chromium-whep");
    assert!(!watched(&chromium, &slots(&chromium, &[])).sdp.contains("goog-remb"));
    let without_numbers = recorded("chromium-whep").replace(TRANSPORT_CC, "urn:something:else");
    let chromium = Offer::parse(&without_numbers).expect("an offer");
    let answer = watched(&chromium, &slots(&chromium, &[]));
    assert!(answer.sdp.contains("goog-remb") && !answer.sdp.contains("transport-cc"));
}

#[test]
fn a_viewer_without_rtx_gets_no_transport_wide_numbers_on_what_is_repeated() {
    let without_rtx = recorded("chromium-whep").replace("rtx/90000", "unheard-of/90000");
    let viewer = Offer::parse(&without_rtx).expect("an offer");
    let answer = watched(&viewer, &slots(&viewer, &[]));
    let video = answer.sdp.split("m=").find(|section| section.starts_with("video")).expect("a video m-line");
    assert!(video.contains(" nack\r\n") && !video.contains(TRANSPORT_CC));
}

#[test]
fn a_viewer_that_reports_by_stream_is_answered_so_and_gets_no_transport_wide_numbers() {
    // RFC 8888 section 6 allows the wildcard alone; a client may name its payload types all the same.
    let everywhere = |text: &str| text.replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=rtcp-fb:* ack ccfb\r\n");
    let named = recorded("chromium-whep").lines().fold(String::new(), |text, line| {
        let payload_type = line.strip_prefix("a=rtpmap:").and_then(|rest| rest.split(' ').next());
        let feedback = payload_type.map(|number| format!("a=rtcp-fb:{number} ack ccfb\r\n")).unwrap_or_default();
        format!("{text}{line}\r\n{feedback}")
    });
    for text in [everywhere(recorded("chromium-whep")), named, everywhere(recorded("firefox-whep"))] {
        let viewer = Offer::parse(&text).expect("an offer");
        let answer = watched(&viewer, &slots(&viewer, &[]));
        assert!(answer.media.reports_streams);
        let sections: Vec<&str> = answer.sdp.split("\r\nm=").skip(1).collect();
        assert!(!sections.is_empty());
        for section in sections {
            assert_eq!(section.matches("a=rtcp-fb:* ack ccfb\r\n").count(), 1, "{section}");
        }
        for word in ["transport-cc", TRANSPORT_CC, "goog-remb"] {
            assert!(!answer.sdp.contains(word), "{word}");
        }
        assert_eq!(answer.media.extensions.transport_cc, None);
        // The note keeps it for what is attached later.
        let json = serde_json::to_string(&answer.note).expect("JSON");
        let note: WatchNote = serde_json::from_str(&json).expect("the note survives");
        assert!(attach(&note, &slots(&viewer, &[])).0.reports_streams);
    }
}

#[test]
fn a_viewer_that_does_not_report_by_stream_or_only_in_one_m_line_has_what_it_offers_beside_it() {
    let one = recorded("chromium-whep").replacen("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=rtcp-fb:* ack ccfb\r\n", 1);
    let other = recorded("chromium-whep").replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=rtcp-fb:* ack other\r\n");
    for text in [one.as_str(), &other, recorded("chromium-whep")] {
        let viewer = Offer::parse(text).expect("an offer");
        let answer = watched(&viewer, &slots(&viewer, &[]));
        assert!(!answer.media.reports_streams && !answer.sdp.contains("ccfb"));
        assert!(answer.sdp.contains(" transport-cc\r\n") && answer.media.extensions.transport_cc.is_some());
    }
}

const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

#[test]
fn sound_and_picture_of_a_stream_share_msid_and_cname_and_a_bad_name_is_cleaned() {
    let viewer = offer("chromium-whep");
    let mut named = slots(&viewer, &[]);
    named.iter_mut().for_each(|slot| slot.stream = "my cam\r\na=evil".to_owned());
    let answer = watched(&viewer, &named);
    assert!(
        answer.sdp.contains("a=msid:mycamaevil video-0\r\n") && answer.sdp.contains("a=msid:mycamaevil audio-1\r\n")
    );
    assert!(answer.sdp.contains("a=ssrc:1001 cname:mycamaevil\r\n"));
    assert!(answer.media.send.iter().all(|t| t.cname == "mycamaevil"));
}

#[test]
fn ssrcs_never_repeat_even_when_the_source_of_randomness_does() {
    let viewer = offer("chromium-whep");
    let answer = answer_watch(&viewer, &local(), &slots(&viewer, &[]), None, &mut || 0).expect("an answer");
    let drawn: Vec<u32> = answer.media.send.iter().flat_map(|t| [Some(t.ssrc), t.rtx_ssrc]).flatten().collect();
    assert_eq!(drawn, [1, 2, 3]);
}

#[test]
fn a_publisher_comes_goes_and_returns_with_another_codec_without_a_new_offer() {
    let viewer = offer("chromium-whep");
    let answer = watched(&viewer, &slots(&viewer, &[]));
    let json = serde_json::to_string(&answer.note).expect("JSON");
    let note: WatchNote = serde_json::from_str(&json).expect("the note survives");
    assert_eq!(note, answer.note);

    let (vp8, av1) = (codec(Codec::Vp8, 120, ""), codec(Codec::Av1, 99, ""));
    for (source, to) in [(vp8, 96), (av1, 45)] {
        let (media, states) = attach(&note, &slots(&viewer, &[video(vec![source])]));
        assert_eq!(states, [Showing::Live, Showing::Waiting]);
        assert_eq!(media.send[0].ssrc, answer.media.send[0].ssrc, "the SSRC outlives its source");
        assert_eq!(media.send[0].payload_types[0].to.0, to);
        assert_eq!(media.send[0].source, Some(TrackId(77)));
        assert_eq!(media.extensions, answer.media.extensions);
    }
    let (media, states) = attach(&note, &slots(&viewer, &[]));
    assert_eq!((media, states), (answer.media, answer.states));
}
