//! Owns one encoding of a received m-line: which of its SSRCs is forwarded, and the numbers that its packets get. Never
//! keeps a packet.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::clients::ingest::source::keyframe_requests::KeyframeRequests;
use crate::clients::ingest::source::stream::Stream;
use crate::codec::parameter_sets::ParameterSets;
use crate::keys::{Key, LayerKey, StreamKey};

pub(crate) struct Encoding {
    /// Where its packets go.
    pub layer: LayerKey,
    /// The stream that is forwarded, by its place in the source.
    pub(super) selected: Option<StreamKey>,
    /// Nobody has what came so far: its next packet is the first of a new generation.
    begins_anew: bool,
    /// Added to an index of the selected stream it gives the sequence of the layer.
    sequence_offset: u64,
    /// Where the offset grew, oldest first: up to that index another one holds.
    earlier_offsets: ArrayVec<EarlierOffset, EARLIER_OFFSETS_MAX>,
    /// Below this index it is forgotten which offset holds.
    first_index: u64,
    /// Highest sequence of the layer so far.
    sequence: u64,
    pub keyframes: KeyframeRequests,
    pub parameter_sets: ParameterSets,
    /// Its dependency descriptors tell where key frames begin: what payloads say may be encrypted.
    pub is_described: bool,
}

#[derive(Debug, Clone, Copy)]
struct EarlierOffset {
    /// First index that it is not for.
    until: u64,
    offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The packet is of the stream that is forwarded.
    Current,
    /// It is now, and was not before: viewers start afresh.
    Superseded,
    /// It is not forwarded.
    Other,
}

impl Encoding {
    pub fn new(layer: LayerKey) -> Encoding {
        Encoding {
            layer,
            selected: None,
            begins_anew: false,
            sequence_offset: 0,
            earlier_offsets: ArrayVec::new(),
            first_index: 0,
            sequence: 0,
            keyframes: KeyframeRequests::default(),
            parameter_sets: ParameterSets::default(),
            is_described: false,
        }
    }

    /// Decides whether the stream at `place` is the one to forward: a new SSRC supersedes, and any comes back when the
    /// selected one is silent.
    pub fn select(&mut self, streams: &[Stream], place: StreamKey, index: u64, now: Instant) -> Selection {
        if self.selected == Some(place) {
            let is_jump = index.wrapping_add(self.sequence_offset) > self.sequence + JUMP_MAX;
            if is_jump || self.begins_anew {
                self.continue_at(index);
                return Selection::Superseded;
            }
            return Selection::Current;
        }
        let supersedes = match self.selected.and_then(|at| streams.get(at.place())) {
            None => true,
            Some(current) => {
                let is_new = streams.get(place.place()).is_some_and(|stream| stream.reception.received <= 1);
                is_new || now.saturating_duration_since(current.heard) > SELECTED_SILENT
            }
        };
        if !supersedes {
            return Selection::Other;
        }
        self.selected = Some(place);
        self.continue_at(index);
        Selection::Superseded
    }

    /// The stream that is forwarded stays so, and viewers start afresh with its next packet.
    pub fn begin_anew(&mut self) {
        self.begins_anew = true;
    }

    /// The next sequence lies far above all that may still come from before, so that late packets stay below.
    fn continue_at(&mut self, index: u64) {
        self.begins_anew = false;
        self.sequence += GENERATION_STEP;
        self.sequence_offset = self.sequence.wrapping_sub(index);
        self.earlier_offsets.clear();
        self.first_index = 0;
        self.parameter_sets.restart();
    }

    /// The sequence of the layer for an index of the selected stream. `None` for one that is so late that its
    /// place is forgotten.
    pub fn sequence(&mut self, index: u64) -> Option<u64> {
        let earlier = self.earlier_offsets.iter().find(|earlier| index < earlier.until);
        let offset = earlier.map_or(self.sequence_offset, |earlier| earlier.offset);
        let sequence = index.wrapping_add(offset);
        self.sequence = self.sequence.max(sequence);
        (index >= self.first_index).then_some(sequence)
    }

    /// Makes room for packets of ours before this index, which must be above all that were forwarded. Returns the
    /// sequence of the first.
    pub fn make_room(&mut self, before: u64, count: u64) -> u64 {
        if self.earlier_offsets.is_full() {
            let forgotten = self.earlier_offsets.remove(0);
            self.first_index = forgotten.until;
        }
        let offset = self.sequence_offset;
        self.earlier_offsets.push(EarlierOffset { until: before, offset });
        self.sequence_offset = offset.wrapping_add(count);
        before.wrapping_add(offset)
    }

    /// The stream at a place is gone, and those after it have moved.
    pub(super) fn note_removed(&mut self, at: StreamKey) {
        let moved = |selected: StreamKey| StreamKey::new(selected.place() - usize::from(selected > at));
        self.selected = self.selected.filter(|selected| *selected != at).map(moved);
    }
}

/// After this long without a packet of the selected SSRC another known one may take over.
const SELECTED_SILENT: Duration = Duration::from_secs(1);
/// Distance between the sequences of two SSRCs of one encoding: more than the 2^16 one may jump at once.
const GENERATION_STEP: u64 = 1 << 17;
/// A stream that jumps further ahead starts afresh: viewers would ask for all that seems lost.
const JUMP_MAX: u64 = 1_000;
/// Changes of the offset that are remembered: one for each key frame that came without its parameter sets. Packets
/// are repaired within a second or two.
pub(super) const EARLIER_OFFSETS_MAX: usize = 16;
