//! Later offers of a session: what stays stable, what is dropped, what is new.

use super::*;

/// The offer with the nth m-line (from 0) changed by `change`.
fn with_line(text: &str, index: usize, change: impl Fn(&str) -> String) -> String {
    let mut parts = text.split("\r\nm=");
    let mut out = parts.next().expect("a session part").to_owned();
    for (at, part) in parts.enumerate() {
        out.push_str("\r\nm=");
        out.push_str(&if at == index { change(part) } else { part.to_owned() });
    }
    out
}

/// The same m-line again under another mid.
fn with_third_line(text: &str, index: usize) -> String {
    let part = text.split("\r\nm=").nth(index + 1).expect("an m-line").trim_end().to_owned();
    let part = part
        .replace(&format!("a=mid:{index}"), "a=mid:2")
        .lines()
        .filter(|l| !l.starts_with("a=ssrc"))
        .collect::<Vec<_>>()
        .join("\r\n");
    format!("{}\r\nm={part}\r\n", text.trim_end()).replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0 1 2")
}

fn republished(text: &str, previous: &PublishNote, first_id: u64) -> PublishAnswer {
    let mut next = first_id;
    let mut new_id = || {
        next += 1;
        TrackId(next)
    };
    let answer = answer_publish(&Offer::parse(text).expect("an offer"), &local(), Some(previous), &mut new_id)
        .expect("an answer");
    check_answer(text, &answer.sdp);
    answer
}

#[test]
fn the_same_offer_again_changes_only_the_version() {
    let text = recorded("chromium-whip");
    let first = published(&offer("chromium-whip"));
    let again = republished(text, &first.note, 50);
    assert_eq!(again.media, first.media);
    assert_eq!(again.sdp, first.sdp.replace("o=- 7 1 IN", "o=- 7 2 IN"));
}

#[test]
fn a_third_track_is_added_and_the_others_keep_their_ids() {
    let first = published(&offer("chromium-whip"));
    let more = republished(&with_third_line(recorded("chromium-whip"), 0), &first.note, 50);
    let ids: Vec<u64> = more.media.receive.iter().map(|t| t.track.0).collect();
    assert_eq!(ids, [1, 2, 51]);
}

#[test]
fn a_track_that_stops_is_dropped_and_gets_a_new_id_when_it_returns() {
    let text = recorded("chromium-whip");
    let first = published(&offer("chromium-whip"));
    let paused = republished(&with_line(text, 1, |l| l.replace("a=sendonly", "a=inactive")), &first.note, 50);
    assert_eq!(paused.media.receive.len(), 1);
    assert!(parse(&paused.sdp).media_descriptions[1].has_attribute("inactive"));
    let back = republished(text, &paused.note, 60);
    let ids: Vec<u64> = back.media.receive.iter().map(|t| t.track.0).collect();
    assert_eq!(ids, [1, 61]);
}

#[test]
fn all_tracks_may_stop_for_now_and_a_removed_one_leaves_the_bundle() {
    let text = recorded("chromium-whip");
    let first = published(&offer("chromium-whip"));
    let silent = republished(&text.replace("a=sendonly", "a=inactive"), &first.note, 50);
    assert!(silent.media.receive.is_empty());

    let removed = with_line(text, 1, |l| l.replacen("audio 33181", "audio 0", 1))
        .replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0");
    let removed = republished(&removed, &first.note, 50);
    assert_eq!(removed.media.receive.len(), 1);
    assert!(removed.sdp.contains("m=audio 0 ") && removed.sdp.contains("a=group:BUNDLE 0\r\n"));
}

#[test]
fn a_recycled_m_line_is_a_new_track() {
    let text = recorded("chromium-whip");
    let first = published(&offer("chromium-whip"));
    // JSEP recycles the place of a removed m-line under a new mid (RFC 8829 section 5.2.2) …
    let recycled = text.replace("a=mid:1", "a=mid:5").replace("BUNDLE 0 1", "BUNDLE 0 5");
    let ids = |answer: &PublishAnswer| answer.media.receive.iter().map(|t| t.track.0).collect::<Vec<_>>();
    assert_eq!(ids(&republished(&recycled, &first.note, 50)), [1, 51]);
    // … and a client that reuses the mid for another kind means another track as well.
    let swapped = text.replace("a=mid:0", "a=mid:x").replace("a=mid:1", "a=mid:0").replace("a=mid:x", "a=mid:1");
    assert_eq!(ids(&republished(&swapped, &first.note, 50)), [51, 52]);
}

