//! Owns reading an offer and refusing what this server can't do at all. Never writes an answer.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::Arc;

use chappe_sfu_api::{DtlsParameters, DtlsRole, Fingerprint, IceCredentials, MediaKind};
use rtc_sdp::{MediaDescription, SessionDescription};

use super::SdpError;
use super::answer::{AnswerHead, AnswerLine, Local};
use super::attribute::{value, values};
use super::bundle::Bundle;
use super::direction::Direction;
use super::limits::{FINGERPRINTS_MAX, LINES_MAX, SDP_BYTES_MAX};
use super::note::{BundledLine, TransportNote};
use super::section::Section;

/// A client's offer that holds together: one transport, ICE credentials, a certificate.
#[derive(Debug, Clone)]
pub struct Offer {
    /// As it came, for a node that answers it in our place.
    text: Arc<str>,
    pub(super) sections: Vec<Section>,
    /// The BUNDLE group that is taken, and the m-line that describes the transport.
    pub(super) bundle: Bundle,
    pub(super) extmap_allow_mixed: bool,
    ice: IceCredentials,
    fingerprints: Vec<Fingerprint>,
    setup: Setup,
}

/// `a=setup` of an offer (RFC 8842 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setup {
    ActPass,
    Active,
    Passive,
}

impl Offer {
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        let description = parse_description(text)?;
        let allow_mixed = description.has_attribute("extmap-allow-mixed");
        // RFC 8866 section 6.7: the session's direction is that of m-lines without one.
        let default_direction = Direction::of(&description.attributes).unwrap_or(Direction::SendRecv);
        let mut sections = Vec::new();
        for (line, media) in description.media_descriptions.iter().enumerate() {
            let mut section = Section::parse(line, media, default_direction)?;
            section.extmap_allow_mixed |= allow_mixed;
            sections.push(section);
        }
        check_mids(&sections)?;
        let bundle = Bundle::choose(&description, &sections)?;
        for section in sections.iter().filter(|s| s.is_usable()) {
            if !section.rtcp_mux && !section.bundle_only && !description.has_attribute("rtcp-mux") {
                return Err(SdpError::NoRtcpMux { line: section.line, mid: section.mid.clone() });
            }
        }
        let tagged = &description.media_descriptions[bundle.tag];
        Ok(Self {
            text: text.into(),
            ice: parse_ice(&description, tagged)?,
            fingerprints: parse_fingerprints(&description, tagged)?,
            setup: parse_setup(&description, tagged)?,
            sections,
            bundle,
            extmap_allow_mixed: allow_mixed,
        })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The client's ICE credentials. In a later offer of a session, others than before mean an ICE restart.
    pub fn ice(&self) -> &IceCredentials {
        &self.ice
    }

    /// The mids of all m-lines that are not removed, in order.
    pub fn mids(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().filter(|s| !s.removed).map(|s| s.mid.as_str())
    }

    /// The m-lines on which the client wants to receive and can be sent something, in order.
    pub fn viewer_lines(&self) -> impl Iterator<Item = (&str, MediaKind)> {
        let receiving = self.sections.iter().filter(|s| s.direction.receives() && s.is_usable());
        receiving.filter_map(|s| s.kind.map(|kind| (s.mid.as_str(), kind)))
    }

    /// Whether the client wants to send audio, and video.
    pub fn publishes(&self) -> (bool, bool) {
        let sends = |kind: MediaKind| {
            self.sections.iter().any(|s| s.direction.sends() && s.is_usable() && s.kind == Some(kind))
        };
        (sends(MediaKind::Audio), sends(MediaKind::Video))
    }

    /// Whether the client reports on packets by SSRC and sequence number (RFC 8888). That is a property of the transport
    /// which each m-line says; libwebrtc, too, takes an offer that says it in some of them for one that does not say it.
    pub(super) fn reports_streams(&self) -> bool {
        let mut usable = self.sections.iter().filter(|section| section.is_usable()).peekable();
        usable.peek().is_some() && usable.all(|section| section.reports_streams)
    }

