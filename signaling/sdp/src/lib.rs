//! Owns SDP: reads a client's offer and writes the answer, and turns both into the numbers that a worker
//! takes. Never does I/O, reads a clock or draws a random number: those come in as arguments.
//!
//! Rules are those of RFC 8829 (JSEP), 9143 (BUNDLE), 8859 and 8866; a WHIP publisher goes through
//! [`answer_publish`], a WHEP player or a watching page through [`answer_watch`], and what either needs to
//! remember is a note that survives in the worker.

#![forbid(unsafe_code)]

mod answer;
mod attribute;
mod bundle;
mod codec;
mod direction;
mod error;
mod extension;
mod fragment;
mod limits;
mod note;
mod offer;
mod parameter_sets;
mod publish;
mod section;
mod simulcast;
#[cfg(test)]
mod tests;
mod watch;

pub use answer::{CandidateTransport, Local, LocalCandidate};
pub use codec::{NegotiatedCodec, codec_name};
pub use error::SdpError;
pub use fragment::{Fragment, parse_fragment, restart_fragment};
pub use limits::{CANDIDATES_MAX, LINES_MAX, SDP_BYTES_MAX};
pub use note::{BundledLine, TransportNote};
pub use offer::Offer;
pub use publish::{PublishAnswer, PublishNote, PublishTerms, answer_publish, negotiate_publish};
pub use watch::{
    Showing, SlotSource, SourceTrack, WantedSlot, WatchAnswer, WatchNote, WatchTerms, answer_watch, attach,
    negotiate_watch,
};
