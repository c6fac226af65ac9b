//! Owns the list of the targets: their names, and how long an input of each is worth trying. Never makes an input.

use crate::{chat, cluster, doors, events, framing, handshake, parsers, relay, sdp, session, token};

/// One way in. Its corpus is `corpus/NAME`.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Longest input worth trying, in bytes.
    pub len_max: usize,
}

/// In the order in which a peer meets them.
pub const TARGETS: [Target; 19] = [
    Target { name: "stun", run: parsers::stun, len_max: 600 },
    Target { name: "handshake", run: handshake::run, len_max: 4_096 },
    Target { name: "rtp", run: parsers::rtp, len_max: 1_500 },
    Target { name: "rtcp", run: parsers::rtcp, len_max: 1_500 },
    Target { name: "layers", run: parsers::layers, len_max: 1_500 },
    Target { name: "allocation", run: parsers::allocation, len_max: 255 },
    Target { name: "session", run: session::run, len_max: 4_096 },
    Target { name: "relay", run: relay::run, len_max: 2_048 },
    Target { name: "framing", run: framing::run, len_max: 9_000 },
    Target { name: "turn", run: chappe_signaling_turn_server::fuzz_client_messages, len_max: 4_096 },
    Target { name: "sdp", run: sdp::run, len_max: 16_384 },
    Target { name: "doors", run: doors::run, len_max: 4_096 },
    Target { name: "page", run: page, len_max: 4_096 },
    Target { name: "token", run: token::run, len_max: 4_096 },
    Target { name: "chat", run: chat::run, len_max: 4_096 },
    Target { name: "cluster", run: cluster::run, len_max: 8_192 },
    Target { name: "events", run: events::run, len_max: 16_384 },
    Target { name: "control", run: |bytes| chappe_sfu_worker::fuzz_control_lines(bytes), len_max: 8_192 },
    Target { name: "supervisor", run: chappe_supervisor::fuzz_requests, len_max: 8_192 },
];

fn page(bytes: &[u8]) {
    let _ = chappe_signaling_edge::page_message(bytes);
}

pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt;

    /// Or changes of it would never come past the parser.
    #[test]
    fn every_page_message_of_the_corpus_is_understood() {
        for input in hunt::corpus(&target("page").expect("a target")).expect("a corpus") {
            assert!(chappe_signaling_edge::page_message(&input), "{}", String::from_utf8_lossy(&input));
        }
    }
}