    /// Our DTLS role and the client's certificate. Once a session has them they stay (RFC 8842 section 5.5:
    /// others mean a new DTLS association, which a worker does not make within a session).
    pub(super) fn dtls(&self, previous: Option<&DtlsParameters>) -> Result<DtlsParameters, SdpError> {
        let role = match (self.setup, previous) {
            (Setup::ActPass, Some(previous)) => previous.role,
            // The client's side starts, as RFC 8842 section 5.3 recommends: it knows first that ICE works.
            (Setup::ActPass | Setup::Active, _) => DtlsRole::Server,
            (Setup::Passive, _) => DtlsRole::Client,
        };
        let dtls = DtlsParameters { role, remote_fingerprints: self.fingerprints.clone() };
        match previous {
            Some(previous) if *previous != dtls => Err(SdpError::DtlsChanged),
            _ => Ok(dtls),
        }
    }

    /// What a worker's answer to it says of the whole session, whose transport is negotiated as noted.
    pub(super) fn answer_head<'a>(&'a self, local: &'a Local, transport: &TransportNote) -> AnswerHead<'a> {
        AnswerHead {
            local,
            role: transport.dtls.role,
            version: transport.version,
            bundle: &self.bundle,
            extmap_allow_mixed: self.extmap_allow_mixed,
        }
    }

    /// What becomes of an m-line of which nothing is taken.
    pub(super) fn left_out(&self, section: &Section, bundle: &mut Vec<BundledLine>) -> AnswerLine {
        match section.kind.filter(|_| self.bundle.holds(section)) {
            Some(kind) => {
                bundle.push(BundledLine { mid: section.mid.clone(), kind });
                AnswerLine::Held
            }
            None => AnswerLine::Rejected,
        }
    }

    /// Why nothing of the offer can be taken.
    pub(super) fn nothing_in_common(&self) -> SdpError {
        let mut told: Vec<String> = self.sections.iter().filter(|s| !s.removed).map(Section::description).collect();
        let more = told.len().saturating_sub(LINES_TOLD_MAX);
        told.truncate(LINES_TOLD_MAX);
        if more > 0 {
            told.push(format!("and {more} more m-lines"));
        }
        SdpError::NoCommonCodec { offered: told.join("; ") }
    }
}

/// M-lines that a message names.
const LINES_TOLD_MAX: usize = 4;

fn parse_description(text: &str) -> Result<SessionDescription, SdpError> {
    if text.len() > SDP_BYTES_MAX {
        return Err(SdpError::TooLong);
    }
    // Clients end lines with LF alone, and web forms with CR alone; rtc-sdp needs an LF.
    let text: String =
        text.split(['\r', '\n']).map(str::trim_end).filter(|l| !l.is_empty()).flat_map(|l| [l, "\n"]).collect();
    if text.lines().filter(|line| line.starts_with("m=")).count() > LINES_MAX {
        return Err(SdpError::TooManyLines);
    }
    check_lines(&text)?;
    SessionDescription::unmarshal(&mut Cursor::new(text.as_bytes())).map_err(|error| {
        let told: String = error.to_string().chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
        // It has nothing to quote where the text ends before `t=`.
        let bare = told.trim_end().ends_with(':');
        SdpError::Malformed(if bare {
            "it ends too early: `v=`, `o=`, `s=`, `t=`, `m=` are needed".to_owned()
        } else {
            told
        })
    })
}

/// rtc-sdp does not say where it stumbled, so what is plainly no SDP is found here.
fn check_lines(text: &str) -> Result<(), SdpError> {
    if text.is_empty() {
        return Err(SdpError::Malformed("it is empty".to_owned()));
    }
    for (index, line) in text.lines().enumerate() {
        let mut bytes = line.bytes();
        if !(bytes.next().is_some_and(|b| b.is_ascii_lowercase()) && bytes.next() == Some(b'=')) {
            let start: String = line.chars().filter(|c| !c.is_control()).take(LINE_CHARS_MAX).collect();
            return Err(SdpError::Malformed(format!(
                "line {} (`{start}`) does not start like `a=`",
                index.saturating_add(1)
            )));
        }
    }
    Ok(())
}

