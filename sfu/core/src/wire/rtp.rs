//! Owns the form of RTP packets (RFC 3550 section 5): headers, header extensions, sequence numbers.
//! Never looks into a payload and never decides what happens to a packet.

pub mod extension;
pub mod header;
pub mod seq;

pub use extension::{Elements, ExtensionKind, ExtensionMap, ExtensionValues, element_mut, write_extensions};
pub use header::{FIXED_HEADER_BYTES, Header, HeaderError, OutgoingHeader, Payload};
pub use seq::{ExtendedSeq, Seq, Ssrc};
