//! Owns the headers of packets to send: written once per set of extension ids, then patched for each viewer.
//! Never seals and never chooses a viewer.

use std::ops::Range;

use arrayvec::ArrayVec;

use crate::clients::delivery::rewrite::Rewritten;
use crate::codec::frame::{FrameNumbers, renumber_descriptor};
use crate::codec::layers::ActiveTargets;
use crate::codec::narrowing::narrowed;
use crate::tracks::history::{EXTENSIONS_BYTES_MAX, Entry, History};
use crate::tracks::kept_extension;
use crate::wire::rtp::{
    ExtensionKind, ExtensionMap, FIXED_HEADER_BYTES, OutgoingHeader, Seq, Ssrc, element_mut, write_extensions,
};

/// The packets that go to several viewers, with headers that lack only what differs between viewers.
pub(crate) struct Templates {
    pub packets: Vec<Template>,
    /// Room for a header of one viewer alone.
    pub scratch: [u8; HEADER_BYTES_MAX],
    /// Whose extension ids the headers have.
    extensions: Option<ExtensionMap>,
    /// What one viewer's copies take at most.
    pub bytes_max: usize,
    /// What they take on the line, but for a few bytes.
    pub bytes: u64,
}

pub(crate) struct Template {
    pub entry: Entry,
    header: [u8; HEADER_BYTES_MAX],
    len: u16,
}

impl Templates {
    pub fn new() -> Templates {
        Templates {
            packets: Vec::with_capacity(PASS_PACKETS_MAX),
            scratch: [0; HEADER_BYTES_MAX],
            extensions: None,
            bytes_max: 0,
            bytes: 0,
        }
    }

    pub fn load(&mut self, history: &History, numbers: Range<u64>) {
        self.packets.clear();
        self.extensions = None;
        (self.bytes_max, self.bytes) = (0, 0);
        for entry in numbers.filter_map(|number| history.entry(number)) {
            self.packets.push(Template { entry: *entry, header: [0; HEADER_BYTES_MAX], len: 0 });
            self.bytes_max += entry.payload_len() + HEADER_BYTES_MAX + OVERHEAD_BYTES_MAX;
            self.bytes += line_bytes(entry);
        }
    }

    /// What is sent, in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.packets.iter().map(|template| &template.entry)
    }

    /// Whether not all of them are for every viewer. A source tells it of all its packets or of none.
    pub fn is_layered(&self) -> bool {
        self.packets.first().is_some_and(|template| template.entry.packet.layers.is_layered())
    }

    /// Most viewers have the ids of the one before, and nothing is done.
    #[inline]
    pub fn translate(&mut self, history: &History, extensions: &ExtensionMap) {
        if self.extensions.as_ref() == Some(extensions) {
            return;
        }
        self.extensions = Some(*extensions);
        for template in &mut self.packets {
            template.len =
                write_header(&mut template.header, history, &template.entry, extensions, Own::default()) as u16;
        }
    }
}

impl Own<'_> {
    #[inline]
    pub fn says_something(&self) -> bool {
        self.mid.is_some() || self.active.is_some()
    }
}

impl Template {
    /// The header of all who negotiated alike, or a copy of it in `scratch` for who `changes` it: the next viewer's is to be
    /// as it was.
    #[inline]
    pub fn header_mut<'a>(&'a mut self, scratch: &'a mut [u8; HEADER_BYTES_MAX], changes: bool) -> &'a mut [u8] {
        let header = &mut self.header[..usize::from(self.len)];
        if !changes {
            return header;
        }
        let copy = &mut scratch[..header.len()];
        copy.copy_from_slice(header);
        copy
    }
}

/// What a header says that others do not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Own<'a> {
    /// Id and value, where the m-line is to be named.
    pub mid: Option<(u8, &'a [u8])>,
    pub active: Option<ActiveTargets>,
}

