//! Owns the numbers by which one viewer's decoder puts the frames of one m-line into order: they go on when the source
//! changes. Never touches bytes.

use crate::codec::frame::{FrameNumbers, NumberShift};

/// What left last, and what is added to the numbers of the present source. A viewer whose source never changed gets
/// them as they are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FrameOrder {
    /// By the numbers of the source.
    last: Option<FrameNumbers>,
    shift: NumberShift,
}

impl FrameOrder {
    /// Another source begins, or the same one anew, with the frame `first`.
    pub fn begin(&mut self, first: &FrameNumbers) {
        let last = self.last.take().map(|last| last.shifted(self.shift));
        self.shift = last.map_or(NumberShift::default(), |last| NumberShift::between(&last, first));
        // What comes before the first is of the past, as is what a source without numbers leaves.
        self.last = last.filter(|_| !first.has_any());
    }

    /// A packet of the present source leaves.
    #[inline]
    pub fn note(&mut self, frame: &FrameNumbers) {
        if frame.has_any() && self.last.is_none_or(|last| frame.is_newer(&last)) {
            self.last = Some(*frame);
        }
    }

    /// The numbers of a frame of the present source, where they are other than it says.
    #[inline]
    pub fn renumber(&self, frame: &FrameNumbers) -> Option<FrameNumbers> {
        (!self.shift.is_none() && frame.has_any()).then(|| frame.shifted(self.shift))
    }
}
