//! Owns SDP: reads a client's offer and writes the answer, and turns both into the numbers that a worker
//! takes. Never does I/O, reads a clock or draws a random number: those come in as arguments.
//!
//! Rules are those of RFC 8829 (JSEP), 9143 (BUNDLE), 8859 and 8866; a WHIP publisher goes through
//! [`answer_publish`], a WHEP player or a watching page through [`answer_watch`], and what either needs to
//! remember is a note that survives in the worker.

mod error;
mod offer;
mod section;
mod codec;
mod extension;
mod publish;
mod watch;
mod fragment;
mod answer;
mod note;
mod limits;
#[cfg(test)]
mod tests;

pub use answer::{CandidateTransport, Local, LocalCandidate};
pub use codec::{NegotiatedCodec, codec_name};
pub use error::SdpError;
pub use fragment::{Fragment, parse_fragment, restart_fragment};
pub use limits::{CANDIDATES_MAX, LINES_MAX, SDP_BYTES_MAX};
pub use note::{BundledLine, TransportNote};
pub use offer::Offer;
pub use publish::{PublishAnswer, PublishNote, answer_publish};
pub use watch::{Slot, SlotState, SourceTrack, WatchAnswer, WatchNote, answer_watch, attach};
