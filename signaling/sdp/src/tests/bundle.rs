//! M-lines of which nothing is taken, and where the transport of the others is described.

use super::*;

/// Chromium's offer with audio first, in PCMU alone, and the video m-line without a transport of its own.
fn pcmu_first(name: &str) -> String {
    let text = recorded(name);
    let mut parts = text.trim_end().split("\r\nm=");
    let head = parts.next().expect("a session part");
    let (video, audio) = (parts.next().expect("video"), parts.next().expect("audio"));
    let audio: Vec<&str> = audio.lines().filter(|l| !l.starts_with("a=rtcp-fb") && !l.starts_with("a=fmtp")).collect();
    let audio = audio.join("\r\n");
    let maps: Vec<&str> = audio.lines().filter(|l| l.starts_with("a=rtpmap:")).collect();
    let mut pcmu = audio.clone();
    for map in &maps {
        pcmu = pcmu.replace(&format!("\r\n{map}"), "");
    }
    let m_line = pcmu.lines().next().expect("an m-line").to_owned();
    let pcmu = pcmu.replace(&m_line, "audio 9 UDP/TLS/RTP/SAVPF 0") + "\r\na=rtpmap:0 PCMU/8000";
    let port = video.split(' ').nth(1).expect("a port");
    let bare = ["a=ice-", "a=fingerprint", "a=setup", "a=candidate"];
    let video: Vec<&str> = video.lines().filter(|l| !bare.iter().any(|key| l.starts_with(key))).collect();
    let video = video.join("\r\n").replacen(&format!("video {port} "), "video 0 ", 1) + "\r\na=bundle-only";
    format!("{}\r\nm={pcmu}\r\nm={video}\r\n", head.replace("BUNDLE 0 1", "BUNDLE 1 0"))
}

fn lines(sdp: &str, at: usize) -> Vec<&str> {
    sdp.split("\r\nm=").nth(at + 1).expect("an m-line").lines().collect()
}

/// Holds what is not taken, and what the transport hangs on.
fn check_held(sdp: &str, offered: &Offer) {
    assert!(sdp.contains("a=group:BUNDLE 1 0\r\n"), "{sdp}");
    let (held, taken) = (lines(sdp, 0), lines(sdp, 1));
    assert_eq!(held[0], "audio 7000 UDP/TLS/RTP/SAVPF 0");
    for line in
        ["a=mid:1", "a=inactive", "a=rtcp-mux", "a=rtpmap:0 PCMU/8000", "a=ice-ufrag:chap", "a=end-of-candidates"]
    {
        assert!(held.contains(&line), "{line} is missing in {sdp}");
    }
    assert!(!taken.iter().any(|line| line.starts_with("a=candidate")), "{sdp}");
    assert_eq!(offered.ice().ufrag.len(), 4, "of the m-line that has one");
}

#[test]
fn a_tagged_m_line_that_a_publisher_sends_nothing_usable_on_is_inactive_and_carries_the_transport() {
    let text = pcmu_first("chromium-whip");
    let offered = Offer::parse(&text).expect("an offer");
    let answer = published(&offered);
    check_answer(&text, &answer.sdp);
    check_held(&answer.sdp, &offered);
    assert_eq!(answer.media.receive.len(), 1);
    let fragment = restart_fragment(&local(), &answer.note.transport);
    assert!(fragment.contains("a=group:BUNDLE 1 0\r\nm=audio"), "{fragment}");
}

#[test]
fn a_viewer_with_one_usable_m_line_of_two_is_sent_what_that_takes() {
    let text = pcmu_first("chromium-whep");
    let offered = Offer::parse(&text).expect("an offer");
    assert_eq!(offered.viewer_lines().map(|(mid, _)| mid).collect::<Vec<_>>(), ["0"]);
    let sources = sources(&published(&offer("chromium-whip")));
    let slot = SlotSource {
        mid: "0".to_owned(),
        stream: "camera".to_owned(),
        source: sources.first().cloned(),
        height_max: None,
    };
    let answer = watched(&offered, &[slot]);
    check_answer(&text, &answer.sdp);
    check_held(&answer.sdp, &offered);
    assert_eq!(answer.states, [Showing::Live]);
}