/// Writes a header without numbers: the extensions under a viewer's ids. A viewer gets only what it negotiated.
pub(crate) fn write_header(
    out: &mut [u8; HEADER_BYTES_MAX],
    history: &History,
    entry: &Entry,
    ids: &ExtensionMap,
    own: Own<'_>,
) -> usize {
    let descriptor = own.active.and_then(|active| {
        let id = ids.id(ExtensionKind::DependencyDescriptor)?;
        Some((id, narrowed(kept_extension(history.extensions(entry), ExtensionKind::DependencyDescriptor)?, active)?))
    });
    let descriptor = descriptor.as_ref().map(|(id, value)| (*id, &value[..]));
    let mut elements: ArrayVec<(u8, &[u8]), ELEMENTS_MAX> = ArrayVec::new();
    // First, so that its place is known.
    elements.extend(ids.id(ExtensionKind::TransportCc).map(|id| (id, NO_NUMBER)));
    elements.extend(own.mid);
    let mut rest = history.extensions(entry);
    while let Some((&[kind, len], after)) = rest.split_first_chunk::<2>() {
        let (value, after) = after.split_at(usize::from(len).min(after.len()));
        let id = ExtensionKind::ALL.get(usize::from(kind)).and_then(|kind| ids.id(*kind));
        let element = id.map(|id| descriptor.filter(|(own, _)| *own == id).unwrap_or((id, value)));
        elements.extend(element.filter(|_| !elements.is_full()));
        rest = after;
    }
    let block = write_extensions(&elements, &mut out[FIXED_HEADER_BYTES..]).unwrap_or(0);
    let fixed = OutgoingHeader {
        marker: false,
        payload_type: 0,
        seq: Seq(0),
        timestamp: 0,
        ssrc: Ssrc(0),
        extended: block > 0,
        padded: entry.is_padded(),
    };
    fixed.write(out);
    FIXED_HEADER_BYTES + block
}

/// Fills in what is one viewer's own.
#[inline]
pub(crate) fn patch(header: &mut [u8], ssrc: u32, payload_type: u8, marker: bool, numbers: Rewritten) {
    if let Some(fixed) = header.first_chunk_mut::<FIXED_HEADER_BYTES>() {
        fixed[1] = payload_type | if marker { 0x80 } else { 0 };
        fixed[2..4].copy_from_slice(&(numbers.index as u16).to_be_bytes());
        fixed[4..8].copy_from_slice(&numbers.timestamp.to_be_bytes());
        fixed[8..12].copy_from_slice(&ssrc.to_be_bytes());
    }
}

/// Fills in the transport-wide number, if there is one, of a header that has a place for it: behind the fixed header, the
/// four bytes that open the block, and the id and length of the first element, which take one byte or two.
#[inline]
pub(crate) fn patch_number(header: &mut [u8], number: Option<u16>) {
    let Some(number) = number else { return };
    let is_short = header.get(FIXED_HEADER_BYTES) == Some(&ONE_BYTE_FORM);
    let at = FIXED_HEADER_BYTES + 4 + if is_short { 1 } else { 2 };
    if let Some(place) = header.get_mut(at..at + 2) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}

/// What a packet takes on the line, about.
pub(crate) fn line_bytes(entry: &Entry) -> u64 {
    entry.payload_len() as u64 + LINE_OVERHEAD_BYTES
}

/// RTP header with a few extensions, SRTP tag, UDP and IP.
const LINE_OVERHEAD_BYTES: u64 = 72;
/// Writes the number of a frame into its dependency descriptor, if the header has one.
pub(crate) fn patch_frame(header: &mut [u8], ids: &ExtensionMap, numbers: &FrameNumbers) {
    let Some((frame, id)) = numbers.frame.zip(ids.id(ExtensionKind::DependencyDescriptor)) else { return };
    if let Some(value) = header.get_mut(FIXED_HEADER_BYTES..).and_then(|block| element_mut(block, id)) {
        renumber_descriptor(value, frame);
    }
}

/// Packets that are sent in one go to each viewer.
pub(crate) const PASS_PACKETS_MAX: usize = 48;
/// Fixed header, extension block in its longest form and a mid.
pub(crate) const HEADER_BYTES_MAX: usize =
    FIXED_HEADER_BYTES + 4 + EXTENSIONS_BYTES_MAX + NUMBER_BYTES + ACTIVE_BYTES_MAX + 2 + 16 + 3;
/// By how much a descriptor grows that says which of its 32 decode targets at most are active.
const ACTIVE_BYTES_MAX: usize = 5;
/// A transport-wide number with its id and length.
const NUMBER_BYTES: usize = 4;
const NO_NUMBER: &[u8] = &[0; 2];
/// Of the profile that says one-byte form (RFC 8285 section 4.2), the first byte.
const ONE_BYTE_FORM: u8 = 0xbe;
const ELEMENTS_MAX: usize = ExtensionKind::ALL.len();
/// What SRTP adds at most, and a longer picture id.
const OVERHEAD_BYTES_MAX: usize = 16 + 1;
