//! Owns the form of RTCP packets (RFC 3550 section 6, RFC 4585, RFC 5104, REMB): reading a compound packet
//! and writing one, neither with an allocation. Never decides what to report or how to answer.

pub mod congestion_feedback;
pub mod reader;
pub mod transport_feedback;
pub mod writer;

pub use congestion_feedback::{CongestionFeedback, Metric, StreamReport};
pub use reader::{Compound, Packet, RtcpError};
pub use transport_feedback::TransportFeedback;
pub use writer::RtcpWriter;

use crate::wire::rtp::Ssrc;

/// The sender's half of a sender report (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    pub ssrc: Ssrc,
    /// Wall clock in NTP format: seconds since 1900 in the upper 32 bits, fractions below.
    pub ntp: u64,
    pub rtp_timestamp: u32,
    pub packets: u32,
    /// Payload bytes, without headers and padding.
    pub bytes: u32,
}

/// What a receiver says of one stream (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    pub ssrc: Ssrc,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the start, 24 bits with sign: duplicates make it negative.
    pub cumulative_lost: i32,
    /// Highest sequence number received, with its cycles in the upper 16 bits.
    pub highest_seq: u32,
    /// In ticks of the RTP timestamp.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0 without one.
    pub last_sr: u32,
    /// Since that report arrived, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// Packet types (RFC 3550 section 12.1, RFC 4585 section 6.1).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

/// Formats of transport feedback (RFC 4585 section 6.2, RFC 8888 section 3.1, draft-holmer-rmcat-transport-wide-cc).
const NACK_FORMAT: u8 = 1;
const CONGESTION_FORMAT: u8 = 11;
const TRANSPORT_CC_FORMAT: u8 = 15;
/// Formats of payload-specific feedback (RFC 4585 section 6.3, RFC 5104 section 4.3.1).
const PLI_FORMAT: u8 = 1;
const FIR_FORMAT: u8 = 4;
const APPLICATION_FORMAT: u8 = 15;
/// How REMB is told apart from other application feedback (draft-alvestrand-rmcat-remb section 2.2).
const REMB_NAME: [u8; 4] = *b"REMB";

const VERSION: u8 = 2;
const PADDING_BIT: u8 = 0x20;
const SDES_CNAME: u8 = 1;
const REPORT_BLOCK_BYTES: usize = 24;
const SENDER_REPORT_BYTES: usize = 24;
/// Sender SSRC and media SSRC, which open each feedback packet.
const FEEDBACK_BYTES: usize = 8;

#[cfg(test)]
mod tests;
