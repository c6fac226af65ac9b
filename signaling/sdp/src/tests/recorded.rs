//! Each recorded offer is answered, in each use it was made for and in those it could be put to.

use chappe_sfu_api::{Codec, DtlsRole, MediaKind};

use super::*;

#[test]
fn every_recorded_publisher_is_answered_by_the_rules() {
    for (name, text) in PUBLISHERS {
        let offer = offer(name);
        let answer = published(&offer);
        check_answer(text, &answer.sdp);
        assert!(!answer.media.receive.is_empty(), "{name} publishes");
        assert!(answer.media.send.is_empty());
        assert_eq!(answer.remote_ice, *offer.ice());
        for track in &answer.media.receive {
            assert!(!track.codecs.is_empty(), "{name}");
            assert_eq!(track.ssrcs.len(), 1, "{name} names its SSRC");
        }
    }
}

#[test]
fn every_recorded_viewer_waits_for_any_codec_it_takes() {
    for (name, text) in VIEWERS {
        let offer = offer(name);
        let answer = watched(&offer, &slots(&offer, &[]));
        check_answer(text, &answer.sdp);
        assert!(answer.states.iter().all(|s| *s == Showing::Waiting), "{name}");
        assert!(answer.media.send.iter().all(|t| t.source.is_none() && t.payload_types.is_empty()));
        assert_eq!(answer.refusal(), None);
    }
}

#[test]
fn every_recorded_viewer_watches_every_recorded_publisher_it_can_decode() {
    for (publisher, _) in PUBLISHERS {
        let sources = sources(&published(&offer(publisher)));
        for (viewer, text) in VIEWERS {
            let offer = offer(viewer);
            let slots = slots(&offer, &sources);
            let answer = watched(&offer, &slots);
            check_answer(text, &answer.sdp);
            for ((slot, state), send) in slots.iter().zip(&answer.states).zip(&answer.media.send) {
                let Some(source) = &slot.source else { continue };
                let sent = source.codecs[0].codec;
                // Firefox ESR on this machine has no H264, and libdatachannel's player asked for VP8 alone.
                let lacks = sent == Codec::H264 && ["firefox-whep", "libdatachannel-whep"].contains(&viewer);
                assert_eq!(*state == Showing::Live, !lacks, "{publisher} to {viewer}: {state:?}");
                assert_eq!(send.source, (!lacks).then_some(source.track));
                assert_eq!(send.payload_types.iter().any(|map| map.codec == sent), !lacks);
            }
        }
    }
}

#[test]
fn a_viewers_first_format_is_what_the_publisher_sends() {
    let sources = sources(&published(&offer("ffmpeg9-whip")));
    let viewer = offer("chromium-whep");
    let answer = watched(&viewer, &slots(&viewer, &sources));
    let video = &parse(&answer.sdp).media_descriptions[0];
    // FFmpeg sends Baseline (42001e) in packetization mode 1: payload type 102 in Chromium, RTX 103.
    assert_eq!(video.media_name.formats[..2], ["102", "103"]);
    let map = answer.media.send[0].payload_types[0];
    assert_eq!((map.from.0, map.to.0, map.rtx.map(|p| p.0), map.nack), (106, 102, Some(103), true));
}

#[test]
fn ffmpeg_gets_a_server_that_starts_dtls_and_no_extensions() {
    for name in ["ffmpeg8-whip", "ffmpeg9-whip"] {
        let answer = published(&offer(name));
        assert_eq!(answer.dtls.role, DtlsRole::Client);
        assert!(answer.sdp.contains("a=setup:active\r\n"));
        assert!(!answer.sdp.contains("a=extmap:"), "none was offered");
        assert!(!answer.sdp.contains("x-google"), "only clients with a bandwidth estimator are told a start rate");
        let first = answer.sdp.lines().find(|l| l.starts_with("a=candidate:")).expect("a candidate");
        assert!(first.contains(" udp ") && first.contains("192.0.2.1"));
    }
    let tracks = published(&offer("ffmpeg9-whip")).media.receive;
    assert_eq!(tracks[1].ssrcs, [chappe_sfu_api::SsrcPair { ssrc: 4049512526, rtx: Some(4049512527), encoding: 0 }]);
    assert_eq!(tracks[1].codecs[0].rtx.map(|p| p.0), Some(105));
}

#[test]
fn gstreamers_bundle_only_m_line_with_port_0_is_not_rejected() {
    let answer = published(&offer("gstreamer-whip"));
    let kinds: Vec<MediaKind> = answer.media.receive.iter().map(|t| t.kind).collect();
    assert_eq!(kinds, [MediaKind::Video, MediaKind::Audio]);
    assert!(answer.sdp.contains("a=group:BUNDLE video0 audio1\r\n"));
}

#[test]
fn firefox_gets_playout_delay_as_a_viewer_only_and_in_its_direction() {
    assert!(!published(&offer("firefox-whip")).sdp.contains("playout-delay"));
    let viewer = offer("firefox-whep");
    let answer = watched(&viewer, &slots(&viewer, &[]));
    assert!(answer.sdp.contains("a=extmap:6/sendonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"));
    assert_eq!(answer.media.extensions.playout_delay, Some(6));
}

/// The answer is kept as a file for people to read. To renew it after a change that is meant, run
/// `CHAPPE_WRITE_SNAPSHOTS=1 cargo nextest run -p chappe-signaling snapshot` and read the difference.
#[test]
fn snapshots_of_the_answers_to_chromium_are_as_reviewed() {
    let publish = published(&offer("chromium-whip"));
    let viewer = offer("chromium-whep");
    let watch = watched(&viewer, &slots(&viewer, &sources(&publish)));
    for (name, sdp) in [("chromium-whip", &publish.sdp), ("chromium-whep", &watch.sdp)] {
        let path = format!("{}/tests/data/answers/{name}.sdp", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("CHAPPE_WRITE_SNAPSHOTS").is_some() {
            std::fs::write(&path, sdp).expect("a writable tree");
        }
        let reviewed = std::fs::read_to_string(&path).expect("the snapshot");
        assert_eq!(*sdp, reviewed, "{path}");
    }
}
