//! Owns the SDP of a synthetic client: the smallest offers that a WHIP or WHEP server takes, and what it
//! must know of the answer.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use chappe_sfu_core::dtls::DtlsRole;
use rtc_sdp::SessionDescription;

/// What a synthetic client says about itself.
#[derive(Debug, Clone)]
pub struct Identity {
    pub ufrag: String,
    pub pwd: String,
    /// `sha-256 AB:CD:…`
    pub fingerprint: String,
}

/// What an answer says that a synthetic client needs.
#[derive(Debug, Clone)]
pub struct SdpAnswer {
    pub ufrag: String,
    pub pwd: String,
    pub fingerprint: String,
    /// The first UDP candidate.
    pub remote: SocketAddr,
    /// What it leaves to the client. RFC 8842 section 5.3 wants the server to be active, and one that is not lite is.
    pub role: DtlsRole,
}

pub const AUDIO_PAYLOAD_TYPE: u8 = 111;
pub const VIDEO_PAYLOAD_TYPE: u8 = 96;
pub const RTX_PAYLOAD_TYPE: u8 = 97;
/// Of the extension with transport-wide numbers.
pub const NUMBER_ID: u8 = 3;

/// What a synthetic publisher sends: VP8 or Opus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Video,
    Audio,
}

impl Kind {
    pub fn payload_type(self) -> u8 {
        match self {
            Kind::Video => VIDEO_PAYLOAD_TYPE,
            Kind::Audio => AUDIO_PAYLOAD_TYPE,
        }
    }

    /// RFC 7741 section 6.1 and RFC 7587 section 4.1.
    pub fn clock_khz(self) -> u32 {
        match self {
            Kind::Video => 90,
            Kind::Audio => 48,
        }
    }

    /// As m-lines and slots name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Video => "video",
            Kind::Audio => "audio",
        }
    }

    fn payload_types(self) -> String {
        match self {
            Kind::Video => format!("{VIDEO_PAYLOAD_TYPE} {RTX_PAYLOAD_TYPE}"),
            Kind::Audio => AUDIO_PAYLOAD_TYPE.to_string(),
        }
    }

    fn codecs(self) -> String {
        match self {
            Kind::Video => format!(
                "a=rtpmap:{VIDEO_PAYLOAD_TYPE} VP8/90000\r\na=rtcp-fb:{VIDEO_PAYLOAD_TYPE} nack\r\n\
                 a=rtcp-fb:{VIDEO_PAYLOAD_TYPE} nack pli\r\n\
                 a=rtpmap:{RTX_PAYLOAD_TYPE} rtx/90000\r\na=fmtp:{RTX_PAYLOAD_TYPE} apt={VIDEO_PAYLOAD_TYPE}\r\n"
            ),
            Kind::Audio => format!("a=rtpmap:{AUDIO_PAYLOAD_TYPE} opus/48000/2\r\n"),
        }
    }
}

/// One track that the client sends under `ssrc`.
pub fn publish(identity: &Identity, ssrc: u32, kind: Kind) -> String {
    let media = format!("a=sendonly\r\na=msid:- track\r\na=ssrc:{ssrc} cname:load\r\n");
    offer(identity, kind, &[media])
}

/// One VP8 track that the client wants.
pub fn watch(identity: &Identity) -> String {
    watch_many(identity, Kind::Video, 1)
}

/// The same by a client that tells of each packet when it came.
pub fn watch_and_tell(identity: &Identity) -> String {
    let tells =
        format!("a=recvonly\r\na=extmap:{NUMBER_ID} {TRANSPORT_CC}\r\na=rtcp-fb:{VIDEO_PAYLOAD_TYPE} transport-cc\r\n");
    offer(identity, Kind::Video, &[tells])
}

/// So many tracks of a kind, on m-lines that are called 0, 1, ….
pub fn watch_many(identity: &Identity, kind: Kind, count: usize) -> String {
    offer(identity, kind, &vec!["a=recvonly\r\n".to_owned(); count])
}

impl SdpAnswer {
    pub fn parse(sdp: &str) -> Result<SdpAnswer> {
        let parsed = SessionDescription::unmarshal(&mut std::io::Cursor::new(sdp.as_bytes()))?;
        let media = parsed.media_descriptions.first().context("the answer has no m-line")?;
        let named = |name: &str| {
            let line = media.attribute(name).flatten().map(str::to_owned);
            line.or_else(|| parsed.attribute(name).cloned()).with_context(|| format!("the answer has no a={name}"))
        };
        let candidates = media.attributes.iter().filter(|attribute| attribute.key == "candidate");
        let mut udp = candidates.filter_map(|attribute| udp_address(attribute.value.as_deref()?));
        Ok(SdpAnswer {
            ufrag: named("ice-ufrag")?,
            pwd: named("ice-pwd")?,
            fingerprint: named("fingerprint")?,
            remote: udp.next().context("the answer has no UDP candidate")?,
            role: if named("setup").is_ok_and(|setup| setup == "active") { DtlsRole::Server } else { DtlsRole::Client },
        })
    }
}

/// RFC 8839 section 5.1: foundation component transport priority address port typ …
fn udp_address(candidate: &str) -> Option<SocketAddr> {
    let mut fields = candidate.split_ascii_whitespace().skip(2);
    let transport = fields.next()?;
    let address = fields.nth(1)?.parse().ok()?;
    let port = fields.next()?.parse().ok()?;
    transport.eq_ignore_ascii_case("udp").then(|| SocketAddr::new(address, port))
}

/// An m-line of this kind for each of `lines`, which hold its direction and what goes with it; all in one bundle.
fn offer(identity: &Identity, kind: Kind, lines: &[String]) -> String {
    let Identity { ufrag, pwd, fingerprint } = identity;
    let mids = (0..lines.len()).map(|mid| format!(" {mid}")).collect::<String>();
    let mut text = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE{mids}\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:{fingerprint}\r\na=setup:actpass\r\n"
    );
    for (mid, line) in lines.iter().enumerate() {
        let (name, payload_types, codecs) = (kind.name(), kind.payload_types(), kind.codecs());
        text += &format!(
            "m={name} 9 UDP/TLS/RTP/SAVPF {payload_types}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
             {line}a=rtcp-mux\r\na=rtcp-rsize\r\n{codecs}"
        );
    }
    text
}

const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_its_first_udp_candidate() {
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n\
                   a=fingerprint:sha-256 AB:CD\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n\
                   a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
                   a=candidate:1 1 tcp 1518280447 127.0.0.1 7000 typ host tcptype passive\r\n\
                   a=candidate:2 1 udp 2130706431 127.0.0.1 7000 typ host\r\n";
        let answer = SdpAnswer::parse(sdp).expect("a sound answer");
        assert_eq!(answer.remote, "127.0.0.1:7000".parse().expect("an address"));
        assert_eq!((answer.ufrag.as_str(), answer.fingerprint.as_str()), ("abcd", "sha-256 AB:CD"));
        assert_eq!(answer.role, DtlsRole::Client);
        let active = sdp.replace("a=ice-ufrag", "a=setup:active\r\na=ice-ufrag");
        assert_eq!(SdpAnswer::parse(&active).expect("a sound answer").role, DtlsRole::Server);
    }
}
