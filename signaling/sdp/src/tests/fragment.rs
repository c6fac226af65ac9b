//! Trickle and restart fragments.

use super::*;

const TRICKLE: &str = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
    a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
    a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2\r\na=end-of-candidates\r\n";

#[test]
fn the_trickle_fragment_of_rfc_9725_is_read() {
    let fragment = parse_fragment(TRICKLE).expect("a fragment");
    assert_eq!(fragment.ice.as_ref().map(|ice| ice.ufrag.as_str()), Some("EsAw"));
    assert_eq!((fragment.candidates, fragment.end_of_candidates), (2, true));
    assert_eq!(fragment.mids, ["0"]);
    assert_eq!(parse_fragment(&TRICKLE.replace("\r\n", "\n")), Ok(fragment));
    assert_eq!(parse_fragment("").map(|f| f.candidates), Ok(0));
}

#[test]
fn bad_fragments_are_refused() {
    assert_eq!(parse_fragment(&"a".repeat(SDP_BYTES_MAX + 1)), Err(SdpError::TooLong));
    assert!(matches!(parse_fragment("nonsense"), Err(SdpError::Malformed(_))));
    assert_eq!(parse_fragment("a=ice-ufrag:EsAw\r\n"), Err(SdpError::BadIceCredentials));
    assert_eq!(parse_fragment("a=mid:12345678901234567"), Err(SdpError::BadMid { line: 0 }));
    assert_eq!(parse_fragment(&"m=audio 9 x 0\r\n".repeat(LINES_MAX + 1)), Err(SdpError::TooManyLines));
    let candidates = |count| parse_fragment(&"a=candidate:1\r\n".repeat(count));
    assert_eq!(candidates(CANDIDATES_MAX).map(|f| f.candidates), Ok(CANDIDATES_MAX));
    assert_eq!(candidates(CANDIDATES_MAX + 1), Err(SdpError::TooManyCandidates { line: 0 }));
}

#[test]
fn a_restart_is_answered_with_new_credentials_and_all_candidates() {
    let answer = published(&offer("chromium-whip"));
    let mut local = local();
    local.ice.ufrag = "fresh".to_owned();
    let body = restart_fragment(&local, &answer.note.transport);
    let fragment = parse_fragment(&body).expect("what we read ourselves");
    assert_eq!(fragment.ice, Some(local.ice));
    assert_eq!((fragment.candidates, fragment.end_of_candidates), (3, true));
    assert_eq!(fragment.mids, ["0"]);
    assert!(body.starts_with("a=ice-lite\r\na=ice-options:trickle\r\na=group:BUNDLE 0 1\r\nm=video 9 "));
}
