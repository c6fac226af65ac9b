//! Offers that are refused, each with the message that tells why.

use super::*;

fn refusal(text: &str) -> SdpError {
    let result = Offer::parse(text).and_then(|offer| answer_publish(&offer, &local(), None, &mut counter()));
    result.expect_err("a refusal")
}

#[test]
fn what_is_no_sdp_is_malformed() {
    for text in [
        "",
        "\r\n",
        "hello",
        "v=0",
        "v=1\r\n",
        "{\"sdp\":1}",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video\r\n",
        "=\n=",
        "v=0\no=\n",
    ] {
        assert!(matches!(refusal(text), SdpError::Malformed(_)), "{text:?}: {:?}", refusal(text));
    }
}

#[test]
fn malformed_messages_say_where() {
    let missing = recorded("chromium-whip").replace("a=rtcp-mux\r\n", "rtcp-mux\r\n");
    let expected = "the SDP can't be parsed: line 32 (`rtcp-mux`) does not start like `a=`";
    assert_eq!(refusal(&missing).to_string(), expected);
    assert_eq!(refusal("").to_string(), "the SDP can't be parsed: it is empty");
    assert!(refusal("v=0").to_string().contains("ends too early"), "{}", refusal("v=0"));
}

#[test]
fn malformed_messages_quote_little() {
    assert!(refusal(&"x".repeat(60_000)).to_string().len() < 200);
    assert!(refusal(&format!("v={}", "x".repeat(60_000))).to_string().len() < 200);
}

#[test]
fn line_endings_are_taken_as_they_come() {
    let text = recorded("chromium-whip");
    for other in [
        text.replace("\r\n", "\n"),
        text.replace("\r\n", "\r"),
        text.replace("\r\n", " \r\n\r\n"),
        text.trim_end().to_owned(),
    ] {
        assert_eq!(published(&Offer::parse(&other).expect("an offer")).media, published(&offer("chromium-whip")).media);
    }
}

#[test]
fn limits_are_exact() {
    let text = recorded("chromium-whip");
    let padded = |bytes: usize| format!("{text}a=x:{}\r\n", "y".repeat(bytes - text.len() - 6));
    assert!(Offer::parse(&padded(SDP_BYTES_MAX)).is_ok());
    assert_eq!(refusal(&padded(SDP_BYTES_MAX + 1)), SdpError::TooLong);

    let lines = |count: usize| text.to_owned() + &"m=text 0 RTP/AVP 98\r\n".repeat(count - 2);
    assert!(Offer::parse(&lines(LINES_MAX)).is_ok());
    assert_eq!(refusal(&lines(LINES_MAX + 1)), SdpError::TooManyLines);

    let candidates =
        |count: usize| text.to_owned() + &"a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n".repeat(count - 2);
    assert!(Offer::parse(&candidates(CANDIDATES_MAX)).is_ok());
    assert_eq!(refusal(&candidates(CANDIDATES_MAX + 1)), SdpError::TooManyCandidates { line: 1 });
    assert_eq!(refusal(&candidates(CANDIDATES_MAX + 1)).code(), "too_many");
}