#[test]
fn an_m_line_that_is_not_tagged_is_rejected_when_nothing_of_it_is_taken() {
    let text = pcmu_first("chromium-whip").replace("BUNDLE 1 0", "BUNDLE 0 1");
    // Then the transport is described in the video m-line.
    let transport: Vec<&str> = lines(&text, 0)
        .into_iter()
        .filter(|l| ["a=ice-", "a=fing", "a=setup"].iter().any(|k| l.starts_with(k)))
        .collect();
    let text = text.replace("a=bundle-only", &transport.join("\r\n")).replace("m=video 0 ", "m=video 9 ");
    let answer = published(&Offer::parse(&text).expect("an offer"));
    check_answer(&text, &answer.sdp);
    assert!(answer.sdp.contains("a=group:BUNDLE 0\r\n") && answer.sdp.contains("m=audio 0 UDP"), "{}", answer.sdp);
}

#[test]
fn a_tagged_m_line_that_is_no_media_gives_way_to_the_next() {
    let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=ice-ufrag:other\r\na=ice-pwd:0123456789012345678901234";
    let text = recorded("chromium-whip")
        .replacen("\r\nm=", &format!("\r\n{data}\r\nm="), 1)
        .replace("BUNDLE 0 1", "BUNDLE d 0 1");
    let offered = Offer::parse(&text).expect("an offer");
    let answer = published(&offered);
    check_answer(&text, &answer.sdp);
    assert_eq!(offered.ice(), offer("chromium-whip").ice(), "of the m-line that stays");
    assert!(answer.sdp.contains("a=group:BUNDLE 0 1\r\n") && answer.sdp.contains("m=application 0 "), "{}", answer.sdp);
}

#[test]
fn one_usable_m_line_needs_no_bundle_with_what_is_left_out() {
    let text = pcmu_first("chromium-whip")
        .replace("a=group:BUNDLE 1 0\r\n", "")
        .replace("a=bundle-only\r\n", "")
        .replace("m=video 0 ", "m=video 9 ");
    let own = "a=ice-ufrag:mine\r\na=ice-pwd:0123456789012345678901234\r\na=setup:actpass\r\na=fingerprint:sha-256 ";
    let text = format!("{text}{own}{}\r\n", vec!["A5"; 32].join(":"));
    let offered = Offer::parse(&text).expect("an offer");
    let answer = published(&offered);
    check_answer(&text, &answer.sdp);
    assert_eq!(offered.ice().ufrag, "mine", "of the m-line that is taken");
    assert!(answer.sdp.contains("m=audio 0 ") && !answer.sdp.contains("BUNDLE"), "{}", answer.sdp);
}

#[test]
fn of_several_groups_the_one_with_media_for_us_is_taken() {
    let text = pcmu_first("chromium-whip")
        .replace("BUNDLE 1 0", "BUNDLE 1\r\na=group:BUNDLE 0")
        .replace("m=video 0 ", "m=video 9 ");
    let own = "a=ice-ufrag:mine\r\na=ice-pwd:0123456789012345678901234\r\na=setup:actpass\r\na=fingerprint:sha-256 ";
    let text = text.replace("a=bundle-only", &format!("{own}{}", vec!["A5"; 32].join(":")));
    let offered = Offer::parse(&text).expect("an offer");
    let answer = published(&offered);
    check_answer(&text, &answer.sdp);
    assert_eq!(offered.ice().ufrag, "mine");
    assert!(answer.sdp.contains("a=group:BUNDLE 0\r\n") && answer.sdp.contains("m=audio 0 "), "{}", answer.sdp);
}

#[test]
fn what_a_publisher_sends_in_vain_is_named_with_its_m_line() {
    let only = recorded("ffmpeg8-whip")
        .replace("profile-level-id=42001e", "profile-level-id=6e001e")
        .replace("opus/48000/2", "PCMA/8000");
    let refused = answer_publish(&Offer::parse(&only).expect("an offer"), &local(), None, &mut counter());
    let told = refused.expect_err("nothing is usable").to_string();
    assert!(
        told.contains(
            "m-line 0 (audio, mid `0`) offers PCMA; m-line 1 (video, mid `1`) offers H264 (profile-level-id="
        ),
        "{told}"
    );
    // A silent Opus m-line does not make it an offer that sends nothing.
    let text = pcmu_first("chromium-whip");
    let idle =
        text.replacen("a=sendonly", "a=x", 1).replacen("a=sendonly", "a=recvonly", 1).replace("a=x", "a=sendonly");
    let refused = answer_publish(&Offer::parse(&idle).expect("an offer"), &local(), None, &mut counter());
    assert!(matches!(refused, Err(SdpError::NoCommonCodec { .. })), "{refused:?}");
}
