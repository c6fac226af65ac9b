//! Owns how a client says what became of what is sent to it, as it was negotiated. Never reads what it says.

use crate::clients::delivery::Sender;
use crate::wire::rtp::{ExtensionKind, ExtensionMap};

/// How a client says what became of each packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// By the transport-wide number that each packet carries.
    ByNumber,
    /// By SSRC and sequence number (RFC 8888): packets carry no such number.
    ByStream,
    /// It does not: its receiver reports and REMB are all there is.
    #[default]
    None,
}

impl Acknowledgement {
    /// `reports_streams` where the client sends congestion control feedback (RFC 8888), which goes before numbers.
    pub fn negotiated(extensions: &ExtensionMap, reports_streams: bool) -> Acknowledgement {
        match extensions.id(ExtensionKind::TransportCc) {
            _ if reports_streams => Acknowledgement::ByStream,
            Some(_) => Acknowledgement::ByNumber,
            None => Acknowledgement::None,
        }
    }

    /// Whether the client tells the fate of each packet.
    #[inline]
    pub fn is_per_packet(self) -> bool {
        self != Acknowledgement::None
    }

    /// Whether the packets of a sender have transport-wide numbers, which they carry or which are kept beside them.
    #[inline]
    pub fn numbers(self, sender: &Sender) -> bool {
        match self {
            Acknowledgement::ByNumber => sender.is_numbered(),
            Acknowledgement::ByStream => true,
            Acknowledgement::None => false,
        }
    }
}
