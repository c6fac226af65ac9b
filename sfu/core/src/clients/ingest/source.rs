//! Owns the receiving end of one m-line: which SSRC is which, replay windows, reception statistics, what is
//! lost, and requests for key frames. Never sends and never stores a packet.

mod encoding;
mod keyframe_requests;
mod reception;
mod stream;

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::clients::ingest::nack::NackSchedule;
use crate::crypto::srtp::RetiredStreams;
use crate::keys::{Key, LayerKey, StreamKey, TrackKey};
use crate::spec::{ENCODINGS_MAX, Feedback, ReceiveCodec, ReceiveTrack, SSRCS_PER_TRACK_MAX};
use crate::stats::Traffic;
use crate::tracks::playout::StreamClock;
use crate::wire::rtp::Ssrc;

pub(crate) use encoding::{Encoding, Selection};
pub(crate) use reception::Reception;
pub(crate) use stream::{Stream, StreamRole};

/// One received m-line and the SSRCs seen on it.
pub(crate) struct Source {
    pub spec: ReceiveTrack,
    pub track: TrackKey,
    /// One without simulcast.
    pub encodings: ArrayVec<Encoding, ENCODINGS_MAX>,
    /// Places are stable: a new SSRC takes the place of the one heard longest ago once all are taken.
    pub streams: Vec<Stream>,
    /// Whether signaling was told that media flows.
    pub active: bool,
    pub heard: Option<Instant>,
    pub traffic: Traffic,
    /// Packets asked for again.
    pub nacked: u64,
}

/// What a payload type means on this m-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Media,
    /// RTX of this payload type.
    Repair(u8),
}

impl Source {
    pub fn new(spec: ReceiveTrack, track: TrackKey, layers: &[LayerKey]) -> Source {
        Source {
            spec,
            track,
            encodings: layers.iter().copied().map(Encoding::new).collect(),
            streams: Vec::new(),
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
        for encoding in self.encodings.iter_mut().filter(|_| has_new_sets) {
            encoding.parameter_sets.seed(&self.spec.codecs, &self.spec.parameter_sets);
        }
    }

    /// Encodings that the m-line has from now on. One that it had stays.
    pub fn add_encodings(&mut self, layers: &[LayerKey]) {
        let known = self.encodings.len();
        self.encodings.extend(layers.iter().copied().skip(known).map(Encoding::new).take(ENCODINGS_MAX - known));
    }

    /// Viewers start afresh with the next packet of each encoding. Its streams stay known: there are SSRCs to name in
    /// requests for key frames.
    pub fn begin_anew(&mut self) {
        self.encodings.iter_mut().for_each(Encoding::begin_anew);
    }

    /// Its rids mean other encodings from now on: its streams are learned anew.
    pub fn forget_streams(&mut self, retired: &mut RetiredStreams) {
        for stream in self.streams.drain(..) {
            retired.retire(stream.ssrc, &stream.window);
        }
        for encoding in &mut self.encodings {
            encoding.selected = None;
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
    pub fn add(
        &mut self,
        ssrc: Ssrc,
        role: StreamRole,
        encoding: u8,
        now: Instant,
        retired: &mut RetiredStreams,
    ) -> StreamKey {
        let stream = Stream {
            ssrc,
            role,
            encoding,
            window: retired.resume(ssrc),
            reception: Reception::default(),
            nack: NackSchedule::new(),
            report: None,
            clock: StreamClock::default(),
            heard: now,
        };
        if self.streams.len() < SSRCS_PER_TRACK_MAX {
            self.streams.push(stream);
            return StreamKey::new(self.streams.len() - 1);
        }
        let is_selected =
            |at: &usize| self.encodings.iter().any(|encoding| encoding.selected == Some(StreamKey::new(*at)));
        let oldest = (0..self.streams.len()).filter(|at| !is_selected(at));
        let oldest = oldest.min_by_key(|at| self.streams[*at].heard).unwrap_or(0);
        let replaced = std::mem::replace(&mut self.streams[oldest], stream);
        retired.retire(replaced.ssrc, &replaced.window);
        StreamKey::new(oldest)
    }

    /// Another m-line receives the SSRC from now on.
    pub fn remove(&mut self, ssrc: Ssrc, retired: &mut RetiredStreams) {
        let Some(at) = self.streams.iter().position(|stream| stream.ssrc == ssrc) else { return };
        let stream = self.streams.remove(at);
        retired.retire(ssrc, &stream.window);
        for encoding in &mut self.encodings {
            encoding.note_removed(StreamKey::new(at));
        }
    }

    /// The stream an RTX packet of the stream at `place` repairs.
    pub fn repaired_by(&self, place: StreamKey) -> Option<StreamKey> {
        let stream = self.stream(place)?;
        match stream.role {
            StreamRole::Media => None,
            StreamRole::Repair(Some(ssrc)) => {
                self.streams.iter().position(|stream| stream.ssrc == ssrc).map(StreamKey::new)
            }
            StreamRole::Repair(None) => self.encodings.get(usize::from(stream.encoding))?.selected,
        }
    }

    #[inline]
    pub fn stream(&self, place: StreamKey) -> Option<&Stream> {
        self.streams.get(place.place())
    }

    #[inline]
    pub fn stream_mut(&mut self, place: StreamKey) -> Option<&mut Stream> {
        self.streams.get_mut(place.place())
    }

    /// The stream that is forwarded of an encoding.
    pub fn selected(&self, encoding: u8) -> Option<&Stream> {
        self.stream(self.encodings.get(usize::from(encoding))?.selected?)
    }

    /// The encoding of which the stream with this SSRC is forwarded.
    pub fn forwarded(&self, ssrc: Ssrc) -> Option<&Encoding> {
        let is_of = |encoding: &&Encoding| {
            encoding.selected.and_then(|at| self.stream(at)).is_some_and(|stream| stream.ssrc == ssrc)
        };
        self.encodings.iter().find(is_of)
    }

    /// When the source next needs attention: repairs or key frames to ask for, silence to notice.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let repairs = self.streams.iter().filter_map(|stream| stream.nack.poll_timeout()).min();
        let silence = self.heard.filter(|_| self.active).map(|heard| heard + SILENT_AFTER);
        let keyframes = self.encodings.iter().filter_map(|encoding| encoding.keyframes.poll_timeout()).min();
        [repairs, silence, keyframes].into_iter().flatten().min()
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

/// A track without a packet for this long is told to be silent.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