#[test]
fn several_m_lines_need_one_bundle() {
    let text = recorded("chromium-whip");
    let none = refusal(&text.replace("a=group:BUNDLE 0 1\r\n", ""));
    assert_eq!(none, SdpError::NoBundle);
    assert!(none.to_string().contains("bundlePolicy"));
    let outside = refusal(&text.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"));
    assert_eq!(outside, SdpError::OutsideBundle { line: 1, mid: "1".to_owned() });
    let two_groups = text.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0\r\na=group:BUNDLE 1");
    assert_eq!(refusal(&two_groups), SdpError::OutsideBundle { line: 1, mid: "1".to_owned() });
}

#[test]
fn the_transport_must_be_complete() {
    let text = recorded("chromium-whip");
    let cases = [
        (text.replacen("a=rtcp-mux\r\n", "", 1), SdpError::NoRtcpMux { line: 0, mid: "0".to_owned() }),
        (text.replace("a=ice-ufrag:lFu+", "a=ice-ufrag:abc"), SdpError::BadIceCredentials),
        (text.replace("a=ice-ufrag:lFu+", "a=ice-ufrag:a:bcd"), SdpError::BadIceCredentials),
        (text.replace("a=ice-pwd:", "a=x:"), SdpError::BadIceCredentials),
        (text.replace("a=fingerprint:sha-256", "a=fingerprint:md5"), SdpError::BadFingerprint),
        (text.replace(" E2:F0", " E2F0"), SdpError::BadFingerprint),
        (text.replace("setup:actpass", "setup:holdconn"), SdpError::BadSetup("holdconn".to_owned())),
        (text.replace("a=mid:1", "a=mid:0"), SdpError::DuplicateMid { line: 1, mid: "0".to_owned() }),
        (text.replace("a=mid:1", "a=mid:12345678901234567"), SdpError::BadMid { line: 1 }),
        (text.replace("a=mid:1", "a=mid:\"1\""), SdpError::BadMid { line: 1 }),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(&text), expected);
        assert_eq!(expected.code(), "bad_sdp");
    }
}

#[test]
fn an_offer_in_the_wrong_direction_is_told_so() {
    assert_eq!(refusal(recorded("chromium-whep")), SdpError::SendsNothing);
    let publisher = offer("chromium-whip");
    let result = answer_watch(&publisher, &local(), &slots(&publisher, &[]), None, &mut ssrcs());
    assert_eq!(result.err(), Some(SdpError::ReceivesNothing));
}

#[test]
fn nothing_in_common_names_what_was_offered() {
    let text = recorded("ffmpeg8-whip").replace("H264/90000", "H263/90000").replace("opus/48000/2", "PCMU/8000");
    let refused = refusal(&text);
    let offered = "m-line 0 (audio, mid `0`) offers PCMU; m-line 1 (video, mid `1`) offers H263";
    assert_eq!(refused, SdpError::NoCommonCodec { offered: offered.to_owned() });
    assert_eq!(refused.code(), "no_codec");
}

#[test]
fn an_offer_whose_m_lines_are_all_removed_offers_nothing() {
    let text = recorded("ffmpeg8-whip").replace("m=audio 9", "m=audio 0").replace("m=video 9", "m=video 0");
    assert_eq!(refusal(&text), SdpError::NothingOffered);
}

#[test]
fn an_offer_that_would_not_fit_into_a_note_is_refused() {
    let h264 = |index: usize| {
        (96..128).map(|pt| format!("a=rtpmap:{pt} H264/90000\r\na=fmtp:{pt} packetization-mode=1;profile-level-id=42{index:02x}{pt:02x};level-asymmetry-allowed=1\r\n")).collect::<String>()
    };
    let formats: Vec<String> = (96..128).map(|pt| pt.to_string()).collect();
    let mut text = recorded("chromium-whip").split("\r\nm=").next().expect("a session part").to_owned();
    let mids: Vec<String> = (0..16).map(|mid| mid.to_string()).collect();
    text = text.replace("BUNDLE 0 1", &format!("BUNDLE {}", mids.join(" ")));
    let transport: String = recorded("chromium-whip")
        .lines()
        .filter(|l| l.starts_with("a=ice-") || l.starts_with("a=fing"))
        .take(4)
        .flat_map(|l| [l, "\r\n"])
        .collect();
    for (index, mid) in mids.iter().enumerate() {
        let head = format!("\r\nm=video 9 UDP/TLS/RTP/SAVPF {}\r\na=mid:{mid}\r\na=rtcp-mux\r\n", formats.join(" "));
        text.push_str(&format!("{head}{transport}{}", h264(index).trim_end()));
    }
    assert!(text.len() <= SDP_BYTES_MAX, "{}", text.len());
    assert_eq!(refusal(&text), SdpError::TooVaried);
}
