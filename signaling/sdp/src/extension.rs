//! Owns which RTP header extensions are accepted, per direction. Never reads one from a packet.

use chappe_sfu_api::Extensions;

use super::codec::Usage;
use super::direction::Direction;

/// One `a=extmap` of an offer that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OfferedExtension {
    pub id: u8,
    /// RFC 8285 section 5: the client uses it in this direction only.
    pub direction: Option<Direction>,
    known: usize,
}

struct Known {
    uri: &'static str,
    id: fn(&mut Extensions) -> &mut Option<u8>,
    publish: bool,
    watch: bool,
}

const KNOWN: [Known; 13] = [
    Known { uri: "urn:ietf:params:rtp-hdrext:sdes:mid", id: |e| &mut e.mid, publish: true, watch: true },
    Known { uri: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", id: |e| &mut e.rid, publish: true, watch: false },
    Known {
        uri: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        id: |e| &mut e.repaired_rid,
        publish: true,
        watch: false,
    },
    Known { uri: TRANSPORT_CC_URI, id: |e| &mut e.transport_cc, publish: true, watch: true },
    Known { uri: ABS_SEND_TIME_URI, id: |e| &mut e.abs_send_time, publish: true, watch: false },
    Known {
        uri: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        id: |e| &mut e.audio_level,
        publish: true,
        watch: true,
    },
    Known { uri: "urn:3gpp:video-orientation", id: |e| &mut e.video_orientation, publish: true, watch: true },
    Known {
        uri: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        id: |e| &mut e.playout_delay,
        publish: true,
        watch: true,
    },
    Known {
        uri: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
        id: |e| &mut e.abs_capture_time,
        publish: true,
        watch: true,
    },
    Known {
        uri: "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
        id: |e| &mut e.video_content_type,
        publish: true,
        watch: true,
    },
    Known {
        uri: "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
        id: |e| &mut e.color_space,
        publish: true,
        watch: true,
    },
    Known {
        uri: "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
        id: |e| &mut e.dependency_descriptor,
        publish: true,
        watch: true,
    },
    Known {
        uri: "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
        id: |e| &mut e.layers_allocation,
        publish: true,
        watch: false,
    },
];

const TRANSPORT_CC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const ABS_SEND_TIME_URI: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";

/// Reads the value of one `a=extmap`: `<id>["/"<direction>] <uri> [<attributes>]`.
pub(super) fn parse_extmap(value: &str) -> Option<OfferedExtension> {
    let mut fields = value.split_whitespace();
    let (name, uri) = (fields.next()?, fields.next()?);
    let (id, direction) = match name.split_once('/') {
        Some((id, direction)) => (id, Some(Direction::parse(direction)?)),
        None => (name, None),
    };
    let id = id.parse().ok().filter(|id| *id != 0 && *id != ONE_BYTE_RESERVED)?;
    Some(OfferedExtension { id, direction, known: KNOWN.iter().position(|known| known.uri == uri)? })
}

/// RFC 8285 section 4.2: 15 is not an id in the one-byte form.
const ONE_BYTE_RESERVED: u8 = 15;
/// The largest id of the one-byte form.
const ONE_BYTE_MAX: u8 = 14;

/// Chooses the extensions of one m-line, enters them into the mapping of the bundle and returns the values
/// of its `a=extmap` lines. An id that means something else in an earlier m-line is left out (RFC 9143
/// section 9.3 forbids it, so that a well-behaved client never gets there).
pub(super) fn negotiate(
    bundle: &mut Extensions,
    offered: &[OfferedExtension],
    allow_mixed: bool,
    usage: Usage,
) -> Vec<String> {
    let mut lines = Vec::new();
    // Transport-wide sequence numbers make the send time superfluous, at 4 bytes per packet.
    let with_transport_cc = offered.iter().any(|e| e.usable(usage, allow_mixed) && e.is_transport_cc());
    for offered in offered {
        if !offered.usable(usage, allow_mixed) || (offered.uri() == ABS_SEND_TIME_URI && with_transport_cc) {
            continue;
        }
        let taken = KNOWN.iter().enumerate().any(|(index, known)| {
            let id = *(known.id)(bundle);
            if index == offered.known { id.is_some_and(|id| id != offered.id) } else { id == Some(offered.id) }
        });
        if taken {
            continue;
        }
        *(KNOWN[offered.known].id)(bundle) = Some(offered.id);
        let direction = offered.direction.map(|d| format!("/{}", d.mirrored().as_str())).unwrap_or_default();
        let line = format!("{}{direction} {}", offered.id, offered.uri());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Whether the m-line's share of the bundle has transport-wide sequence numbers.
pub(super) fn has_transport_cc(bundle: &Extensions, offered: &[OfferedExtension]) -> bool {
    offered.iter().any(|e| e.is_transport_cc() && bundle.transport_cc == Some(e.id))
}

impl OfferedExtension {
    pub(super) fn is_transport_cc(&self) -> bool {
        self.uri() == TRANSPORT_CC_URI
    }

    fn uri(&self) -> &'static str {
        KNOWN[self.known].uri
    }

    fn usable(&self, usage: Usage, allow_mixed: bool) -> bool {
        let known = &KNOWN[self.known];
        let (wanted, flows) = match usage {
            Usage::Publish => (known.publish, self.direction.is_none_or(Direction::sends)),
            Usage::Watch => (known.watch, self.direction.is_none_or(Direction::receives)),
        };
        // An id above 14 needs the two-byte form, which only clients that allow mixing are sure to read.
        wanted && flows && (self.id <= ONE_BYTE_MAX || allow_mixed)
    }
}
