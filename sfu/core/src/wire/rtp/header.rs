//! Owns the fixed RTP header (RFC 3550 section 5.1) and where its parts lie. Reads without copying,
//! writes into a caller's buffer, never allocates.

use std::ops::Range;

use super::extension::Elements;
use super::seq::{Seq, Ssrc};

/// What the header of a received packet says. It is in the clear in SRTP too, so it is parsed before the
/// packet is opened; [`Header::payload`] needs the opened packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub seq: Seq,
    pub timestamp: u32,
    pub ssrc: Ssrc,
    pub csrc_count: u8,
    /// Bytes of the whole header: fixed part, CSRCs and extension block.
    pub header_len: usize,
    padded: bool,
    /// The 16 bits "defined by profile" that tell the form of the extension block.
    extension_profile: u16,
    extension_start: usize,
}

/// Where the payload of an opened packet lies. Padding comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    pub start: usize,
    pub end: usize,
    /// Bytes of padding that were cut off, including their count byte.
    pub padding: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("the packet ends inside its RTP header")]
    Short,
    #[error("the packet is longer than a UDP datagram can be")]
    Long,
    #[error("the version is not 2")]
    Version,
}

/// The fixed part of a header to send. CSRCs are never sent: an SFU is no mixer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutgoingHeader {
    pub marker: bool,
    pub payload_type: u8,
    pub seq: Seq,
    pub timestamp: u32,
    pub ssrc: Ssrc,
    /// Sets the X bit: an extension block, as `write_extensions` writes it, follows.
    pub extended: bool,
    /// Sets the P bit: the last byte of the payload counts the padding.
    pub padded: bool,
}

impl Header {
    pub fn parse(packet: &[u8]) -> Result<Header, HeaderError> {
        if packet.len() > PACKET_BYTES_MAX {
            return Err(HeaderError::Long);
        }
        let (fixed, rest) = packet.split_first_chunk::<FIXED_HEADER_BYTES>().ok_or(HeaderError::Short)?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != VERSION {
            return Err(HeaderError::Version);
        }
        let csrc_count = first & 0x0f;
        let after_csrcs = FIXED_HEADER_BYTES + usize::from(csrc_count) * 4;
        let rest = rest.get(usize::from(csrc_count) * 4..).ok_or(HeaderError::Short)?;

        let mut header_len = after_csrcs;
        let mut extension_profile = 0;
        if first & EXTENSION_BIT != 0 {
            let (block, values) = rest.split_first_chunk::<4>().ok_or(HeaderError::Short)?;
            let [p0, p1, w0, w1] = *block;
            extension_profile = u16::from_be_bytes([p0, p1]);
            let bytes = usize::from(u16::from_be_bytes([w0, w1])) * 4;
            if values.len() < bytes {
                return Err(HeaderError::Short);
            }
            header_len = after_csrcs + 4 + bytes;
        }
        Ok(Header {
            marker: second & MARKER_BIT != 0,
            payload_type: second & 0x7f,
            seq: Seq(u16::from_be_bytes([s0, s1])),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([c0, c1, c2, c3])),
            csrc_count,
            header_len,
            padded: first & PADDING_BIT != 0,
            extension_profile,
            extension_start: if header_len == after_csrcs { header_len } else { after_csrcs + 4 },
        })
    }

    /// The payload of the opened packet without its padding (RFC 3550 section 5.1). None when the padding
    /// count is zero or longer than what follows the header. A packet of padding alone has an empty payload.
    pub fn payload(&self, opened: &[u8]) -> Option<Payload> {
        let body = opened.get(self.header_len..)?;
        if !self.padded {
            return Some(Payload { start: self.header_len, end: opened.len(), padding: 0 });
        }
        let padding = *body.last()?;
        let end = opened.len().checked_sub(usize::from(padding))?;
        (padding > 0 && end >= self.header_len).then_some(Payload { start: self.header_len, end, padding })
    }

    /// The elements of the extension block of `packet`, which must be the one this header was parsed from.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Elements<'a> {
        let values = packet.get(self.extension_start..self.header_len).unwrap_or(&[]);
        Elements::new(self.extension_profile, values)
    }
}

impl Payload {
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

impl OutgoingHeader {
    /// Writes the 12 fixed bytes; none when `out` is shorter.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let fixed = out.first_chunk_mut::<FIXED_HEADER_BYTES>()?;
        let [s0, s1] = self.seq.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.0.to_be_bytes();
        let first =
            (VERSION << 6) | if self.padded { PADDING_BIT } else { 0 } | if self.extended { EXTENSION_BIT } else { 0 };
        let second = (self.payload_type & 0x7f) | if self.marker { MARKER_BIT } else { 0 };
        *fixed = [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3];
        Some(FIXED_HEADER_BYTES)
    }
}

/// Bytes of a header without CSRCs and extensions.
pub const FIXED_HEADER_BYTES: usize = 12;

const VERSION: u8 = 2;
const PADDING_BIT: u8 = 0x20;
const EXTENSION_BIT: u8 = 0x10;
const MARKER_BIT: u8 = 0x80;
const PACKET_BYTES_MAX: usize = u16::MAX as usize;

#[cfg(test)]
mod tests;
