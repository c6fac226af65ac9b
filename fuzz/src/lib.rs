//! Owns the fuzz targets: each takes bytes as somebody outside could have written them, and panics if the code under
//! test does or if it breaks a promise to the others. Never draws a random number: the same bytes do the same.
//!
//! Without a target of its own is what a library reads: HTTP and its framing (hyper), WebSocket frames (tungstenite), TLS
//! (rustls), the answers of an ACME authority (instant-acme), messages of NATS (async-nats). Of the answers to webhooks
//! and traces only the status is looked at; of those of an issuer `token` reads the keys, and beside them one number is
//! read (`max-age`). What a NATS server says of its own, a few numbers in JSON and in subjects, comes from a server that
//! could do as it likes anyway; claims and keys in its store are other nodes', and read with serde alone. Settings, key
//! files and the state of a node are their owner's, and `chappe load` reads what a server says that it was pointed at.
//!
//! `tests/corpus.rs` replays the corpus and changes it for a few seconds, `make fuzz` for as long as it is told.

#![forbid(unsafe_code)]
#![allow(clippy::panic, reason = "a target stops at the first surprise")]

pub mod hunt;

mod change;
mod chat;
mod cluster;
mod doors;
mod events;
mod framing;
mod handshake;
mod input;
mod parsers;
mod relay;
mod sdp;
mod session;
mod token;

#[path = "../../sfu/core/tests/harness/mod.rs"]
mod harness;

/// One way in. Its corpus is `corpus/NAME`.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Longest input worth trying, in bytes.
    pub len_max: usize,
}

/// In the order in which a peer meets them.
pub const TARGETS: [Target; 18] = [
    Target { name: "stun", run: parsers::stun, len_max: 600 },
    Target { name: "handshake", run: handshake::run, len_max: 4_096 },
    Target { name: "rtp", run: parsers::rtp, len_max: 1_500 },
    Target { name: "rtcp", run: parsers::rtcp, len_max: 1_500 },
    Target { name: "layers", run: parsers::layers, len_max: 1_500 },
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

    /// Or changes of it would never come past the parser.
    #[test]
    fn every_page_message_of_the_corpus_is_understood() {
        for input in hunt::corpus(&target("page").expect("a target")).expect("a corpus") {
            assert!(chappe_signaling_edge::page_message(&input), "{}", String::from_utf8_lossy(&input));
        }
    }
}
