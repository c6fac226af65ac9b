//! Owns the choice of the packet that a probe is filled with. Never decides to probe.

use crate::clients::delivery::Sender;
use crate::clients::delivery::rtx::Repeat;
use crate::tracks::history::{Entry, History};

impl Sender {
    pub fn can_pad(&self) -> bool {
        self.is_started() && self.spec.rtx_ssrc.is_some()
    }

    /// One of the last packets that left, for a viewer to drop: the largest of at most `bytes`, or the smallest.
    pub fn decide_padding<'a>(&mut self, history: &'a History, bytes: usize) -> Option<Repeat<'a>> {
        let newest = self.rewriter.next().checked_sub(1)?;
        let mut best: Option<Repeat<'a>> = None;
        for index in (newest.saturating_sub(PADDING_CHOICE)..=newest).rev() {
            let original = index as u16;
            let Some((sequence, _)) = self.rewriter.origin(original) else { continue };
            let Some(entry) = history.find(sequence).filter(|entry| self.can_pad_with(entry)) else {
                continue;
            };
            let Some(payload_type) = self.payload_map(entry.packet.payload_type).and_then(|map| map.rtx) else {
                continue;
            };
            let len = entry.payload_len();
            let is_better = best.is_none_or(|best| {
                let known = best.entry.payload_len();
                if known <= bytes { (known..=bytes).contains(&len) } else { len < known }
            });
            if is_better {
                let timestamp = self.rewriter.timestamp(sequence, entry.packet.timestamp);
                best = Some(Repeat { entry, payload_type, index: self.repair_next, original, timestamp });
            }
        }
        // Advanced before use: an index is never sealed twice.
        self.repair_next += u64::from(best.is_some());
        best
    }

    /// A number may have been filled with nothing.
    fn can_pad_with(&self, entry: &Entry) -> bool {
        !entry.is_empty() && self.has_sent(&entry.packet)
    }
}

/// Packets before the newest of which padding is chosen.
const PADDING_CHOICE: u64 = 15;
