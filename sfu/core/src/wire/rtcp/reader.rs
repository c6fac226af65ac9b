//! Owns reading compound RTCP packets. Reduced-size packets (RFC 5506) are compound packets of one; what it
//! does not know is skipped.

use super::{
    APPLICATION_FORMAT, BYE, CONGESTION_FORMAT, FEEDBACK_BYTES, FIR_FORMAT, NACK_FORMAT, PADDING_BIT, PAYLOAD_FEEDBACK,
    PLI_FORMAT, RECEIVER_REPORT, REMB_NAME, REPORT_BLOCK_BYTES, ReportBlock, SENDER_REPORT, SENDER_REPORT_BYTES,
    SenderReport, TRANSPORT_CC_FORMAT, TRANSPORT_FEEDBACK, VERSION,
};
use crate::wire::rtcp::congestion_feedback::CongestionFeedback;
use crate::wire::rtcp::transport_feedback::TransportFeedback;
use crate::wire::rtp::{Seq, Ssrc};

/// Iterates the packets of a compound packet that are known here. Malformed content is one error, then the
/// end: what follows can't be trusted to be aligned.
#[derive(Debug, Clone)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

#[derive(Debug, Clone)]
pub enum Packet<'a> {
    SenderReport(SenderReport, ReportBlocks<'a>),
    ReceiverReport { sender: Ssrc, blocks: ReportBlocks<'a> },
    Nack { sender: Ssrc, media: Ssrc, lost: LostSeqs<'a> },
    TransportFeedback { sender: Ssrc, media: Ssrc, feedback: TransportFeedback<'a> },
    CongestionFeedback { sender: Ssrc, feedback: CongestionFeedback<'a> },
    Pli { sender: Ssrc, media: Ssrc },
    Fir { sender: Ssrc, requests: FirRequests<'a> },
    Remb { sender: Ssrc, bitrate_bps: u64 },
    Bye { sources: Sources<'a> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    #[error("the RTCP packet ends before its length says")]
    Short,
    #[error("the RTCP version is not 2")]
    Version,
    #[error("the RTCP packet is too short for its type or its counts")]
    Malformed,
}

impl<'a> Compound<'a> {
    pub fn new(bytes: &'a [u8]) -> Compound<'a> {
        Compound { rest: bytes }
    }

    /// Cuts the next packet off: its count or format, its type and its body without padding.
    fn take(&mut self) -> Result<(u8, u8, &'a [u8]), RtcpError> {
        let (&[first, kind, l0, l1], after) = self.rest.split_first_chunk::<4>().ok_or(RtcpError::Short)?;
        if first >> 6 != VERSION {
            return Err(RtcpError::Version);
        }
        let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let (mut body, rest) = after.split_at_checked(len).ok_or(RtcpError::Short)?;
        if first & PADDING_BIT != 0 {
            let padding = usize::from(*body.last().ok_or(RtcpError::Malformed)?);
            let kept = body.len().checked_sub(padding).filter(|_| padding > 0).ok_or(RtcpError::Malformed)?;
            body = body.get(..kept).ok_or(RtcpError::Malformed)?;
        }
        self.rest = rest;
        Ok((first & 0x1f, kind, body))
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<Packet<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let packet =
                self.take().and_then(|(count, kind, body)| parse(count, kind, body).ok_or(RtcpError::Malformed));
            match packet {
                Ok(Parsed::Known(packet)) => return Some(Ok(packet)),
                Ok(Parsed::Unknown) => {}
                Err(error) => {
                    self.rest = &[];
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

enum Parsed<'a> {
    Known(Packet<'a>),
    Unknown,
}

/// None when the body is too short for what its header promises.
fn parse(count: u8, kind: u8, body: &[u8]) -> Option<Parsed<'_>> {
    Some(Parsed::Known(match (kind, count) {
        (SENDER_REPORT, _) => parse_sender_report(count, body)?,
        (RECEIVER_REPORT, _) => {
            let sender = ssrc_at(body, 0)?;
            Packet::ReceiverReport { sender, blocks: ReportBlocks::take(count, body.get(4..)?)? }
        }
        (BYE, _) => Packet::Bye { sources: Sources { rest: body.get(..usize::from(count) * 4)? } },
        (TRANSPORT_FEEDBACK, NACK_FORMAT) => Packet::Nack {
            sender: ssrc_at(body, 0)?,
            media: ssrc_at(body, 4)?,
            lost: LostSeqs { rest: body.get(FEEDBACK_BYTES..)?, first: Seq(0), mask: 0 },
        },
        (TRANSPORT_FEEDBACK, TRANSPORT_CC_FORMAT) => Packet::TransportFeedback {
            sender: ssrc_at(body, 0)?,
            media: ssrc_at(body, 4)?,
            feedback: TransportFeedback::parse(body.get(FEEDBACK_BYTES..)?)?,
        },
        (TRANSPORT_FEEDBACK, CONGESTION_FORMAT) => Packet::CongestionFeedback {
            sender: ssrc_at(body, 0)?,
            feedback: CongestionFeedback::parse(body.get(4..)?)?,
        },
        (PAYLOAD_FEEDBACK, PLI_FORMAT) => Packet::Pli { sender: ssrc_at(body, 0)?, media: ssrc_at(body, 4)? },
        (PAYLOAD_FEEDBACK, FIR_FORMAT) => {
            Packet::Fir { sender: ssrc_at(body, 0)?, requests: FirRequests { rest: body.get(FEEDBACK_BYTES..)? } }
        }
        (PAYLOAD_FEEDBACK, APPLICATION_FORMAT) if body.get(8..12) == Some(&REMB_NAME) => {
            Packet::Remb { sender: ssrc_at(body, 0)?, bitrate_bps: remb_bitrate(body.get(13..)?.first_chunk()?) }
        }
        _ => return Some(Parsed::Unknown),
    }))
}

fn parse_sender_report(count: u8, body: &[u8]) -> Option<Packet<'_>> {
    let report = SenderReport {
        ssrc: ssrc_at(body, 0)?,
        ntp: u64::from_be_bytes(*body.get(4..)?.first_chunk()?),
        rtp_timestamp: word_at(body, 12)?,
        packets: word_at(body, 16)?,
        bytes: word_at(body, 20)?,
    };
    Some(Packet::SenderReport(report, ReportBlocks::take(count, body.get(SENDER_REPORT_BYTES..)?)?))
}

/// 6 bits of exponent, 18 of mantissa (draft-alvestrand-rmcat-remb section 2.2). More than 64 bits saturate.
fn remb_bitrate(&[high, middle, low]: &[u8; 3]) -> u64 {
    let exponent = u32::from(high >> 2);
    let mantissa = u64::from(u32::from_be_bytes([0, high & 3, middle, low]));
    if exponent > mantissa.leading_zeros() { u64::MAX } else { mantissa.checked_shl(exponent).unwrap_or(0) }
}

/// The report blocks of an SR or RR; at most 31.
#[derive(Debug, Clone)]
pub struct ReportBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> ReportBlocks<'a> {
    /// Profile-specific extensions may follow the blocks and are not read.
    fn take(count: u8, body: &'a [u8]) -> Option<ReportBlocks<'a>> {
        Some(ReportBlocks { rest: body.get(..usize::from(count) * REPORT_BLOCK_BYTES)? })
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.rest.split_first_chunk::<REPORT_BLOCK_BYTES>()?;
        self.rest = rest;
        let lost = word_at(block, 4)?;
        Some(ReportBlock {
            ssrc: ssrc_at(block, 0)?,
            fraction_lost: (lost >> 24) as u8,
            // Shifted up and back down as a signed number: the 24th bit is its sign.
            cumulative_lost: ((lost << 8) as i32) >> 8,
            highest_seq: word_at(block, 8)?,
            jitter: word_at(block, 12)?,
            last_sr: word_at(block, 16)?,
            delay_since_last_sr: word_at(block, 20)?,
        })
    }
}

/// The sequence numbers a generic NACK names: of each entry the packet id and the set bits of its mask
/// (RFC 4585 section 6.2.1).
#[derive(Debug, Clone)]
pub struct LostSeqs<'a> {
    rest: &'a [u8],
    first: Seq,
    mask: u16,
}

impl Iterator for LostSeqs<'_> {
    type Item = Seq;

    fn next(&mut self) -> Option<Seq> {
        if self.mask != 0 {
            let bit = self.mask.trailing_zeros() as u16;
            self.mask &= self.mask - 1;
            return Some(Seq(self.first.0.wrapping_add(bit + 1)));
        }
        let (&[p0, p1, m0, m1], rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        self.first = Seq(u16::from_be_bytes([p0, p1]));
        self.mask = u16::from_be_bytes([m0, m1]);
        Some(self.first)
    }
}

/// The streams of which an FIR wants a key frame, each with its command number (RFC 5104 section 4.3.1.1): a
/// repeated number is a repeat of the same request.
#[derive(Debug, Clone)]
pub struct FirRequests<'a> {
    rest: &'a [u8],
}

impl Iterator for FirRequests<'_> {
    type Item = (Ssrc, u8);

    fn next(&mut self) -> Option<(Ssrc, u8)> {
        let (&[s0, s1, s2, s3, command, _, _, _], rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some((Ssrc(u32::from_be_bytes([s0, s1, s2, s3])), command))
    }
}

/// The SSRCs a BYE names.
#[derive(Debug, Clone)]
pub struct Sources<'a> {
    rest: &'a [u8],
}

impl Iterator for Sources<'_> {
    type Item = Ssrc;

    fn next(&mut self) -> Option<Ssrc> {
        let (word, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(Ssrc(u32::from_be_bytes(*word)))
    }
}

fn word_at(body: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*body.get(at..)?.first_chunk()?))
}

fn ssrc_at(body: &[u8], at: usize) -> Option<Ssrc> {
    word_at(body, at).map(Ssrc)
}