#[test]
fn the_dtls_role_stays_and_another_certificate_is_refused() {
    let first = published(&offer("ffmpeg9-whip"));
    // RFC 8842 section 5.5: a later offer says actpass, whatever the first said.
    let actpass = recorded("ffmpeg9-whip").replace("setup:passive", "setup:actpass");
    let again = answer_publish(&Offer::parse(&actpass).expect("an offer"), &local(), Some(&first.note), &mut counter())
        .expect("an answer");
    assert_eq!(again.dtls, first.dtls);
    assert!(again.sdp.contains("a=setup:active\r\n"));

    for changed in [actpass.replace("actpass", "active"), actpass.replace("0D:B5:8C", "0D:B5:8D")] {
        let result =
            answer_publish(&Offer::parse(&changed).expect("an offer"), &local(), Some(&first.note), &mut counter());
        assert_eq!(result.err(), Some(SdpError::DtlsChanged));
    }
}

#[test]
fn an_ice_restart_keeps_everything_else() {
    let first = published(&offer("chromium-whip"));
    let text = recorded("chromium-whip").replace("a=ice-ufrag:lFu+", "a=ice-ufrag:aaaa");
    let again = republished(&text, &first.note, 50);
    assert_ne!(again.remote_ice, first.remote_ice);
    assert_eq!(again.media, first.media);
}

#[test]
fn a_viewers_ssrcs_stay_while_it_watches_and_are_new_after_a_pause() {
    let text = recorded("chromium-whep");
    let viewer = offer("chromium-whep");
    let first = watched(&viewer, &slots(&viewer, &[]));
    let mut next = 5000;
    let mut draw = || {
        next += 1;
        next
    };
    let mut again = |text: &str, previous: &WatchNote, count: usize| {
        let offer = Offer::parse(text).expect("an offer");
        let slots = slots(&offer, &[]);
        let answer = answer_watch(&offer, &local(), &slots[..count], Some(previous), &mut draw).expect("an answer");
        check_answer(text, &answer.sdp);
        answer
    };
    let more = again(&with_third_line(text, 0), &first.note, 3);
    assert_eq!(more.media.send[..2], first.media.send[..]);
    let all: std::collections::BTreeSet<u32> =
        more.media.send.iter().flat_map(|t| [Some(t.ssrc), t.rtx_ssrc]).flatten().collect();
    assert_eq!(all.len(), 5, "no SSRC twice");

    // Without a slot the second m-line pauses; back again, it starts afresh.
    let paused = again(text, &first.note, 1);
    assert_eq!(paused.media.send[..], first.media.send[..1]);
    let back = again(text, &paused.note, 2);
    assert_eq!(back.media.send[0], first.media.send[0]);
    assert_ne!(back.media.send[1].ssrc, first.media.send[1].ssrc);
}

#[test]
fn a_viewer_may_remove_an_m_line() {
    let viewer = offer("chromium-whep");
    let first = watched(&viewer, &slots(&viewer, &[]));
    let text = with_line(recorded("chromium-whep"), 0, |l| l.replacen("video 51428", "video 0", 1))
        .replace("BUNDLE 0 1", "BUNDLE 1");
    let offer = Offer::parse(&text).expect("an offer");
    let answer =
        answer_watch(&offer, &local(), &slots(&offer, &[]), Some(&first.note), &mut ssrcs()).expect("an answer");
    check_answer(&text, &answer.sdp);
    assert_eq!(answer.media.send[..], first.media.send[1..]);
}

#[test]
fn a_note_of_32_m_lines_is_small() {
    let part = recorded("chromium-whep").split("\r\nm=").nth(1).expect("an m-line").to_owned();
    // Chromium's m-line takes 6 kB, of which 32 do not fit into an offer: the page asks for fewer codecs.
    let wanted = ["96", "97", "102", "103"];
    let keep = |line: &&str| match line.split_once(':') {
        Some(("a=rtpmap" | "a=fmtp" | "a=rtcp-fb", rest)) => {
            wanted.contains(&rest.split(' ').next().unwrap_or_default())
        }
        Some(("a=candidate", _)) => false,
        _ => true,
    };
    let plain: Vec<&str> = part.lines().filter(keep).filter(|line| !line.ends_with("rrtr")).collect();
    let mut text = recorded("chromium-whep").split("\r\nm=").next().expect("a session part").to_owned();
    let mids: Vec<String> = (0..32).map(|mid| mid.to_string()).collect();
    text = text.replace("BUNDLE 0 1", &format!("BUNDLE {}", mids.join(" ")));
    for mid in &mids {
        let line: Vec<String> = plain.iter().map(|l| l.replace("a=mid:0", &format!("a=mid:{mid}"))).collect();
        text.push_str(&format!("\r\nm={}", line.join("\r\n")));
    }
    let offer = Offer::parse(&text).expect("an offer");
    let answer = watched(&offer, &slots(&offer, &[]));
    assert_eq!(answer.media.send.len(), 32);
    let json = serde_json::to_string(&answer.note).expect("JSON");
    assert!(json.len() < 8 << 10, "{} bytes", json.len());
}
