//! Owns writing RTCP packets one after another into a caller's buffer.

use super::{
    APPLICATION_FORMAT, BYE, FEEDBACK_BYTES, FIR_FORMAT, NACK_FORMAT, PAYLOAD_FEEDBACK, PLI_FORMAT, RECEIVER_REPORT,
    REMB_NAME, REPORT_BLOCK_BYTES, ReportBlock, SDES_CNAME, SENDER_REPORT, SENDER_REPORT_BYTES, SOURCE_DESCRIPTION,
    SenderReport, TRANSPORT_CC_FORMAT, TRANSPORT_FEEDBACK, VERSION,
};
use crate::wire::rtp::{Seq, Ssrc};

/// Builds a compound packet. Each method appends one packet, or returns none and appends nothing when it
/// does not fit. A compound packet begins with a report (RFC 3550 section 6.1) unless reduced-size RTCP was
/// negotiated (RFC 5506); that order is the caller's.
#[derive(Debug)]
pub struct RtcpWriter<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> RtcpWriter<'a> {
    pub fn new(out: &'a mut [u8]) -> RtcpWriter<'a> {
        RtcpWriter { out, len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn sender_report(&mut self, report: &SenderReport, blocks: &[ReportBlock]) -> Option<()> {
        let count = report_count(blocks)?;
        let body = self.packet(count, SENDER_REPORT, SENDER_REPORT_BYTES + blocks.len() * REPORT_BLOCK_BYTES)?;
        let body = put(body, &report.ssrc.0.to_be_bytes())?;
        let body = put(body, &report.ntp.to_be_bytes())?;
        let body = put(body, &report.rtp_timestamp.to_be_bytes())?;
        let body = put(body, &report.packets.to_be_bytes())?;
        let body = put(body, &report.bytes.to_be_bytes())?;
        put_blocks(body, blocks)
    }

    pub fn receiver_report(&mut self, sender: Ssrc, blocks: &[ReportBlock]) -> Option<()> {
        let count = report_count(blocks)?;
        let body = self.packet(count, RECEIVER_REPORT, 4 + blocks.len() * REPORT_BLOCK_BYTES)?;
        put_blocks(put(body, &sender.0.to_be_bytes())?, blocks)
    }

    /// A source description of one chunk with the CNAME alone. Each compound packet must have one (RFC 3550
    /// section 6.1). A name of more than 255 bytes does not fit.
    pub fn cname(&mut self, ssrc: Ssrc, name: &str) -> Option<()> {
        let len = u8::try_from(name.len()).ok()?;
        // SSRC, type, length, name and at least one zero that ends the chunk.
        let body = self.packet(1, SOURCE_DESCRIPTION, (4 + 2 + name.len() + 1).next_multiple_of(4))?;
        let body = put(body, &ssrc.0.to_be_bytes())?;
        let body = put(body, &[SDES_CNAME, len])?;
        put(body, name.as_bytes())?.fill(0);
        Some(())
    }

    pub fn pli(&mut self, sender: Ssrc, media: Ssrc) -> Option<()> {
        self.feedback(PLI_FORMAT, PAYLOAD_FEEDBACK, sender, media, 0).map(|_| ())
    }

    /// Each request is an SSRC and its command number, which the caller counts up for each new request
    /// (RFC 5104 section 4.3.1.1).
    pub fn fir(&mut self, sender: Ssrc, requests: &[(Ssrc, u8)]) -> Option<()> {
        // The media SSRC of an FIR is not used and 0 (RFC 5104 section 4.3.1.2).
        let mut rest = self.feedback(FIR_FORMAT, PAYLOAD_FEEDBACK, sender, Ssrc(0), requests.len() * 8)?;
        for (ssrc, command) in requests {
            rest = put(rest, &ssrc.0.to_be_bytes())?;
            rest = put(rest, &[*command, 0, 0, 0])?;
        }
        Some(())
    }

    /// `lost` in ascending order, as `NackSchedule` gives it; what lies within 16 of another shares its entry.
    pub fn nack(&mut self, sender: Ssrc, media: Ssrc, lost: &[Seq]) -> Option<()> {
        let entries = NackEntries { lost }.count();
        let mut rest = self.feedback(NACK_FORMAT, TRANSPORT_FEEDBACK, sender, media, entries * 4)?;
        for (first, mask) in (NackEntries { lost }) {
            rest = put(rest, &first.0.to_be_bytes())?;
            rest = put(rest, &mask.to_be_bytes())?;
        }
        Some(())
    }

    /// The most bits per second that the streams together should have (draft-alvestrand-rmcat-remb).
    pub fn remb(&mut self, sender: Ssrc, bitrate_bps: u64, streams: &[Ssrc]) -> Option<()> {
        let count = u8::try_from(streams.len()).ok()?;
        let body = self.feedback(APPLICATION_FORMAT, PAYLOAD_FEEDBACK, sender, Ssrc(0), 8 + streams.len() * 4)?;
        let body = put(body, &REMB_NAME)?;
        let exponent = (u64::BITS - REMB_MANTISSA_BITS).saturating_sub(bitrate_bps.leading_zeros());
        let [.., high, middle, low] = (bitrate_bps >> exponent).to_be_bytes();
        let mut rest = put(body, &[count, (exponent as u8) << 2 | high, middle, low])?;
        for ssrc in streams {
            rest = put(rest, &ssrc.0.to_be_bytes())?;
        }
        Some(())
    }

    pub fn bye(&mut self, sources: &[Ssrc]) -> Option<()> {
        let count = u8::try_from(sources.len()).ok().filter(|count| *count <= COUNT_MAX)?;
        let mut rest = self.packet(count, BYE, sources.len() * 4)?;
        for ssrc in sources {
            rest = put(rest, &ssrc.0.to_be_bytes())?;
        }
        Some(())
    }

    /// Room for the body of a transport-wide feedback, behind its two SSRCs. `bytes` is a multiple of four.
    pub(crate) fn transport_feedback(&mut self, sender: Ssrc, media: Ssrc, bytes: usize) -> Option<&mut [u8]> {
        self.feedback(TRANSPORT_CC_FORMAT, TRANSPORT_FEEDBACK, sender, media, bytes)
    }

    /// Bytes that still fit.
    pub(crate) fn room(&self) -> usize {
        self.out.len().saturating_sub(self.len)
    }

    fn feedback(&mut self, format: u8, kind: u8, sender: Ssrc, media: Ssrc, bytes: usize) -> Option<&mut [u8]> {
        let body = self.packet(format, kind, FEEDBACK_BYTES + bytes)?;
        put(put(body, &sender.0.to_be_bytes())?, &media.0.to_be_bytes())
    }

    /// Appends a header and gives the body, which its caller fills to the last byte.
    fn packet(&mut self, count: u8, kind: u8, bytes: usize) -> Option<&mut [u8]> {
        let [l0, l1] = u16::try_from(bytes / 4).ok()?.to_be_bytes();
        let start = self.len;
        let end = start.checked_add(HEADER_BYTES + bytes)?;
        let packet = self.out.get_mut(start..end)?;
        self.len = end;
        put(packet, &[VERSION << 6 | count, kind, l0, l1])
    }
}

/// Packs ascending sequence numbers into pairs of a first one and a mask of the 16 that follow it (RFC 4585
/// section 6.2.1).
struct NackEntries<'a> {
    lost: &'a [Seq],
}

impl Iterator for NackEntries<'_> {
    type Item = (Seq, u16);

    fn next(&mut self) -> Option<(Seq, u16)> {
        let (&first, mut rest) = self.lost.split_first()?;
        let mut mask = 0;
        while let Some((&seq, after)) = rest.split_first()
            && let steps @ 1..=16 = seq.steps_after(first)
        {
            mask |= 1 << (steps - 1);
            rest = after;
        }
        self.lost = rest;
        Some((first, mask))
    }
}

