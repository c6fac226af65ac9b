//! Owns the receiving end of one m-line: which SSRC is which, replay windows, reception statistics, what is
//! lost, and requests for key frames. Never sends and never stores a packet.

mod reception;

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::clients::ingest::nack::NackSchedule;
use crate::codec::parameter_sets::ParameterSets;
use crate::crypto::srtp::{ReplayWindow, RetiredStreams};
use crate::keys::{LayerKey, TrackKey};
use crate::spec::{Feedback, ReceiveCodec, ReceiveTrack, SSRCS_PER_TRACK_MAX};
use crate::stats::Traffic;
use crate::tracks::playout::StreamClock;
use crate::wire::rtcp::SenderReport;
use crate::wire::rtp::Ssrc;

pub(crate) use reception::Reception;

/// One received m-line and the SSRCs seen on it.
pub(crate) struct Source {
    pub spec: ReceiveTrack,
    pub track: TrackKey,
    /// Where its packets go.
    pub layer: LayerKey,
    /// Places are stable: a new SSRC takes the place of the one heard longest ago once all are taken.
    pub streams: Vec<Stream>,
    /// The stream that is forwarded.
    selected: Option<usize>,
    /// Added to an index of the selected stream it gives the sequence of the track.
    sequence_offset: u64,
    /// Where the offset grew, oldest first: up to that index another one holds.
    earlier_offsets: ArrayVec<EarlierOffset, EARLIER_OFFSETS_MAX>,
    /// Below this index it is forgotten which offset holds.
    first_index: u64,
    /// Highest sequence of the track so far.
    sequence: u64,
    pub keyframes: KeyframeRequests,
    pub parameter_sets: ParameterSets,
    /// Whether signaling was told that media flows.
    pub active: bool,
    pub heard: Option<Instant>,
    pub traffic: Traffic,
    /// Packets asked for again.
    pub nacked: u64,
}

#[derive(Debug, Clone, Copy)]
struct EarlierOffset {
    /// First index that it is not for.
    until: u64,
    offset: u64,
}

/// One SSRC of a source.
pub(crate) struct Stream {
    pub ssrc: Ssrc,
    pub role: Role,
    /// Position in the list of accepted rids; 0 without simulcast.
    pub layer: u8,
    pub window: ReplayWindow,
    pub reception: Reception,
    pub nack: NackSchedule,
    /// What its last sender report said, and when that arrived.
    pub report: Option<(SenderReport, Instant)>,
    /// What they say of it in our time.
    pub clock: StreamClock,
    pub heard: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Media,
    /// RTX (RFC 4588); the SSRC it repairs, if anything named it.
    Repair(Option<Ssrc>),
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

/// What a payload type means on this m-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Media,
    /// RTX of this payload type.
    Repair(u8),
}

impl Source {
    pub fn new(spec: ReceiveTrack, track: TrackKey, layer: LayerKey) -> Source {
        Source {
            spec,
            track,
            layer,
            streams: Vec::new(),
            selected: None,
            sequence_offset: 0,
            earlier_offsets: ArrayVec::new(),
            first_index: 0,
            sequence: 0,
            keyframes: KeyframeRequests::default(),
            parameter_sets: ParameterSets::default(),
            active: false,
            heard: None,
            traffic: Traffic::default(),
            nacked: 0,
        }
    }

    /// The m-line as it is from now on. What signaling says again is no news.
    pub fn replace_spec(&mut self, spec: ReceiveTrack) {
        let has_new_sets = spec.parameter_sets != self.spec.parameter_sets;
        self.spec = spec;
        if has_new_sets {
            self.parameter_sets.seed(&self.spec.codecs, &self.spec.parameter_sets);
        }
    }

    pub fn meaning(&self, payload_type: u8) -> Option<Meaning> {
        self.spec.codecs.iter().find_map(|codec| {
            if codec.payload_type == payload_type {
                return Some(Meaning::Media);
            }
            (codec.rtx == Some(payload_type)).then_some(Meaning::Repair(codec.payload_type))
        })
    }

    pub fn codec(&self, payload_type: u8) -> Option<&ReceiveCodec> {
        self.spec.codecs.iter().find(|codec| codec.payload_type == payload_type)
    }

    /// Feedback accepted for any codec of the m-line: browsers negotiate it alike for all.
    pub fn feedback(&self) -> Feedback {
        self.spec.codecs.iter().fold(Feedback::default(), |sum, codec| Feedback {
            nack: sum.nack || codec.feedback.nack,
            pli: sum.pli || codec.feedback.pli,
            fir: sum.fir || codec.feedback.fir,
            transport_cc: sum.transport_cc || codec.feedback.transport_cc,
            remb: sum.remb || codec.feedback.remb,
        })
    }

    /// Adds an SSRC, which may have been here before, and returns its place.
    pub fn add(&mut self, ssrc: Ssrc, role: Role, layer: u8, now: Instant, retired: &mut RetiredStreams) -> usize {
        let stream = Stream {
            ssrc,
            role,
            layer,
            window: retired.resume(ssrc),
            reception: Reception::default(),
            nack: NackSchedule::new(),
            report: None,
            clock: StreamClock::default(),
            heard: now,
        };
        if self.streams.len() < SSRCS_PER_TRACK_MAX {
            self.streams.push(stream);
            return self.streams.len() - 1;
        }
        let oldest = (0..self.streams.len()).filter(|at| Some(*at) != self.selected);
        let oldest = oldest.min_by_key(|at| self.streams[*at].heard).unwrap_or(0);
        let replaced = std::mem::replace(&mut self.streams[oldest], stream);
        retired.retire(replaced.ssrc, &replaced.window);
        oldest
    }

