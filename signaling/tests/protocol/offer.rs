//! Small offers with exactly what a test needs.

/// Audio in Opus and video in one codec, sent.
pub fn publisher(video: &str) -> String {
    offer("sendonly", &[("audio", "opus"), ("video", video)], 1)
}

/// Audio in Opus and video in one codec, received.
pub fn viewer(video: &str) -> String {
    offer("recvonly", &[("audio", "opus"), ("video", video)], 1)
}

/// `generation` makes the ICE credentials: another one is an ICE restart.
pub fn offer(direction: &str, lines: &[(&str, &str)], generation: u32) -> String {
    let mids: Vec<String> = (0..lines.len()).map(|mid| mid.to_string()).collect();
    let mut text =
        format!("v=0\r\no=- 1 {generation} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n", mids.join(" "));
    for (mid, (kind, codec)) in lines.iter().enumerate() {
        let payload_type = 100 + mid;
        let codec = match *codec {
            "opus" => "opus/48000/2",
            "vp8" => "VP8/90000",
            "vp9" => "VP9/90000",
            "pcmu" => "G726-32/8000",
            other => panic!("the tests have no codec {other}"),
        };
        let (ufrag, pwd) = credentials(generation);
        text.push_str(&format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n\
             a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:sha-256 {FINGERPRINT}\r\na=setup:actpass\r\n\
             a=rtcp-mux\r\na=rtpmap:{payload_type} {codec}\r\n"
        ));
        if direction == "sendonly" {
            text.push_str(&format!("a=ssrc:{} cname:test\r\n", 1000 + mid));
        }
    }
    text
}

/// A fragment as PATCH takes it (RFC 8840).
pub fn fragment(generation: u32, candidates: usize) -> String {
    let (ufrag, pwd) = credentials(generation);
    let mut text = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n");
    for port in 0..candidates {
        text.push_str(&format!("a=candidate:1 1 udp 2130706431 127.0.0.1 {} typ host\r\n", 50_000 + port));
    }
    text
}

fn credentials(generation: u32) -> (String, String) {
    (format!("ufrag{generation:04}"), format!("{generation:04}aaaaaaaaaaaaaaaaaaaaaaaa"))
}

const FINGERPRINT: &str =
    "0D:B5:8C:14:DC:DD:B9:5F:97:F8:AD:6D:78:C5:E6:15:ED:BF:4B:56:4E:3D:7F:E4:6C:65:CD:61:EB:A5:DD:77";
