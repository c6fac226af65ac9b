//! Owns which frames of a stream with layers one viewer gets: a state machine over the operating points of one m-line.
//! Never parses a packet and never chooses what is to be reached.
//!
//! ```text
//!   target: up to which point the viewer is to get the stream (chosen by its line and its page, at any time)
//!   current: the point at which it gets the stream
//!   intact: the points of which it was sent all frames, so that a decoder can go on at them
//!
//!   at each frame that can be decoded          intact += what the frame says can be switched to
//!   at the start of a picture                  current := the best of the points that are alive, intact, not above the target;
//!                                              if none is: the same spatial layer with fewer temporal ones; else what it was
//!   a frame that current needs                 is sent
//!   a frame that it does not need              is left out; intact -= the points that need it
//!   a packet that is missing                   intact := what current is and has less temporal layers of: it may have been of a
//!                                              frame that is left out
//! ```
//!
//! So it goes down at once where lower points are part of higher ones (temporal layers, full SVC), and waits for a frame to
//! switch at where they are not (K-SVC) and on the way up.
//!
//! **Invariant:** every frame that is sent depends only on frames that were sent, as far as the publisher tells the truth.
//! **Invariant:** what becomes of a packet, its marker included, is the same whenever it is looked at, as long as it is known.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::codec::layers::{ActiveTargets, FrameFlag, FrameLayers, OperatingPoint, PointSet};

#[derive(Debug, Clone)]
pub(crate) struct LayerSelection {
    target: OperatingPoint,
    intact: PointSet,
    /// From which sequence on which point was current; the newest last.
    spans: ArrayVec<Span, SPANS_MAX>,
    newest: u64,
    lack: Lack,
    /// Since when something is lacking.
    lacks_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u64,
    point: OperatingPoint,
    /// Decode targets were left out here, or before: the viewer is told of each frame which are active.
    is_told: bool,
}

/// What the present point has less than the one that the viewer should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    Nothing,
    /// It comes with a switching point, as a rule.
    Temporal,
    /// It comes with a key frame.
    Spatial,
}

impl LayerSelection {
    /// Whatever comes, until a target is set.
    pub fn new() -> LayerSelection {
        LayerSelection {
            target: OperatingPoint::TOP,
            intact: PointSet::ALL,
            spans: ArrayVec::new(),
            newest: 0,
            lack: Lack::Nothing,
            lacks_since: None,
        }
    }

    pub fn set_target(&mut self, target: OperatingPoint) {
        if std::mem::replace(&mut self.target, target) != target {
            self.lacks_since = None;
        }
    }

    /// The viewer starts, or starts afresh, with a key frame that begins at this sequence.
    pub fn begin(&mut self, sequence: u64) {
        *self = LayerSelection { target: self.target, newest: sequence.wrapping_sub(1), ..LayerSelection::new() };
    }

    /// At which point the viewer gets the stream; `None` as long as all of it is sent.
    pub fn current(&self) -> Option<OperatingPoint> {
        self.spans.last().map(|span| span.point)
    }

    /// Whether a packet is sent; they are given in the order in which they came.
    pub fn passes(&mut self, sequence: u64, layers: &FrameLayers, now: Instant) -> bool {
        if sequence > self.newest {
            if sequence != self.newest.wrapping_add(1) {
                self.note_gap();
            }
            self.newest = sequence;
            if layers.is(FrameFlag::Starts) {
                self.note_frame(sequence, layers, now);
            }
        }
        let is_wanted = self.wants(sequence, layers);
        if !is_wanted {
            self.intact = self.intact.without(layers.needed);
        }
        is_wanted
    }

    /// Whether a packet is of what is sent at the point that is current where it is.
    pub fn wants(&self, sequence: u64, layers: &FrameLayers) -> bool {
        self.point_at(sequence).is_none_or(|point| layers.needed.contains(point))
    }

    /// Whether it is known what became of a packet.
    pub fn knows(&self, sequence: u64) -> bool {
        self.spans.is_empty() || self.point_at(sequence).is_some()
    }

