//! Owns the newest parameter sets of one received H.264 or H.265 track and the decision which of them a key frame
//! lacks: a decoder that joins there has seen nothing. Never sends, and stores no picture.
//!
//! What a key frame lacks is put into the history of its track as packets of their own right before it, as if the
//! publisher had sent them: so they reach viewers, other workers and repairs like everything else.

use crate::codec::nal::{NalContent, NalFormat, NalPart, NalUnit, SetKind};
use crate::codec::set_id;
use crate::spec::{ParameterSetSpec, ReceiveCodec};

#[derive(Debug, Default)]
pub(crate) struct ParameterSets {
    /// Sets belong to the payload type they came under.
    payload_type: Option<u8>,
    sets: Vec<Set>,
    /// Of the packet that is furthest in the stream.
    newest: Option<Newest>,
    picture: Picture,
    /// The last key frame had none of its own.
    are_rare: bool,
    fragments: Option<Fragments>,
}

#[derive(Debug)]
struct Set {
    kind: SetKind,
    id: u8,
    /// Of the packet it came in.
    index: u64,
    unit: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    index: u64,
    timestamp: u32,
    marker: bool,
}

/// The newest picture of the stream.
#[derive(Debug, Default, Clone, Copy)]
struct Picture {
    timestamp: u32,
    /// The sets that came with it, a bit for each place.
    own: SetMask,
    /// It was decided what it lacks.
    is_settled: bool,
}

/// A set that comes in several packets.
#[derive(Debug)]
struct Fragments {
    next: u64,
    unit: Vec<u8>,
}

/// What is looked at of a packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NalPacket<'a> {
    pub index: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: &'a [u8],
}

/// Places in the table of sets, a bit for each.
type SetMask = u16;

/// Sets to be put into the stream before the packet with this index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Insertion {
    pub before: u64,
    pub count: u64,
    mask: SetMask,
}

impl ParameterSets {
    /// Packets of this payload type follow. Another one may be another encoder: its sets are its own.
    pub fn begin(&mut self, payload_type: u8, format: NalFormat, seeds: &[ParameterSetSpec]) {
        if self.payload_type != Some(payload_type) {
            *self = ParameterSets { payload_type: Some(payload_type), ..ParameterSets::default() };
            self.keep_all(format, seeds);
        }
    }

    /// What a new description of the publisher says replaces what came before.
    pub fn seed(&mut self, codecs: &[ReceiveCodec], seeds: &[ParameterSetSpec]) {
        let codec = codecs.iter().find(|codec| Some(codec.payload_type) == self.payload_type);
        if let Some(format) = codec.and_then(|codec| codec.codec.nal_format()) {
            self.keep_all(format, seeds);
        }
    }

    fn keep_all(&mut self, format: NalFormat, seeds: &[ParameterSetSpec]) {
        let index = self.newest.map_or(0, |newest| newest.index);
        let payload_type = self.payload_type;
        for seed in seeds.iter().filter(|seed| Some(seed.payload_type) == payload_type) {
            if let Some(unit) = format.unit(&seed.unit) {
                self.keep(format, &unit, index);
            }
        }
    }

    /// Another SSRC, or a jump in this one: indices begin again, the sets stay.
    pub fn restart(&mut self) {
        for set in &mut self.sets {
            set.index = 0;
        }
        (self.newest, self.fragments, self.picture) = (None, None, Picture::default());
    }

    /// Takes in what a packet has, and says what is to be put before its picture.
    pub fn handle_packet(&mut self, format: NalFormat, packet: NalPacket<'_>) -> Option<Insertion> {
        let before = self.newest;
        let is_newest = before.is_none_or(|newest| packet.index > newest.index);
        if is_newest {
            let NalPacket { index, timestamp, marker, .. } = packet;
            self.newest = Some(Newest { index, timestamp, marker });
            if before.is_none_or(|newest| newest.timestamp != timestamp) {
                self.picture = Picture { timestamp, ..Picture::default() };
            }
        }
        let (mut is_key, mut starts) = (false, false);
        for unit in format.units(packet.payload) {
            match unit.content {
                NalContent::ParameterSet(_) => self.handle_set(format, &unit, packet.index, packet.timestamp),
                NalContent::KeyPicture => {
                    is_key = true;
                    starts |= unit.starts_picture();
                }
                NalContent::Other => {}
            }
        }
        if !is_key || self.picture.is_settled || self.picture.timestamp != packet.timestamp {
            return None;
        }
        let at = if is_newest { self.decide_place(before, &packet, starts) } else { None };
        // A slice that is not the first may be overtaken by what would tell.
        self.picture.is_settled = starts || at.is_some();
        let mask = self.lacking();
        if starts {
            self.are_rare = self.picture.own == 0;
        }
        let count = u64::from(mask.count_ones());
        at.filter(|_| count > 0).map(|before| Insertion { before, count, mask })
    }