/// How much of a line is quoted.
const LINE_CHARS_MAX: usize = 40;

/// An error may quote the client's text; more of it helps nobody.
const MESSAGE_CHARS_MAX: usize = 120;

fn check_mids(sections: &[Section]) -> Result<(), SdpError> {
    let mut seen = BTreeSet::new();
    for section in sections {
        // A removed m-line may keep the mid that its successor now has.
        if !section.removed && !seen.insert(section.mid.as_str()) {
            return Err(SdpError::DuplicateMid { line: section.line, mid: section.mid.clone() });
        }
    }
    Ok(())
}

/// An attribute of the transport: of the m-line, else of the session.
fn transport_value<'a>(
    description: &'a SessionDescription,
    media: &'a MediaDescription,
    key: &'a str,
) -> Option<&'a str> {
    value(media, key).or_else(|| description.attribute(key).map(|v| v.trim()))
}

fn parse_ice(description: &SessionDescription, media: &MediaDescription) -> Result<IceCredentials, SdpError> {
    let field = |key| transport_value(description, media, key).unwrap_or_default().to_owned();
    let ice = IceCredentials { ufrag: field("ice-ufrag"), pwd: field("ice-pwd") };
    valid_ice(&ice).then_some(ice).ok_or(SdpError::BadIceCredentials)
}

/// RFC 8839 section 5.4, and the four further characters that libwebrtc lets pass.
pub(super) fn valid_ice(ice: &IceCredentials) -> bool {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_=#".contains(&b));
    (4..=256).contains(&ice.ufrag.len()) && (22..=256).contains(&ice.pwd.len()) && plain(&ice.ufrag) && plain(&ice.pwd)
}

fn parse_fingerprints(
    description: &SessionDescription,
    media: &MediaDescription,
) -> Result<Vec<Fingerprint>, SdpError> {
    let mut fingerprints: Vec<Fingerprint> = values(media, "fingerprint").filter_map(parse_fingerprint).collect();
    if fingerprints.is_empty() {
        let session = description.attributes.iter().filter(|a| a.key == "fingerprint");
        fingerprints = session.filter_map(|a| parse_fingerprint(a.value.as_deref()?)).collect();
    }
    fingerprints.truncate(FINGERPRINTS_MAX);
    if fingerprints.is_empty() { Err(SdpError::BadFingerprint) } else { Ok(fingerprints) }
}

/// RFC 8122 section 5. SHA-1 is no longer collision resistant and is not taken.
fn parse_fingerprint(value: &str) -> Option<Fingerprint> {
    let (hash, digest) = value.trim().split_once(char::is_whitespace)?;
    let hash = hash.to_ascii_lowercase();
    let bytes = match hash.as_str() {
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return None,
    };
    let value = digest.trim().to_ascii_uppercase();
    let octets: Vec<&str> = value.split(':').collect();
    let plain = octets.iter().all(|o| o.len() == 2 && o.bytes().all(|b| b.is_ascii_hexdigit()));
    (octets.len() == bytes && plain).then_some(Fingerprint { hash, value })
}

fn parse_setup(description: &SessionDescription, media: &MediaDescription) -> Result<Setup, SdpError> {
    match transport_value(description, media, "setup") {
        Some("actpass") => Ok(Setup::ActPass),
        // RFC 4145 section 4: active when absent.
        Some("active") | None => Ok(Setup::Active),
        Some("passive") => Ok(Setup::Passive),
        Some(other) => Err(SdpError::BadSetup(other.chars().filter(char::is_ascii_graphic).take(16).collect())),
    }
}
