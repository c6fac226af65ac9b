//! Owns the reading of a sender before it sends. Never changes it.

use crate::clients::delivery::sender::Sender;

impl Sender {
    /// Reads what is needed of it when a packet leaves. The sum means nothing.
    #[inline]
    pub fn read_for_sending(&self) -> u64 {
        let payload_type = self.spec.payload_types.first().map_or(0, |map| u64::from(map.to));
        let marks =
            [self.awaited.is_some(), self.report_at.is_some(), self.waits_since.is_some(), self.choice.is_some()];
        let words = [self.spec.ssrc, self.credit, self.generation.unwrap_or(0)];
        let sum = words.into_iter().fold(payload_type ^ self.traffic.packets, |sum, word| sum ^ u64::from(word));
        let sum = sum ^ self.rewriter.highest() ^ u64::from(self.rewriter.is_started());
        marks.into_iter().fold(sum, |sum, mark| sum ^ u64::from(mark))
    }
}