    /// Whether a packet that is sent is the last one of its picture because the layers above are left out.
    pub fn ends_picture(&self, sequence: u64, layers: &FrameLayers) -> bool {
        layers.is(FrameFlag::Ends) && self.point_at(sequence).is_some_and(|point| layers.spatial >= point.spatial)
    }

    /// The decode targets that the viewer gets, as a frame's first packet has to say; `None` as long as these are all.
    pub fn active_targets(&self, sequence: u64, layers: &FrameLayers) -> Option<ActiveTargets> {
        let span = self.span_at(sequence).filter(|_| layers.is(FrameFlag::Starts))?;
        let is_told = span.is_told || layers.targets.are_narrowed(span.point);
        layers.targets.active_at(span.point).filter(|_| is_told)
    }

    /// Whether a key frame is needed to get what the viewer should have.
    pub fn awaits_keyframe(&self, now: Instant) -> bool {
        let Some(since) = self.lacks_since else { return false };
        let from = match self.lack {
            Lack::Nothing => return false,
            Lack::Temporal => since + SWITCH_PATIENCE,
            Lack::Spatial => since,
        };
        // One that did not help will not help the next time.
        now >= from && now < since + ASK_MAX
    }

    fn note_gap(&mut self) {
        if let Some(point) = self.current() {
            let row = PointSet::row_from(point.spatial, 0).and(PointSet::up_to(point));
            self.intact = self.intact.and(row);
        }
    }

    fn note_frame(&mut self, sequence: u64, layers: &FrameLayers, now: Instant) {
        let granted = layers.granted(self.intact);
        // A key frame begins anew.
        let is_fresh = layers.is(FrameFlag::Independent) && layers.spatial == 0;
        let reachable = if is_fresh { granted } else { self.intact.or(granted) };
        let before = self.current();
        let point = match before {
            Some(before) if !layers.is(FrameFlag::StartsPicture) => before,
            _ => self.choose(before, reachable, layers.points, now),
        };
        if before != Some(point) {
            let was_told = self.spans.last().is_some_and(|span| span.is_told);
            if self.spans.is_full() {
                self.spans.remove(0);
            }
            let is_told = was_told || layers.targets.are_narrowed(point);
            self.spans.push(Span { from: sequence, point, is_told });
        }
        if layers.needed.contains(point) {
            self.intact = reachable;
        }
    }

    fn choose(
        &mut self,
        before: Option<OperatingPoint>,
        reachable: PointSet,
        alive: PointSet,
        now: Instant,
    ) -> OperatingPoint {
        let wanted = alive.and(PointSet::up_to(self.target));
        let ideal = wanted.best().or(alive.lowest()).unwrap_or(self.target);
        let slower = |before: OperatingPoint| {
            let temporal = before.temporal.min(self.target.temporal);
            let row = PointSet::row_from(before.spatial, 0).and(PointSet::up_to(OperatingPoint { temporal, ..before }));
            reachable.and(alive).and(row).best()
        };
        let best = reachable.and(wanted).best().or(before.and_then(slower)).or(before);
        let point = best.or(reachable.and(alive).lowest()).unwrap_or(ideal);
        let lack = if point.spatial != ideal.spatial {
            Lack::Spatial
        } else if point.temporal < ideal.temporal {
            Lack::Temporal
        } else {
            Lack::Nothing
        };
        if std::mem::replace(&mut self.lack, lack) != lack {
            self.lacks_since = None;
        }
        if lack != Lack::Nothing {
            self.lacks_since.get_or_insert(now);
        }
        point
    }

    fn point_at(&self, sequence: u64) -> Option<OperatingPoint> {
        self.span_at(sequence).map(|span| span.point)
    }

    fn span_at(&self, sequence: u64) -> Option<&Span> {
        self.spans.iter().rfind(|span| span.from <= sequence)
    }
}

/// Changes that are remembered: at most one each 40 ms (`allotment.rs`) and one for what a viewer reads meanwhile, for as
/// long as repeats are asked for, as a rule.
const SPANS_MAX: usize = 16;
/// Switching points come several times a second, where there are any.
const SWITCH_PATIENCE: Duration = Duration::from_millis(500);
/// Longest that key frames are asked for because of one lack.
const ASK_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
