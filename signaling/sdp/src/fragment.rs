//! Owns `application/trickle-ice-sdpfrag` (RFC 8840): what a client sends with PATCH, and the answer to an
//! ICE restart. Never keeps a candidate.

use chappe_sfu_api::IceCredentials;

use super::SdpError;
use super::answer::{Local, kind_name, ordered_candidates, write_candidates, write_ice};
use super::limits::{CANDIDATES_MAX, LINES_MAX, MID_BYTES_MAX, SDP_BYTES_MAX};
use super::note::TransportNote;
use super::offer::valid_ice;
use super::section::is_token_char;

/// What a client's fragment says. Candidates are only counted: an ICE-lite agent learns the client's
/// addresses from its checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Others than those of the session mean an ICE restart (RFC 9725 section 4.3.2).
    pub ice: Option<IceCredentials>,
    pub candidates: usize,
    pub mids: Vec<String>,
    pub end_of_candidates: bool,
}

pub fn parse_fragment(text: &str) -> Result<Fragment, SdpError> {
    if text.len() > SDP_BYTES_MAX {
        return Err(SdpError::TooLong);
    }
    let mut fragment = Fragment { ice: None, candidates: 0, mids: Vec::new(), end_of_candidates: false };
    let (mut ufrag, mut pwd) = (None, None);
    let (mut lines, mut candidates_of_line) = (0_usize, 0_usize);
    for line in text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        let Some((kind, rest)) = line.split_once('=') else {
            return Err(SdpError::Malformed(format!("line `{}` is not of the form a=…", excerpt(line))));
        };
        let (name, value) = rest.split_once(':').unwrap_or((rest, ""));
        match (kind, name) {
            ("m", _) => {
                lines += 1;
                candidates_of_line = 0;
            }
            // The same credentials may be repeated per m-line; the first ones count.
            ("a", "ice-ufrag") => ufrag = ufrag.or(Some(value.to_owned())),
            ("a", "ice-pwd") => pwd = pwd.or(Some(value.to_owned())),
            ("a", "candidate") => {
                candidates_of_line += 1;
                fragment.candidates += 1;
            }
            ("a", "mid") if value.len() > MID_BYTES_MAX || !value.bytes().all(is_token_char) => {
                return Err(SdpError::BadMid { line: lines.saturating_sub(1) });
            }
            ("a", "mid") => fragment.mids.push(value.to_owned()),
            ("a", "end-of-candidates") => fragment.end_of_candidates = true,
            _ => {}
        }
        if lines > LINES_MAX || fragment.mids.len() > LINES_MAX {
            return Err(SdpError::TooManyLines);
        }
        if candidates_of_line > CANDIDATES_MAX {
            return Err(SdpError::TooManyCandidates { line: lines.saturating_sub(1) });
        }
    }
    fragment.ice = match (ufrag, pwd) {
        (None, None) => None,
        (ufrag, pwd) => {
            let ice = IceCredentials { ufrag: ufrag.unwrap_or_default(), pwd: pwd.unwrap_or_default() };
            Some(ice).filter(valid_ice).ok_or(SdpError::BadIceCredentials).map(Some)?
        }
    };
    Ok(fragment)
}

/// The body of the 200 that answers an ICE restart (RFC 9725 section 4.3.2): our new credentials and all
/// our candidates, which are those of before.
pub fn restart_fragment(local: &Local, transport: &TransportNote) -> String {
    let mut out = String::from("a=ice-lite\r\n");
    if local.trickle {
        out.push_str("a=ice-options:trickle\r\n");
    }
    if transport.bundled {
        let mids: Vec<&str> = transport.lines.iter().map(|line| line.mid.as_str()).collect();
        out.push_str(&format!("a=group:BUNDLE {}\r\n", mids.join(" ")));
    }
    // RFC 8840 section 9: a pseudo m-line, of which only kind and mid mean something.
    if let Some(first) = transport.lines.first() {
        out.push_str(&format!("m={} 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{}\r\n", kind_name(first.kind), first.mid));
    }
    write_ice(&mut out, &local.ice);
    write_candidates(&mut out, &ordered_candidates(local), local.proven);
    out
}

fn excerpt(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(40).collect()
}