fn report_count(blocks: &[ReportBlock]) -> Option<u8> {
    u8::try_from(blocks.len()).ok().filter(|count| *count <= COUNT_MAX)
}

fn put_blocks(mut rest: &mut [u8], blocks: &[ReportBlock]) -> Option<()> {
    for block in blocks {
        let lost = block.cumulative_lost.clamp(-LOST_MAX - 1, LOST_MAX);
        rest = put(rest, &block.ssrc.0.to_be_bytes())?;
        rest = put(rest, &(u32::from(block.fraction_lost) << 24 | (lost as u32 & 0x00ff_ffff)).to_be_bytes())?;
        rest = put(rest, &block.highest_seq.to_be_bytes())?;
        rest = put(rest, &block.jitter.to_be_bytes())?;
        rest = put(rest, &block.last_sr.to_be_bytes())?;
        rest = put(rest, &block.delay_since_last_sr.to_be_bytes())?;
    }
    Some(())
}

/// Copies `bytes` to the start of `out` and gives what is left of it.
fn put<'b>(out: &'b mut [u8], bytes: &[u8]) -> Option<&'b mut [u8]> {
    let (head, rest) = out.split_at_mut_checked(bytes.len())?;
    head.copy_from_slice(bytes);
    Some(rest)
}

const HEADER_BYTES: usize = 4;
/// Most report blocks or sources in one packet: the count has five bits.
const COUNT_MAX: u8 = 31;
/// Highest cumulative loss that 24 bits with sign hold.
const LOST_MAX: i32 = 0x007f_ffff;
const REMB_MANTISSA_BITS: u32 = 18;