    /// The sets of an insertion, in the order in which a decoder needs them.
    pub fn inserted(&self, insertion: &Insertion) -> impl Iterator<Item = &[u8]> {
        let kinds = [SetKind::Video, SetKind::Sequence, SetKind::Picture];
        let mask = insertion.mask;
        kinds.into_iter().flat_map(move |kind| {
            let of = move |(at, set): &(usize, &Set)| set.kind == kind && mask & 1 << at != 0;
            self.sets.iter().enumerate().filter(of).map(|(_, set)| set.unit.as_slice())
        })
    }

    /// Before which packet there is room for what a picture lacks. What is missing right before it may be sets of its
    /// own, which must come after ours; it may also be the end of the picture before.
    fn decide_place(&self, before: Option<Newest>, packet: &NalPacket<'_>, starts: bool) -> Option<u64> {
        let Some(before) = before.filter(|newest| newest.index + 1 < packet.index) else { return Some(packet.index) };
        if before.marker || before.timestamp == packet.timestamp {
            return Some(before.index + 1);
        }
        (starts && self.are_rare).then_some(packet.index)
    }

    /// A picture set is of no use before its sequence set, so that one that is missing brings all behind it along.
    fn lacking(&self) -> SetMask {
        let mask = |of: &dyn Fn(&Set) -> bool| {
            self.sets.iter().enumerate().filter(|(_, set)| of(set)).fold(0, |mask, (at, _)| mask | 1 << at)
        };
        let (all, pictures): (SetMask, SetMask) = (mask(&|_| true), mask(&|set| set.kind == SetKind::Picture));
        let has_sequence = self.sets.iter().any(|set| set.kind == SetKind::Sequence);
        if !has_sequence || pictures == 0 {
            return 0;
        }
        let missing = all & !self.picture.own;
        if missing & !pictures != 0 { all } else { missing }
    }

    fn handle_set(&mut self, format: NalFormat, unit: &NalUnit<'_>, index: u64, timestamp: u32) {
        let place = match unit.part {
            NalPart::Whole => self.keep(format, unit, index),
            NalPart::First => {
                let mut bytes = self.fragments.take().map_or_else(Vec::new, |fragments| fragments.unit);
                bytes.clear();
                bytes.extend_from_slice(&unit.header);
                bytes.extend_from_slice(unit.body);
                self.fragments = Some(Fragments { next: index + 1, unit: bytes });
                None
            }
            NalPart::Middle | NalPart::Last => {
                let Some(fragments) = self.fragments.as_mut().filter(|fragments| {
                    fragments.next == index && fragments.unit.len() + unit.body.len() <= SET_BYTES_MAX
                }) else {
                    return;
                };
                fragments.next += 1;
                fragments.unit.extend_from_slice(unit.body);
                if unit.part == NalPart::Middle {
                    return;
                }
                let whole = self.fragments.take().map_or_else(Vec::new, |fragments| fragments.unit);
                format.unit(&whole).and_then(|unit| self.keep(format, &unit, index))
            }
        };
        if let Some(place) = place.filter(|_| self.picture.timestamp == timestamp) {
            self.picture.own |= 1 << place;
        }
    }

    /// Returns the place of the set. What is older than the one that is there changes nothing.
    fn keep(&mut self, format: NalFormat, unit: &NalUnit<'_>, index: u64) -> Option<usize> {
        let NalContent::ParameterSet(kind) = unit.content else { return None };
        let len = unit.header.len() + unit.body.len();
        let id = set_id::read(format, kind, unit).filter(|_| len <= SET_BYTES_MAX)?;
        let known = self.sets.iter().position(|set| (set.kind, set.id) == (kind, id));
        let at = known.or_else(|| (self.sets.len() < SETS_MAX).then_some(self.sets.len())).or_else(|| {
            let of_kind = self.sets.iter().enumerate().filter(|(_, set)| set.kind == kind);
            of_kind.min_by_key(|(_, set)| set.index).map(|(at, _)| at)
        })?;
        if at == self.sets.len() {
            self.sets.push(Set { kind, id, index, unit: Vec::with_capacity(len) });
        }
        let set = self.sets.get_mut(at)?;
        if known.is_some() && index < set.index {
            return None;
        }
        (set.kind, set.id, set.index) = (kind, id, index);
        set.unit.clear();
        set.unit.extend_from_slice(&unit.header);
        set.unit.extend_from_slice(unit.body);
        Some(at)
    }
}

/// Sets that are kept of one track, of all kinds together.
pub(crate) const SETS_MAX: usize = SetMask::BITS as usize;
/// Longest set that is kept, in bytes: it is sent in one packet.
pub(crate) const SET_BYTES_MAX: usize = 1_100;

#[cfg(test)]
mod tests;
