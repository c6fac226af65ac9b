//! Reads the NAL units of H.264 (RFC 6184) and H.265 (RFC 7798) payloads: single, aggregated (STAP-A, AP) and
//! fragmented (FU-A, FU). Interleaved modes do not occur in WebRTC, so there are no decoding order numbers.

use arrayvec::ArrayVec;

/// Which of the two codecs a payload is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NalFormat {
    H264,
    H265,
}

/// A NAL unit, or the part of one that a payload has.
#[derive(Debug, Clone)]
pub(crate) struct NalUnit<'a> {
    pub content: NalContent,
    /// As the whole unit has it, also where this is a fragment.
    pub header: ArrayVec<u8, 2>,
    pub body: &'a [u8],
    pub part: NalPart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NalContent {
    ParameterSet(SetKind),
    /// A slice of a picture that a decoder can start with: IDR, in H.265 any IRAP.
    KeyPicture,
    Other,
}

/// In the order in which a decoder needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SetKind {
    /// Video parameter set, H.265 only.
    Video,
    Sequence,
    Picture,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NalPart {
    Whole,
    First,
    Middle,
    Last,
}

/// The units of one payload, in order. Ends where the payload is cut.
pub(crate) struct NalUnits<'a> {
    format: NalFormat,
    rest: Rest<'a>,
}

enum Rest<'a> {
    One(NalUnit<'a>),
    Aggregated(&'a [u8]),
    Nothing,
}

impl NalFormat {
    pub fn units(self, payload: &[u8]) -> NalUnits<'_> {
        let rest = self.split(payload).unwrap_or(Rest::Nothing);
        NalUnits { format: self, rest }
    }

    /// A unit without any packaging, as SDP has it.
    pub fn unit(self, bytes: &[u8]) -> Option<NalUnit<'_>> {
        let (header, body) = bytes.split_at_checked(self.header_len())?;
        let content = self.content(*header.first()?);
        Some(NalUnit { content, header: header.iter().copied().collect(), body, part: NalPart::Whole })
    }

    fn header_len(self) -> usize {
        match self {
            NalFormat::H264 => 1,
            NalFormat::H265 => 2,
        }
    }

    fn split(self, payload: &[u8]) -> Option<Rest<'_>> {
        let (header, rest) = payload.split_at_checked(self.header_len())?;
        let kind = self.kind(*header.first()?);
        let (aggregation, fragmentation) = match self {
            NalFormat::H264 => (h264::STAP_A, h264::FU_A),
            NalFormat::H265 => (h265::AGGREGATION, h265::FRAGMENTATION),
        };
        if kind == aggregation {
            return Some(Rest::Aggregated(rest));
        }
        if kind == fragmentation {
            let (fragment, body) = rest.split_first()?;
            return Some(Rest::One(self.fragment(header, *fragment, body)));
        }
        self.unit(payload).map(Rest::One)
    }

    /// RFC 6184 section 5.8 and RFC 7798 section 4.4.3: the type moves to the FU header, the other bits stay.
    fn fragment<'a>(self, outer: &[u8], fragment: u8, body: &'a [u8]) -> NalUnit<'a> {
        let mut header: ArrayVec<u8, 2> = outer.iter().copied().collect();
        if let Some(first) = header.first_mut() {
            *first = match self {
                NalFormat::H264 => *first & !0x1f | fragment & 0x1f,
                NalFormat::H265 => *first & 0x81 | (fragment & 0x3f) << 1,
            };
        }
        let part = match (fragment & FU_START != 0, fragment & FU_END != 0) {
            (true, true) => NalPart::Whole,
            (true, false) => NalPart::First,
            (false, true) => NalPart::Last,
            (false, false) => NalPart::Middle,
        };
        let content = header.first().map_or(NalContent::Other, |first| self.content(*first));
        NalUnit { content, header, body, part }
    }

    fn kind(self, first: u8) -> u8 {
        match self {
            NalFormat::H264 => first & 0x1f,
            NalFormat::H265 => first >> 1 & 0x3f,
        }
    }

    fn content(self, first: u8) -> NalContent {
        match (self, self.kind(first)) {
            (NalFormat::H264, h264::IDR_SLICE) => NalContent::KeyPicture,
            (NalFormat::H264, h264::SPS) => NalContent::ParameterSet(SetKind::Sequence),
            (NalFormat::H264, h264::PPS) => NalContent::ParameterSet(SetKind::Picture),
            (NalFormat::H265, h265::IRAP_FIRST..=h265::IRAP_LAST) => NalContent::KeyPicture,
            (NalFormat::H265, h265::VPS) => NalContent::ParameterSet(SetKind::Video),
            (NalFormat::H265, h265::SPS) => NalContent::ParameterSet(SetKind::Sequence),
            (NalFormat::H265, h265::PPS) => NalContent::ParameterSet(SetKind::Picture),
            _ => NalContent::Other,
        }
    }
}

impl NalUnit<'_> {
    /// Whether the first slice of a key picture starts here. A slice header opens with `first_mb_in_slice`, whose
    /// value 0 is coded as a single set bit, or with `first_slice_segment_in_pic_flag`.
    pub fn starts_picture(&self) -> bool {
        self.content == NalContent::KeyPicture
            && self.is_start()
            && self.body.first().is_some_and(|byte| byte & 0x80 != 0)
    }

    /// Whether a parameter set starts here with which a sender opens a key frame: not a PPS alone.
    pub fn starts_sets(&self) -> bool {
        matches!(self.content, NalContent::ParameterSet(SetKind::Video | SetKind::Sequence)) && self.is_start()
    }

    fn is_start(&self) -> bool {
        matches!(self.part, NalPart::Whole | NalPart::First)
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = NalUnit<'a>;

    fn next(&mut self) -> Option<NalUnit<'a>> {
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::One(unit) => Some(unit),
            Rest::Aggregated(bytes) => {
                // Each unit has 16 bits of length before it (RFC 6184 section 5.7.1, RFC 7798 section 4.4.2).
                let (len, after) = bytes.split_first_chunk::<2>()?;
                let (unit, next) = after.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
                self.rest = Rest::Aggregated(next);
                self.format.unit(unit)
            }
            Rest::Nothing => None,
        }
    }
}

const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;

mod h264 {
    pub const IDR_SLICE: u8 = 5;
    pub const SPS: u8 = 7;
    pub const PPS: u8 = 8;
    pub const STAP_A: u8 = 24;
    pub const FU_A: u8 = 28;
}

mod h265 {
    /// BLA, IDR and CRA pictures.
    pub const IRAP_FIRST: u8 = 16;
    pub const IRAP_LAST: u8 = 21;
    pub const VPS: u8 = 32;
    pub const SPS: u8 = 33;
    pub const PPS: u8 = 34;
    pub const AGGREGATION: u8 = 48;
    pub const FRAGMENTATION: u8 = 49;
}