    /// Another m-line receives the SSRC from now on.
    pub fn remove(&mut self, ssrc: Ssrc, retired: &mut RetiredStreams) {
        let Some(at) = self.streams.iter().position(|stream| stream.ssrc == ssrc) else { return };
        let stream = self.streams.remove(at);
        retired.retire(ssrc, &stream.window);
        self.selected =
            self.selected.filter(|selected| *selected != at).map(|selected| selected - usize::from(selected > at));
    }

    /// The stream an RTX packet of the stream at `place` repairs.
    pub fn repaired_by(&self, place: usize) -> Option<usize> {
        match self.streams.get(place)?.role {
            Role::Media => None,
            Role::Repair(Some(ssrc)) => self.streams.iter().position(|stream| stream.ssrc == ssrc),
            Role::Repair(None) => self.selected,
        }
    }

    /// Decides whether the stream at `place` is the one to forward. A new SSRC of the same or a higher layer
    /// supersedes, and so does a key frame of a higher layer; any comes back when the selected one is silent.
    pub fn select(&mut self, place: usize, index: u64, keyframe: bool, now: Instant) -> Selection {
        if self.selected == Some(place) {
            let is_jump = index.wrapping_add(self.sequence_offset) > self.sequence + JUMP_MAX;
            if is_jump {
                self.continue_at(index);
            }
            return if is_jump { Selection::Superseded } else { Selection::Current };
        }
        let supersedes = match self.selected.and_then(|at| self.streams.get(at)) {
            None => true,
            Some(current) => {
                let stream = &self.streams[place];
                let is_new = stream.reception.received <= 1 && stream.layer >= current.layer;
                let is_better = keyframe && stream.layer > current.layer;
                is_new || is_better || now.saturating_duration_since(current.heard) > SELECTED_SILENT
            }
        };
        if !supersedes {
            return Selection::Other;
        }
        self.selected = Some(place);
        self.continue_at(index);
        Selection::Superseded
    }

    /// The next sequence lies far above all that may still come from before, so that late packets stay below.
    fn continue_at(&mut self, index: u64) {
        self.sequence += GENERATION_STEP;
        self.sequence_offset = self.sequence.wrapping_sub(index);
        self.earlier_offsets.clear();
        self.first_index = 0;
        self.parameter_sets.restart();
    }

    /// The sequence of the track for an index of the selected stream. `None` for one that is so late that its
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

    pub fn selected(&self) -> Option<&Stream> {
        self.streams.get(self.selected?)
    }

    /// When the source next needs attention: repairs or key frames to ask for, silence to notice.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let repairs = self.streams.iter().filter_map(|stream| stream.nack.poll_timeout()).min();
        let silence = self.heard.filter(|_| self.active).map(|heard| heard + SILENT_AFTER);
        [repairs, silence, self.keyframes.poll_timeout()].into_iter().flatten().min()
    }
}

impl Stream {
    /// Packets of media that never came, not even late.
    pub fn lost(&self) -> u64 {
        if self.role == Role::Media { u64::try_from(self.reception.lost()).unwrap_or(0) } else { 0 }
    }
}

/// Requests of many viewers for a key frame, merged into few.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyframeRequests {
    wanted: bool,
    last: Option<Instant>,
    pub sent: u64,
    /// Of FIR (RFC 5104 section 4.3.1.1).
    pub command: u8,
}

impl KeyframeRequests {
    /// Somebody needs one.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// One arrived: everybody who asked until now is served.
    pub fn satisfy(&mut self) {
        self.wanted = false;
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let last = self.last.filter(|_| self.wanted)?;
        Some(last + KEYFRAME_REQUEST_INTERVAL)
    }

    /// Whether to ask the publisher now. It stays wanted, and is asked for again, until it arrives.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let due = self.wanted && self.last.is_none_or(|last| now >= last + KEYFRAME_REQUEST_INTERVAL);
        if due {
            self.last = Some(now);
            self.sent += 1;
            self.command = self.command.wrapping_add(1);
        }
        due
    }
}

/// Whether an m-line may be told by this payload type alone.
pub(crate) fn accepts(track: &ReceiveTrack, payload_type: u8) -> bool {
    track.codecs.iter().any(|codec| codec.payload_type == payload_type || codec.rtx == Some(payload_type))
}

/// RTP clock ticks since `origin`.
pub(crate) fn ticks_since(origin: Instant, now: Instant, clock_rate: u32) -> u32 {
    (now.saturating_duration_since(origin).as_micros() * u128::from(clock_rate) / 1_000_000) as u32
}

/// A publisher is asked for a key frame at most this often.
pub(crate) const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(500);
/// A track without a packet for this long is told to be silent.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(2);
/// After this long without a packet of the selected SSRC another known one may take over.
const SELECTED_SILENT: Duration = Duration::from_secs(1);
/// Distance between the sequences of two SSRCs of one track: more than the 2^16 one may jump at once.
const GENERATION_STEP: u64 = 1 << 17;
/// A stream that jumps further ahead starts afresh: viewers would ask for all that seems lost.
const JUMP_MAX: u64 = 1_000;
/// Changes of the offset that are remembered: one for each key frame that came without its parameter sets. Packets
/// are repaired within a second or two.
const EARLIER_OFFSETS_MAX: usize = 16;

#[cfg(test)]
mod tests;
